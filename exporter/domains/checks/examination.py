"""The state of one running judgement. The checks share it, so that nothing is asked twice.

Several checks need the servers of a domain, their addresses and their certificates. The first check that needs one
starts a task, and the others wait for the same task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from exporter.config.configuration import Domain
from exporter.domains.discovery.discoverer import Discoverer, Discovery
from exporter.domains.discovery.dns_records import SMTP_PORT, Mx, is_null_mx
from exporter.domains.handshakes import HandshakeResult, Handshakes, MailService
from exporter.domains.lookups import Found, Lookups, addresses, mx_records
from exporter.domains.posture.memory import DomainMemory
from exporter.domains.target_rule import DomainTargetRule
from exporter.model import DomainCheck, DomainFinding, DomainProblem, Encryption, KeyType, Reach
from exporter.model import Protocol as MailProtocol
from exporter.net.http.fetch import Fetcher
from exporter.schedule.job import Connections, uncounted

T = TypeVar("T")

AT_ONCE = 8
"""The most handshakes at once for one domain."""

MAX_HOSTS = 20
"""The most MX hosts of a domain that are checked. Few domains have more than six."""

MAX_ADDRESSES = 8
"""The most addresses of a host that are checked, for each family."""


@dataclass(frozen=True, slots=True)
class MailHost:
    """A host with its addresses.

    Attributes:
        found: The answers about A and AAAA records.
        permitted: Addresses that we may connect to and that this machine has a route to.
        refused: Addresses that we may not connect to.
        unrouted: Addresses that this machine has no route to.
    """

    name: str
    found: tuple[Found, ...]
    permitted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unrouted: tuple[str, ...] = ()

    @property
    def failure(self) -> str:
        """Why its addresses are unknown; empty if they are known."""
        known = self.permitted or self.refused or self.unrouted
        return "" if known else next((each.failure for each in self.found if each.failure), "")

    @property
    def secure(self) -> bool:
        """Whether its addresses come from validated answers (RFC 7672 section 2.2.2)."""
        answers = [each for each in self.found if each.rdatas]
        return bool(answers) and all(each.secure for each in answers)

    @property
    def alias_of(self) -> str:
        """The name that it is an alias of; empty if it is not an alias."""
        expanded = next((each.name for each in self.found if each.rdatas), self.name)
        return "" if expanded == self.name else expanded


@dataclass(frozen=True, slots=True)
class MailExchange:
    """The MX records of a domain, and their hosts.

    Attributes:
        found: The answer about MX records.
        records: The records as published.
        implicit: Whether the domain is its own MX host.
        hosts: The hosts in the order of preference; empty with a null MX.
    """

    found: Found
    records: tuple[Mx, ...]
    implicit: bool
    hosts: tuple[MailHost, ...]


@dataclass
class Examination:
    """The facts and problems that are known so far, as one check sees them.

    Attributes:
        check: The check that runs. What it reports is its own; all other attributes are shared with the other checks.
    """

    settings: Domain
    check: DomainCheck
    lookups: Lookups
    fetcher: Fetcher
    handshakes: Handshakes
    memory: DomainMemory
    now: float
    has_route: Callable[[str], bool]
    connection: Connections = uncounted
    findings: dict[DomainCheck, list[DomainFinding]] = field(default_factory=dict)
    silent: set[DomainCheck] = field(default_factory=set)
    _shared: dict[Hashable, asyncio.Task[Any]] = field(default_factory=dict)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @property
    def domain(self) -> str:
        return self.settings.name

    @property
    def rule(self) -> DomainTargetRule:
        """Where the domain's records may lead us."""
        return DomainTargetRule(self.settings.allowed)

    async def senders(self) -> tuple[str, ...]:
        """The addresses that send for the domain: those of the settings, else those of the MX hosts; each once."""
        if self.settings.senders:
            return self.settings.senders
        hosts = (await self.exchange()).hosts
        return tuple(dict.fromkeys(address for host in hosts for address in (*host.permitted, *host.unrouted)))

    def of(self, check: DomainCheck) -> Examination:
        """The same for another check."""
        return replace(self, check=check)

    def report(self, problem: DomainProblem, detail: str) -> None:
        finding, known = DomainFinding(self.check, problem, detail), self.findings.setdefault(self.check, [])
        if finding not in known:
            known.append(finding)

    def nothing_published(self) -> None:
        """Record that the check has nothing to judge."""
        self.silent.add(self.check)

    def success(self, check: DomainCheck) -> bool | None:
        """The result of a check that has ended."""
        reaches = {finding.problem.reach for finding in self.findings.get(check, ())}
        if Reach.FAILS in reaches:
            return False
        return None if Reach.HIDES in reaches or check in self.silent else True

    async def shared(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The value of a key. It is made once, by the first caller."""
        task = self._shared.get(key)
        if task is None:

            async def run() -> T:
                return await make()

            task = self._shared[key] = asyncio.create_task(run())
        # Cancelling one check must not cancel a task that others wait for.
        return cast("T", await asyncio.shield(task))

    def close(self) -> None:
        """Cancel the tasks that are still running."""
        for task in self._shared.values():
            task.cancel()

    async def find(self, name: str, rdtype: str) -> Found:
        """As `Lookups.find`."""
        return await self.lookups.find(name, rdtype)

    async def exchange(self) -> MailExchange:
        """The MX hosts of the domain."""
        return await self.shared("mx", self._exchange)

    async def host(self, name: str) -> MailHost:
        return await self.shared(("host", name), lambda: self._host(name))

    async def shown(
        self, place: MailService, address: str, server_name: str, key_type: KeyType | None = None
    ) -> HandshakeResult:
        async def shake() -> HandshakeResult:
            async with self.connection(place.host), self._room:
                return await self.handshakes.shake(
                    place, address, server_name=server_name, key_type=key_type, ca_file=self.settings.ca_file
                )

        return await self.shared(("shown", place, address, server_name, key_type), shake)

    async def discovery(self, make: Callable[[Discoverer], Awaitable[Discovery]]) -> Discovery:
        """The results of the domain's sources."""
        return await self.shared("discovery", lambda: make(Discoverer(self.lookups, self.fetcher)))

    async def _exchange(self) -> MailExchange:
        found = await self.find(self.domain, "MX")
        records = mx_records(found)
        if is_null_mx(records):
            return MailExchange(found, tuple(records), implicit=False, hosts=())
        implicit = not records and not found.failure
        named = dict.fromkeys([self.domain] if implicit else [each.host for each in records if each.host])
        hosts = await asyncio.gather(*map(self.host, [*named][:MAX_HOSTS]))
        if implicit and not any(each.rdatas for each in hosts[0].found):
            hosts = []
        return MailExchange(found, tuple(records), implicit, tuple(hosts))

    async def _host(self, name: str) -> MailHost:
        found = await asyncio.gather(*(self.find(name, kind) for kind in ("AAAA", "A")))
        known = [address for each in found for address in addresses(each)[:MAX_ADDRESSES]]
        permitted = self.rule.permitted(name, known)
        routed = tuple(address for address in permitted if self.has_route(address))
        return MailHost(
            name,
            tuple(found),
            permitted=routed,
            refused=tuple(address for address in known if address not in permitted),
            unrouted=tuple(address for address in permitted if address not in routed),
        )


def relay(host: str) -> MailService:
    """An MX host, connected to as other mail servers do."""
    return MailService(host, SMTP_PORT, MailProtocol.SMTP, Encryption.STARTTLS)


def listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


Check = Callable[[Examination], Awaitable[Mapping[str, Any]]]
"""Does a check, reports its problems, and returns fields of the report."""
