"""One judgement of a domain while it is being made: what the checks share, so that nothing is asked twice.

The servers of a domain, their addresses and what they present are needed by several checks; each is found out once, by
whichever check comes first, and the others wait for the same task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from exporter.domains.discovery.discover import Discoverer, Discovery
from exporter.domains.discovery.dns_records import SMTP_PORT, Mx, is_null_mx
from exporter.domains.lookups import Found, Lookups, addresses, mx_records
from exporter.domains.posture.memory import Memory
from exporter.domains.targets import TargetRule
from exporter.model import (
    CertificateProblem,
    DomainCheck,
    DomainProblem,
    Encryption,
    FailureReason,
    Finding,
    KeyType,
    Phase,
    Reach,
)
from exporter.model import Protocol as MailProtocol
from exporter.net.fetch import Fetcher

T = TypeVar("T")

AT_ONCE = 8
"""Handshakes under way for one domain."""

MAX_HOSTS = 20
"""MX hosts of a domain that are looked at: few have more than six."""

MAX_ADDRESSES = 8
"""Addresses of each family and host that are looked at."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a domain is to be judged.

    Attributes:
        senders: Addresses that send for the domain; empty for those of its MX hosts.
        sources: Of documents about the domain, for the check of them.
    """

    name: str
    checks: tuple[DomainCheck, ...]
    dkim_selectors: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    dnsbl: tuple[str, ...] = ()
    rule: TargetRule = field(default_factory=TargetRule)
    ca_file: Path | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """A server, as it is to be connected to."""

    host: str
    port: int
    protocol: MailProtocol
    encryption: Encryption


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server did at one address, up to the TLS handshake.

    Attributes:
        reason: Why the handshake was not reached or failed; `None` if it succeeded.
        phase: Where that was.
        detail: Likewise, for people.
        starttls: Whether it is offered; `None` if that was not reached, or TLS comes first.
        chain: What was presented, DER, the server's own certificate first.
        problems: The certificate's problems for senders that do not use DANE.
        not_before: Unix time, of the server's own certificate.
        not_after: Likewise.
        helo: The name that an SMTP server calls itself; empty if unknown.
    """

    reason: FailureReason | None
    phase: Phase | None = None
    detail: str = ""
    starttls: bool | None = None
    chain: tuple[bytes, ...] = ()
    problems: tuple[CertificateProblem, ...] = ()
    not_before: float | None = None
    not_after: float | None = None
    helo: str = ""

    @property
    def reached(self) -> bool:
        """Whether the server could be connected to."""
        return self.phase not in (Phase.DNS, Phase.CONNECT)

    @property
    def speaks(self) -> bool:
        """Whether it would go on talking: it greeted us, and told what it can do."""
        return self.reason is None or self.phase in (Phase.STARTTLS, Phase.TLS)


class Hands(Protocol):
    """Shakes hands with servers."""

    async def shake(
        self, place: Place, address: str, *, server_name: str, key_type: KeyType | None, ca_file: Path | None
    ) -> Shown:
        """One connection, up to the handshake and a goodbye; with TLS 1.2 suites of one kind of key if it is named."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host with its addresses.

    Attributes:
        preference: The preference of an MX host.
        found: The answers about A and AAAA records.
        permitted: Addresses that may be connected to, and to which there is a route.
        refused: Those that may not.
        unrouted: Those that this machine has no route to.
    """

    name: str
    preference: int
    found: tuple[Found, ...]
    permitted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unrouted: tuple[str, ...] = ()

    @property
    def failure(self) -> str:
        """Why its addresses are not known; empty if they are."""
        known = self.permitted or self.refused or self.unrouted
        return "" if known else next((each.failure for each in self.found if each.failure), "")

    @property
    def secure(self) -> bool:
        """Whether its addresses come from validated answers (RFC 7672 section 2.2.2)."""
        answers = [each for each in self.found if each.rdatas]
        return bool(answers) and all(each.secure for each in answers)

    @property
    def alias_of(self) -> str:
        """What it is an alias of; empty if it is none."""
        expanded = next((each.name for each in self.found if each.rdatas), self.name)
        return "" if expanded == self.name else expanded


@dataclass(frozen=True, slots=True)
class MailExchange:
    """Where a domain's mail goes.

    Attributes:
        found: The answer about MX records.
        records: As published.
        implicit: Whether the domain stands for itself.
        hosts: In the order of preference; none with a null MX.
    """

    found: Found
    records: tuple[Mx, ...]
    implicit: bool
    hosts: tuple[Host, ...]


