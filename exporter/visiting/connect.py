"""How a visit reaches its server: from a name to addresses, to a connection, and to a TLS context.

Everything outside the process that a visit depends on is one value, the `World`. `drive` runs the dialogues.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog
from OpenSSL import SSL

from exporter.model import Encryption, Endpoint, Facts, FailureReason, IpFamily, Phase, Proxy, Resolution, TargetRule
from exporter.net.detours import NO_DETOURS, Detours
from exporter.net.dns.resolve import AddressResolver, ResolveError
from exporter.net.proxies import connect_through
from exporter.net.stream import Stream, StreamError
from exporter.net.tls import TlsContexts, TlsSetupError
from exporter.visiting.notes import BUG, ProbeNotes

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the process that a visit depends on.

    Attributes:
        names: Looks names up.
        contexts: Makes TLS contexts.
        wall_clock: Unix time.
        clock: Monotonic seconds, finer than a millisecond.
        connect: Opens a connection to an address and port, from a source address.
        connect_through: The same through a proxy, whose own address is the second argument.
        proxy_names: Looks up the names of proxies without restrictions; `None` to use `names`.
        detours: Where the servers of a running demo listen.
    """

    names: AddressResolver
    contexts: TlsContexts
    wall_clock: Callable[[], float] = time.time
    clock: Callable[[], float] = time.perf_counter
    connect: Callable[[str, int, str | None], Awaitable[Stream]] = Stream.connect
    connect_through: Callable[[Proxy, str, str, int, str | None], Awaitable[Stream]] = connect_through
    proxy_names: AddressResolver | None = None
    detours: Detours = field(default_factory=lambda: NO_DETOURS)


@dataclass(frozen=True, slots=True)
class NoContext:
    """Why there is no TLS context. The visit fails with this when it needs one."""

    reason: FailureReason
    detail: str


async def tls_context(endpoint: Endpoint, contexts: TlsContexts) -> SSL.Context | NoContext | None:
    """The TLS context; `None` if the endpoint has no encryption. Raises nothing of its own.

    It is made before the first phase, so that reading files does not count in any phase.
    """
    if endpoint.encryption is Encryption.NONE:
        return None
    try:
        known = contexts.fresh(endpoint.tls)
        if known is not None:
            return known
        async with asyncio.timeout(endpoint.timeout):
            return await contexts.current(endpoint.tls)
    except TlsSetupError as error:
        return NoContext(FailureReason.TLS_UNTRUSTED, str(error))
    except TimeoutError:
        waited = f"the files that TLS needs could not be read within {endpoint.timeout:g} s; does their disk hang?"
        return NoContext(FailureReason.TLS_UNTRUSTED, waited)
    except Exception:
        log.exception("bug: preparing TLS raised", endpoint=endpoint.name)
        return NoContext(FailureReason.INTERNAL_ERROR, BUG)


async def look_up(endpoint: Endpoint, names: AddressResolver, notes: ProbeNotes) -> Resolution:
    """From the endpoint's name to its addresses: the first phase.

    Raises:
        ResolveError: There are none, or the lookup failed.
    """
    notes.enter(Phase.DNS)
    try:
        resolution = await names.resolve(endpoint.lookup_name, endpoint.lookup_family)
    except ResolveError as error:
        if error.reason is FailureReason.DNS_NOT_FOUND:
            notes.resolution = Resolution(())
        notes.took(error.waited)
        raise
    if endpoint.targets is not None:
        resolution = _permitted(endpoint, endpoint.targets, resolution)
    notes.resolution = resolution
    notes.took(resolution.waited)
    return resolution


def _permitted(endpoint: Endpoint, targets: TargetRule, resolution: Resolution) -> Resolution:
    """The addresses of a host, without those that discovered endpoints may not connect to.

    Raises:
        ResolveError: No address is left.
    """
    permitted = targets.permitted(endpoint.host, resolution.addresses)
    if not permitted and resolution.addresses:
        refusal = targets.refusal(endpoint.host, resolution.addresses[0])
        raise ResolveError(FailureReason.DNS_FAILED, refusal, resolution.waited)
    return replace(resolution, addresses=permitted)


