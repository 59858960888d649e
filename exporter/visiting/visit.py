"""One visit: a login, a connection, errands, and what came of it all, whatever that is.

This is the one place that gets a login and learns what became of it, and the one place that catches everything. A
failure of the network, of the server or of our own becomes a reason in the result; only cancellation passes through.
What a visit learns is written down in its notes as it is learnt. A probe is a visit with the errands that its endpoint
asks for; `Visitor.visit` runs whatever else is to be done at a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import structlog
from OpenSSL import SSL

from exporter.model import Endpoint, FailureReason, Login, Phase, ProbeResult, Resolution, Withheld
from exporter.net.resolve import ResolveError
from exporter.net.stream import StreamError
from exporter.protocol.dialogue import Dialogue, DialogueError, quoted
from exporter.protocol.errands import converse
from exporter.protocol.protocols import PROTOCOLS
from exporter.protocol.session import Client, Session, open_session, shake_hands
from exporter.visiting.clearing import KnownSecrets
from exporter.visiting.connect import (
    AsksNameservers,
    Connection,
    Names,
    NoContext,
    World,
    connect_any,
    look_up,
    tls_context,
    to_try,
)
from exporter.visiting.drive import Driver
from exporter.visiting.encryption_hint import encryption_hint
from exporter.visiting.keys import DerivedKeys
from exporter.visiting.logins import Logins
from exporter.visiting.notes import BUG, Notes

T = TypeVar("T")

GOODBYE_TIMEOUT: Final = 2.0
"""Seconds to wait for the answer to a goodbye: all of interest is known by then, and a failed one changes nothing."""

POLITE_AFTER_TIMEOUT: Final = frozenset({Phase.CAPABILITY, Phase.CHECK})
"""Phases in which a server that does not answer may still be told goodbye. In the others it would take the goodbye for
part of a login or of a handshake, or has not greeted yet."""

SHARE_OF_LOGIN: Final = 0.5
"""Of the time until an answer is due, what may go by before the visit: until the secret or token is there."""

LEAST_TIMEOUT: Final = 0.05
"""Seconds, so that a visit for which no time is left says so, instead of failing in ways of its own."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visited(Generic[T]):
    """What came of a visit.

    Attributes:
        result: All that it learnt.
        value: What was brought back from inside; `None` if it did not come to that.
        chain: The certificates that the server showed, DER, its own first; empty without a completed handshake.
    """

    result: ProbeResult
    value: T | None = None
    chain: tuple[bytes, ...] = ()


class Inside:
    """A visit under way, after the login, for whoever runs errands in it.

    Attributes:
        session: Whom one talks to, and how.
    """

    def __init__(self, endpoint: Endpoint, session: Session, driver: Driver) -> None:
        self.endpoint = endpoint
        self.session = session
        self._driver = driver

    async def run(self, errand: Callable[[Any], Dialogue[T]]) -> T:
        """Run one errand and give its value.

        Args:
            errand: Is given the client's side: an `Imap`, a `Pop3` or an `Smtp`, by the endpoint's protocol.

        Raises:
            DialogueError: The server refused, or broke the protocol. If it is `in_step`, others may be run after it;
                if it is let pass, the visit fails with it.
            StreamError: The connection is gone.
        """
        return await self._driver.run_errand(errand(self.session.client))


