"""One visit: a login, a connection, errands, and the result.

Only this module gets logins and reports their results, and only this module catches all exceptions. A failure of the
network, the server or our own code becomes a reason in the result; only cancellation is passed on. A probe is a visit
with the errands of its endpoint; `Visitor.visit` runs anything else at a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import structlog

from exporter.model import Endpoint, FailureReason, Login, Phase, ProbeResult, Withheld
from exporter.net.dns.resolve import AddressResolver, ResolveError
from exporter.net.stream import StreamError
from exporter.protocol.dialogue import Dialogue, DialogueError
from exporter.protocol.errands import converse
from exporter.protocol.session import Session, open_session, shake_hands
from exporter.visiting.clearing import KnownSecrets
from exporter.visiting.connect import World, tls_context
from exporter.visiting.drive import Driver
from exporter.visiting.keys import DerivedKeys
from exporter.visiting.logins import Logins
from exporter.visiting.notes import BUG, NO_MEMORY, ProbeNotes
from exporter.visiting.underway import Underway

T = TypeVar("T")

SHARE_OF_LOGIN: Final = 0.5
"""The share of the available time that may pass before the visit, while the secret or token is read."""

LEAST_TIMEOUT: Final = 0.05
"""The shortest visit in seconds, so that a visit without time left fails with a timeout."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visited(Generic[T]):
    """The result of a visit.

    Attributes:
        result: The probe's result.
        value: The value that `inside` returned; `None` if it did not run to the end.
        chain: The certificates that the server showed, DER, its own first; empty without a completed handshake.
    """

    result: ProbeResult
    value: T | None = None
    chain: tuple[bytes, ...] = ()


