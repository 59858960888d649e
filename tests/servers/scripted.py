"""A server that follows a script, over TCP and TLS, and writes down all that its clients send.

What is written down is what arrives, whether the script reads it or not, also after the script has come to its end and
after it has closed its own side: a test that finds no password there knows that none was sent. Nothing here knows a
mail protocol; dialects.py does, and misbehaving.py has the scripts.
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
"""Octets of a client's line: more than any client of ours should send."""

PATIENCE: Final = 5.0
"""Seconds to wait for clients to leave."""


@dataclass(slots=True)
class Visit:
    """What one client sent.

    Attributes:
        plain: Before TLS, or without it; a handshake's records too where the script does not do the handshake itself.
        encrypted: Under TLS, decrypted.
        spoke_early: Whether it sent something before it was its turn; only scripts that watch for this set it.
    """

    plain: bytearray = field(default_factory=bytearray)
    encrypted: bytearray = field(default_factory=bytearray)
    spoke_early: bool = False


class Peer:
    """The client, for a script. Every method may raise `ClientGoneError`, which scripts let pass.

    Attributes:
        visit: What it sends.
        wire: The connection to it.
        tls: The server's certificate and key.
        open: Whether the script may say more.
    """

    def __init__(self, wire: RecordingWire, tls: ssl.SSLContext | None) -> None:
        self.open = True
        self.visit = wire.visit
        self.wire = wire
        self.tls = tls

    @property
    def encrypted(self) -> bool:
        """Whether the connection is TLS by now."""
        return self.wire.encrypted

    async def say(self, data: bytes) -> None:
        """Send octets; what is said at once goes out in one segment, unless it is very long."""
        await self.wire.send(data)

    async def line(self) -> bytes:
        """The next line, without its ending."""
        return await self.wire.read_line(MAX_LINE)

    async def octets(self) -> bytes:
        """Whatever comes next."""
        return await self.wire.read_some()

    async def speaks_within(self, seconds: float) -> bool:
        """Whether the client says something in that time."""
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
        """Say no more. Over plain TCP the client can still be heard; over TLS that is the end."""
        self.open = False
        if self.wire.encrypted:
            await self.wire.hang_up()
        else:
            self.wire.transport.write_eof()

    async def reset(self) -> None:
        """End the connection with RST."""
        self.open = False
        # SO_LINGER on, and zero seconds of it: what was not sent is thrown away, and the other side is told so.
        linger = struct.pack("ii", 1, 0)
        self.wire.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self.wire.abort()


Script = Callable[[Peer], Awaitable[None]]


class RecordingWire(Wire):
    """A wire that writes down what arrives at the moment it arrives."""

    def __init__(self, accepted: Callable[[], None]) -> None:
        super().__init__(accepted)
        self.visit = Visit()
        self._hears = self.visit.plain

    def data_received(self, data: bytes) -> None:
        self._hears += data
        super().data_received(data)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        # From here on asyncio hands out what it has decrypted, which may be before the handshake is reported as done.
        self._hears = self.visit.encrypted
        await super().start_tls(context)


@dataclass(slots=True)
class FakeServer:
    """The server as a test sees it.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        visits: What the clients sent, one entry for each connection.
    """

    port: int = 0
    host: str = LOOPBACK
    visits: list[Visit] = field(default_factory=list)
    _present: int = 0
    _nobody: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def received(self) -> bytes:
        """All that all clients have sent so far, in plain and under TLS."""
        return b"".join(bytes(visit.plain + visit.encrypted) for visit in self.visits)

    @property
    def received_in_plain(self) -> bytes:
        """All that anybody in between could have read so far."""
        return b"".join(bytes(visit.plain) for visit in self.visits)

    async def all_gone(self, clients: int = 1) -> None:
        """Wait until there have been so many clients, and every client has left: then `received` is complete.

        Raises:
            TimeoutError: Somebody stays, or does not come.
        """
        async with asyncio.timeout(PATIENCE):
            await self._nobody.wait()
            while len(self.visits) < clients:
                # Who hangs up at once has gone before the server knows of him.
                await asyncio.sleep(0)
                await self._nobody.wait()

    def enter(self, visit: Visit) -> None:
        """A client has come."""
        self.visits.append(visit)
        self._present += 1
        self._nobody.clear()

    def leave(self) -> None:
        """A client has gone."""
        self._present -= 1
        if not self._present:
            self._nobody.set()


@asynccontextmanager
async def scripted(
    script: Script, *, tls: ssl.SSLContext | None = None, implicit: bool = False
) -> AsyncIterator[FakeServer]:
    """Play the script to every client that comes, on a free port of loopback, from entry to exit.

    Args:
        script: What to do. The connection stays open after its end until the client leaves; `Peer.close` and
            `Peer.reset` end it before.
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
    """What a server needs to show that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Old clients are none of a fake server's worries, and tickets would only be noise behind the handshake.
    context.num_tickets = 0
    context.load_cert_chain(identity.chain_file, identity.key_file)
    return context
