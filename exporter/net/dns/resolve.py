"""Resolves names to addresses as a mail client's system does, without blocking the loop.

The first source that knows the name is used: an IP address as it is; the hosts file; `localhost` and names below it
(RFC 6761 section 6.3); DNS, with the search domains. `/etc/nsswitch.conf` is not read: "files dns" is what practically
every system has, and the other sources (mDNS, LDAP) do not hold mail servers.

DNS is asked for A and AAAA at the same time. What is asked, kept and shared lies in `dns_answers` and below; here is
only what it means for a probe. Records of other kinds (MX, SRV) are one more question to the same `Answers`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast

import dns.rdatatype
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from exporter.model import DnsSettings, FailureReason, IpFamily, Resolution
from exporter.net.dns.address_order import AddressOrder, routed_source
from exporter.net.dns.dns_answers import Answers, absolute_name
from exporter.net.dns.dns_query import Absent, Failed, QueryOutcome, RecordSet, ask
from exporter.net.dns.nameserver import Nameserver
from exporter.net.dns.system_names import HOSTS, RESOLV_CONF, SystemNameFiles, SystemNames, normal_address

MAX_ADDRESSES = 64
"""Addresses of one name; a list without bound is not for trying one after the other."""

SERVERS_TIMEOUT = 2.0
"""Seconds for the name servers of a zone: many networks let no question out but their own resolver's."""

_LOOPBACK = ("::1", "127.0.0.1")
_MAX_HOST = 253
_MAX_LABEL = 63
_UNREAD = "the hosts file and resolv.conf cannot be read: {}"
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*(?![0-9]+\Z)[a-z0-9_-]{1,63}")
"""RFC 1123 section 2.1, and underscores: they are not allowed, and found in the names of hosts all the same. The last
label is not a number (RFC 3696 section 2): `256.0.0.1`, `127.1` and the like are addresses written wrongly."""
_MAX_SHOWN = 80

_TYPES: Mapping[IpFamily, tuple[dns.rdatatype.RdataType, ...]] = MappingProxyType(
    {
        IpFamily.ANY: (dns.rdatatype.AAAA, dns.rdatatype.A),
        IpFamily.IPV4: (dns.rdatatype.A,),
        IpFamily.IPV6: (dns.rdatatype.AAAA,),
    }
)
_RECORDS: Mapping[IpFamily, str] = MappingProxyType(
    {IpFamily.ANY: "A or AAAA record", IpFamily.IPV4: "A record", IpFamily.IPV6: "AAAA record"}
)


