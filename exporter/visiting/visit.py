"""One probe: drives a dialogue over a stream and returns what came of it, whatever that is.

This is the one place that catches everything. A failure of the network, of the server or of our own becomes a reason in
the result; only cancellation passes through. What a probe learns is written down in its notes as it is learnt.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, assert_never
from typing import Protocol as Interface

import structlog
from OpenSSL import SSL

from exporter import certificates
from exporter.model import (
    CertificateProblem,
    Encryption,
    Endpoint,
    FailureReason,
    IpFamily,
    Login,
    Phase,
    ProbeResult,
    Protocol,
    Resolution,
    TlsFacts,
    TlsPolicy,
    Withheld,
)
from exporter.net.resolve import ResolveError
from exporter.net.stream import Stream, StreamError
from exporter.net.tls import TlsSetupError
from exporter.net.turns import Turns
from exporter.protocol.dialogue import (
    MAX_LINE,
    ChannelBinding,
    Conceal,
    DeriveKey,
    Dialogue,
    DialogueError,
    Enter,
    GiveChannelBinding,
    GiveRandom,
    Learn,
    ReadExactly,
    ReadLine,
    RequireSecure,
    SecurityStep,
    Send,
    StartTls,
    TakeUnread,
)
from exporter.protocol.imap import Imap
from exporter.protocol.pop3 import Pop3
from exporter.protocol.session import Client, converse
from exporter.protocol.smtp import Smtp
from exporter.visiting.keys import DerivedKeys
from exporter.visiting.notes import Notes

GOODBYE_TIMEOUT: Final = 2.0
"""Seconds to wait for the answer to a goodbye: all of interest is known by then, and a failed one changes nothing."""

POLITE_AFTER_TIMEOUT: Final = frozenset({Phase.CAPABILITY, Phase.CHECK})
"""Phases in which a server that does not answer may still be told goodbye. In the others it would take the goodbye for
part of a login or of a handshake, or has not greeted yet."""

EXPECTED: Final = frozenset({CertificateProblem.FINGERPRINT_MISMATCH})
"""Problems that are about what the endpoint expects, and not about what everybody does."""

BUG: Final = "a bug of mail-exporter; its log has the traceback"
"""All that a result says of one."""

CLIENTS: Final[Mapping[Protocol, Callable[[Endpoint, str], Client]]] = {
    Protocol.SMTP: Smtp,
    Protocol.IMAP: Imap,
    Protocol.POP3: Pop3,
}

log = structlog.get_logger()


class Connection(Interface):
    """What a probe asks of a stream; `exporter.net.replay.Replay` is its other kind."""

    @property
    def local_address(self) -> str:
        """This side's IP address."""

    @property
    def turns(self) -> Turns:
        """Whose turn it is."""

    @property
    def unfinished(self) -> TlsFacts | None:
        """What a handshake has shown that failed or was given up; `None` if it showed nothing."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""

    async def read_line(self, limit: int) -> bytes:
        """The next line, without its ending."""

    async def read_exactly(self, size: int) -> bytes:
        """The next `size` octets."""

    def take_unread(self) -> bytes:
        """What came and was not read."""

    async def start_tls(self, context: SSL.Context, server_name: str, now: float) -> TlsFacts:
        """Become TLS."""

    def channel_binding(self, kind: ChannelBinding) -> bytes | None:
        """What ties a login to the TLS session; `None` if there is nothing of the kind."""

    def close(self) -> None:
        """Close at once."""


class Names(Interface):
    """What a probe asks of a resolver."""

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        """Where a name leads to."""


class Contexts(Interface):
    """What a probe asks of the keeper of TLS contexts."""

    def fresh(self, policy: TlsPolicy) -> SSL.Context | None:
        """The context for a policy, if it can be had without waiting."""

    async def current(self, policy: TlsPolicy) -> SSL.Context:
        """The context for a policy, by its files as they are now."""


Connect = Callable[[str, int, str | None], Awaitable[Connection]]


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside that a probe depends on.

    Attributes:
        names: Looks names up.
        contexts: Makes TLS contexts.
        wall_clock: Unix time.
        clock: Monotonic seconds, finer than a millisecond.
        connect: Opens a connection to an address and port, from a source address.
    """

    names: Names
    contexts: Contexts
    wall_clock: Callable[[], float] = time.time
    clock: Callable[[], float] = time.perf_counter
    connect: Connect = Stream.connect


