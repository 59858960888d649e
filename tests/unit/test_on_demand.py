"""Probes that somebody asks for: which of them are made, when, and what is connected to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from exporter.config.values.allowed import AllowedTargets, parse_allowed
from exporter.model import (
    Addresses,
    Credentials,
    Encryption,
    Endpoint,
    FailureReason,
    IpFamily,
    Limits,
    LoginBackoff,
    ProbeResult,
    Protocol,
    Resolution,
    Secret,
    SecretSource,
)
from exporter.net.dns.resolve import AddressResolver, ResolveError
from exporter.net.stream import Stream, StreamError
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.on_demand import NotAllowedError, OnDemand, UnavailableError
from exporter.visiting.visit import Visitor
from tests import virtual_time
from tests.replay import Replay
from tests.unit.scripted_visits import Contexts

GOOD = (b"+OK ready\r\n", b"+OK\r\nUSER\r\n.\r\n", b"+OK bye\r\n")


def pop3(host: str = "mail.example.com", **changes: object) -> Endpoint:
    fields: dict[str, object] = {"timeout": 10.0, **changes}
    return Endpoint(f"pop3://{host}", Protocol.POP3, host, 110, Encryption.NONE, **fields)  # type: ignore[arg-type]  # names and types are the caller's


def allowed(*entries: str) -> AllowedTargets:
    return AllowedTargets(tuple(parse_allowed(entry) for entry in entries))


class RebindingNames(AddressResolver):
    """Answers each question with the next of several answers, as a DNS does that wants to get past a check."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.asked: list[str] = []
        self._answers = iter(answers)

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        assert family is IpFamily.ANY
        self.asked.append(host)
        answer = next(self._answers)
        if not answer:
            raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{host} does not exist")
        return Resolution(answer)


@dataclass
class Network:
    """Connects to servers that are well, or that are silent for some seconds and then refuse."""

    silent_for: float = 0.0
    connected_to: list[str] = field(default_factory=list)

    async def connect(self, address: str, port: int, source_address: str | None) -> Stream:
        assert (110, None) == (port, source_address)
        self.connected_to.append(address)
        if self.silent_for:
            await asyncio.sleep(self.silent_for)
            raise StreamError(FailureReason.CONNECT_REFUSED, "refused in the end")
        return Replay(GOOD)


@dataclass(frozen=True)
class SlowSecret:
    """On a disk that is slow."""

    delay: float

    async def wait(self) -> None:
        await asyncio.sleep(self.delay)

    def read(self) -> Secret:
        raise AssertionError("read in a thread, which knows no virtual time")


class SlowLogins(Logins):
    """Takes its time for a login."""

    async def _for_probe(self, endpoint: Endpoint) -> None:
        assert endpoint.credentials is not None
        await cast("SlowSecret", endpoint.credentials.password).wait()


@dataclass
class Bench:
    """A bench for probes: what they meet with, and the bounds that they are kept to."""

    names: RebindingNames
    network: Network = field(default_factory=Network)
    limits: Limits = field(default_factory=Limits)
    logins: type[Logins] = Logins

    def on_demand(self) -> OnDemand:
        loop = asyncio.get_running_loop()
        world = World(self.names, Contexts(), lambda: 0.0, loop.time, self.network.connect)
        made = OnDemand(Visitor(world, self.logins(loop.time, LoginBackoff())))
        made.configure(self.limits)
        return made

    def probe(self, endpoint: Endpoint, targets: AllowedTargets | None, within: float = 30.0) -> ProbeResult:
        async def once() -> ProbeResult:
            (result,) = await self.on_demand().probe(endpoint, allowed=targets, within=within)
            return result

        return virtual_time.run(once())


def test_an_allowed_target_is_probed_at_the_addresses_that_were_judged() -> None:
    bench = Bench(RebindingNames(("192.0.2.7",), ("127.0.0.1",)))

    result = bench.probe(pop3(), allowed("*.example.com", "192.0.2.0/24"))

    assert (None, "192.0.2.7") == (result.failure, result.facts.address)
    assert (["192.0.2.7"], 1) == (bench.network.connected_to, len(bench.names.asked))


