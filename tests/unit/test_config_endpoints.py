"""What endpoints become once URL, fields and defaults are put together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exporter.config import contradictions
from exporter.config.load import parse
from exporter.config.yaml_output import render
from exporter.model import (
    Addresses,
    Encryption,
    Endpoint,
    IpFamily,
    Mechanism,
    Protocol,
    TlsPolicy,
    TlsVersion,
)

URL = "url: imaps://mail.example.com"


CREDENTIALS = "credentials: {monitor: {username: m, password_env: M}, other: {username: o, password_env: O}}"


def one(endpoint: str, defaults: str = "", *sections: str) -> Endpoint:
    """The endpoint that a file with one of them describes."""
    text = "\n".join([*sections, f"defaults: {{{defaults}}}", f"endpoints: [{{{endpoint}}}]"])
    (read,) = parse(text, "/etc/mail-exporter/config.yaml").endpoints
    return read


def test_a_url_is_enough() -> None:
    expected = Endpoint("imaps://mail.example.com", Protocol.IMAP, "mail.example.com", 993, Encryption.TLS)
    assert expected == one(URL)


@pytest.mark.parametrize(
    "written",
    [
        "url: imaps://mail.example.com.",
        "protocol: imap, host: mail.example.com., port: 993",
        "protocol: imap, host: mail.example.com\N{IDEOGRAPHIC FULL STOP}, port: 993",
    ],
)
def test_a_final_dot_makes_the_name_absolute_and_changes_nothing_else(written: str) -> None:
    with_dot = one(written)
    assert (True, "mail.example.com.") == (with_dot.absolute, with_dot.lookup_name)
    assert one(URL) == replace(with_dot, absolute=False)
    assert "mail.example.com" == with_dot.server_name


def test_a_final_dot_survives_being_shown() -> None:
    text = "endpoints: [{url: imaps://mail.}]\nmodules: {m: {url: imaps://mail.}}\n"
    read = parse(text, "f")
    again = parse("".join(render(read)), "f")
    assert read.endpoints == again.endpoints
    assert read.modules == again.modules
    assert [True, True] == [again.endpoints[0].absolute, again.modules["m"].template.absolute]


def test_the_name_of_an_address_is_the_same_with_every_python() -> None:
    assert "imaps://[::ffff:192.0.2.1]" == one('url: "imaps://[::FFFF:c000:0201]"').name


def test_no_search_domains_is_something_else_than_the_systems() -> None:
    read = [parse(f"endpoints: [{{{URL}}}]\n{dns}", "f").dns.search for dns in ("", "dns: {search: []}")]
    assert [None, ()] == read


@pytest.mark.parametrize(
    ("fields", "port", "encryption", "name"),
    [
        ("protocol: imap, host: h", 143, "starttls", "imap://h"),
        ("protocol: imap, host: h, port: 993", 993, "tls", "imaps://h"),
        ("protocol: imap, host: h, encryption: tls", 993, "tls", "imaps://h"),
        ("protocol: imap, host: h, port: 1143", 1143, "starttls", "imap://h:1143"),
        ("protocol: imap, host: h, port: 1143, encryption: tls", 1143, "tls", "imaps://h:1143"),
        ("protocol: smtp, host: h", 25, "starttls", "smtp://h"),
        ("protocol: smtp, host: h, encryption: opportunistic", 25, "opportunistic", "smtp://h"),
        ("protocol: smtp, host: h, port: 587", 587, "starttls", "submission://h"),
        ("protocol: smtp, host: h, port: 465", 465, "tls", "submissions://h"),
        ("protocol: smtp, host: h, encryption: tls", 465, "tls", "submissions://h"),
        ("protocol: pop3, host: '2001:db8::1', encryption: none", 110, "none", "pop3://[2001:db8::1]"),
    ],
)
def test_fields_fill_each_other_in(fields: str, port: int, encryption: str, name: str) -> None:
    endpoint = one(fields)
    assert (port, encryption, name) == (endpoint.port, endpoint.encryption, endpoint.name)


def test_protocol_and_encryption_of_the_defaults_hold_for_fields_and_not_for_urls() -> None:
    defaults = "protocol: pop3, encryption: none"
    assert ("pop3", "none", 110) == _target(one("host: h", defaults))
    assert ("imap", "tls", 993) == _target(one(URL, defaults))


def _target(endpoint: Endpoint) -> tuple[str, str, int]:
    return endpoint.protocol, endpoint.encryption, endpoint.port


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("url: 'smtp://h', encryption: opportunistic", ("smtp", "opportunistic", 25)),
        ("url: 'imap://h', encryption: none", ("imap", "none", 143)),
        ("url: 'imap://h:993', encryption: tls", ("imap", "tls", 993)),
        ("url: 'imaps://h:143', encryption: starttls", ("imap", "starttls", 143)),
        ("url: 'imaps://h', encryption: tls", ("imap", "tls", 993)),
    ],
)
def test_encryption_beside_a_url_overrides_its_scheme(endpoint: str, expected: tuple[str, str, int]) -> None:
    assert expected == _target(one(endpoint))


def test_defaults_hold_unless_the_endpoint_says_otherwise() -> None:
    defaults = "interval: 30s, timeout: 10s, ip_family: ipv6, allow_insecure_auth: true, credentials: monitor"
    inherited = one(URL, defaults, CREDENTIALS)
    assert (30.0, 10.0, "ipv6", True, "m") == _some(inherited)
    own = "interval: 2m, timeout: 1m, ip_family: any, allow_insecure_auth: false, credentials: other"
    assert (120.0, 60.0, "any", False, "o") == _some(one(f"{URL}, {own}", defaults, CREDENTIALS))


def test_the_addresses_of_a_host_are_one_server_unless_the_endpoint_or_the_defaults_say_otherwise() -> None:
    assert Addresses.FIRST is one(URL).addresses
    assert Addresses.ALL is one(f"{URL}, addresses: all").addresses
    assert Addresses.ALL is one(URL, "addresses: all").addresses
    assert Addresses.FIRST is one(f"{URL}, addresses: first", "addresses: all").addresses
    assert one(URL, "addresses: all").only_address is None


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_fingerprints_of_the_defaults_pass_by_where_there_may_be_no_certificate() -> None:
    defaults = f"expect: {{fingerprints: [{EMPTY}, {EMPTY.upper()}]}}"
    assert (EMPTY,) == one(URL, defaults).fingerprints
    assert (EMPTY,) == one("url: 'imap://h'", defaults).fingerprints
    assert () == one("url: 'imap://h', encryption: none", defaults).fingerprints
    assert () == one("url: 'imap://h', encryption: opportunistic", defaults).fingerprints
    assert () == one(f"{URL}, expect: {{fingerprints: []}}", defaults).fingerprints


def _some(endpoint: Endpoint) -> tuple[Any, ...]:
    user = endpoint.credentials.username if endpoint.credentials else None
    return endpoint.interval, endpoint.timeout, endpoint.ip_family, endpoint.allow_insecure_auth, user


def test_a_key_without_value_takes_back_the_default() -> None:
    defaults = (
        "interval: 30s, timeout: 10s, credentials: monitor, mailbox: INBOX, tls: {server_name: a}, "
        "labels: {team: mail}, expect: {capabilities: [IDLE]}"
    )
    endpoint = one(
        f"{URL}, interval: , timeout: , credentials: , mailbox: ~, tls: null, labels: , expect: ", defaults, CREDENTIALS
    )
    assert one(URL) == endpoint


def test_labels_are_added_to_those_of_the_defaults_and_an_empty_one_is_none() -> None:
    endpoint = one(f"{URL}, labels: {{site: b, tier: '1', rack: ''}}", "labels: {team: mail, site: a, rack: x}")
    assert {"team": "mail", "site": "b", "tier": "1"} == endpoint.labels


def test_labels_cannot_be_changed() -> None:
    labels: Any = one(f"{URL}, labels: {{site: a}}").labels
    with pytest.raises(TypeError):
        labels["site"] = "b"


def test_tls_and_expect_are_laid_over_the_defaults_key_by_key() -> None:
    defaults = "tls: {verify: false, server_name: A.example, min_version: TLSv1.3}, expect: {capabilities: [IDLE]}"
    endpoint = one(f"{URL}, tls: {{server_name: b.example, min_version: null}}, expect: {{}}", defaults)
    assert TlsPolicy(verify=False, server_name="b.example", min_version=TlsVersion.TLS1_2) == endpoint.tls
    assert ("IDLE",) == endpoint.capabilities


def test_defaults_for_one_protocol_pass_the_others_by() -> None:
    defaults = (
        "mailbox: INBOX, helo: probe.example, mail_from: a@example.com, rcpt_to: b@example.com, rcpt_expect: [550], "
        "mechanism: USERPASS, credentials: monitor"
    )
    imap = one(URL, defaults, CREDENTIALS)
    assert ("INBOX", None, "", None, (), Mechanism.AUTO) == _particulars(imap)
    smtp = one("url: 'smtp://h'", defaults, CREDENTIALS)
    expected = (None, "probe.example", "a@example.com", "b@example.com", (550,), Mechanism.AUTO)
    assert expected == _particulars(smtp)
    pop3 = one("url: 'pop3s://h'", defaults, CREDENTIALS)
    assert (None, None, "", None, (), Mechanism.USERPASS) == _particulars(pop3)


def _particulars(endpoint: Endpoint) -> tuple[Any, ...]:
    return (
        endpoint.mailbox,
        endpoint.helo,
        endpoint.mail_from,
        endpoint.rcpt_to,
        endpoint.rcpt_expect,
        endpoint.mechanism,
    )


def test_expected_replies_of_the_defaults_wait_for_a_recipient() -> None:
    assert () == one("url: 'smtp://h'", "rcpt_expect: [550]").rcpt_expect
    assert (550,) == one("url: 'smtp://h', rcpt_to: a@example.com", "rcpt_expect: [550]").rcpt_expect


def test_a_timeout_that_nobody_wrote_fits_into_a_short_interval() -> None:
    assert (5.0, 5.0) == (one(f"{URL}, interval: 5s").interval, one(f"{URL}, interval: 5s").timeout)


def test_the_built_in_defaults_are_those_of_the_model() -> None:
    endpoint = Endpoint("n", Protocol.IMAP, "h", 993, Encryption.TLS)
    assert (contradictions.DEFAULT_INTERVAL, contradictions.DEFAULT_TIMEOUT) == (endpoint.interval, endpoint.timeout)


@pytest.mark.parametrize(("source", "family"), [("192.0.2.1", IpFamily.IPV4), ("'2001:DB8::1'", IpFamily.IPV6)])
def test_a_source_address_decides_the_family(source: str, family: IpFamily) -> None:
    assert family is one(f"{URL}, source_address: {source}").ip_family


def test_a_proxy_of_the_defaults_can_be_taken_back() -> None:
    text = """\
defaults: {proxy: "socks5://Proxy.Example.com:1080"}
endpoints:
  - url: imaps://a.example.com
  - {url: "imaps://b.example.com", proxy: "http://192.0.2.7:3128"}
  - {url: "imaps://c.example.com", proxy: }
"""
    shown = [None if each.proxy is None else str(each.proxy) for each in parse(text, "f").endpoints]
    assert ["socks5://proxy.example.com:1080", "http://192.0.2.7:3128", None] == shown


def test_a_source_address_towards_a_proxy_says_nothing_of_the_server_s_family() -> None:
    proxied = one('url: "imaps://[2001:db8::1]", source_address: 192.0.2.1, proxy: "socks5://192.0.2.7:1080"')
    assert (IpFamily.ANY, IpFamily.ANY) == (proxied.ip_family, proxied.lookup_family)
