"""The records of MTA-STS, TLS-RPT, DMARC, DKIM and DNS lists: what they say, and what is wrong with them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exporter.domains.posture import mta_sts
from exporter.domains.posture.dkim import DkimError, dkim_records, parse_dkim
from exporter.domains.posture.dmarc import DmarcError, DmarcPolicy, Walk, consent_name, parse_dmarc, walk
from exporter.domains.posture.dnsbl import NotAListingError, dnsbl_name, is_listed
from exporter.domains.posture.mta_sts import InvalidError, Mode, Policy, parse_policy, parse_sts_record, parse_tls_rpt
from exporter.domains.posture.spf import Judgement, SpfResult, Told, _can_be_asked, check_host
from exporter.domains.posture.spf_macros import MAX_DOMAIN, Session, shortened
from exporter.domains.posture.spf_record import MAX_RECORD, SpfSyntaxError, parse_spf
from exporter.domains.tags import TagError, almost, having_version, parse_tags

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


class TestTags:
    def test_are_read_in_their_order_and_without_the_space_around_them(self) -> None:
        assert [("v", "DMARC1"), ("p", "none"), ("rua", "mailto:a@b.c")] == [
            *parse_tags(" v = DMARC1;p=none ; RUA=mailto:a@b.c ;").items()
        ]

    def test_may_have_names_that_came_later(self) -> None:
        assert {"v": "STSv1", "id": "1", "x-later.2": "a=b", "2nd": ""} == parse_tags("v=STSv1;id=1;x-later.2=a=b;2nd=")

    @pytest.mark.parametrize("text", ["v=DMARC1; none", "v=DMARC1; =x", "a=1; a=2", "v=1 p"][:3])
    def test_that_are_none_are_an_error(self, text: str) -> None:
        with pytest.raises(TagError):
            parse_tags(text)

    def test_only_records_of_the_version_count(self) -> None:
        texts = ["v=STSv1; id=1", "v=STSv1", " v = STSv1 ;id=2", "v=STSv10; id=1", "x; v=STSv1", "v=stsv1; id=1"]
        assert ["v=STSv1; id=1", "v=STSv1", " v = STSv1 ;id=2"] == having_version(texts, "STSv1")

    def test_a_record_that_was_meant_is_told_from_other_texts(self) -> None:
        texts = ["google-site-verification=DMARC1", "v=spf1;-all"]
        assert almost(texts, "DMARC1") is None
        for text in ("v=DMARC1: p=none", "V = dmarc1", "DMARC1;p=none", '"v=DMARC1;p=none"', "v:DMARC1", "v=DMARC1,x"):
            assert text == almost([*texts, text], "DMARC1")
        assert "v=spf1;-all" == almost(texts, "spf1")


class TestPolicy:
    def test_says_where_mail_may_go(self) -> None:
        assert Policy(Mode.ENFORCE, ("mail.example.com", "*.example.net"), 604800) == parse_policy(GOOD)
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
            ((b"mode", b"\xff"), "UTF-8"),
        ],
    )
    def test_is_refused_for_what_is_wrong(self, change: tuple[bytes, bytes], complaint: str) -> None:
        with pytest.raises(InvalidError, match=complaint.replace("*", ".")):
            parse_policy(GOOD.replace(*change))

    def test_of_a_key_that_stands_there_twice_the_first_counts(self) -> None:
        assert Mode.ENFORCE is parse_policy(GOOD + b"mode: none\r\n").mode

    def test_may_have_keys_that_are_not_known(self) -> None:
        assert parse_policy(GOOD) == parse_policy(GOOD + b"later: yes\r\n\r\n")

    def test_may_list_any_number_of_hosts(self) -> None:
        hosts = [f"mx{number}.example.com" for number in range(500)]
        policy = parse_policy(GOOD + "".join(f"mx:{host}\n" for host in hosts).encode())
        assert all(map(policy.lists, hosts))

    def test_of_mode_none_needs_no_hosts(self) -> None:
        assert Policy(Mode.NONE, (), 86400) == parse_policy(b"version: STSv1\nmode: none\nmax_age: 86400")


@pytest.mark.parametrize("text", ["v=STSv1; id=20260101;", "v=STSv1;id=a"])
def test_the_record_of_mta_sts_has_an_id(text: str) -> None:
    assert parse_sts_record(text) in ("20260101", "a")


@pytest.mark.parametrize("text", ["v=STSv1;", "v=STSv1; id=a-b", f"v=STSv1; id={'1' * 33}", "v=STSv1; id=1; id=2"])
def test_an_id_is_32_letters_and_digits(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_sts_record(text)


def test_reports_about_tls_go_by_mail_or_https() -> None:
    text = "v=TLSRPTv1; rua=mailto:tls@example.com, https://example.com/tls"
    assert [text] == mta_sts.tls_rpt_records(["v=spf1 -all", text])
    assert ("mailto:tls@example.com", "https://example.com/tls") == parse_tls_rpt(text)


def test_several_fields_may_say_where_they_go() -> None:
    assert ("mailto:a@x.example", "mailto:b@x.example") == parse_tls_rpt(
        "v=TLSRPTv1;rua=mailto:a@x.example ; rua = mailto:b@x.example;x-more=1"
    )


@pytest.mark.parametrize("rua", ["", "rua=", "rua=tls@example.com", "rua=http://example.com", "rua=mailto:nobody"])
def test_and_nowhere_else(rua: str) -> None:
    with pytest.raises(InvalidError, match="rua"):
        parse_tls_rpt(f"v=TLSRPTv1; {rua}")


def walked(domain: str, zone: Mapping[str, Sequence[str] | None]) -> tuple[Walk, list[str]]:
    """The walk through a zone, and what was asked."""
    asked: list[str] = []

    def along() -> Generator[str, Sequence[str] | None, Walk]:
        return (yield from walk(domain))

    steps = along()
    answer: Sequence[str] | None = None
    found: list[Walk] = []

    def step() -> str | None:
        try:
            return next(steps) if not asked else steps.send(answer)
        except StopIteration as end:
            found.append(end.value)
        return None

    while (name := step()) is not None:
        asked.append(name)
        answer = zone.get(name, ())
    return found[0], asked


class TestTreeWalk:
    """RFC 9989 section 4.10."""

    def test_goes_up_label_by_label(self) -> None:
        found, asked = walked("a.mail.example.com", {"_dmarc.example.com": ["v=DMARC1; p=reject; sp=quarantine"]})
        assert ["_dmarc.a.mail.example.com", "_dmarc.mail.example.com", "_dmarc.example.com", "_dmarc.com"] == asked
        assert "example.com" == found.organizational
        step = found.applying()
        assert step is not None
        assert "example.com" == step.domain

    def test_jumps_where_there_are_many_labels(self) -> None:
        _, asked = walked("a.b.c.d.e.f.g.h.i.j.mail.example.com", {})
        assert ["_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com", "_dmarc.g.h.i.j.mail.example.com"] == asked[:2]
        assert 8 == len(asked)

    def test_ends_at_a_domain_that_is_an_organizations(self) -> None:
        zone = {
            "_dmarc.b.example.com": ["v=DMARC1; p=none; psd=n"],
            "_dmarc.example.com": ["v=DMARC1; p=reject"],
        }
        found, asked = walked("a.b.example.com", zone)
        assert ["_dmarc.a.b.example.com", "_dmarc.b.example.com"] == asked
        assert "b.example.com" == found.organizational

    def test_an_organization_lies_one_label_below_a_public_suffix(self) -> None:
        zone = {
            "_dmarc.bank": ["v=DMARC1; p=reject; psd=y"],
            "_dmarc.mail.example.bank": ["v=DMARC1; p=none"],
        }
        found, _ = walked("mail.example.bank", zone)
        assert "example.bank" == found.organizational
        applying = found.applying()
        assert applying is not None
        assert "mail.example.bank" == applying.domain

    def test_what_a_public_suffix_says_holds_where_nobody_else_says_anything(self) -> None:
        found, _ = walked("example.bank", {"_dmarc.bank": ["v=DMARC1; p=reject; psd=y"]})
        applying = found.applying()
        assert applying is not None
        assert ("bank", "example.bank") == (applying.domain, found.organizational)

    def test_several_records_count_as_none(self) -> None:
        zone = {
            "_dmarc.a.example.com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"],
            "_dmarc.example.com": ["v=DMARC1; p=none"],
        }
        assert "example.com" == walked("a.example.com", zone)[0].organizational

    def test_of_a_domain_without_records_is_the_domain_itself(self) -> None:
        found, _ = walked("example.com", {"_dmarc.example.com": ["v=spf1 -all"]})
        assert ("example.com", None) == (found.organizational, found.applying())

    @pytest.mark.parametrize(
        ("psd", "organization"), [("y", "example.bank"), ("n", "example.bank"), ("u", "example.bank")]
    )
    def test_begun_at_a_public_suffix_stays_there(self, psd: str, organization: str) -> None:
        found, _ = walked("example.bank", {"_dmarc.example.bank": [f"v=DMARC1; p=none; psd={psd}"]})
        assert organization == found.organizational

    def test_ends_where_nobody_answers(self) -> None:
        found, asked = walked("a.example.com", {"_dmarc.example.com": None})
        assert ("example.com", ["_dmarc.a.example.com", "_dmarc.example.com"]) == (found.failed, asked)


class TestDmarc:
    def test_says_what_is_to_be_done(self) -> None:
        record = parse_dmarc(
            "v=DMARC1; p=reject; sp=quarantine; t=y; rua=mailto:a@example.net!10m,mailto:b@example.org"
        )
        assert (DmarcPolicy.REJECT, DmarcPolicy.QUARANTINE, True, "u", ("example.net", "example.org")) == (
            record.policy,
            record.subdomains,
            record.testing,
            record.psd,
            record.reports,
        )

    def test_without_a_good_policy_is_none_if_there_is_somebody_to_tell(self) -> None:
        assert DmarcPolicy.NONE is parse_dmarc("v=DMARC1; p=rejected; rua=mailto:a@example.com").policy
        with pytest.raises(DmarcError, match="p "):
            parse_dmarc("v=DMARC1; p=rejected")

    @pytest.mark.parametrize(
        "text",
        [
            "v=DMARC1; p",
            "v=DMARC1",
            "v=DMARC1; p=none reject",
            "v=DMARC1; p=reject!",
            "v=DMARC1; sp=reject",
            "v=DMARC1; p=; rua=https://example.com",
        ],
    )
    def test_is_refused_without_a_policy(self, text: str) -> None:
        with pytest.raises(DmarcError):
            parse_dmarc(text)

    @pytest.mark.parametrize(
        "fault",
        [
            "p=none",
            "adkim=x",
            "aspf=rs",
            "rua=a@example.com",
            "rua=mailto:a@b@example.com",
            "nonsense",
            "t=yes",
            "psd=",
            "np=discard",
            "=x",
        ],
    )
    def test_what_is_wrong_costs_itself(self, fault: str) -> None:
        record = parse_dmarc(f"v=DMARC1; p=reject; {fault}; sp=quarantine")
        assert (DmarcPolicy.REJECT, DmarcPolicy.QUARANTINE, 1) == (
            record.policy,
            record.subdomains,
            len(record.faults),
        )

    @pytest.mark.parametrize(
        ("tags", "below", "nowhere"),
        [
            ("", "reject", "reject"),
            ("sp=none", "none", "none"),
            ("np=none", "reject", "none"),
            ("sp=none; np=reject", "none", "reject"),
        ],
    )
    def test_domains_below_have_a_policy_by_whether_they_exist(self, tags: str, below: str, nowhere: str) -> None:
        record = parse_dmarc(f"v=DMARC1; p=reject; {tags}")
        assert (below, nowhere, ()) == (record.subdomains, record.nonexistent, record.faults)

    def test_who_takes_reports_of_others_says_so_there(self) -> None:
        assert "example.com._report._dmarc.example.net" == consent_name("example.com", "example.net")


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
        assert "ed25519" == parse_dkim(f"v=DKIM1; k=ed25519; p={b64encode(raw).decode()}").kind
        with pytest.raises(DkimError, match="31 octets"):
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
        with pytest.raises(DkimError):
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


@pytest.mark.parametrize("answer", ["127.255.255.254", "192.0.2.1", "10.0.0.1", "128.0.0.1"])
def test_what_is_no_listing(answer: str) -> None:
    with pytest.raises(NotAListingError, match=answer):
        is_listed(["127.0.0.2", answer])


@pytest.mark.parametrize("term", ["include:a.%{a}", "a:%{}", "exists:%{2}.b.%{z9r}", "redirect=b.%{u}", "mx:%{d"])
def test_a_macro_that_there_is_none_of_is_a_mistake_also_at_the_end_of_a_domain(term: str) -> None:
    with pytest.raises(SpfSyntaxError, match="does not name a domain"):
        parse_spf(f"v=spf1 {term} -all")


@pytest.mark.parametrize(
    "term", ["include:a.%{d}", "a:%{D}", "exists:%{i}.b.%{l9r+-}", "mx:a%%", "mx:a.b-c.", "a:.0a1"]
)
def test_a_domain_ends_in_a_label_or_a_macro(term: str) -> None:
    assert 2 == len(parse_spf(f"v=spf1 {term} -all").terms)


@pytest.mark.parametrize("word", ["ip4:192.0.2.0/024", "ip4:192.0.2.0/00", "ip6:2001:db8::/064", "a/08", "mx//0128"])
def test_a_prefix_length_has_no_zeros_before_it(word: str) -> None:
    with pytest.raises(SpfSyntaxError):
        parse_spf(f"v=spf1 {word} -all")


@pytest.mark.parametrize("text", ["v=spf1 exp=\u00fc.test", "v=spf1 a\x01", "v=spf1 a\t-all"])
def test_a_record_holds_printable_ascii(text: str) -> None:
    with pytest.raises(SpfSyntaxError, match="not printable ASCII"):
        parse_spf(text)


@pytest.mark.parametrize("label", ["a", "ab", "abc", "abcdefg"])
@pytest.mark.parametrize("more", range(4))
def test_a_name_that_is_too_long_keeps_as_many_labels_as_fit(label: str, more: int) -> None:
    """RFC 7208 7.3: left-hand labels are removed until the name is not more than 253 characters long."""
    name = "x" * more + ".".join([label] * 200)
    kept = shortened(name)
    assert name.endswith(kept)
    assert len(kept) <= MAX_DOMAIN
    before = name.removesuffix(kept)
    assert not before or (
        before.endswith(".") and len(before.rstrip(".").rpartition(".")[2]) + 1 + len(kept) > MAX_DOMAIN
    )


def told(record: str, **answers: Sequence[str]) -> Judgement:
    """What comes of a record for 192.0.2.1, by answers to questions of each type."""
    run = check_host(Session(ip_address("192.0.2.1"), "a@example.com", "mx.example.com"), "example.com")
    ask = next(run)
    try:
        while True:
            ask = run.send(Told((record,) if ask.rdtype == "TXT" else tuple(answers.get(ask.rdtype, ()))))
    except StopIteration as end:
        judgement: Judgement = end.value
        return judgement


@pytest.mark.parametrize(
    ("terms", "void", "result"),
    [
        ("ptr", 1, SpfResult.FAIL),
        ("ptr a:a.test", 2, SpfResult.FAIL),
        ("ptr a:a.test exists:b.test", 3, SpfResult.PERMERROR),
        # Each of its two hosts is without addresses, and the term is one.
        ("mx mx:c.test mx:d.test", 0, SpfResult.FAIL),
    ],
)
def test_a_term_that_finds_nothing_is_a_void_look_up(terms: str, void: int, result: SpfResult) -> None:
    """Section 4.6.4 counts terms."""
    found = told(f"v=spf1 {terms} -all", MX=["mx1.test", "mx2.test"])
    assert (void, result) == (found.void, found.result)


@pytest.mark.parametrize(("count", "result"), [(10, SpfResult.PASS), (11, SpfResult.PERMERROR)])
def test_ten_hosts_of_mx_are_asked_for_and_no_more(count: int, result: SpfResult) -> None:
    hosts = [f"mx{number}.example.com" for number in range(count)]
    assert result is told("v=spf1 mx -all", MX=hosts, A=["192.0.2.1"]).result


def test_the_name_of_the_client_is_the_domain_before_those_below_it() -> None:
    """Section 7.3: the macro p."""
    names = ["other.test", "a.example.com", "EXAMPLE.com", "b.example.com"]
    run = check_host(Session(ip_address("192.0.2.1"), "a@example.com", "mx.example.com"), "example.com")
    ask, asked = next(run), []
    while ask.name != "end.example.com":
        asked.append(ask)
        values = {"TXT": ["v=spf1 exists:%{p}.x.test exists:end.example.com"], "PTR": names, "A": ["192.0.2.1"]}
        ask = run.send(Told(() if ask.name.endswith("x.test") else tuple(values[ask.rdtype])))
    assert "EXAMPLE.com.x.test" == asked[-1].name


@pytest.mark.parametrize(("name", "good"), [("a." * 126 + "a.", True), ("a." * 126 + "ab.", False), ("a" * 64, False)])
def test_a_name_that_dns_cannot_hold_is_not_asked_for(name: str, good: bool) -> None:
    assert good is _can_be_asked(name)


LONGEST = "a." * 126 + "a"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (LONGEST, LONGEST),
        (f"{LONGEST}.", LONGEST),
        (f"b{LONGEST}", LONGEST[2:]),
        (f".{LONGEST}", LONGEST),
        (f"b.{LONGEST}", LONGEST),
    ],
)
def test_a_name_of_253_characters_is_kept_whole(name: str, kept: str) -> None:
    assert kept == shortened(name)


@pytest.mark.parametrize("more", [0, 1])
def test_a_record_may_be_as_long_as_an_answer(more: int) -> None:
    text = "v=spf1 " + "a " * 8000
    text += "x" * (MAX_RECORD - len(text) - 1 + more) + "="
    with pytest.raises(SpfSyntaxError, match="too long") if more else nullcontext():
        parse_spf(text)


@pytest.mark.parametrize(("count", "good"), [("0", False), ("00000", False), ("00001", True), ("10", True)])
def test_a_macro_keeps_a_part_at_least(count: str, good: bool) -> None:
    with nullcontext() if good else pytest.raises(SpfSyntaxError, match="keeps no parts"):
        parse_spf(f"v=spf1 a:%{{d{count}}}.test -all")


def test_a_policy_is_that_of_the_organization_and_not_of_the_suffix_above_it() -> None:
    zone = {"_dmarc.example.bank": ["v=DMARC1; p=none"], "_dmarc.bank": ["v=DMARC1; p=reject; psd=y"]}
    applying = walked("mail.example.bank", zone)[0].applying()
    assert applying is not None
    assert "example.bank" == applying.domain


def test_a_record_that_says_nothing_lacks_its_policy() -> None:
    with pytest.raises(DmarcError, match="p is missing"):
        parse_dmarc("v=DMARC1;")
