"""What others publish about a domain: a value or the parser's error, whatever it is, and in bounded time."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.domains.discovery.autoconfig_document import DocumentError, parse_document
from exporter.domains.discovery.pacc import digest_matches, parse_pacc
from exporter.domains.posture.dkim_key import parse_dkim
from exporter.domains.posture.dmarc_policy import parse_dmarc
from exporter.domains.posture.spf_evaluation import Ask, Told, check_host
from exporter.domains.posture.spf_macros import SenderIdentity
from exporter.domains.posture.spf_record import parse_spf
from exporter.domains.posture.sts_policy import parse_policy, parse_sts_record, parse_tls_rpt
from exporter.domains.posture.tlsa import Tlsa, matches
from exporter.domains.tags import RecordError
from exporter.model import Source

WORDS = [
    *(
        "v=DMARC1",
        "v=STSv1",
        "v=DKIM1",
        "v=TLSRPTv1",
        "v=spf1",
        "; ",
        "p=",
        "reject",
        "id=",
        "rua=",
        "mailto:",
        "k=rsa",
    ),
    *(
        "a",
        "mx",
        "ptr",
        "ip4:",
        "192.0.2.0/24",
        "include:",
        "exists:",
        "%{i}",
        "%{d2r}",
        "redirect=",
        "example.com",
        "-all",
    ),
    *("//", "/", "0", "\u00fc", "\0", "  "),
]
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=20).map("".join)


@pytest.mark.parametrize(
    ("parse", "error"),
    [
        (parse_sts_record, RecordError),
        (parse_tls_rpt, RecordError),
        (parse_dmarc, RecordError),
        (parse_dkim, RecordError),
        (parse_spf, RecordError),
    ],
)
@given(text=TEXTS)
def test_a_record_is_a_value_or_an_error(parse: Callable[[str], object], error: type[Exception], text: str) -> None:
    with suppress(error):
        parse(text)


@given(body=st.binary(max_size=300) | TEXTS.map(str.encode))
def test_a_policy_is_a_value_or_an_error(body: bytes) -> None:
    with suppress(RecordError):
        parse_policy(body)


LEAVES = st.none() | st.booleans() | st.text(max_size=8) | st.integers()
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["protocols", "imap", "host"]), inner),
)


@given(body=st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_pacc_document_is_a_value_or_an_error(body: bytes) -> None:
    with suppress(DocumentError):
        parse_pacc(body)
    digest_matches(body, ["v=UAAC1; a=sha256; d=!!", "v=UAAC1"])


def test_a_document_that_is_nested_without_end_is_an_error() -> None:
    with pytest.raises(DocumentError):
        parse_pacc(b"[" * 60_000)


ELEMENTS = ["clientConfig", "emailProvider", "incomingServer", "outgoingServer", "hostname", "port", "socketType"]


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    open_: list[str] = []
    text = ""
    for _ in range(draw(st.integers(0, 20))):
        closes: bool = draw(st.booleans())
        if open_ and closes:
            text += f"{draw(st.sampled_from(['993', 'SSL', 'mail.example', '%EMAILDOMAIN%', '']))}</{open_.pop()}>"
        else:
            open_.append(draw(st.sampled_from(ELEMENTS)))
            text += f'<{open_[-1]} type="{draw(st.sampled_from(["imap", "smtp", "x"]))}">'
    return (text + "".join(f"</{name}>" for name in reversed(open_))).encode()


@given(body=documents() | st.binary(max_size=100))
def test_an_autoconfig_document_is_a_value_or_an_error(body: bytes) -> None:
    with suppress(DocumentError):
        for offer in parse_document(body, Source.AUTOCONFIG, "example.com", "u@example.com"):
            assert offer.host
            assert offer.host.isascii()


@given(
    usage=st.sampled_from([2, 3]),
    selector=st.sampled_from([0, 1]),
    matching=st.sampled_from([0, 1, 2]),
    data=st.binary(max_size=80),
    chain=st.lists(st.binary(max_size=80), max_size=3),
)
def test_any_record_is_compared_with_any_chain(
    usage: int, selector: int, matching: int, data: bytes, chain: list[bytes]
) -> None:
    record = Tlsa(usage, selector, matching, data)
    assert isinstance(record.fault, str | None)
    assert not matches(record, chain, ("mx.example.com",), 0.0) or matching == 0


@given(answers=st.lists(st.lists(TEXTS, max_size=3), min_size=1, max_size=5), host=st.ip_addresses())
def test_spf_ends_whatever_dns_says(answers: list[list[str]], host: object) -> None:
    run = check_host(SenderIdentity(ip_address(str(host)), "a@example.com", "mx.example.com"), "example.com")
    told: Told | None = None
    for number in range(400):
        try:
            ask: Ask = next(run) if told is None else run.send(told)
        except StopIteration:
            return
        values = answers[number % len(answers)]
        if ask.rdtype in ("A", "AAAA"):
            values = ["192.0.2.1" if ask.rdtype == "A" else "2001:db8::1"]
        elif ask.rdtype == "TXT":
            values = [f"v=spf1 {value}" for value in values]
        told = Told(tuple(values))
    pytest.fail("more than 400 questions")
