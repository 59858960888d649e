"""A probe by way of a proxy: whose names are looked up where, in which phase, and what is said when it fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from exporter.model import (
    Encryption,
    Endpoint,
    FailureReason,
    IpFamily,
    Phase,
    ProbeResult,
    Protocol,
    Proxy,
    ProxyScheme,
    Resolution,
)
from exporter.net.dns.resolve import AddressResolver, ResolveError
from exporter.net.stream import Stream, StreamError
from exporter.visiting.connect import World
from tests import virtual_time
from tests.replay import Replay
from tests.unit.scripted_visits import Contexts
from tests.visits import visitor

PROXY = Proxy(ProxyScheme.SOCKS5, "proxy.example.net", 1080)
SERVER = "192.0.2.10"
HOPS = ("10.0.0.1", "10.0.0.2")
GOOD = [b"+OK hello\r\n", b"+OK\r\nUSER\r\n.\r\n", b"+OK bye\r\n"]
ENDPOINT = Endpoint("proxied", Protocol.POP3, "mail.example.com", 110, Encryption.NONE, timeout=10.0, proxy=PROXY)


@dataclass
class Known(AddressResolver):
    """Knows some names."""

    found: dict[str, tuple[str, ...]]
    asked: list[tuple[str, IpFamily]] = field(default_factory=list)

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        self.asked.append((host, family))
        if host not in self.found:
            raise ResolveError(FailureReason.DNS_NOT_FOUND, f"{host} does not exist")
        return Resolution(self.found[host])


@dataclass
class Network:
    """By way of hops: connects after a second, or fails as it is told; `None` says nothing."""

    failures: dict[str, StreamError | None] = field(default_factory=dict)
    ways: list[tuple[str, str, int, str | None]] = field(default_factory=list)

    async def directly(self, *way: object) -> Stream:
        raise AssertionError(f"{way} is connected to without the proxy")

    async def through(self, proxy: Proxy, hop: str, address: str, port: int, source: str | None) -> Stream:
        assert proxy == PROXY
        self.ways.append((hop, address, port, source))
        await asyncio.sleep(1)
        if hop not in self.failures:
            return Replay(GOOD)
        failure = self.failures[hop]
        if failure is None:
            await asyncio.sleep(3600)
        assert failure is not None
        raise failure


def probe(
    network: Network, names: Known, endpoint: Endpoint = ENDPOINT, *, restricted: AddressResolver | None = None
) -> ProbeResult:
    async def scenario() -> ProbeResult:
        clock = asyncio.get_running_loop().time
        world = World(names, Contexts(), lambda: 0.0, clock, network.directly, network.through)
        return await visitor(world).probe(endpoint, names=restricted)

    return virtual_time.run(scenario())


def both() -> Known:
    return Known({"mail.example.com": (SERVER,), PROXY.host: HOPS})


def told(result: ProbeResult) -> tuple[FailureReason, Phase, str]:
    assert result.failure is not None
    return result.failure.reason, result.failure.phase, result.failure.detail


def test_the_server_s_name_is_looked_up_here_and_the_proxy_s_work_is_part_of_connect() -> None:
    network, names = Network(), both()

    result = probe(network, names)

    assert result.failure is None
    assert [("mail.example.com", IpFamily.ANY), (PROXY.host, IpFamily.ANY)] == names.asked
    assert [(HOPS[0], SERVER, 110, None)] == network.ways
    assert (0.0, 1.0) == (result.phase_durations[Phase.DNS], result.phase_durations[Phase.CONNECT])
    assert f"connected to {SERVER} port 110 by way of socks5://proxy.example.net:1080" == result.transcript[0].text
    assert result.facts.address == SERVER


def test_a_source_address_is_for_the_way_to_the_proxy() -> None:
    network, names = Network(), both()

    probe(network, names, replace(ENDPOINT, source_address="192.0.2.5"))

    assert [("mail.example.com", IpFamily.ANY), (PROXY.host, IpFamily.IPV4)] == names.asked
    assert [(HOPS[0], SERVER, 110, "192.0.2.5")] == network.ways


def test_what_restricts_targets_does_not_restrict_the_proxy() -> None:
    names = Known({PROXY.host: HOPS})
    allowed = Known({"mail.example.com": (SERVER,)})

    assert probe(Network(), names, restricted=allowed).failure is None
    assert ([(PROXY.host, IpFamily.ANY)], [("mail.example.com", IpFamily.ANY)]) == (names.asked, allowed.asked)


def test_the_addresses_of_a_proxy_are_tried_in_turn() -> None:
    network = Network({HOPS[0]: StreamError(FailureReason.CONNECT_REFUSED, "the proxy cannot be reached")})

    assert probe(network, both()).failure is None
    assert list(HOPS) == [hop for hop, *_ in network.ways]


def test_a_proxy_whose_name_leads_nowhere_is_no_failure_of_the_server_s_name() -> None:
    result = probe(Network(), Known({"mail.example.com": (SERVER,)}))

    detail = f"the address of the proxy {PROXY} could not be found: proxy.example.net does not exist"
    assert (FailureReason.CONNECT_FAILED, Phase.CONNECT, detail) == told(result)
    assert Resolution((SERVER,)) == result.resolution


@pytest.mark.parametrize("reason", [FailureReason.CONNECT_REFUSED, FailureReason.CONNECT_FAILED])
def test_a_proxy_that_refuses_gives_the_reason(reason: FailureReason) -> None:
    refusal = StreamError(reason, "the proxy said no")

    result = probe(Network(dict.fromkeys(HOPS, refusal)), both())

    detail = f"{SERVER} port 110: the proxy said no; 1 other way failed as well"
    assert (reason, Phase.CONNECT, detail) == told(result)


def test_a_proxy_that_says_nothing_is_named() -> None:
    result = probe(Network(dict.fromkeys(HOPS)), both())

    detail = f"no reply within 10 s by way of the proxy {PROXY}"
    assert (FailureReason.TIMEOUT, Phase.CONNECT, detail) == told(result)
    assert f"{SERVER} port 110: no answer within 5.0 s by way of {PROXY}" == result.transcript[0].text