@dataclass
class Examination:
    """What is known so far, and what was found to be wrong."""

    settings: Settings
    lookups: Lookups
    fetcher: Fetcher
    hands: Hands
    memory: Memory
    now: float
    has_route: Callable[[str], bool]
    findings: dict[DomainCheck, list[Finding]] = field(default_factory=dict)
    silent: set[DomainCheck] = field(default_factory=set)
    _shared: dict[Hashable, asyncio.Task[Any]] = field(default_factory=dict)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @property
    def domain(self) -> str:
        return self.settings.name

    def report(self, problem: DomainProblem, check: DomainCheck, detail: str) -> None:
        finding, known = Finding(check, problem, detail), self.findings.setdefault(check, [])
        if finding not in known:
            known.append(finding)

    def nothing_published(self, check: DomainCheck) -> None:
        """There is nothing to judge."""
        self.silent.add(check)

    def success(self, check: DomainCheck) -> bool | None:
        """What a check came to, once it is over."""
        reaches = {finding.problem.reach for finding in self.findings.get(check, ())}
        if Reach.FAILS in reaches:
            return False
        return None if Reach.HIDES in reaches or check in self.silent else True

    async def shared(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The value of a key, which is made once however many ask."""
        task = self._shared.get(key)
        if task is None:

            async def run() -> T:
                return await make()

            task = self._shared[key] = asyncio.create_task(run())
        # A check that is given up does not take from the others what they wait for.
        return cast("T", await asyncio.shield(task))

    def close(self) -> None:
        """Give up what is still being asked."""
        for task in self._shared.values():
            task.cancel()

    async def find(self, name: str, rdtype: str) -> Found:
        """As `Lookups.find`."""
        return await self.lookups.find(name, rdtype)

    async def exchange(self) -> MailExchange:
        """Where the domain's mail goes."""
        return await self.shared("mx", self._exchange)

    async def host(self, name: str, preference: int = 0) -> Host:
        return await self.shared(("host", name), lambda: self._host(name, preference))

    async def shown(self, place: Place, address: str, server_name: str, key_type: KeyType | None = None) -> Shown:
        async def shake() -> Shown:
            async with self._room:
                return await self.hands.shake(
                    place, address, server_name=server_name, key_type=key_type, ca_file=self.settings.ca_file
                )

        return await self.shared(("shown", place, address, server_name, key_type), shake)

    async def discovery(self, make: Callable[[Discoverer], Awaitable[Discovery]]) -> Discovery:
        """What the domain's sources say."""
        return await self.shared("discovery", lambda: make(Discoverer(self.lookups, self.fetcher)))

    async def _exchange(self) -> MailExchange:
        found = await self.find(self.domain, "MX")
        records = mx_records(found)
        if is_null_mx(records):
            return MailExchange(found, tuple(records), implicit=False, hosts=())
        implicit = not records and not found.failure
        named = [(self.domain, 0)] if implicit else [(each.host, each.preference) for each in records if each.host]
        best: dict[str, int] = {}
        for name, preference in named:
            best.setdefault(name, preference)
        hosts = await asyncio.gather(*(self.host(name, preference) for name, preference in [*best.items()][:MAX_HOSTS]))
        if implicit and not any(each.rdatas for each in hosts[0].found):
            hosts = []
        return MailExchange(found, tuple(records), implicit, tuple(hosts))

    async def _host(self, name: str, preference: int) -> Host:
        found = await asyncio.gather(*(self.find(name, kind) for kind in ("AAAA", "A")))
        known = [address for each in found for address in addresses(each)[:MAX_ADDRESSES]]
        permitted = self.settings.rule.permitted(name, known)
        routed = tuple(address for address in permitted if self.has_route(address))
        return Host(
            name,
            preference,
            tuple(found),
            permitted=routed,
            refused=tuple(address for address in known if address not in permitted),
            unrouted=tuple(address for address in permitted if address not in routed),
        )


def relay(host: str) -> Place:
    """An MX host as other mail servers connect to it."""
    return Place(host, SMTP_PORT, MailProtocol.SMTP, Encryption.STARTTLS)


def listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


Check = Callable[[Examination], Awaitable[Mapping[str, Any]]]
"""Makes a check, reports what is wrong, and returns fields of the report."""
