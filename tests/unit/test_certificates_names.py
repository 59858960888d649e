"""RFC 9525: which certificate is for which name."""

from __future__ import annotations

import pytest
from cryptography import x509

from exporter.certificates.names import matches, of_host, server_name_indication, shown
from tests.authority import address
from tests.bending import element


def presenting(*names: str | x509.GeneralName) -> bytes:
    general = [x509.DNSName(name) if isinstance(name, str) else name for name in names]
    return x509.SubjectAlternativeName(general).public_bytes()


@pytest.mark.parametrize(
    ("presented", "name"),
    [
        ("mail.example.com", "mail.example.com"),
        ("MAIL.example.COM", "mail.Example.com"),
        ("mail.example.com", "mail.example.com."),
        ("*.example.com", "mail.example.com"),
        ("*.example.com", "xn--bcher-kva.example.com"),
        ("*.example.com", "bücher.example.com"),
        ("xn--bcher-kva.example.com", "bücher.example.com"),
        ("xn--bcher-kva.example.com", "BÜCHER.example.com"),
        ("mail_1.example.com", "mail_1.example.com"),
        ("localhost", "localhost"),
    ],
)
def test_a_name_matches(presented: str, name: str) -> None:
    assert matches(presenting(presented), name)


@pytest.mark.parametrize(
    ("presented", "name"),
    [
        ("mail.example.com", "example.com"),
        ("example.com", "mail.example.com"),
        ("*.example.com", "example.com"),
        ("*.example.com", "a.b.example.com"),
        ("*.com", "example.com"),
        ("*", "localhost"),
        ("*.*.com", "mail.example.com"),
        ("m*.example.com", "mail.example.com"),
        ("*l.example.com", "mail.example.com"),
        ("xn--*.example.com", "xn--bcher-kva.example.com"),
        ("mail.*.com", "mail.example.com"),
        ("*.0.0.1", "127.0.0.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("mail.example.com", "mail.example.com\x00.example.org"),
        ("mail.example.com", ""),
        ("mail.example.com", "-"),
        ("mail.example.com", "a" * 300),
        ("mail.example.com", "\ud800.example.com"),
    ],
)
def test_a_name_does_not_match(presented: str, name: str) -> None:
    assert not matches(presenting(presented), name)


@pytest.mark.parametrize(
    ("presented", "name", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:DB8:0::1", True),
        ("2001:db8::1", "2001:db8::2", False),
        ("127.0.0.1", "::ffff:127.0.0.1", False),
    ],
)
def test_addresses_match_by_value(presented: str, name: str, same: bool) -> None:
    assert same == matches(presenting(address(presented)), name)


def test_a_certificate_without_identifiers_is_for_nobody() -> None:
    assert not matches(b"", "mail.example.com")
    assert not matches(b"", "xn--bcher-kva.example.com")


def test_only_the_first_list_of_names_is_one() -> None:
    first, second = presenting("mail.example.com"), presenting("example.org")

    assert ["mail.example.com"] == [shown(each) for each in of_host(first + second)]
    assert not matches(first + second, "example.org")


def test_a_useless_identifier_does_not_spoil_the_others() -> None:
    found = presenting("*", "192.0.2.1", "mail.example.com", address("192.0.2.7"))

    assert matches(found, "mail.example.com")
    assert matches(found, "192.0.2.7")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("mail.example.com", b"mail.example.com"),
        ("Mail.Example.COM.", b"mail.example.com"),
        ("bücher.example.com", b"xn--bcher-kva.example.com"),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("", None),
        ("a b", None),
    ],
)
def test_sni_has_a_labels_and_never_an_address(name: str, sent: bytes | None) -> None:
    assert sent == server_name_indication(name)


@pytest.mark.parametrize(
    "alternatives", [b"\x30", b"\x30\x02\x82", b"\x30\x03\x82\x7fa", b"\x30\x04\x82\x81\xffa", b"\x04\x02\x82\x00"]
)
def test_a_list_that_cannot_be_taken_apart_holds_nobody(alternatives: bytes) -> None:
    assert not matches(alternatives + b"mail.example.com", "mail.example.com")


def test_what_follows_a_name_without_a_length_of_its_own_cannot_be_found() -> None:
    """0x80 is the indefinite form, which DER does not have: it is not a length of 128."""
    wanted = element(0x82, b"mail.example.com")
    shorter, longer = element(0x82, b"x" * 0x7F), element(0x82, b"x" * 0x80)

    assert matches(element(0x30, shorter, longer, wanted), "mail.example.com")
    assert not matches(element(0x30, b"\x82\x80" + b"x" * 0x80, wanted), "mail.example.com")


def test_a_name_of_a_kind_with_a_large_number_is_passed_over() -> None:
    """The number of a tag may take octets of its own (X.690 8.1.2.4), which are no length."""
    assert matches(element(0x30, b"\x9f\x02\x03abc", element(0x82, b"mail.example.com")), "mail.example.com")