@pytest.mark.parametrize(
    ("answer", "entries"),
    [
        (("127.0.0.1",), ["*.example.com", "192.0.2.0/24"]),
        (("192.0.2.7", "127.0.0.1"), ["*.example.com", "192.0.2.0/24"]),
        (("127.0.0.1", "192.0.2.7"), ["192.0.2.0/24"]),
        (("::ffff:127.0.0.1",), ["*.example.com"]),
        (("169.254.169.254",), ["*.example.com"]),
        (("64:ff9b::7f00:1",), ["192.0.2.0/24", "::/0"]),
    ],
)
def test_nothing_is_connected_to_if_one_address_is_not_allowed(answer: tuple[str, ...], entries: list[str]) -> None:
    bench = Bench(RebindingNames(answer))

    with pytest.raises(NotAllowedError, match=r"mail\.example\.com"):
        bench.probe(pop3(), allowed(*entries))
    assert [] == bench.network.connected_to


@pytest.mark.parametrize("host", ["mail.example.org", "127.0.0.1", "::ffff:7f00:1"])
def test_a_target_that_is_not_allowed_is_not_even_looked_up(host: str) -> None:
    bench = Bench(RebindingNames())

    with pytest.raises(NotAllowedError):
        bench.probe(pop3(host), allowed("*.example.com", "192.0.2.0/24"))
    assert [] == bench.names.asked


def test_a_name_that_was_allowed_is_looked_up_as_a_whole() -> None:
    """Below a search domain it would be another name, which nobody allowed."""
    bench = Bench(RebindingNames(*[("192.0.2.7",)] * 4))

    bench.probe(pop3(), allowed("*.example.com"))
    bench.probe(pop3("192.0.2.7"), allowed("*.example.com", "192.0.2.0/24"))
    bench.probe(pop3(), allowed("192.0.2.0/24"))
    bench.probe(pop3(), None)

    assert ["mail.example.com.", "192.0.2.7", "mail.example.com", "mail.example.com"] == bench.names.asked


def test_a_name_that_leads_nowhere_is_a_failed_probe_and_no_refusal() -> None:
    result = Bench(RebindingNames(())).probe(pop3(), allowed("*.example.com"))

    assert result.failure is not None
    assert FailureReason.DNS_NOT_FOUND is result.failure.reason


@pytest.mark.parametrize(("timeout", "within", "expected"), [(10.0, 4.0, 4.0), (3.0, 4.0, 3.0)])
def test_a_probe_has_the_time_that_both_sides_give_it(timeout: float, within: float, expected: float) -> None:
    bench = Bench(RebindingNames(("192.0.2.7",)), Network(silent_for=60.0))

    result = bench.probe(pop3(timeout=timeout), None, within)

    assert result.failure is not None
    assert FailureReason.TIMEOUT is result.failure.reason
    assert result.duration == pytest.approx(expected)


@pytest.mark.parametrize("limits", [Limits(on_demand_probes=2), Limits(connections_per_host=2)])
def test_who_comes_when_there_is_no_place_waits_for_one_and_has_the_less_time(limits: Limits) -> None:
    bench = Bench(RebindingNames(*[("192.0.2.7",)] * 3), Network(silent_for=60.0), limits)

    async def three() -> list[float]:
        on_demand = bench.on_demand()
        first = pop3(timeout=4.0)
        results = await asyncio.gather(
            *(on_demand.probe(each, allowed=None, within=10.0) for each in (first, first, pop3()))
        )
        return [result.duration for (result,) in results]

    assert [4.0, 4.0, 6.0] == pytest.approx(virtual_time.run(three()))


def test_other_hosts_do_not_wait_for_one() -> None:
    bench = Bench(
        RebindingNames(*[("192.0.2.7",)] * 3),
        Network(silent_for=60.0),
        Limits(connections_per_host=1, on_demand_probes=2),
    )

    async def two() -> list[float]:
        on_demand = bench.on_demand()
        both = (on_demand.probe(pop3(host), allowed=None, within=10.0) for host in ("a.example.com", "b.example.com"))
        return [result.duration for (result,) in await asyncio.gather(*both)]

    assert [10.0, 10.0] == pytest.approx(virtual_time.run(two()))


