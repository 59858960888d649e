"""How a visit reaches its server: names, addresses, and what is told when there is none that works."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass

import pytest

from exporter.model import (
    Failure,
    FailureReason,
    IpFamily,
    Phase,
    ProbeResult,
    Resolution,
)
from exporter.net.dns.resolve import ResolveError
from exporter.net.stream import StreamError
from exporter.visiting.connect import World
from tests import virtual_time
from tests.replay import Replay
from tests.unit.scripted_visits import (
    POP3_BYE,
    POP3_CAPA,
    POP3_GREETING,
    Contexts,
    Names,
    Network,
    failed,
    pop3,
    probe,
    run,
    tls_facts,
)
from tests.visits import visitor


def test_a_name_that_does_not_resolve_is_a_failure_in_the_phase_dns() -> None:
    names = Names(error=ResolveError(FailureReason.DNS_NOT_FOUND, "mail.example.com does not exist"))

    result, _ = probe(pop3(), [], names=names)

    assert Failure(FailureReason.DNS_NOT_FOUND, Phase.DNS, "mail.example.com does not exist") == result.failure
    assert {Phase.DNS} == result.phase_durations.keys()
    assert result.facts.address is None


def test_the_addresses_are_tried_in_order_until_one_connects() -> None:
    refused = StreamError(FailureReason.CONNECT_REFUSED, os.strerror(errno.ECONNREFUSED))
    network = Network(
        {
            "2001:db8::1": refused,
            "192.0.2.1": Replay([POP3_GREETING, POP3_CAPA, POP3_BYE], tls_facts()),
            "192.0.2.2": refused,
        }
    )

    result = run(pop3(), network, Names(tuple(network.servers)))

    assert result.failure is None
    assert "192.0.2.1" == result.facts.address
    assert ["2001:db8::1", "192.0.2.1"] == network.tried


def test_an_address_that_hangs_leaves_time_for_the_next() -> None:
    network = Network({"192.0.2.1": None, "192.0.2.2": Replay([POP3_GREETING, POP3_CAPA, POP3_BYE], tls_facts())})

    result = run(pop3(timeout=10.0), network, Names(tuple(network.servers)))

    assert result.failure is None
    assert "192.0.2.2" == result.facts.address
    assert 5.0 == pytest.approx(result.phase_durations[Phase.CONNECT])


def test_when_no_address_connects_the_last_one_says_why() -> None:
    refused = StreamError(FailureReason.CONNECT_REFUSED, "Connection refused")
    network = Network({"192.0.2.1": None, "192.0.2.2": refused})

    result = run(pop3(), network, Names(tuple(network.servers)))

    assert (FailureReason.CONNECT_REFUSED, Phase.CONNECT) == failed(result)
    assert result.failure is not None
    assert "192.0.2.2 port 995: Connection refused; 1 other address failed as well" == result.failure.detail


def test_a_connect_that_hangs_is_a_timeout() -> None:
    result = run(pop3(timeout=3.0), Network({"192.0.2.1": None}), Names(("192.0.2.1",)))

    assert (FailureReason.TIMEOUT, Phase.CONNECT) == failed(result)
    assert 3.0 == pytest.approx(result.duration)


def only(address: str, names: Names, network: Network | None = None) -> ProbeResult:
    """A probe of one address of the host."""
    server = Replay([POP3_GREETING, POP3_CAPA, POP3_BYE], tls_facts())
    return run(pop3(only_address=address), network or Network({address: server}), names)


def test_one_address_of_several_is_probed_and_no_other() -> None:
    result = only("192.0.2.2", Names(("192.0.2.1", "192.0.2.2")))

    assert result.failure is None
    assert "192.0.2.2" == result.facts.address
    assert ("pop3", "192.0.2.2") == result.series
    assert Resolution(("192.0.2.1", "192.0.2.2")) == result.resolution


def test_an_address_that_does_not_connect_is_not_made_up_for_by_another() -> None:
    refused = StreamError(FailureReason.CONNECT_REFUSED, "Connection refused")

    result = only("192.0.2.1", Names(("192.0.2.1", "192.0.2.2")), Network({"192.0.2.1": refused}))

    assert (FailureReason.CONNECT_REFUSED, Phase.CONNECT) == failed(result)
    assert result.failure is not None
    assert "192.0.2.1 port 995: Connection refused" == result.failure.detail


def test_an_address_that_left_is_not_probed() -> None:
    result = only("192.0.2.1", Names(("192.0.2.2",)))

    assert (FailureReason.DNS_NOT_FOUND, Phase.DNS) == failed(result)
    assert Resolution(("192.0.2.2",)) == result.resolution
    assert result.facts.address is None


def test_whether_an_address_left_may_be_unknown() -> None:
    result = only("2001:db8::1", Names(("192.0.2.2",), unanswered="AAAA: 192.0.2.53 says SERVFAIL"))

    assert Failure(FailureReason.DNS_FAILED, Phase.DNS, "AAAA: 192.0.2.53 says SERVFAIL") == result.failure


@pytest.mark.parametrize(
    ("reason", "resolution"), [(FailureReason.DNS_NOT_FOUND, Resolution(())), (FailureReason.DNS_FAILED, None)]
)
def test_a_name_without_addresses_is_told_from_one_that_cannot_be_looked_up(
    reason: FailureReason, resolution: Resolution | None
) -> None:
    result, _ = probe(pop3(), [], names=Names(error=ResolveError(reason, "")))

    assert resolution == result.resolution


def test_a_name_can_be_looked_up_without_a_probe() -> None:
    async def scenario() -> ProbeResult:
        world = World(Names(("192.0.2.1", "192.0.2.2")), Contexts(), connect=Network({}).connect)
        return await visitor(world).look_up(pop3())

    result = virtual_time.run(scenario())
    assert result.failure is None
    assert Resolution(("192.0.2.1", "192.0.2.2")) == result.resolution
    assert {Phase.DNS} == result.phase_durations.keys()


def test_a_look_up_fails_as_a_probe_does() -> None:
    names = Names(error=ResolveError(FailureReason.DNS_FAILED, "nobody answers"))

    async def scenario() -> ProbeResult:
        return await visitor(World(names, Contexts())).look_up(pop3())

    assert Failure(FailureReason.DNS_FAILED, Phase.DNS, "nobody answers") == virtual_time.run(scenario()).failure


def test_a_source_address_decides_the_family() -> None:
    names = Names(error=ResolveError(FailureReason.DNS_NOT_FOUND, ""))

    probe(pop3(source_address="2001:db8::5"), [], names=names)
    probe(pop3(source_address="192.0.2.5"), [], names=names)

    assert [("mail.example.com", IpFamily.IPV6), ("mail.example.com", IpFamily.IPV4)] == names.asked


@dataclass
class SlowNames(Names):
    """A nameserver that does not answer, and is known by its address."""

    asked_whom: str = "192.0.2.53"

    @property
    def nameservers_asked(self) -> str:
        return self.asked_whom

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        await asyncio.sleep(3600)
        raise AssertionError(host, family)


@pytest.mark.parametrize(
    ("whom", "says"), [("192.0.2.53", "no reply within 2 s from 192.0.2.53"), ("", "no reply within 2 s")]
)
def test_a_timeout_while_a_name_is_looked_up_names_the_nameserver(whom: str, says: str) -> None:
    names = SlowNames()
    names.asked_whom = whom
    result, _ = probe(pop3(timeout=2.0), [], names=names)

    assert (FailureReason.TIMEOUT, Phase.DNS) == failed(result)
    assert result.failure is not None
    assert says == result.failure.detail
