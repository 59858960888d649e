"""Nameserver addresses, for people and for sockets."""

from __future__ import annotations

import socket

import pytest

from exporter.net.dns.nameserver import Nameserver, is_nameserver_address


@pytest.mark.parametrize(
    ("nameserver", "text"),
    [
        (Nameserver("192.0.2.53"), "192.0.2.53"),
        (Nameserver("127.0.0.1", 5353), "127.0.0.1:5353"),
        (Nameserver("2001:db8::53"), "2001:db8::53"),
        (Nameserver("::1", 5353), "[::1]:5353"),
    ],
)
def test_a_nameserver_is_shown_without_the_usual_port(nameserver: Nameserver, text: str) -> None:
    assert text == str(nameserver)


def test_an_ipv4_nameserver_is_reached_by_address_and_port() -> None:
    nameserver = Nameserver("127.0.0.1", 5353)
    assert nameserver.family is socket.AF_INET
    assert ("127.0.0.1", 5353) == nameserver.socket_address()


def test_an_ipv6_nameserver_has_no_scope_of_its_own() -> None:
    nameserver = Nameserver("2001:db8::53")
    assert nameserver.family is socket.AF_INET6
    assert ("2001:db8::53", 53, 0, 0) == nameserver.socket_address()


def test_a_zone_becomes_the_number_of_its_interface() -> None:
    index, name = socket.if_nameindex()[0]
    assert Nameserver(f"fe80::1%{name}").socket_address() == ("fe80::1", 53, 0, index)
    assert Nameserver(f"fe80::1%{index}").socket_address() == ("fe80::1", 53, 0, index)


def test_a_zone_without_interface_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no interface is called nosuchif0"):
        Nameserver("fe80::1%nosuchif0").socket_address()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("192.0.2.53", True), ("fe80::1%eth0", True), ("dns.example", False), ("192.0.2.53:53", False), ("", False)],
)
def test_only_addresses_are_nameserver_addresses(text: str, expected: bool) -> None:
    assert expected is is_nameserver_address(text)