def test_who_gets_no_place_in_half_of_the_time_is_told_so() -> None:
    bench = Bench(RebindingNames(("192.0.2.7",)), Network(silent_for=60.0), Limits(on_demand_probes=1))

    async def two() -> tuple[str, float]:
        on_demand = bench.on_demand()
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(on_demand.probe(pop3(timeout=60.0), allowed=None, within=60.0))
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError) as refusal:
            await on_demand.probe(pop3(), allowed=None, within=10.0)
        first.cancel()
        return str(refusal.value), loop.time()

    said, at = virtual_time.run(two())

    assert "too many probes are running already" == said
    assert at == pytest.approx(5.0)


def test_a_place_is_free_again_whatever_became_of_the_probe() -> None:
    bench = Bench(RebindingNames(("127.0.0.1",), ("192.0.2.7",), ("192.0.2.7",)), Network(), Limits(on_demand_probes=1))

    async def three() -> ProbeResult:
        on_demand = bench.on_demand()
        with pytest.raises(NotAllowedError):
            await on_demand.probe(pop3(), allowed=allowed("192.0.2.0/24"), within=1.0)
        given_up = asyncio.ensure_future(on_demand.probe(pop3(), allowed=None, within=1.0))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        (result,) = await on_demand.probe(pop3(), allowed=None, within=1.0)
        return result

    assert virtual_time.run(three()).failure is None


def test_a_secret_that_does_not_come_fails_the_login_and_leaves_time_for_the_rest() -> None:
    secret = cast("SecretSource", SlowSecret(60.0))
    credentials = Credentials("monitor", "monitor@example.com", secret)
    bench = Bench(RebindingNames(("192.0.2.7",)), logins=SlowLogins)

    result = bench.probe(pop3(credentials=credentials), None, within=10.0)

    assert result.failure is not None
    assert "192.0.2.7" == result.facts.address
    assert (FailureReason.SECRET_UNREADABLE, "it took longer than 5.0 s to get at the secret") == (
        result.failure.reason,
        result.failure.detail,
    )


def test_nothing_begins_once_the_program_ends_and_what_it_cuts_short_is_no_failure_of_a_server() -> None:
    bench = Bench(RebindingNames(*[("192.0.2.7",)] * 2), Network(silent_for=60.0), Limits(on_demand_probes=1))

    async def cut_short() -> list[str]:
        loop = asyncio.get_running_loop()
        world = World(bench.names, Contexts(), lambda: 0.0, loop.time, bench.network.connect)
        visitor = Visitor(world, Logins(loop.time, LoginBackoff()))
        on_demand = OnDemand(visitor)
        on_demand.configure(bench.limits)
        asked = [asyncio.ensure_future(on_demand.probe(pop3(), allowed=None, within=20.0)) for _ in range(2)]
        await asyncio.sleep(1.0)
        on_demand.stop()
        visitor.hurry()
        asked.append(asyncio.ensure_future(on_demand.probe(pop3(), allowed=None, within=20.0)))
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert loop.time() == pytest.approx(1.0)
        return [f"{type(outcome).__name__}: {outcome}" for outcome in outcomes]

    assert ["UnavailableError: mail-exporter ends"] * 3 == virtual_time.run(cut_short())


def test_every_address_is_probed_if_so_configured_and_judged_each_time() -> None:
    both = ("192.0.2.7", "192.0.2.8")
    bench = Bench(RebindingNames(both, both, both))
    endpoint = pop3(addresses=Addresses.ALL)

    async def once() -> list[tuple[str | None, str | None]]:
        results = await bench.on_demand().probe(endpoint, allowed=allowed("192.0.2.0/24"), within=30.0)
        return [(result.only_address, result.facts.address) for result in results]

    assert [(address, address) for address in both] == virtual_time.run(once())


def test_an_address_that_is_swapped_after_the_first_look_is_not_connected_to() -> None:
    bench = Bench(RebindingNames(("192.0.2.7", "192.0.2.8"), ("192.0.2.7",), ("127.0.0.1",)))

    async def once() -> None:
        with pytest.raises(NotAllowedError):
            await bench.on_demand().probe(pop3(addresses=Addresses.ALL), allowed=allowed("192.0.2.0/24"), within=30.0)

    virtual_time.run(once())
    assert ["192.0.2.7"] == bench.network.connected_to


def test_a_name_with_several_addresses_that_leads_nowhere_is_one_failure() -> None:
    result = Bench(RebindingNames(())).probe(pop3(addresses=Addresses.ALL), None)

    assert result.failure is not None
    assert (FailureReason.DNS_NOT_FOUND, None) == (result.failure.reason, result.only_address)
