from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.values.allowed import AllowedTargets, NamePattern, leads_to, parse_allowed


def allowed(*entries: str) -> AllowedTargets:
    return AllowedTargets(tuple(parse_allowed(entry) for entry in entries))


def objection(targets: AllowedTargets, host: str, *addresses: str) -> str | None:
    """What is said in the end, before the lookup or after it."""
    return targets.objection(host) or targets.objection_to_addresses(host, addresses or (host,))


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("mail.example.com", NamePattern("mail.example.com", below=False)),
        ("*.example.com", NamePattern("example.com", below=True)),
        ("*.Example.COM.", NamePattern("example.com", below=True)),
        ("*.bücher.example", NamePattern("xn--bcher-kva.example", below=True)),
        ("192.0.2.25", IPv4Network("192.0.2.25/32")),
        ("192.0.2.0/24", IPv4Network("192.0.2.0/24")),
        ("192.0.2.0/255.255.255.0", IPv4Network("192.0.2.0/24")),
        ("2001:db8::/32", IPv6Network("2001:db8::/32")),
        ("[2001:db8::1]", IPv6Network("2001:db8::1/128")),
        ("::1", IPv6Network("::1/128")),
        ("::ffff:192.0.2.25", IPv4Network("192.0.2.25/32")),
        ("::/0", IPv6Network("::/0")),
    ],
)
def test_an_entry_is_a_name_or_a_network(text: str, entry: object) -> None:
    assert entry == parse_allowed(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("*", "* is not a target; write names and networks, such as *.example.com or 10.0.0.0/8"),
        ("mail*.example.com", "a * stands for the whole beginning of a name; write it like *.example.com"),
        ("*.*.example.com", "a * stands for the whole beginning of a name"),
        ("*.", "is empty; write a name like mail.example.com"),
        ("*.192.0.2.1", "a * cannot stand before an address; write a network like 192.0.2.0/24"),
        ("192.0.2.25/24", "is an address in a network; write 192.0.2.0/24"),
        ("192.0.2.0/33", "is not a network; write one like 192.0.2.0/24 or 2001:db8::/32"),
        ("0x7f000001", "is neither a complete IPv4 address nor a name"),
        ("2130706433", "is neither a complete IPv4 address nor a name"),
        ("0177.0.0.1", "is neither a complete IPv4 address nor a name"),
        ("fe80::1%eth0", "has a zone"),
        ("::ffff:192.0.2.0/120", "carries IPv4 addresses, and is judged by them; write their network"),
        ("64:ff9b::/96", "carries IPv4 addresses"),
        ("2002:c000:200::/40", "carries IPv4 addresses"),
        ("imaps://mail.example.com", "is a URL; write only the name in it"),
        ("a b", "is not a host name"),
    ],
)
def test_an_entry_that_is_neither_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_allowed(text)


@pytest.mark.parametrize("host", ["mail.example.com", "a.b.example.com"])
def test_a_star_stands_for_every_name_below(host: str) -> None:
    assert allowed("*.example.com").objection(host) is None


@pytest.mark.parametrize("host", ["example.com", "notexample.com", "example.com.evil.test", "mail.example.org", "com"])
def test_a_star_stands_for_no_other_name(host: str) -> None:
    assert f'"{host}" matches none of the names' == allowed("*.example.com").objection(host)


@pytest.mark.parametrize(
    ("address", "carried"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::", "::"),
        ("::1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::127.0.0.1", "127.0.0.1"),
        ("64:ff9b::7f00:1", "127.0.0.1"),
        ("2002:7f00:1::25", "127.0.0.1"),
        ("2001:0:53aa:64c::80ff:fffe", "127.0.0.1"),
    ],
)
def test_an_address_counts_as_the_one_that_it_leads_to(address: str, carried: str) -> None:
    assert ip_address(carried) == leads_to(address)


@pytest.mark.parametrize(
    ("entries", "host", "addresses"),
    [
        # The names and the networks are both to be met.
        (["*.example.com", "192.0.2.0/24"], "mail.example.com", ["192.0.2.7"]),
        (["*.example.com", "192.0.2.0/24", "2001:db8::/32"], "mail.example.com", ["2001:db8::7", "192.0.2.7"]),
        (["*.example.com", "192.0.2.0/24"], "192.0.2.7", ["192.0.2.7"]),
        # With networks alone, a name is only a way to an address.
        (["192.0.2.0/24"], "mail.example.com", ["192.0.2.7"]),
        (["127.0.0.0/8"], "localhost", ["127.0.0.1"]),
        # With names alone, their DNS decides.
        (["*.example.com"], "mail.example.com", ["10.0.0.7", "198.51.100.7"]),
        (["mail.example.com"], "mail.example.com", ["127.0.1.1"]),
        (["*.localhost"], "mail.localhost", ["::1", "127.0.0.1"]),
        (["localhost"], "localhost", ["::1", "127.0.0.1"]),
        # NAT64 with DNS64, as on a network without IPv4.
        (["192.0.2.0/24"], "mail.example.com", ["64:ff9b::c000:207"]),
    ],
)
def test_what_is_within_names_and_networks_is_allowed(entries: list[str], host: str, addresses: list[str]) -> None:
    assert objection(allowed(*entries), host, *addresses) is None


