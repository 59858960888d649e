from __future__ import annotations

import pytest

from exporter.config.endpoints_section import endpoint_from_url
from exporter.config.values.urls import SCHEMES, default_encryption, default_port, parse_url, shortest_url
from exporter.model import Encryption, Endpoint, Protocol


@pytest.mark.parametrize(
    ("scheme", "protocol", "port", "encryption"),
    [
        ("smtp", "smtp", 25, "starttls"),
        ("submission", "smtp", 587, "starttls"),
        ("submissions", "smtp", 465, "tls"),
        ("smtps", "smtp", 465, "tls"),
        ("imap", "imap", 143, "starttls"),
        ("imaps", "imap", 993, "tls"),
        ("pop3", "pop3", 110, "starttls"),
        ("pop3s", "pop3", 995, "tls"),
    ],
)
def test_a_scheme_gives_protocol_port_and_encryption(scheme: str, protocol: str, port: int, encryption: str) -> None:
    endpoint = endpoint_from_url(f"{scheme}://mail.example.com")
    assert (protocol, "mail.example.com", port, encryption) == (
        endpoint.protocol,
        endpoint.host,
        endpoint.port,
        endpoint.encryption,
    )


def test_an_endpoint_from_a_url_has_every_default() -> None:
    expected = Endpoint("imaps://mail.example.com", Protocol.IMAP, "mail.example.com", 993, Encryption.TLS)
    assert expected == endpoint_from_url("imaps://mail.example.com")


@pytest.mark.parametrize(
    ("url", "shortest"),
    [
        ("imaps://mail.example.com:993", "imaps://mail.example.com"),
        ("imaps://mail.example.com:1993", "imaps://mail.example.com:1993"),
        ("IMAPS://Mail.Example.com.", "imaps://mail.example.com"),
        ("smtps://mail.example.com", "smtps://mail.example.com"),
        ("submission://mail.example.com:25", "submission://mail.example.com:25"),
        ("imaps://[2001:DB8::1]", "imaps://[2001:db8::1]"),
        ("imaps://[2001:db8::1]:1993", "imaps://[2001:db8::1]:1993"),
        ("pop3://192.0.2.1:0110", "pop3://192.0.2.1"),
        ("smtp://b\u00fccher.example", "smtp://xn--bcher-kva.example"),
    ],
)
def test_a_url_is_called_by_what_is_not_default(url: str, shortest: str) -> None:
    assert shortest == str(parse_url(url))


@pytest.mark.parametrize(
    ("protocol", "encryption", "port", "url"),
    [
        ("imap", "tls", 993, "imaps://h"),
        ("imap", "tls", 143, "imaps://h:143"),
        ("imap", "starttls", 143, "imap://h"),
        ("imap", "none", 143, "imap://h"),
        ("imap", "starttls", 993, "imap://h:993"),
        ("smtp", "starttls", 25, "smtp://h"),
        ("smtp", "opportunistic", 25, "smtp://h"),
        ("smtp", "starttls", 587, "submission://h"),
        ("smtp", "starttls", 2525, "smtp://h:2525"),
        ("smtp", "tls", 465, "submissions://h"),
        ("smtp", "tls", 4465, "submissions://h:4465"),
        ("pop3", "tls", 995, "pop3s://h"),
    ],
)
def test_fields_are_called_by_the_scheme_that_says_most(protocol: str, encryption: str, port: int, url: str) -> None:
    assert url == shortest_url(Protocol(protocol), Encryption(encryption), "h", port)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_port_and_encryption_stand_for_each_other(scheme: object) -> None:
    assert scheme in SCHEMES
    for each in SCHEMES:
        assert each.encryption is default_encryption(each.protocol, each.port)
        assert each.encryption is default_encryption(each.protocol, default_port(each.protocol, each.encryption))


def test_an_unusual_port_is_not_taken_for_one_without_encryption() -> None:
    assert Encryption.STARTTLS is default_encryption(Protocol.IMAP, 1143)


@pytest.mark.parametrize(
    "url",
    [
        "imaps://monitor:hunter2@mail.example.com",
        "imaps://:hunter2@mail.example.com",
        "imaps:/monitor:hunter2@mail.example.com",
        "monitor:hunter2@mail.example.com",
        "imaps://monitor:hunter2",
        "imaps://hunter2:x:y",
        "imaps://mail.example.com:hunter2",
        "imaps://mail.example.com/?password=hunter2",
        "imaps://mail.example.com#hunter2",
    ],
)
def test_what_may_be_a_password_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"; write |; leave ") as raised:
        parse_url(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "imaps",
        "imaps://",
        "imaps:mail.example.com",
        "//mail.example.com",
        "://mail.example.com",
        "imaps://mail.example.com/",
        "imaps://mail.example.com?",
        "imaps://mail.example.com:",
        "imaps://mail.example.com:0",
        "imaps://mail.example.com:65536",
        "imaps://mail.example.com:+993",
        "imaps://mail.example.com: 993",
        "imaps://mail.example.com:\uff19\uff19\uff13",
        "imaps://mail.example.com\n",
        "imaps://mail.example.com\r\nLOGOUT",
        "imaps://[2001:db8::1",
        "imaps://[2001:db8::1]x",
        "imaps://2001:db8::1",
        "imaps://[]",
        "imaps://mail example",
        "imaps://*",
        " imaps://mail.example.com",
    ],
)
def test_what_is_no_url_of_ours_is_refused_on_one_line(url: str) -> None:
    with pytest.raises(ValueError, match="; ") as raised:
        parse_url(url)
    assert str(raised.value).isprintable()
