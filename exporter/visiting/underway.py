"""A running visit: from the name to a connection, the dialogues on it, and the goodbye.

It raises what its parts raise. `visit` provides logins and turns failures into results.
"""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

from OpenSSL import SSL

from exporter.model import Endpoint, FailureReason, Login, Phase, Resolution, Withheld
from exporter.net.stream import Stream, StreamError
from exporter.protocol.dialogue import Dialogue, DialogueError, quoted, unfinished
from exporter.protocol.protocols import PROTOCOLS
from exporter.protocol.session import Client
from exporter.visiting.connect import NoContext, World, connect_any, look_up, to_try
from exporter.visiting.drive import Driver
from exporter.visiting.keys import DerivedKeys
from exporter.visiting.notes import ProbeNotes
from exporter.visiting.target_hint import target_hint

T = TypeVar("T")

GOODBYE_TIMEOUT: Final = 2.0
"""Seconds to wait for the answer to a goodbye. Its failure does not change the result."""

POLITE_AFTER_TIMEOUT: Final = frozenset({Phase.CAPABILITY, Phase.CHECK})
"""Phases in which a server that does not answer may still be told goodbye. In the others it would take the goodbye for
part of a login or of a handshake, or has not greeted yet."""


class Underway:
    """One visit. Raises what its parts raise; the visitor turns that into a result.

    Attributes:
        expires: When its time ends, by the loop's clock.
        deadline: The timeout that ends it.
        client: After connecting: the client's side of the endpoint's protocol.
        driver: Likewise: executes dialogues.
        in_step: Whether the server would understand QUIT or LOGOUT.
    """

    client: Client
    driver: Driver
    deadline: asyncio.Timeout

    def __init__(
        self,
        endpoint: Endpoint,
        login: Login | Withheld | None,
        notes: ProbeNotes,
        world: World,
        *,
        context: SSL.Context | NoContext | None,
        keys: DerivedKeys,
    ) -> None:
        self.endpoint = endpoint
        self.login = login
        self.notes = notes
        self.expires = asyncio.get_running_loop().time() + endpoint.timeout
        self.in_step = True
        self._world = world
        self._context = context
        self._keys = keys
        self._stream: Stream | None = None

    def extend(self, seconds: float) -> None:
        """Give the visit this many seconds from now on."""
        self.expires = asyncio.get_running_loop().time() + seconds
        self.deadline.reschedule(self.expires)

    def waited(self) -> str:
        """What did not come in time, with what the server said last if that was not all of it."""
        waited = f"no reply within {self.endpoint.timeout:g} s{self._asked()}"
        if self._stream is None or self.notes.phase is Phase.TLS:
            return waited
        if self._stream.in_content:
            return f"{waited}, in the middle of a message"
        if begun := self._stream.unread():
            return f"{waited}; the server began to say {unfinished(begun)}"
        last = self.notes.heard_last
        return f"{waited}; the server last said {quoted(last)}" if last else waited

    def _asked(self) -> str:
        """Names the proxy or the nameservers if their reply was awaited, and not the mail server's."""
        names, proxy = self._world.names, self.endpoint.proxy
        if self.notes.phase is Phase.CONNECT and proxy is not None:
            return f" by way of the proxy {proxy}"
        asked = names.nameservers_asked if self.notes.phase is Phase.DNS else ""
        return f" from {asked}" if asked else ""

    def hinted(self, reason: FailureReason, detail: str) -> str:
        """The failure's detail, with anything the server said before, and a hint if the URL does not match it."""
        words = quoted(self.client.last_words) if self._stream is not None and self.client.last_words else ""
        if words and words not in detail:
            detail += f"; unasked, it said {words}"
        hint = target_hint(self.endpoint, self.notes.phase, reason, detail)
        return f"{detail}; {hint}" if hint else detail

    async def look_up(self) -> Resolution:
        """Look up the addresses of the name."""
        return await look_up(self.endpoint, self._world.names, self.notes)

    async def arrive(self, address: str | None = None) -> None:
        """Connect to the name or the address."""
        addresses = (address,) if address is not None else to_try(self.endpoint, await self.look_up())
        stream = await connect_any(self.endpoint, addresses, self._world, self.notes, self.expires)
        self._stream = stream
        self.client = PROTOCOLS[self.endpoint.protocol].client(self.endpoint, _address_literal(stream.local_address))
        self.driver = Driver(
            stream,
            self.endpoint,
            self.login,
            self.notes,
            context=self._context,
            keys=self._keys,
            wall_clock=self._world.wall_clock,
        )

    async def drive(self, dialogue: Dialogue[T]) -> T:
        return await self.driver.carry_out(dialogue)

    async def say_goodbye(self) -> None:
        """Send QUIT or LOGOUT if the server would understand it. Its result does not matter."""
        if self._stream is None or not self._goodbye_is_due():
            return
        left = self.expires - asyncio.get_running_loop().time()
        self.notes.enter(Phase.QUIT)
        try:
            # With no time left the goodbye is sent, and its answer is not waited for.
            async with asyncio.timeout(min(max(left, 0.0), GOODBYE_TIMEOUT)):
                await self.drive(self.client.quit())
        except TimeoutError:
            self.notes.note("the goodbye is not answered")
        except (DialogueError, StreamError) as error:
            self.notes.note(f"the goodbye fails: {error.detail}")

    def chain(self) -> tuple[bytes, ...]:
        """The certificates that the server showed."""
        return () if self._stream is None else self._stream.presented_chain()

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._stream is not None:
            self._stream.close()

    def _goodbye_is_due(self) -> bool:
        failure = self.notes.failure
        if failure is not None and failure.reason is FailureReason.TIMEOUT:
            return self.notes.phase in POLITE_AFTER_TIMEOUT
        return self.in_step and self.notes.reached(Phase.GREETING)


def _address_literal(address: str) -> str:
    """RFC 5321 4.1.3, 4.1.4: the argument of EHLO for a client without a host name."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