@pytest.mark.parametrize(
    ("entries", "host", "addresses", "says"),
    [
        (["*.example.com", "192.0.2.0/24"], "mail.example.org", ["192.0.2.7"], "matches none of the names"),
        (
            ["*.example.com", "192.0.2.0/24"],
            "mail.example.com",
            ["127.0.0.1"],
            '"mail.example.com" leads to 127.0.0.1, which is in none of the networks',
        ),
        (["192.0.2.0/24"], "mail.example.com", ["192.0.2.7", "192.0.2.8", "10.0.0.1"], "leads to 10.0.0.1, which"),
        (["192.0.2.0/24"], "127.0.0.1", [], "127.0.0.1 is in none of the networks"),
        (["192.0.2.0/24"], "::ffff:7f00:1", [], "::ffff:7f00:1 leads to 127.0.0.1, which is in none"),
        (["::/0"], "::ffff:7f00:1", [], "is in none of the networks"),
        (["::/0"], "64:ff9b::a00:1", [], "64:ff9b::a00:1 leads to 10.0.0.1, which is in none of the networks"),
        (["2000::/3"], "2002:7f00:1::1", [], "2002:7f00:1::1 leads to 127.0.0.1, which is in none of the networks"),
        (
            ["192.0.2.0/24"],
            "mail.example.com",
            ["64:ff9b::7f00:1"],
            '"mail.example.com" leads to 64:ff9b::7f00:1, that to 127.0.0.1, which is in none of the networks',
        ),
        (["*.example.com"], "192.0.2.7", [], "192.0.2.7 is in none of the networks"),
        (["*.example.com"], "x.example.com", ["127.0.0.1"], "which is not an address of another machine"),
        (["*.example.com"], "x.example.com", ["192.0.2.7", "::1"], "which is not an address of another machine"),
        (["*.example.com"], "x.example.com", ["169.254.169.254"], "which is not an address of another machine"),
        (["*.example.com"], "x.example.com", ["0.0.0.1"], "which is not an address of another machine"),
        (["*.example.com"], "x.example.com", ["::ffff:127.0.0.1"], "which is not an address of another machine"),
        (["*.example.com"], "x.example.com", ["64:ff9b::7f00:1"], "which is not an address of another machine"),
        (["*.example.com"], "x.example.com", ["fe80::1"], "which is not an address of another machine"),
    ],
)
def test_what_is_outside_of_them_is_refused_as_a_whole(
    entries: list[str], host: str, addresses: list[str], says: str
) -> None:
    assert says in (objection(allowed(*entries), host, *addresses) or "")


def test_a_network_of_every_address_is_known_as_such() -> None:
    assert IPv4Network("0.0.0.0/0") == allowed("*.example.com", "0.0.0.0/0").everything
    assert allowed("*.example.com", "128.0.0.0/1").everything is None


@given(text=st.text(max_size=60) | st.from_regex(r"[*.0-9a-f:/%\[\]x]{1,40}", fullmatch=True))
def test_whatever_is_written_is_an_entry_or_refused(text: str) -> None:
    try:
        said = str(parse_allowed(text))
    except ValueError as refusal:
        said = str(refusal)
    else:
        assert said == str(parse_allowed(said))
    assert said.isprintable()


@given(
    networks=st.lists(st.ip_addresses(network="10.0.0.0/8").map(lambda ip: f"{ip}/32"), min_size=1, max_size=5),
    addresses=st.lists(st.ip_addresses().map(str), min_size=1, max_size=5),
)
def test_with_networks_nothing_outside_of_them_is_ever_allowed(networks: list[str], addresses: Sequence[str]) -> None:
    targets = allowed(*networks, "*.example.com")
    inside = all(f"{leads_to(address)}/32" in networks for address in addresses)
    assert inside == (targets.objection_to_addresses("mail.example.com", addresses) is None)