class Prober:
    """Probes endpoints, any number at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._keys = DerivedKeys()
        self._deadlines: set[asyncio.Timeout] = set()

    async def probe(
        self, endpoint: Endpoint, login: Login | Withheld | None, names: Names | None = None
    ) -> ProbeResult:
        """Probe once. Never raises, but for cancellation.

        Args:
            endpoint: What to probe.
            login: Who to log in as; `None` for nobody.
            names: Looks the name up instead of the world's.
        """
        world = self._world_with(names)
        context = None if endpoint.encryption is Encryption.NONE else await _context(endpoint, world)
        return await self._attempt(_Run.converse, endpoint, login, world, context)

    async def look_up(self, endpoint: Endpoint, names: Names | None = None) -> ProbeResult:
        """Only look up where the endpoint's name leads to: a probe that ends after its first phase."""
        return await self._attempt(_Run.look_up, endpoint, None, self._world_with(names))

    def _world_with(self, names: Names | None) -> World:
        return self.world if names is None else replace(self.world, names=names)

    async def _attempt(
        self,
        course: Course,
        endpoint: Endpoint,
        login: Login | Withheld | None,
        world: World,
        context: SSL.Context | DialogueError | None = None,
    ) -> ProbeResult:
        notes = Notes(endpoint.name, world.wall_clock(), world.clock)
        notes.only_address = endpoint.only_address
        run = _Run(endpoint, login, notes, world, self._keys, context=context)
        expires = asyncio.get_running_loop().time() + endpoint.timeout
        try:
            await self._follow(course, run, notes, expires)
            await run.say_goodbye(expires)
        except Exception:
            log.exception("bug: a probe raised", endpoint=endpoint.name, phase=notes.phase)
            notes.fail(FailureReason.INTERNAL_ERROR, BUG)
        finally:
            run.close()
        return notes.result()

    def hurry(self) -> None:
        """Let every probe that is under way end now, as if its time were up."""
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            deadline.reschedule(now)

    async def _follow(self, course: Course, run: _Run, notes: Notes, expires: float) -> None:
        """All but the goodbye, until it ends, fails or is out of time."""
        deadline = asyncio.timeout_at(expires)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                await course(run, expires)
        except TimeoutError:
            notes.fail(FailureReason.TIMEOUT, f"nothing more came within the timeout of {run.endpoint.timeout:g} s")
        except (DialogueError, StreamError, ResolveError) as error:
            notes.fail(error.reason, error.detail)
            run.in_step = isinstance(error, DialogueError) and error.in_step
        finally:
            self._deadlines.discard(deadline)


