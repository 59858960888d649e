from __future__ import annotations

import pytest

from exporter.config.values.hosts import is_ipv4, is_ipv6, parse_address, parse_host


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("mail.example.com", "mail.example.com"),
        ("MAIL.Example.COM", "mail.example.com"),
        ("mail.example.com.", "mail.example.com"),
        ("localhost", "localhost"),
        ("mail_1.internal", "mail_1.internal"),
        ("B\u00fccher.example", "xn--bcher-kva.example"),
        ("fa\u00df.example", "xn--fa-hia.example"),
        ("mail\u3002example\uff0ecom", "mail.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("1.example", "1.example"),
        ("3com.example", "3com.example"),
    ],
)
def test_a_host_gets_its_one_form(written: str, host: str) -> None:
    assert host == parse_host(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "mail example",
        " mail.example.com",
        "mail.example.com\r\nEHLO x",
        "mail.example.com\0",
        "mail\u2028example",
        "mail/example",
        "mail:25",
        "user@mail.example.com",
        "-mail.example.com",
        "mail-.example.com",
        "mail..example.com",
        ".example.com",
        "a" * 64,
        ".".join(["a" * 50] * 6),
        "\u2603.example",
        "mail.\u0430\u0300\u0300.\u200d",
        "[192.0.2.1]",
        "[mail.example.com]",
        "[2001:db8::1",
        "fe80::1%eth0",
        "2001:db8::12345",
        "192.0.2",
        "192.0.2.1.",
        "192.0.2.256",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "mail.0x1",
        "$HOST",
        "*.example.com",
    ],
)
def test_what_is_neither_name_nor_address_is_refused_on_one_line(written: str) -> None:
    with pytest.raises(ValueError, match="; ") as raised:
        parse_host(written)
    assert str(raised.value).isprintable()


def test_the_families_are_told_apart() -> None:
    hosts = ("192.0.2.1", "2001:db8::1", "mail.example.com")
    assert [True, False, False] == [is_ipv4(host) for host in hosts]
    assert [False, True, False] == [is_ipv6(host) for host in hosts]


@pytest.mark.parametrize(("written", "address"), [("192.0.2.1", "192.0.2.1"), ("2001:DB8:0::1", "2001:db8::1")])
def test_an_address_gets_its_shortest_form(written: str, address: str) -> None:
    assert address == parse_address(written)


@pytest.mark.parametrize("written", ["", "eth0", "192.0.2.1/24", "[2001:db8::1]", "fe80::1%eth0", "mail.example.com"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address; write one like"):
        parse_address(written)