class ResolveError(OSError):
    """A name has no address to connect to.

    Attributes:
        reason: `DNS_NOT_FOUND` if that is how things are, `DNS_FAILED` if it could not be found out.
        detail: For people: the name, who was asked and what came. One line of printable ASCII.
        waited: As of `Resolution`.
    """

    def __init__(self, reason: FailureReason, detail: str, waited: float | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.waited = waited


class AddressResolver(Protocol):
    """What looks up the addresses of a host."""

    @property
    def nameservers_asked(self) -> str:
        """The nameservers, for people; empty before any is known."""
        return ""

    async def resolve(self, host: str, family: IpFamily) -> Resolution: ...


class Resolver:
    """Resolves names by one set of settings; made once and used by all probes of a loop.

    Holds no socket and no task beyond the lookups under way, so there is nothing to close.
    """

    def __init__(
        self,
        settings: DnsSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        hosts: Path = HOSTS,
        resolv_conf: Path = RESOLV_CONF,
        source_for: Callable[[str], str | None] = routed_source,
    ) -> None:
        """Does not read files yet; the first lookup does.

        Args:
            settings: What to ask, and for how long.
            clock: Monotonic seconds, for everything that expires. Deadlines are the loop's business.
            hosts: The hosts file.
            resolv_conf: What to ask where the settings name no nameservers.
            source_for: The local address for a remote one, as `routed_source` finds it.
        """
        self._settings = settings
        self._nameservers = tuple(Nameserver(address, port) for address, port in settings.nameservers)
        self._clock = clock
        self._files = SystemNameFiles(hosts, resolv_conf, clock)
        self._answers = Answers((), clock)
        self._order = AddressOrder(clock, source_for)

    @property
    def nameservers_asked(self) -> str:
        """The nameservers that are asked, for people; empty before any was."""
        return ", ".join(map(str, self._answers.nameservers))

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        """The addresses of a host in the order to try them (RFC 6724); at least one.

        Args:
            host: A name in A-label form, with or without the final dot that makes it absolute, or an IP address
                without brackets. IPv4 addresses mapped into IPv6 are IPv4 addresses.
            family: Which addresses are wanted.

        Raises:
            ResolveError: There is no address, or the lookup failed or took too long.
        """
        literal = _literal(host)
        if literal is not None:
            if not _is_of(family, literal):
                raise _not_found(f"{_shown(host)} is not an {family} address, and no other is wanted")
            return Resolution((literal,))
        name = _name(host)
        try:
            names = await self._files.now()
        except OSError as error:
            raise ResolveError(FailureReason.DNS_FAILED, _UNREAD.format(error.strerror)) from None
        # A name that the hosts file has in the other family only is looked for further on, as the C library does.
        local = tuple(address for address in names.hosts.get(name, ()) if _is_of(family, address))
        if not local and (name == "localhost" or name.endswith(".localhost")):
            local = tuple(address for address in _LOOPBACK if _is_of(family, address))
        return Resolution(self._order(local)) if local else await self._from_dns(name, host, family, names)

    async def records(
        self, name: str, rdtype: dns.rdatatype.RdataType, *, checking_disabled: bool = False
    ) -> QueryOutcome:
        """The records of a kind that DNS has for a name, which is absolute.

        Args:
            name: With or without the final dot.
            rdtype: None of the meta types.
            checking_disabled: Ask a validating server for what it has found to be wrong, too; the answer is not kept.
        """
        name = name.lower().removesuffix(".")
        if not _is_askable(name):
            return Failed(f"{_shown(name)} is not a name that DNS can hold")
        try:
            answers = self._answers_of(await self._files.now())
        except OSError as error:
            return Failed(_UNREAD.format(error.strerror))
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        if checking_disabled:
            return await answers.ask_unchecked((name, rdtype), deadline)
        (outcome,) = await answers.ask([(name, rdtype)], deadline)
        return outcome

    async def records_at(self, name: str, rdtype: dns.rdatatype.RdataType, addresses: Sequence[str]) -> QueryOutcome:
        """The records of an absolute name that servers at these addresses have; neither kept nor shared.

        They are name servers of a zone, which answer for it and for nothing else.
        """
        name = name.lower().removesuffix(".")
        if not _is_askable(name):
            return Failed(f"{_shown(name)} is not a name that DNS can hold")
        servers = [Nameserver(address) for address in addresses]
        deadline = asyncio.get_running_loop().time() + min(self._settings.timeout, SERVERS_TIMEOUT)
        return await ask(absolute_name(name), rdtype, servers, deadline)

    async def validates(self, outcome: QueryOutcome) -> bool:
        """Whether a server's statement that an answer is authentic can be trusted.

        AD counts from this machine, from a resolv.conf with `trust-ad`, and where the settings say so.
        """
        if isinstance(outcome, Failed):
            return False
        if self._settings.trust_ad or ip_address(outcome.server.address.partition("%")[0]).is_loopback:
            return True
        return not self._nameservers and (await self._files.now()).resolv_conf.trust_ad

    async def _from_dns(self, name: str, host: str, family: IpFamily, names: SystemNames) -> Resolution:
        answers = self._answers_of(names)
        begun, heard = time.perf_counter(), list[QueryOutcome]()
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        absences: list[Absent] = []
        for candidate in self._candidates(name, host, names):
            outcomes = await answers.ask([(candidate, rdtype) for rdtype in _TYPES[family]], deadline)
            heard += outcomes
            addresses = _addresses(outcomes, family)
            failures = dict.fromkeys(outcome.detail for outcome in outcomes if isinstance(outcome, Failed))
            if addresses:
                return Resolution(self._order(addresses), "; ".join(failures), _waited(heard, begun))
            absence = _absence(outcomes, candidate)
            if absence is None:
                # The search ends here: where a name leads may not depend on which question got lost.
                told = "; ".join((*failures, *names.problems))
                raise ResolveError(FailureReason.DNS_FAILED, f"{candidate}: {told}")
            absences.append(absence)
        raise ResolveError(FailureReason.DNS_NOT_FOUND, _described(absences, host, family), _waited(heard, begun))

    def _answers_of(self, names: SystemNames) -> Answers:
        """The answers of the nameservers in force; others' answers are forgotten."""
        nameservers = self._nameservers or names.resolv_conf.nameservers
        if nameservers != self._answers.nameservers:
            self._answers = Answers(nameservers, self._clock)
        return self._answers

    def _candidates(self, name: str, host: str, names: SystemNames) -> Iterator[str]:
        """The names to ask for, in order, as resolv.conf(5) has it.

        A name with enough dots is asked for as it is and no other way (RFC 1535 section 6): below a search domain it
        would be somebody else's host.
        """
        search, ndots = self._settings.search, 1
        if search is None:
            search = ()
            if not self._nameservers:
                search, ndots = names.resolv_conf.search, names.resolv_conf.ndots
        if not host.endswith(".") and name.count(".") < ndots:
            for domain in search:
                candidate = f"{name}.{domain.lower().strip('.')}"
                if _is_host(candidate):
                    yield candidate
        yield name


def _literal(host: str) -> str | None:
    """The host as a normalized IP address; `None` if it is a name.

    Raises:
        ResolveError: It has a zone: which interface an address is on is for the route to say, not for an endpoint.
    """
    address, percent, _ = host.partition("%")
    literal = normal_address(address)
    if literal is not None and percent:
        raise _not_found(f"{_shown(host)}: an address with a zone cannot be probed; leave out the % and the rest")
    return literal


def _name(host: str) -> str:
    """The host as a name in lower case without the final dot.

    Raises:
        ResolveError: No host can have this name.
    """
    name = host.removesuffix(".").lower()
    if not _is_host(name):
        raise _not_found(f"{_shown(host)} is neither an IP address nor a name that a host can have")
    return name


def _is_askable(name: str) -> bool:
    """Whether a question can be made of it: any labels of printable ASCII, such as those of services."""
    return len(name) <= _MAX_HOST and all(
        1 <= len(label) <= _MAX_LABEL and label.isascii() and label.isprintable() for label in name.split(".")
    )


def _is_host(name: str) -> bool:
    return len(name) <= _MAX_HOST and _HOST.fullmatch(name) is not None


def _is_of(family: IpFamily, address: str) -> bool:
    return family is IpFamily.ANY or (family is IpFamily.IPV6) is (":" in address)


def _addresses(outcomes: Sequence[QueryOutcome], family: IpFamily) -> tuple[str, ...]:
    """The addresses in all the answers, each once. A mapped IPv4 address in an AAAA record counts as IPv4."""
    found: dict[str, None] = {}
    for outcome in outcomes:
        if isinstance(outcome, RecordSet):
            for rdata in outcome.rdatas:
                address = cast("A | AAAA", rdata).address
                if address.startswith("::ffff:"):
                    address = normal_address(address) or address
                if _is_of(family, address):
                    found[address] = None
    return tuple(found)[:MAX_ADDRESSES]


def _waited(outcomes: Sequence[QueryOutcome], begun: float) -> float | None:
    """Seconds from the first question's leaving to the last answer's coming, without what we did before and after.

    Args:
        outcomes: The outcomes of all questions.
        begun: When the name was begun to be looked up: what others asked before is not waited for since then.
    """
    times = [(outcome.asked_at, outcome.answered_at) for outcome in outcomes if not isinstance(outcome, Failed)]
    fresh = [(max(asked, begun), answered) for asked, answered in times if answered > begun]
    if not fresh or len(times) < len(outcomes):
        return None
    return max(answered for _, answered in fresh) - min(asked for asked, _ in fresh)


def _absence(outcomes: Sequence[QueryOutcome], name: str) -> Absent | None:
    """The best evidence that a name has no addresses; `None` if a failure leaves that open."""
    absences = [outcome for outcome in outcomes if isinstance(outcome, Absent)]
    for absence in absences:
        if not absence.exists:
            # RFC 8020: a name that does not exist has no records of any kind, whatever became of the other question.
            return absence
    for outcome in outcomes:
        match outcome:
            case Failed():
                return None
            case RecordSet():
                absences.append(Absent(name, exists=True, ttl=0.0, server=outcome.server))
    return absences[0]


def _described(absences: Sequence[Absent], host: str, family: IpFamily) -> str:
    """Describes that there is no address, for the last candidate, which is the name as written."""
    last = absences[-1]
    which = _shown(host)
    below = len(absences) - 1
    if below:
        which += f" (also looked for below {below} search domain{'s' if below > 1 else ''})"
    if last.name != host.removesuffix(".").lower():
        which += f" is an alias of {last.name}, which"
    if last.exists:
        return f"{which} has no {_RECORDS[family]}, says {last.server}"
    return f"{which} does not exist, says {last.server} (NXDOMAIN)"


def _not_found(detail: str) -> ResolveError:
    return ResolveError(FailureReason.DNS_NOT_FOUND, detail)


def _shown(host: str) -> str:
    """A host for people, however hostile: printable ASCII, and not all of it if it is long."""
    text = ascii(host)[1:-1]
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