def to_try(endpoint: Endpoint, resolution: Resolution) -> tuple[str, ...]:
    """The addresses that a visit may connect to, in the order to try them.

    Raises:
        ResolveError: The endpoint's only address is no longer among them, or the lookup failed.
    """
    only = endpoint.only_address
    if only is None:
        return resolution.addresses
    if only in resolution.addresses:
        return (only,)
    if resolution.unanswered:
        raise ResolveError(FailureReason.DNS_FAILED, resolution.unanswered)
    raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{only} is no longer among the host's addresses")


async def connect_any(
    endpoint: Endpoint, addresses: tuple[str, ...], world: World, notes: ProbeNotes, expires: float
) -> Stream:
    """Try the addresses in order until one connects, each for its share of the time that is left.

    Through a proxy, each is tried through each of the proxy's own addresses.

    Raises:
        StreamError: The proxy's name has no address, or no address can be connected to. The failure of the last one is
            raised, as a mail client reports it.
        TimeoutError: The last did not answer in its time.
        ResolveError: There are none.
    """
    notes.enter(Phase.CONNECT)
    loop = asyncio.get_running_loop()
    hops = await _hops(endpoint, world)
    ways = [(address, hop) for address in addresses for hop in hops]
    by_way = "" if endpoint.proxy is None else f" by way of {endpoint.proxy}"
    for tried, (address, hop) in enumerate(ways):
        notes.learn(Facts(address=address))
        others = len(ways) - tried - 1
        share = (expires - loop.time()) / (others + 1)
        connecting = _connecting(endpoint, address, hop, world)
        try:
            stream = await (_within(share, connecting) if others else connecting)
        except (StreamError, TimeoutError) as error:
            detail = error.detail if isinstance(error, StreamError) else f"no answer within {share:.1f} s{by_way}"
            notes.note(f"{address} port {endpoint.port}: {detail}")
            if others:
                continue
            if isinstance(error, TimeoutError):
                raise
            raise StreamError(
                error.reason, f"{address} port {endpoint.port}: {detail}{_besides(tried, endpoint)}"
            ) from None
        else:
            notes.peer_clock = stream.peer_clock
            notes.note(f"connected to {address} port {endpoint.port}{by_way}")
            return stream
    raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{endpoint.host} has no address")


def _connecting(endpoint: Endpoint, address: str, hop: str, world: World) -> Awaitable[Stream]:
    proxy, port, source = endpoint.proxy, endpoint.port, endpoint.source_address
    if proxy is None:
        there, port = world.detours.get((address, port), (address, port))
        return world.connect(there, port, source)
    return world.connect_through(proxy, hop, address, port, source)


async def _hops(endpoint: Endpoint, world: World) -> tuple[str, ...]:
    """The addresses of the endpoint's proxy; one placeholder if it has none.

    Raises:
        StreamError: Its name has no address. The server's name is not affected, so this is not a DNS failure.
    """
    proxy, source = endpoint.proxy, endpoint.source_address
    if proxy is None:
        return ("",)
    family = IpFamily.ANY if source is None else IpFamily.IPV6 if ":" in source else IpFamily.IPV4
    names = world.names if world.proxy_names is None else world.proxy_names
    try:
        return (await names.resolve(proxy.host, family)).addresses
    except ResolveError as error:
        told = f"the address of the proxy {proxy} could not be found: {error.detail}"
        raise StreamError(FailureReason.CONNECT_FAILED, told) from None


async def _within(seconds: float, connecting: Awaitable[Stream]) -> Stream:
    async with asyncio.timeout(seconds):
        return await connecting


def _besides(others: int, endpoint: Endpoint) -> str:
    one, several = ("address", "addresses") if endpoint.proxy is None else ("way", "ways")
    return f"; {others} other {one if others == 1 else several} failed as well" if others else ""
