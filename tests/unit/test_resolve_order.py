"""RFC 6724: the order of addresses, by its own examples and ours."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from exporter.net.dns.address_order import ROUTE_LIFETIME, AddressOrder, in_order, routed_source


class Machine:
    """A machine with these source addresses for destinations; `None` where no route leads."""

    def __init__(self, sources: Mapping[str, str | None]) -> None:
        self.sources = dict(sources)
        self.asked: list[str] = []

    def __call__(self, address: str) -> str | None:
        self.asked.append(address)
        return self.sources[address]


# RFC 6724 section 10.2, the examples that our rules decide: candidate sources have been chosen already.
@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param(
            {"2001:db8:1::1": "2001:db8:1::2", "198.51.100.121": "169.254.13.78"},
            ("2001:db8:1::1", "198.51.100.121"),
            id="prefer matching scope",
        ),
        pytest.param(
            {"2001:db8:1::1": "fe80::1", "198.51.100.121": "198.51.100.117"},
            ("198.51.100.121", "2001:db8:1::1"),
            id="prefer matching scope, the other way",
        ),
        pytest.param(
            {"2001:db8:1::1": "2001:db8:1::2", "10.1.2.3": "10.1.2.4"},
            ("2001:db8:1::1", "10.1.2.3"),
            id="prefer higher precedence",
        ),
        pytest.param(
            {"2001:db8:1::1": "2001:db8:1::2", "fe80::1": "fe80::2"},
            ("fe80::1", "2001:db8:1::1"),
            id="prefer smaller scope",
        ),
        pytest.param(
            {"2002:c633:6401::1": "2002:c633:6401::2", "2001:db8:1::1": "fe80::2"},
            ("2002:c633:6401::1", "2001:db8:1::1"),
            id="prefer matching scope over precedence",
        ),
        pytest.param(
            {"2002:c633:6401::1": "2002:c633:6401::2", "2001:db8:1::1": "2001:db8:1::2"},
            ("2001:db8:1::1", "2002:c633:6401::1"),
            id="prefer higher precedence over 6to4",
        ),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_examples_of_the_rfc(sources: Mapping[str, str | None], expected: tuple[str, ...], turned: bool) -> None:
    addresses = tuple(sources)[::-1] if turned else tuple(sources)
    assert expected == in_order(addresses, Machine(sources))


def test_a_private_ipv6_network_does_not_outrank_ipv4_for_the_internet() -> None:
    machine = Machine({"2001:db8::25": "fd00::2", "192.0.2.25": "10.0.0.2"})
    assert ("192.0.2.25", "2001:db8::25") == in_order(("2001:db8::25", "192.0.2.25"), machine)


def test_what_no_route_leads_to_is_left_out() -> None:
    machine = Machine({"2001:db8::25": None, "192.0.2.25": "10.0.0.2"})
    assert ("192.0.2.25",) == in_order(("2001:db8::25", "192.0.2.25"), machine)


def test_without_any_route_all_are_tried_ipv6_first() -> None:
    machine = Machine({"192.0.2.25": None, "2001:db8::25": None})
    assert ("2001:db8::25", "192.0.2.25") == in_order(("192.0.2.25", "2001:db8::25"), machine)


def test_equal_addresses_stay_in_the_order_of_the_answer() -> None:
    addresses = ("2001:db8::3", "2001:db8::1", "2001:db8::2")
    assert addresses == in_order(addresses, Machine(dict.fromkeys(addresses, "2001:db8::9")))


@pytest.mark.parametrize("addresses", [("192.0.2.3", "192.0.2.1"), ("2001:db8::1",), ()])
def test_the_kernel_is_not_asked_where_nothing_is_to_be_decided(addresses: tuple[str, ...]) -> None:
    machine = Machine({})
    assert addresses == AddressOrder(lambda: 0.0, machine)(addresses)
    assert [] == machine.asked


def test_an_order_is_found_again_when_routes_may_have_changed() -> None:
    now = 0.0
    machine = Machine({"2001:db8::25": None, "192.0.2.25": "10.0.0.2"})
    order = AddressOrder(lambda: now, machine)
    addresses = ("2001:db8::25", "192.0.2.25")
    assert ("192.0.2.25",) == order(addresses)
    machine.sources["2001:db8::25"] = "2001:db8::9"
    now = ROUTE_LIFETIME - 0.1
    assert ("192.0.2.25",) == order(addresses)
    assert machine.asked == list(addresses)
    now = ROUTE_LIFETIME
    assert ("2001:db8::25", "192.0.2.25") == order(addresses)


def test_the_kernel_says_that_loopback_is_reached_from_loopback() -> None:
    assert "127.0.0.1" == routed_source("127.0.0.1")


def test_no_connection_leads_to_a_broadcast_address() -> None:
    assert routed_source("255.255.255.255") is None