class Visitor:
    """Visits endpoints, any number at once.

    Attributes:
        world: What visits depend on outside this process; may be replaced at any time.
    """

    def __init__(self, world: World, logins: Logins, entered: Callable[[str, Phase], None] | None = None) -> None:
        """Prepare to visit.

        Args:
            world: What visits depend on.
            logins: Gives logins, and learns what came of them.
            entered: Is told the endpoint's name and each phase that begins, for those who wait.
        """
        self.world = world
        self._entered = entered
        self._logins = logins
        self._keys = DerivedKeys()
        self._known = KnownSecrets()
        self._deadlines: set[asyncio.Timeout] = set()

    async def probe(
        self, endpoint: Endpoint, *, names: Names | None = None, expires: float | None = None
    ) -> ProbeResult:
        """Visit with the errands that the endpoint asks for. Never raises, but for cancellation.

        Args:
            endpoint: What to probe.
            names: Looks the name up instead of the world's.
            expires: By when, in the loop's time, an answer is due that includes the login; `None` if the endpoint's
                timeout is all that counts.
        """

        async def course(visit: _Visit) -> None:
            await visit.arrive()
            await visit.drive(converse(visit.client, endpoint, visit.login))

        return (await self._log_in(endpoint, course, names, expires)).result

    async def look_up(
        self, endpoint: Endpoint, *, names: Names | None = None, expires: float | None = None
    ) -> ProbeResult:
        """Only look up where the endpoint's name leads to: a probe that ends after its first phase."""
        return (await self._visit(_within(endpoint, expires), None, _Visit.look_up, names)).result

    async def visit(
        self,
        endpoint: Endpoint,
        inside: Callable[[Inside], Awaitable[T]],
        *,
        at: str | None = None,
        within: float | None = None,
        stay: float | None = None,
    ) -> Visited[T]:
        """Visit, with a login if the endpoint has one, and do something there. Never raises, but for cancellation.

        Args:
            endpoint: Where to go, and as whom.
            inside: What to do there; belongs to phase `check`. What it raises is the visit's failure.
            at: The address to connect to, without looking the name up; `None` for where the name leads.
            within: Seconds that it may take from the first phase on, instead of the endpoint's timeout.
            stay: Seconds that `inside` may take from the login on, where it looks after its own timeouts.
        """

        async def course(visit: _Visit) -> T:
            await visit.arrive(at)
            session = await visit.drive(open_session(visit.client, endpoint, visit.login))
            visit.notes.enter(Phase.CHECK)
            if stay is not None:
                # What became of the login is known, and others wait for it.
                self._logins.learn(endpoint, visit.login, visit.notes.result())
                visit.extend(stay)
            return await inside(Inside(endpoint, session, visit.driver))

        return await self._log_in(endpoint if within is None else replace(endpoint, timeout=within), course)

    async def shake_hands(self, endpoint: Endpoint, *, at: str | None = None) -> Visited[None]:
        """Visit as far as to the handshake, and log in nowhere. Never raises, but for cancellation.

        Args:
            endpoint: Where to go, and what TLS is to be like.
            at: The address to connect to, without looking the name up; `None` for where the name leads.
        """

        async def course(visit: _Visit) -> None:
            await visit.arrive(at)
            await visit.drive(shake_hands(visit.client, endpoint))

        return await self._visit(endpoint, None, course)

    def hurry(self) -> None:
        """Let every visit that is under way end now, as if its time were up."""
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            deadline.reschedule(now)

    async def _log_in(
        self,
        endpoint: Endpoint,
        course: Callable[[_Visit], Awaitable[T]],
        names: Names | None = None,
        expires: float | None = None,
    ) -> Visited[T]:
        """A visit with a login, of which the logins learn what came of it, whatever that is."""
        if expires is None and endpoint.credentials is not None:
            # A file system or a token endpoint that hangs may not hide that the server is down.
            expires = asyncio.get_running_loop().time() + endpoint.timeout
        login = await self._login(endpoint, expires)
        visited: Visited[T] | None = None
        try:
            visited = await self._visit(_within(endpoint, expires), login, course, names)
        finally:
            self._logins.learn(endpoint, login, None if visited is None else visited.result)
        return visited

    async def _login(self, endpoint: Endpoint, expires: float | None) -> Login | Withheld | None:
        if expires is None:
            return await self._logins.for_probe(endpoint)
        within = (expires - asyncio.get_running_loop().time()) * SHARE_OF_LOGIN
        try:
            async with asyncio.timeout(within):
                return await self._logins.for_probe(endpoint)
        except TimeoutError:
            credentials = endpoint.credentials
            tokens = credentials is not None and credentials.oauth2 is not None
            reason = FailureReason.TOKEN_FAILED if tokens else FailureReason.SECRET_UNREADABLE
            return Withheld(reason, f"it took longer than {within:.1f} s to get at the secret")

    async def _visit(
        self,
        endpoint: Endpoint,
        login: Login | Withheld | None,
        course: Callable[[_Visit], Awaitable[T]],
        names: Names | None = None,
    ) -> Visited[T]:
        """Everything but the login: here all ends, and whatever it was becomes a result."""
        world = self.world if names is None else replace(self.world, names=names)
        context = None if course is _Visit.look_up else await tls_context(endpoint, world.contexts)
        known = self._known
        secret = login.secret if isinstance(login, Login) else None
        redactor = known.of(endpoint.host) if secret is None else known.sent(endpoint.host, secret)
        notes = Notes(endpoint.name, world.wall_clock(), world.clock, redactor, self._entered)
        notes.only_address = endpoint.only_address
        visit = _Visit(endpoint, login, notes, world, context=context, keys=self._keys)
        value: T | None = None
        chain: tuple[bytes, ...] = ()
        try:
            value = await self._until_it_ends(visit, course)
            await visit.say_goodbye()
            chain = visit.chain()
        except Exception:
            log.exception("bug: a probe raised", endpoint=endpoint.name, phase=notes.phase)
            notes.fail(FailureReason.INTERNAL_ERROR, BUG)
        finally:
            visit.close()
        return Visited(notes.result(), value, chain)

    async def _until_it_ends(self, visit: _Visit, course: Callable[[_Visit], Awaitable[T]]) -> T | None:
        """All but the goodbye, until it ends, fails or is out of time."""
        deadline = asyncio.timeout_at(visit.expires)
        visit.deadline = deadline
        self._deadlines.add(deadline)
        try:
            async with deadline:
                return await course(visit)
        except TimeoutError:
            waited = f"no reply within {visit.endpoint.timeout:g} s{visit.asked()}"
            visit.notes.fail(FailureReason.TIMEOUT, visit.hinted(waited))
        except DialogueError as error:
            detail = visit.hinted(error.detail)
            visit.notes.fail(error.reason, detail, error.phase, unclear=error.unclear)
            visit.in_step = error.in_step
        except (StreamError, ResolveError) as error:
            visit.notes.fail(error.reason, visit.hinted(error.detail))
            visit.in_step = False
        finally:
            self._deadlines.discard(deadline)
        return None


