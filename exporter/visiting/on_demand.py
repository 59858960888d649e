"""Probes on request, besides the scheduled ones: with limits of their own, and for allowed targets only.

Parsing requests and writing answers is done elsewhere. The store does not get these results, because their times are
chosen by the client.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog

from exporter.config.values.allowed import AllowedTargets
from exporter.model import Addresses, Endpoint, FailureReason, IpFamily, Limits, ProbeResult, Resolution
from exporter.net.dns.resolve import AddressResolver, ResolveError
from exporter.visiting.visit import Visitor

SHARE: Final = 0.5
"""The share of the available time that may pass before the probe: waiting for its turn."""

log = structlog.get_logger()


class NotAllowedError(Exception):
    """The target is not allowed; the message says why."""


class UnavailableError(Exception):
    """No probe is possible now; the message says why. It says nothing about the server."""


class _AllowedNames(AddressResolver):
    """Looks a name up once, so that the probe connects to the same addresses that were checked."""

    def __init__(self, names: AddressResolver, allowed: AllowedTargets) -> None:
        self._names = names
        self._allowed = allowed
        self.objection: str | None = None

    @property
    def nameservers_asked(self) -> str:
        """The nameservers of the inner resolver."""
        return self._names.nameservers_asked

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        """All addresses of a host, if all of them are allowed."""
        name = host.removesuffix(".")
        found = await self._names.resolve(host if name != host else self._allowed.as_allowed(host), family)
        self.objection = self._allowed.objection_to_addresses(name, found.addresses)
        if self.objection is not None:
            raise ResolveError(FailureReason.DNS_FAILED, self.objection)
        return found


class OnDemand:
    """Probes when asked to, with the visitor of the schedule."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._limits = Limits()
        self._hosts: Counter[str] = Counter()
        self._waiting: list[asyncio.Future[None]] = []
        self._stopping = False

    def configure(self, limits: Limits) -> None:
        """Use these limits from now on."""
        self._limits = limits
        self._wake()

    def stop(self) -> None:
        """Start no more probes, and report nothing about cancelled ones."""
        self._stopping = True
        self._wake()

    async def probe(
        self, endpoint: Endpoint, *, allowed: AllowedTargets | None, within: float
    ) -> tuple[ProbeResult, ...]:
        """Probe once; if so configured, once for each address.

        Args:
            endpoint: What to probe.
            allowed: The addresses that it may have; `None` for any.
            within: Seconds until an answer is due, the endpoint's own timeout all the same.

        Raises:
            NotAllowedError: The target is not allowed, or an address that it leads to is not.
            UnavailableError: Too many others are running, or the program ends.
        """
        objection = allowed.objection(endpoint.host) if allowed is not None else None
        if objection is not None:
            raise NotAllowedError(objection)
        expires = asyncio.get_running_loop().time() + within
        if endpoint.addresses is Addresses.FIRST:
            return (await self._probe(endpoint, allowed, expires),)
        found = await self._probe(endpoint, allowed, expires, only_look_up=True)
        if found.resolution is None or not found.resolution.addresses:
            return (found,)
        each = [replace(endpoint, only_address=address) for address in found.resolution.addresses]
        outcomes = await asyncio.gather(*(self._probe(one, allowed, expires) for one in each), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return tuple(outcome for outcome in outcomes if isinstance(outcome, ProbeResult))

    async def _probe(
        self, endpoint: Endpoint, allowed: AllowedTargets | None, expires: float, *, only_look_up: bool = False
    ) -> ProbeResult:
        """Run one probe when there is room, and return what to report."""
        names = None if allowed is None else _AllowedNames(self._visitor.world.names, allowed)
        async with self._place(endpoint.only_address or endpoint.host, expires):
            go = self._visitor.look_up if only_look_up else self._visitor.probe
            result = await go(endpoint, names=names, expires=expires)
        failure = result.failure
        if names is not None and names.objection is not None:
            raise NotAllowedError(names.objection)
        if self._stopping and failure is not None and failure.reason is FailureReason.TIMEOUT:
            raise UnavailableError("mail-exporter ends")
        log.debug(
            "probed on demand",
            endpoint=endpoint.name,
            address=result.facts.address,
            duration=round(result.duration, 6),
            reason=failure and failure.reason.value,
            phase=failure and failure.phase.value,
        )
        return result

    @asynccontextmanager
    async def _place(self, host: str, expires: float) -> AsyncIterator[None]:
        """Room among the running probes, and among those of a host."""
        try:
            async with asyncio.timeout((expires - asyncio.get_running_loop().time()) * SHARE):
                await self._room(host)
        except TimeoutError:
            raise UnavailableError("too many probes are running already") from None
        if self._stopping:
            raise UnavailableError("mail-exporter ends")
        self._hosts[host] += 1
        try:
            yield
        finally:
            self._hosts -= Counter({host: 1})
            self._wake()

    async def _room(self, host: str) -> None:
        while not self._stopping and not self._has_room(host):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            finally:
                self._waiting.remove(waiter)

    def _wake(self) -> None:
        """Let all waiting probes check again, in their order."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _has_room(self, host: str) -> bool:
        limits = self._limits
        return self._hosts.total() < limits.on_demand_probes and self._hosts[host] < limits.connections_per_host
