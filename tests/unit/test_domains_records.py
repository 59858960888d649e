"""The records of MTA-STS, TLS-RPT, DKIM and DNS lists: what they say, and what is wrong with them."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exporter.domains.posture.dkim_key import dkim_records, parse_dkim
from exporter.domains.posture.dns_list import CLEAN, LISTED, NotAListingError, dnsbl_name, is_listed
from exporter.domains.posture.sts_policy import Mode, StsPolicy, parse_policy, parse_sts_record, parse_tls_rpt
from exporter.domains.tags import RecordError, almost, having_version, parse_tags, shown

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


class TestTags:
    def test_are_read_in_their_order_and_without_the_space_around_them(self) -> None:
        assert [("v", "DMARC1"), ("p", "none"), ("RUA", "mailto:a@b.c")] == [
            *parse_tags(" v = DMARC1;p=none ; RUA=mailto:a@b.c ;").items()
        ]

    def test_may_have_names_that_came_later(self) -> None:
        assert {"v": "STSv1", "id": "1", "x-later.2": "a=b", "2nd": ""} == parse_tags("v=STSv1;id=1;x-later.2=a=b;2nd=")

    @pytest.mark.parametrize("text", ["v=DMARC1; none", "v=DMARC1; =x", "a=1; a=2"])
    def test_that_are_none_are_an_error(self, text: str) -> None:
        with pytest.raises(RecordError):
            parse_tags(text)

    def test_only_records_of_the_version_count(self) -> None:
        texts = [
            "v=STSv1; id=1",
            "v=STSv1",
            " v = STSv1 ;id=2",
            "v = STSv1; id=3",
            "v=STSv10; id=1",
            "x; v=STSv1",
            "v=stsv1; id=1",
        ]
        assert ["v=STSv1; id=1", "v=STSv1"] == having_version(texts, "STSv1")

    def test_dmarc_allows_spaces_in_its_version_and_none_before_it(self) -> None:
        texts = ["V = DMARC1 ;p=none", "v=DMARC1", " v=DMARC1; p=none", "v=dmarc1"]
        assert texts[:2] == having_version(texts, "DMARC1", loosely=True)

    def test_a_record_that_was_meant_is_told_from_other_texts(self) -> None:
        texts = ["google-site-verification=DMARC1", "v=spf1;-all"]
        assert almost(texts, "DMARC1") is None
        for text in (
            "v=DMARC1: p=none",
            "V = dmarc1",
            "DMARC1;p=none",
            '"v=DMARC1;p=none"',
            "v:DMARC1",
            "v=DMARC1,x",
            "p=none; v=DMARC1",
        ):
            assert text == almost([*texts, text], "DMARC1")
        assert "v=spf1;-all" == almost(texts, "spf1")


class TestPolicy:
    def test_says_where_mail_may_go(self) -> None:
        assert StsPolicy(Mode.ENFORCE, ("mail.example.com", "*.example.net"), 604800) == parse_policy(GOOD)
        assert parse_policy(GOOD) == parse_policy(GOOD.replace(b"\r\n", b"\n"))

    @pytest.mark.parametrize(
        ("host", "listed"),
        [
            ("mail.example.com", True),
            ("MAIL.example.com.", True),
            ("other.example.com", False),
            ("a.example.net", True),
            ("example.net", False),
            ("a.b.example.net", False),
            (".example.net", False),
        ],
    )
    def test_fits_hosts_by_one_label(self, host: str, listed: bool) -> None:
        assert listed is parse_policy(GOOD).lists(host)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ((b"version: STSv1", b"version: STSv2"), "version"),
            ((b"mode: enforce", b"mode: enforced"), "mode"),
            ((b"mx: mail.example.com\r\nmx: *.example.net\r\n", b""), "no mx"),
            ((b"max_age: 604800", b"max_age: 31557601"), "max_age"),
            ((b"max_age: 604800", b"max_age: -1"), "max_age"),
            ((b"max_age: 604800\r\n", b""), "max_age"),
            ((b"*.example.net", b"*.*.example.net"), "mx"),
            ((b"*.example.net", b"a..example"), "mx"),
            ((b"mode: enforce", b"<html>"), "is not key: value"),
            ((b"mode:", b"mode :"), "is not key: value"),
            ((b"mode:", b" mode:"), "is not key: value"),
            ((b"mode:", b"Mode:"), "mode"),
            ((b"mode", b"\xff"), "UTF-8"),
        ],
    )
    def test_is_refused_for_what_is_wrong(self, change: tuple[bytes, bytes], complaint: str) -> None:
        with pytest.raises(RecordError, match=complaint.replace("*", ".")):
            parse_policy(GOOD.replace(*change))

    def test_is_the_same_in_another_order(self) -> None:
        first, second = b"mx: mail.example.com\r\n", b"mx: *.example.net\r\n"
        others = [GOOD.replace(first + second, second + first + first), GOOD.replace(second, b""), GOOD + b"later: 1\n"]
        assert [True, False, True] == [parse_policy(GOOD).digest == parse_policy(each).digest for each in others]

    def test_of_a_key_that_stands_there_twice_the_first_counts(self) -> None:
        assert Mode.ENFORCE is parse_policy(GOOD + b"mode: none\r\n").mode

    def test_may_have_keys_that_are_not_known(self) -> None:
        assert parse_policy(GOOD) == parse_policy(GOOD + b"later: yes\r\n\r\n")

    def test_may_list_any_number_of_hosts(self) -> None:
        hosts = [f"mx{number}.example.com" for number in range(500)]
        policy = parse_policy(GOOD + "".join(f"mx:{host}\n" for host in hosts).encode())
        assert all(map(policy.lists, hosts))

    def test_of_mode_none_needs_no_hosts(self) -> None:
        assert StsPolicy(Mode.NONE, (), 86400) == parse_policy(b"version: STSv1\nmode: none\nmax_age: 86400")
        assert 31557600 == parse_policy(b"version: STSv1\nmode: none\nmax_age: 31557600").max_age


@pytest.mark.parametrize("text", ["v=STSv1; id=20260101;", "v=STSv1;id=a"])
def test_the_record_of_mta_sts_has_an_id(text: str) -> None:
    assert parse_sts_record(text) in ("20260101", "a")


@pytest.mark.parametrize(
    "text",
    [
        "v=STSv1;",
        "v=STSv1; id=a-b",
        f"v=STSv1; id={'1' * 33}",
        "v=STSv1; id=1; id=2",
        "v=STSv1; id = 1",
        "v=STSv1; ID=1",
    ],
)
def test_an_id_is_32_letters_and_digits(text: str) -> None:
    with pytest.raises(RecordError):
        parse_sts_record(text)


def test_reports_about_tls_go_by_mail_or_https() -> None:
    text = "v=TLSRPTv1; rua=mailto:tls@example.com, https://example.com/tls"
    assert [text] == having_version(["v=spf1 -all", text], "TLSRPTv1")
    assert ("mailto:tls@example.com", "https://example.com/tls") == parse_tls_rpt(text)


def test_several_fields_may_say_where_they_go() -> None:
    assert ("mailto:a@x.example", "mailto:b@x.example") == parse_tls_rpt(
        "v=TLSRPTv1;rua=mailto:a@x.example ; rua=mailto:b@x.example;x-more=1"
    )


@pytest.mark.parametrize(
    "rua",
    [
        "",
        "rua=",
        "RUA=mailto:a@x.example",
        "rua =mailto:a@x.example",
        "rua=tls@example.com",
        "rua=http://example.com",
        "rua=mailto:nobody",
    ],
)
def test_and_nowhere_else(rua: str) -> None:
    with pytest.raises(RecordError, match="rua"):
        parse_tls_rpt(f"v=TLSRPTv1; {rua}")


def rsa_record(bits: int, extra: str = "") -> str:
    key = rsa.generate_private_key(65537, bits).public_key()
    data = b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    return f"v=DKIM1; k=rsa; {extra}p={data[:60]} {data[60:]}"


class TestDkim:
    def test_an_rsa_key_has_a_length(self) -> None:
        assert (1024, False, True) == (
            (key := parse_dkim(rsa_record(1024, "t=s:y; "))).bits,
            key.revoked,
            key.testing,
        )

    def test_an_ed25519_key_has_32_octets(self) -> None:
        raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        assert parse_dkim(f"v=DKIM1; k=ed25519; p={b64encode(raw).decode()}").bits is None
        with pytest.raises(RecordError, match="p is not base64"):
            parse_dkim(f"v=DKIM1; k=ed25519; p=!{b64encode(raw).decode()}")
        with pytest.raises(RecordError, match="31 octets"):
            parse_dkim(f"v=DKIM1; k=ed25519; p={b64encode(raw[:31]).decode()}")

    def test_an_empty_key_is_revoked(self) -> None:
        assert parse_dkim("v=DKIM1; p=").revoked
        assert parse_dkim("v=DKIM1; h=sha1 : SHA256; p=").revoked

    @pytest.mark.parametrize(
        "text",
        [
            "v=DKIM1; k=rsa",
            "k=rsa; v=DKIM1; p=",
            "v=DKIM2; p=",
            "v=DKIM1; k=dsa; p=AAAA",
            "v=DKIM1; p=not base64!",
            "v=DKIM1; p=n\u00f6t",
            "v=DKIM1; p=AAAA",
            "v=DKIM1; s=tlsrpt; p=",
            "v=DKIM1; h=sha1; p=",
            "v=DKIM1; h=; p=",
        ],
    )
    def test_is_refused_for_what_is_wrong(self, text: str) -> None:
        with pytest.raises(RecordError):
            parse_dkim(text)

    def test_other_texts_are_no_keys(self) -> None:
        assert ["p=", "v=DKIM1; p=x"] == dkim_records(["p=", "v=DKIM1; p=x", "v=spf1 -all", "hello"])


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192.bl.example"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example"),
    ],
)
def test_an_address_is_asked_for_backwards(address: str, name: str) -> None:
    assert name == dnsbl_name(address, "bl.example")


@pytest.mark.parametrize(
    ("answers", "listed"), [([], False), (["127.0.0.2"], True), (["127.0.0.4", "127.0.1.2"], True)]
)
def test_what_lists_answer(answers: list[str], listed: bool) -> None:
    assert listed is is_listed(answers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("p=none", '"p=none"'), ("ü\n", r'"\xfc\n"'), ("x" * 80, f'"{"x" * 80}"'), ("x" * 81, f'"{"x" * 80}..."')],
)
def test_a_part_is_shown_on_one_line_of_ascii(text: str, expected: str) -> None:
    assert expected == shown(text)


@pytest.mark.parametrize("entries", [LISTED, CLEAN])
def test_the_entries_of_every_list_are_of_both_versions(entries: dict[int, str]) -> None:
    assert {4: 4, 6: 6} == {version: ip_address(address).version for version, address in entries.items()}


@pytest.mark.parametrize("answer", ["127.255.255.254", "192.0.2.1", "10.0.0.1", "128.0.0.1"])
def test_what_is_no_listing(answer: str) -> None:
    with pytest.raises(NotAListingError, match=answer):
        is_listed(["127.0.0.2", answer])