class _Run:
    """One probe. Raises what its parts raise; the prober turns that into a result.

    Attributes:
        in_step: Whether the server would understand a goodbye.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        login: Login | Withheld | None,
        notes: Notes,
        world: World,
        keys: DerivedKeys,
        *,
        context: SSL.Context | DialogueError | None,
    ) -> None:
        self.endpoint = endpoint
        self._context = context
        self._login = login
        self._notes = notes
        self._world = world
        self._keys = keys
        self._stream: Connection | None = None
        self._client: Client | None = None
        self._verified = False
        self._cleared = False
        self.in_step = True

    async def converse(self, expires: float) -> None:
        """From the name to the last check."""
        endpoint = self.endpoint
        resolution = await self.look_up(expires)
        addresses = resolution.addresses if endpoint.only_address is None else _only(endpoint.only_address, resolution)
        self._notes.enter(Phase.CONNECT)
        self._stream = await self._connect_any(addresses, expires)
        self._client = CLIENTS[endpoint.protocol](endpoint, _address_literal(self._stream.local_address))
        await self._drive(self._stream, converse(self._client, endpoint, self._login))

    async def look_up(self, _: float) -> Resolution:
        """From the name to its addresses."""
        self._notes.enter(Phase.DNS)
        try:
            resolution = await self._world.names.resolve(self.endpoint.lookup_name, _family(self.endpoint))
        except ResolveError as error:
            if error.reason is FailureReason.DNS_NOT_FOUND:
                self._notes.resolution = Resolution(())
            self._notes.took(error.waited)
            raise
        self._notes.resolution = resolution
        self._notes.took(resolution.waited)
        return resolution

    async def say_goodbye(self, expires: float) -> None:
        """QUIT or LOGOUT, where the server would understand it. What becomes of it changes nothing."""
        if self._stream is None or self._client is None or not self._goodbye_is_due():
            return
        left = expires - asyncio.get_running_loop().time()
        self._notes.enter(Phase.QUIT)
        try:
            # With no time left the goodbye is sent, and its answer is not waited for.
            async with asyncio.timeout(min(max(left, 0.0), GOODBYE_TIMEOUT)):
                await self._drive(self._stream, self._client.quit())
        except TimeoutError:
            self._notes.note("the goodbye is not answered")
        except (DialogueError, StreamError) as error:
            self._notes.note(f"the goodbye fails: {error.detail}")

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._stream is not None:
            self._stream.close()

    def _goodbye_is_due(self) -> bool:
        if self._notes.failure is not None and self._notes.failure.reason is FailureReason.TIMEOUT:
            return self._notes.phase in POLITE_AFTER_TIMEOUT
        return self.in_step and self._notes.reached(Phase.GREETING)

    async def _connect_any(self, addresses: tuple[str, ...], expires: float) -> Connection:
        """Try the addresses in order until one connects, each for its share of the time that is left."""
        endpoint, loop = self.endpoint, asyncio.get_running_loop()
        for tried, address in enumerate(addresses):
            self._notes.address = address
            others = len(addresses) - tried - 1
            share = (expires - loop.time()) / (others + 1)
            connecting = self._world.connect(address, endpoint.port, endpoint.source_address)
            try:
                stream = await (_within(share, connecting) if others else connecting)
            except (StreamError, TimeoutError) as error:
                detail = error.detail if isinstance(error, StreamError) else f"no answer within {share:.1f} s"
                self._notes.note(f"{address} port {endpoint.port}: {detail}")
                if not others:
                    raise _connect_failure(error, address, endpoint.port, len(addresses)) from None
            else:
                self._notes.turns = stream.turns
                self._notes.note(f"connected to {address} port {endpoint.port}")
                return stream
        raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{endpoint.host} has no address")

    async def _drive(self, stream: Connection, dialogue: Dialogue[None]) -> None:
        """Carry out the steps of a dialogue until it ends."""
        notes = self._notes
        try:
            step = next(dialogue)
            while True:
                answer = b""
                match step:
                    # The most frequent first.
                    case ReadLine():
                        answer = notes.without_secrets(await stream.read_line(MAX_LINE))
                        notes.received(answer)
                    case Enter(phase):
                        notes.enter(phase)
                    case Learn(fact):
                        notes.learn(fact)
                    case Send(line, shown):
                        if shown is not None and not self._cleared:
                            raise RuntimeError("a dialogue sends a secret without asking whether it may")
                        notes.sent(line, shown)
                        await stream.send(line + b"\r\n")
                    case ReadExactly(size):
                        answer = notes.without_secrets(await stream.read_exactly(size))
                        notes.received(answer)
                    case _:
                        answer = await self._carry_out(stream, step)
                step = dialogue.send(answer)
        except StopIteration:
            return
        finally:
            dialogue.close()

    async def _carry_out(self, stream: Connection, step: SecurityStep) -> bytes:
        """Carry out one of the steps that come once in a conversation, if at all."""
        match step:
            case TakeUnread():
                return stream.take_unread()
            case StartTls():
                await self._start_tls(stream)
            case RequireSecure():
                self._require_secure()
            case GiveChannelBinding(kind):
                return stream.channel_binding(kind) or b""
            case GiveRandom(size):
                return secrets.token_bytes(size)
            case DeriveKey():
                return await self._keys.derive(step)
            case Conceal(octets):
                self._notes.conceal(octets)
            case _:
                assert_never(step)
        return b""

    async def _start_tls(self, stream: Connection) -> None:
        endpoint, notes = self.endpoint, self._notes
        self._cleared = False
        if isinstance(self._context, DialogueError):
            raise self._context
        if self._context is None:
            raise RuntimeError("a dialogue starts TLS on an endpoint without encryption")
        try:
            shown = await stream.start_tls(self._context, endpoint.server_name, self._world.wall_clock())
        except (StreamError, asyncio.CancelledError):
            notes.tls = stream.unfinished
            raise
        notes.tls = certificates.held_to(shown, endpoint.fingerprints) if endpoint.fingerprints else shown
        notes.note(f"{notes.tls.version} {notes.tls.cipher}; {_verdict(notes.tls)}")
        self._verified = notes.tls.verified
        # What is expected in so many words is expected without verification, too.
        counting = [each for each in notes.tls.problems if endpoint.tls.verify or each in EXPECTED]
        if any(problem.fails for problem in counting):
            raise DialogueError(certificates.failure_reason(counting), notes.tls.detail)

    def _require_secure(self) -> None:
        if not self._verified and not self.endpoint.allow_insecure_auth:
            lack = "not encrypted" if self._notes.tls is None else "not verified"
            raise DialogueError(
                FailureReason.AUTH_INSECURE,
                f"the connection is {lack}, so no credentials are sent; allow_insecure_auth: true would send them",
            )
        if isinstance(self._login, Login):
            self._notes.hide(self._login)
        self._cleared = True


Course = Callable[[_Run, float], Awaitable[object]]
"""What a probe does until a point in time, but for the goodbye."""


async def _context(endpoint: Endpoint, world: World) -> SSL.Context | DialogueError:
    """What to shake hands with, or why that fails: had before the first phase, so that none is charged with it."""
    try:
        known = world.contexts.fresh(endpoint.tls)
        if known is not None:
            return known
        async with asyncio.timeout(endpoint.timeout):
            return await world.contexts.current(endpoint.tls)
    except TlsSetupError as error:
        return DialogueError(FailureReason.TLS_UNTRUSTED, str(error))
    except TimeoutError:
        waited = f"the files that TLS needs could not be read within {endpoint.timeout:g} s; does their disk hang?"
        return DialogueError(FailureReason.TLS_UNTRUSTED, waited)
    except Exception:
        log.exception("bug: preparing TLS raised", endpoint=endpoint.name)
        return DialogueError(FailureReason.INTERNAL_ERROR, BUG)


async def _within(seconds: float, connecting: Awaitable[Connection]) -> Connection:
    async with asyncio.timeout(seconds):
        return await connecting


def _verdict(tls: TlsFacts) -> str:
    return "; ".join(filter(None, ("certificate verified" if tls.verified else "", tls.detail)))


def _family(endpoint: Endpoint) -> IpFamily:
    """A source address can only reach addresses of its own family."""
    if endpoint.source_address is None:
        return endpoint.ip_family
    return IpFamily.IPV6 if ":" in endpoint.source_address else IpFamily.IPV4


def _only(address: str, resolution: Resolution) -> tuple[str, ...]:
    """One address of a host, if it still is one.

    Raises:
        ResolveError: It is none any more, or that could not be found out.
    """
    if address in resolution.addresses:
        return (address,)
    if resolution.unanswered:
        raise ResolveError(FailureReason.DNS_FAILED, resolution.unanswered)
    raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{address} is no longer among the host's addresses")


def _address_literal(address: str) -> str:
    """RFC 5321 4.1.3, 4.1.4: what a client that has no name of its own says in EHLO."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _connect_failure(error: StreamError | TimeoutError, address: str, port: int, tried: int) -> Exception:
    """The failure of the last address stands for all of them: a mail client, too, reports that one."""
    if isinstance(error, TimeoutError):
        return error
    noun = "address" if tried == 2 else "addresses"  # noqa: PLR2004 - this one and one other
    others = f"; {tried - 1} other {noun} failed as well" if tried > 1 else ""
    return StreamError(error.reason, f"{address} port {port}: {error.detail}{others}")