class Inside:
    """A visit after the login, for callers that run errands in it.

    Attributes:
        session: The session with the server.
    """

    def __init__(self, endpoint: Endpoint, session: Session, driver: Driver) -> None:
        self.endpoint = endpoint
        self.session = session
        self._driver = driver

    async def run(self, errand: Callable[[Any], Dialogue[T]]) -> T:
        """Run one errand and return its value.

        Args:
            errand: Is given the client's side: an `Imap`, a `Pop3` or an `Smtp`, by the endpoint's protocol.

        Raises:
            DialogueError: The server refused, or broke the protocol. If it is `in_step`, others may run after it.
                If it is not caught, the visit fails with it.
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
            logins: Provides logins, and is told their results.
            entered: Is called with the endpoint's name and each phase that begins.
        """
        self.world = world
        self._entered = entered
        self._logins = logins
        self._keys = DerivedKeys()
        self._known = KnownSecrets()
        self._deadlines: set[asyncio.Timeout] = set()

    async def probe(
        self, endpoint: Endpoint, *, names: AddressResolver | None = None, expires: float | None = None
    ) -> ProbeResult:
        """Visit with the endpoint's errands. Only raises if it is cancelled.

        Args:
            endpoint: What to probe.
            names: Looks the name up instead of the world's.
            expires: When the answer, including the login, is due, in loop time; `None` if only the endpoint's timeout
                counts.
        """

        async def course(visit: Underway) -> None:
            await visit.arrive()
            await visit.drive(converse(visit.client, endpoint, visit.login))

        return (await self._log_in(endpoint, course, names, expires)).result

    async def look_up(
        self, endpoint: Endpoint, *, names: AddressResolver | None = None, expires: float | None = None
    ) -> ProbeResult:
        """Only look up where the endpoint's name leads to: a probe that ends after its first phase."""
        return (await self._visit(_within(endpoint, expires), None, Underway.look_up, names)).result

    async def visit(
        self,
        endpoint: Endpoint,
        inside: Callable[[Inside], Awaitable[T]],
        *,
        at: str | None = None,
        within: float | None = None,
        stay: float | None = None,
    ) -> Visited[T]:
        """Visit, with a login if the endpoint has one, and do something there. Only raises if it is cancelled.

        Args:
            endpoint: The server and the login.
            inside: What to do there, in the phase `check`. Its exception becomes the visit's failure.
            at: The address to connect to, without looking the name up; `None` for where the name leads.
            within: Seconds that it may take from the first phase on, instead of the endpoint's timeout.
            stay: Seconds that `inside` may take from the login on, where it looks after its own timeouts.
        """

        async def course(visit: Underway) -> T:
            await visit.arrive(at)
            session = await visit.drive(open_session(visit.client, endpoint, visit.login))
            if stay is not None:
                # The login's result is known, and others wait for it. This ends the current phase.
                self._logins.learn(endpoint, visit.login, visit.notes.result())
                visit.extend(stay)
            visit.notes.enter(Phase.CHECK)
            return await inside(Inside(endpoint, session, visit.driver))

        return await self._log_in(endpoint if within is None else replace(endpoint, timeout=within), course)

    async def shake_hands(self, endpoint: Endpoint, *, at: str | None = None) -> Visited[None]:
        """Visit up to the handshake, without a login. Only raises if it is cancelled.

        Args:
            endpoint: The server and its TLS policy.
            at: The address to connect to, without looking the name up; `None` for where the name leads.
        """

        async def course(visit: Underway) -> None:
            await visit.arrive(at)
            await visit.drive(shake_hands(visit.client, endpoint))

        return await self._visit(endpoint, None, course)

    def hurry(self) -> None:
        """End all running visits now, as if they had timed out."""
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            # One that is just running out cannot be moved, and need not be.
            if not deadline.expired():
                deadline.reschedule(now)

    async def _log_in(
        self,
        endpoint: Endpoint,
        course: Callable[[Underway], Awaitable[T]],
        names: AddressResolver | None = None,
        expires: float | None = None,
    ) -> Visited[T]:
        """Visit with a login, and always report the login's result."""
        if expires is None and endpoint.credentials is not None:
            # A hanging file system or token endpoint must not hide that the server is down.
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
        course: Callable[[Underway], Awaitable[T]],
        names: AddressResolver | None = None,
    ) -> Visited[T]:
        """Everything but the login: turns every outcome into a result."""
        world = self.world if names is None else replace(self.world, names=names, proxy_names=self.world.names)
        context = None if course is Underway.look_up else await tls_context(endpoint, world.contexts)
        known = self._known
        secret = login.secret if isinstance(login, Login) else None
        redactor = known.of(endpoint.host) if secret is None else known.sent(endpoint.host, secret)
        notes = ProbeNotes(endpoint.name, world.wall_clock(), world.clock, redactor, self._entered)
        notes.only_address = endpoint.only_address
        visit = Underway(endpoint, login, notes, world, context=context, keys=self._keys)
        value: T | None = None
        chain: tuple[bytes, ...] = ()
        try:
            value = await self._until_it_ends(visit, course)
            await visit.say_goodbye()
            chain = visit.chain()
        except MemoryError:
            # Formatting a traceback needs memory, too.
            log.warning("no memory left for a probe", endpoint=endpoint.name, phase=notes.phase)
            notes.fail(FailureReason.INTERNAL_ERROR, NO_MEMORY)
        except Exception:
            log.exception("bug: a probe raised", endpoint=endpoint.name, phase=notes.phase)
            notes.fail(FailureReason.INTERNAL_ERROR, BUG)
        finally:
            visit.close()
        return Visited(notes.result(), value, chain)

    async def _until_it_ends(self, visit: Underway, course: Callable[[Underway], Awaitable[T]]) -> T | None:
        """Everything but the goodbye, until it ends, fails or times out."""
        deadline = asyncio.timeout_at(visit.expires)
        visit.deadline = deadline
        self._deadlines.add(deadline)
        try:
            async with deadline:
                return await course(visit)
        except TimeoutError:
            visit.notes.fail(FailureReason.TIMEOUT, visit.hinted(FailureReason.TIMEOUT, visit.waited()))
        except DialogueError as error:
            detail = visit.hinted(error.reason, error.detail)
            visit.notes.fail(error.reason, detail, error.phase, unclear=error.unclear)
            visit.in_step = error.in_step
        except (StreamError, ResolveError) as error:
            visit.notes.cut_off()
            visit.notes.fail(error.reason, visit.hinted(error.reason, error.detail))
            visit.in_step = False
        finally:
            self._deadlines.discard(deadline)
        return None


def _within(endpoint: Endpoint, expires: float | None) -> Endpoint:
    """The endpoint, with its timeout limited to the remaining time."""
    if expires is None:
        return endpoint
    left = round(max(expires - asyncio.get_running_loop().time(), LEAST_TIMEOUT), 2)
    return endpoint if left >= endpoint.timeout else replace(endpoint, timeout=left)