class _Visit:
    """One visit. Raises what its parts raise; the visitor turns that into a result.

    Attributes:
        expires: When its time is up, by the loop's clock.
        deadline: What ends it then.
        client: Once it has arrived: the client's side of the endpoint's protocol.
        driver: Likewise: what carries out dialogues.
        in_step: Whether the server would understand a goodbye.
    """

    client: Client
    driver: Driver
    deadline: asyncio.Timeout

    def __init__(
        self,
        endpoint: Endpoint,
        login: Login | Withheld | None,
        notes: Notes,
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
        self._stream: Connection | None = None

    def extend(self, seconds: float) -> None:
        """Give the visit so much time from now on."""
        self.expires = asyncio.get_running_loop().time() + seconds
        self.deadline.reschedule(self.expires)

    def asked(self) -> str:
        """Whose reply was waited for, where it was not the mail server's."""
        names = self._world.names
        if self.notes.phase is not Phase.DNS or not isinstance(names, AsksNameservers):
            return ""
        return f" from {names.nameservers_asked}" if names.nameservers_asked else ""

    def hinted(self, detail: str) -> str:
        """What went wrong, and what is likely to be meant where the encryption is not what the server speaks."""
        hint = encryption_hint(self.endpoint, self.notes.phase, detail)
        return f"{detail}; {hint}" if hint else detail

    async def look_up(self) -> Resolution:
        """From the name to its addresses."""
        return await look_up(self.endpoint, self._world.names, self.notes)

    async def arrive(self, address: str | None = None) -> None:
        """From the name, or from an address, to a connection."""
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
        """Carry out a dialogue."""
        try:
            return await self.driver.carry_out(dialogue)
        except StreamError as error:
            if self.client.last_words:
                error.detail += f"; the last that it said was {quoted(self.client.last_words)}"
            raise

    async def say_goodbye(self) -> None:
        """QUIT or LOGOUT, where the server would understand it. What becomes of it changes nothing."""
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


def _within(endpoint: Endpoint, expires: float | None) -> Endpoint:
    """The endpoint with no more time than there is."""
    if expires is None:
        return endpoint
    left = max(expires - asyncio.get_running_loop().time(), LEAST_TIMEOUT)
    return replace(endpoint, timeout=min(endpoint.timeout, round(left, 2)))


def _address_literal(address: str) -> str:
    """RFC 5321 4.1.3, 4.1.4: what a client that has no name of its own says in EHLO."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
