"""A server that follows a script, over TCP and TLS, and records everything that its clients send. Everything that
arrives is recorded, even if the script does not read it, has ended, or has closed its side. So a test that finds no
password in the record knows that none was sent. This file knows no mail protocol: those are in dialects.py, and
misbehaving.py has the scripts.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from exporter.demo.servers import LOOPBACK, listening
from exporter.demo.wire import ClientGoneError, Wire
from tests.servers.authority import Identity

MAX_LINE: Final = 65_536
"""The most octets of a client's line: more than our client should ever send."""

PATIENCE: Final = 30.0
"""Seconds to wait for clients to disconnect."""


@dataclass(slots=True)
class Visit:
    """The data that one client sent.

    Attributes:
        plain: Data outside of TLS. If the script does no handshake, this includes the client's handshake records.
        encrypted: Data inside TLS, decrypted.
        spoke_early: Whether it sent something before its turn. Only scripts that check this set it.
    """

    plain: bytearray = field(default_factory=bytearray)
    encrypted: bytearray = field(default_factory=bytearray)
    spoke_early: bool = False


class Peer:
    """A client, as a script sees it. Every method may raise `ClientGoneError`, which scripts do not catch.

    Attributes:
        visit: The data that it sent.
        wire: The connection.
        tls: The server's certificate and key.
        open: Whether the script may send more.
    """

    def __init__(self, wire: RecordingWire, tls: ssl.SSLContext | None) -> None:
        self.open = True
        self.visit = wire.visit
        self.wire = wire
        self.tls = tls

    @property
    def encrypted(self) -> bool:
        """Whether TLS has begun."""
        return self.wire.encrypted

    async def say(self, data: bytes) -> None:
        """Send octets, in one segment unless they are very long."""
        await self.wire.send(data)

    async def line(self) -> bytes:
        """The next line, without its ending."""
        return await self.wire.read_line(MAX_LINE)

    async def octets(self) -> bytes:
        """The next octets."""
        return await self.wire.read_some()

    async def speaks_within(self, seconds: float) -> bool:
        """Whether the client sends something in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self.wire.read_some()
        except TimeoutError:
            return False
        return True

    async def start_tls(self) -> None:
        """Do the server's part of the handshake."""
        if self.tls is None:
            raise RuntimeError("the script wants TLS, and the test gave no certificate for it")
        await self.wire.start_tls(self.tls)

    async def close(self) -> None:
        """Close the sending side. Over plain TCP the client can still send; over TLS the connection ends."""
        self.open = False
        if self.wire.encrypted:
            await self.wire.hang_up()
        else:
            self.wire.transport.write_eof()

    async def reset(self) -> None:
        """End the connection with RST."""
        self.open = False
        # SO_LINGER with zero seconds discards unsent data and sends RST.
        linger = struct.pack("ii", 1, 0)
        self.wire.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self.wire.abort()


Script = Callable[[Peer], Awaitable[None]]


class RecordingWire(Wire):
    """A wire that records data when it arrives."""

    def __init__(self, accepted: Callable[[], None]) -> None:
        super().__init__(accepted)
        self.visit = Visit()
        self._hears = self.visit.plain

    def data_received(self, data: bytes) -> None:
        self._hears += data
        super().data_received(data)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        # From now on asyncio passes decrypted data, perhaps before it reports that the handshake is complete.
        self._hears = self.visit.encrypted
        await super().start_tls(context)


@dataclass(slots=True)
class FakeServer:
    """A running server, as a test sees it.

    Attributes:
        port: The port at 127.0.0.1 where it listens.
        visits: The data of the clients, one entry for each connection.
    """

    port: int = 0
    host: str = LOOPBACK
    visits: list[Visit] = field(default_factory=list)
    _present: int = 0
    _nobody: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def received(self) -> bytes:
        """Everything that clients have sent so far, with and without TLS."""
        return b"".join(bytes(visit.plain + visit.encrypted) for visit in self.visits)

    @property
    def received_in_plain(self) -> bytes:
        """Everything that an eavesdropper could have read so far."""
        return b"".join(bytes(visit.plain) for visit in self.visits)

    async def all_gone(self, clients: int = 1) -> None:
        """Wait until this many clients have connected and all have disconnected. `received` is complete then.

        Raises:
            TimeoutError: A client does not connect, or stays connected.
        """
        async with asyncio.timeout(PATIENCE):
            await self._nobody.wait()
            while len(self.visits) < clients:
                # A client that hangs up at once may be gone before the server notices it.
                await asyncio.sleep(0)
                await self._nobody.wait()

    def enter(self, visit: Visit) -> None:
        """Count a client that has connected."""
        self.visits.append(visit)
        self._present += 1
        self._nobody.clear()

    def leave(self) -> None:
        """Count a client that has disconnected."""
        self._present -= 1
        if not self._present:
            self._nobody.set()


@asynccontextmanager
async def scripted(
    script: Script, *, tls: ssl.SSLContext | None = None, implicit: bool = False
) -> AsyncIterator[FakeServer]:
    """Follow the script with every client, at a free port of loopback, until the block ends.

    Args:
        script: What to do. After its end, the connection stays open until the client leaves. `Peer.close` and
            `Peer.reset` close it earlier.
        tls: The server's certificate and key; `None` if the script does not use TLS.
        implicit: Whether each connection begins with TLS.
    """
    server = FakeServer()

    async def serve(wire: RecordingWire) -> None:
        server.enter(wire.visit)
        peer = Peer(wire, tls)
        try:
            with suppress(ClientGoneError):
                if implicit:
                    await peer.start_tls()
                await script(peer)
            await wire.until_gone()
        finally:
            server.leave()

    async with listening(serve, RecordingWire) as server.port:
        yield server


def server_context(identity: Identity) -> ssl.SSLContext:
    """The TLS context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Old clients need not be served, and session tickets would be additional data after the handshake.
    context.num_tickets = 0
    context.load_cert_chain(identity.chain_file, identity.key_file)
    return context
