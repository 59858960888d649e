"""The records of SPF: what they say, and what is wrong with them. RFC 7208's own examples are in test_spf_suite.py."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from ipaddress import ip_address

import pytest

from exporter.domains.posture.spf_evaluation import Ask, Judgement, SpfResult, Told, _can_be_asked, check_host
from exporter.domains.posture.spf_macros import MAX_DOMAIN, SenderIdentity, expand, shortened
from exporter.domains.posture.spf_record import MAX_RECORD, parse_spf
from exporter.domains.tags import RecordError


@pytest.mark.parametrize("term", ["include:a.%{a}", "a:%{}", "exists:%{2}.b.%{z9r}", "redirect=b.%{u}", "mx:%{d"])
def test_a_macro_that_there_is_none_of_is_a_mistake_also_at_the_end_of_a_domain(term: str) -> None:
    with pytest.raises(RecordError, match="does not name a domain"):
        parse_spf(f"v=spf1 {term} -all")


@pytest.mark.parametrize(
    "term", ["include:a.%{d}", "a:%{D}", "exists:%{i}.b.%{l9r+-}", "mx:a%%", "mx:a.b-c.", "a:.0a1"]
)
def test_a_domain_ends_in_a_label_or_a_macro(term: str) -> None:
    assert 2 == len(parse_spf(f"v=spf1 {term} -all").terms)


@pytest.mark.parametrize("word", ["ip4:192.0.2.0/024", "ip4:192.0.2.0/00", "ip6:2001:db8::/064", "a/08", "mx//0128"])
def test_a_prefix_length_has_no_zeros_before_it(word: str) -> None:
    with pytest.raises(RecordError):
        parse_spf(f"v=spf1 {word} -all")


@pytest.mark.parametrize("text", ["v=spf1 exp=\u00fc.test", "v=spf1 a\x01", "v=spf1 a\t-all"])
def test_a_record_holds_printable_ascii(text: str) -> None:
    with pytest.raises(RecordError, match="not printable ASCII"):
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
    run = check_host(SenderIdentity(ip_address("192.0.2.1"), "a@example.com", "mx.example.com"), "example.com")
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
        # A client without a name is no term of the record.
        ("exists:%{p}.a.test exists:b.test", 2, SpfResult.FAIL),
        # Each of its two hosts is without addresses, and the term is one.
        ("mx mx:c.test mx:d.test", 0, SpfResult.FAIL),
    ],
)
def test_a_term_that_finds_nothing_is_a_void_look_up(terms: str, void: int, result: SpfResult) -> None:
    """Section 4.6.4 counts terms."""
    found = told(f"v=spf1 {terms} -all", MX=["mx1.test", "mx2.test"])
    assert (void, result) == (found.void, found.result)


def test_the_explanation_of_an_included_domain_is_nobodys() -> None:
    """Section 6.2."""
    run = check_host(SenderIdentity(ip_address("192.0.2.1"), "a@example.com", "mx.example.com"), "example.com")
    assert Ask("example.com", "TXT") == next(run)
    assert Ask("b.test", "TXT") == run.send(Told(("v=spf1 include:b.test -all",)))
    with pytest.raises(StopIteration) as end:
        run.send(Told(("v=spf1 -all exp=words.b.test",)))
    assert SpfResult.FAIL is end.value.value.result


@pytest.mark.parametrize("domain", ["localhost", "com.", "", "a..com"])
def test_what_is_no_domain_has_no_record(domain: str) -> None:
    """Section 4.3."""
    run = check_host(SenderIdentity(ip_address("192.0.2.1"), "a@example.com", "mx.example.com"), domain)
    with pytest.raises(StopIteration) as end:
        next(run)
    assert SpfResult.NONE is end.value.value.result


@pytest.mark.parametrize(("count", "result"), [(10, SpfResult.PASS), (11, SpfResult.PERMERROR)])
def test_ten_hosts_of_mx_are_asked_for_and_no_more(count: int, result: SpfResult) -> None:
    hosts = [f"mx{number}.example.com" for number in range(count)]
    assert result is told("v=spf1 mx -all", MX=hosts, A=["192.0.2.1"]).result


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["other.test", "a.example.com", "EXAMPLE.com", "b.example.com"], "EXAMPLE.com"),
        (["other.test", "a.example.com", "b.example.com"], "a.example.com"),
        (["other.test", "another.test"], "other.test"),
    ],
)
def test_the_name_of_the_client_is_the_domain_before_those_below_it(names: Sequence[str], expected: str) -> None:
    """Section 7.3: the macro p."""
    run = check_host(SenderIdentity(ip_address("192.0.2.1"), "a@example.com", "mx.example.com"), "example.com")
    ask, asked = next(run), []
    while ask.name != "end.example.com":
        asked.append(ask)
        values = {"TXT": ["v=spf1 exists:%{p}.x.test exists:end.example.com"], "PTR": names, "A": ["192.0.2.1"]}
        ask = run.send(Told(() if ask.name.endswith("x.test") else tuple(values[ask.rdtype])))
    assert f"{expected}.x.test" == asked[-1].name


@pytest.mark.parametrize(
    ("name", "good"), [("a." * 126 + "a.", True), ("a." * 126 + "ab.", False), ("a." + "b" * 64, False)]
)
def test_a_name_that_dns_cannot_hold_is_not_asked_for(name: str, good: bool) -> None:
    assert good is _can_be_asked(name)


LONGEST = "a." * 126 + "a"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (LONGEST, LONGEST),
        (f"{LONGEST}.", LONGEST),
        (f"b{LONGEST}", LONGEST[2:]),
        ("a." + "b" * 300, "b" * 300),
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
    with pytest.raises(RecordError, match="too long") if more else nullcontext():
        parse_spf(text)


@pytest.mark.parametrize(("count", "good"), [("0", False), ("00000", False), ("00001", True), ("10", True)])
def test_a_macro_keeps_a_part_at_least(count: str, good: bool) -> None:
    with nullcontext() if good else pytest.raises(RecordError, match="keeps no parts"):
        parse_spf(f"v=spf1 a:%{{d{count}}}.test -all")


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
    ],
)
def test_macros_expand_as_in_the_examples_of_the_rfc(text: str, expanded: str) -> None:
    """Section 7.4, and 7.3 for capitals."""
    session = SenderIdentity(ip_address("192.0.2.3"), "strong-bad@email.example.com", "mx.example.com")
    assert expanded == expand(text, "email.example.com", session, "unknown")


def test_the_address_of_ipv6_expands_to_nibbles() -> None:
    """Section 7.4."""
    session = SenderIdentity(ip_address("2001:db8::cb01"), "strong-bad@email.example.com", "mx.example.com")
    nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
    assert f"{nibbles}.ip6._spf.example.com" == expand("%{ir}.%{v}._spf.%{d2}", "email.example.com", session, "unknown")
