"""Inputs of full size that are made to be expensive, for each parser that takes what anybody may send.

Python's own parsers go one call deeper for each level, or take quadratic time: each input here once was, or would be,
seconds or a `RecursionError` without a bound. How deep the interpreter may go differs by its version, so a promise of
hypothesis with small inputs does not hold these.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from exporter.config.document import read_document
from exporter.config.problems import ConfigurationError
from exporter.domains.discovery.autoconfig_document import DocumentError, parse_document
from exporter.domains.discovery.pacc import parse_pacc
from exporter.domains.posture.dkim_key import dkim_records, parse_dkim
from exporter.domains.posture.dmarc_policy import parse_dmarc
from exporter.domains.posture.spf_macros import shortened
from exporter.domains.posture.spf_record import parse_spf
from exporter.domains.posture.sts_policy import parse_policy, parse_sts_record, parse_tls_rpt
from exporter.domains.tags import RecordError, almost
from exporter.flows.messages.authentication import authentication_results
from exporter.flows.messages.bounces import read_bounce
from exporter.flows.messages.headers import decoded, read_headers
from exporter.flows.messages.hops import read_hops
from exporter.flows.messages.matching import matches
from exporter.flows.messages.mime import UnreadableMessage, parts
from exporter.flows.messages.spam_scores import spam_scores
from exporter.metrics.history.history_format import DamagedHistoryError, read_history
from exporter.model import Awaited, Secret, Source
from exporter.protocol import oauth2
from exporter.protocol.dialogue import ProtocolError
from exporter.protocol.imap_response import parse_values

MUCH = 60_000
"""Octets, about: what an answer of DNS, a document or a message may have."""

MOST_SECONDS = 1.0
"""Of the processor, for this thread. Each input takes a hundredth of it; without its bound several seconds."""

KEY = Secret(b"a key of sixteen octets")
NESTED = b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n"


def text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda octets: parse(octets.decode())


def autoconfig(octets: bytes) -> object:
    return parse_document(octets, Source.AUTOCONFIG, "example.com", "user@example.com")


def awaited(octets: bytes) -> object:
    return matches(read_headers(octets), Awaited(60, "*@a.test", "*" * 30 + "x"))


def results(octets: bytes) -> object:
    return authentication_results(read_headers(octets), "a.test")


def hops(octets: bytes) -> object:
    return read_hops(read_headers(octets), 0.0, 1.0)


def subject(octets: bytes) -> object:
    return decoded(read_headers(octets).first("subject") or "")


def scores(octets: bytes) -> object:
    return spam_scores(read_headers(octets))


def meant(octets: bytes) -> object:
    return almost([octets.decode()], "DMARC1")


def token(octets: bytes) -> object:
    return oauth2.token_answer(200, "", octets, (KEY,), 0.0)


def history(octets: bytes) -> object:
    return read_history([octets.decode()])


def bounce(octets: bytes) -> object:
    return read_bounce(b"Content-Type: multipart/report; boundary=a\r\n" + octets, KEY)


def postmaster(octets: bytes) -> object:
    return read_bounce(b"From: postmaster@example.net\r\n\r\n" + octets, KEY)


def literal(octets: bytes) -> object:
    return parse_values((octets,))


def yaml(octets: bytes) -> object:
    return read_document(octets.decode(), "f")


EXPENSIVE: list[tuple[Callable[[bytes], object], bytes]] = [
    (text(parse_dmarc), b"v=DMARC1; p=x" + b" " * MUCH + b"x"),
    (text(parse_dmarc), b"v=DMARC1; rua=" + b"mailto:a@b!" * (MUCH // 11)),
    (text(parse_dkim), b"v=DKIM1; p=x" + b"\t" * MUCH + b"x"),
    (text(parse_dkim), b"p=" + b"A" * MUCH),
    (lambda octets: dkim_records([octets.decode()]), b"; " * (MUCH // 2) + b"v" + b" " * MUCH),
    (text(parse_sts_record), b"v=STSv1; id=x" + b" " * MUCH + b"x"),
    (text(parse_tls_rpt), b"v=TLSRPTv1; rua=" + b"mailto:a" * (MUCH // 8)),
    (text(parse_spf), b"v=spf1 a:a." + b"a" * 16_000 + b"!"),
    (text(parse_spf), b"v=spf1 a:" + b"a." * 8_000 + b"!"),
    (text(parse_spf), b"v=spf1 exists:" + b"%{d}" * 4_000 + b"!"),
    (text(shortened), b"a." * 500_000),
    (meant, b"v" + b" " * MUCH + b"x"),
    (meant, b"\\" * MUCH + b"v="),
    (meant, b" v:" * (MUCH // 3)),
    (parse_policy, b"mx: x" + b" " * MUCH + b"x"),
    (parse_policy, b"mx: " + b"a-" * (MUCH // 2)),
    (autoconfig, b"<a>" * (MUCH // 3)),
    (autoconfig, b"<a>" * (MUCH // 7) + b"</a>" * (MUCH // 7)),
    (autoconfig, b"<a " + b" ".join(b"a%d=''" % number for number in range(MUCH // 10)) + b"/>"),
    (parse_pacc, b"[" * MUCH),
    (parse_pacc, b'{"a":' * (MUCH // 5)),
    (parse_pacc, b"9" * MUCH),
    (token, b"[" * MUCH),
    (token, b"1" * MUCH),
    (history, b"[" * MUCH),
    (yaml, b"[" * MUCH),
    (yaml, b"- " * MUCH),
    (yaml, b"&a [*a, *a]\n" * (MUCH // 12)),
    (literal, b"(" * MUCH),
    (literal, b"(" * (MUCH // 2) + b")" * (MUCH // 2)),
    (parts, b'Content-Type: multipart/mixed;"' + b";" * MUCH + b"\r\n\r\n"),
    (parts, b'x: y\rContent-Type: multipart/mixed;"' + b";" * MUCH + b"\r\n\r\n"),
    (parts, (b'Content-Type: text/plain;"' + b";" * 2_000 + b"\r\n") * 30),
    (parts, b"".join(NESTED % (number, number) for number in range(MUCH // 60))),
    (parts, b"Content-Type: message/rfc822\r\n\r\n" * (MUCH // 32)),
    (parts, b"Content-Type: message/rfc822\r\n\r\n" * 49 + b"\n" * MUCH),
    (parts, b"Content-Type: message/delivery-status\r\n\r\n" + b"a: b\r\n\r\n" * (MUCH // 8)),
    (postmaster, b"\n---" + b" " * MUCH + b"\ncopy of"),
    (postmaster, b"permanent error\n" + b"5.1.1 " * (MUCH // 6) + b"\n--- copy of"),
    (bounce, b"\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\n" + b"\n \t" * (MUCH // 3) + b"\r\n--a--\r\n"),
    (bounce, b"\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\n" + b"a: b\n" * (MUCH // 5) + b"\r\n--a--\r\n"),
    (awaited, b"From: " + b"(a " * 300 + b"a@b.c\r\n\r\n"),
    (awaited, b"From: " + b"<" * MUCH + b"\r\n\r\n"),
    (awaited, (b"From: " + b'"\\' * 500 + b"\r\n") * 3),
    (awaited, b"From: a@a.test\r\nSubject: " + b"x" * 1_000 + b"y\r\n\r\n"),
    (subject, b"Subject: " + b"=?a?q?" * (MUCH // 6) + b"\r\n\r\n"),
    (subject, b"Subject: " + b"=?utf-8?b?====?= " * (MUCH // 17) + b"\r\n\r\n"),
    (subject, b"Subject: =?punycode?q?" + b"a-9" * (MUCH // 3) + b"?=\r\n\r\n"),
    (subject, b"Subject: =?idna?q?xn--" + b"a9" * (MUCH // 2) + b"?=\r\n\r\n"),
    (results, (b"Authentication-Results: a.test" + b"(" * 3_000 + b"\r\n") * 20),
    (results, (b"Authentication-Results: a.test; spf=pass " + b"x.y=a " * 600 + b"\r\n") * 20),
    (results, b"Authentication-Results: a.test" + b" " * 4_000 + b"x; spf=pass\r\n\r\n"),
    (results, b"Authentication-Results: a.test; " + b"(" * 2_000 + b")" * 2_000 + b"\r\n\r\n"),
    (results, b"Authentication-Results: a.test; spf=pass " + b'"' + b"\\" * 4_000 + b"\r\n\r\n"),
    (hops, (b"Received: " + b"(" * 16_000 + b"\r\n") * 20),
    (hops, (b"Received: by" + b" " * 16_000 + b";\r\n") * 100),
    (hops, (b"Received: " + b"by " * 5_000 + b"; Sat, 28 Nov 2026 " + b"(" * 300 + b"\r\n") * 20),
    (scores, b"X-Spamd-Result: " + b"[ " * 8_000 + b"\r\nX-Spam-Status: " + b"score=" * 2_700 + b"\r\n\r\n"),
]

PROMISED = (
    *(RecordError, RecordError, RecordError, RecordError, DocumentError, UnreadableMessage),
    *(ConfigurationError, DamagedHistoryError, oauth2.TokenError, ProtocolError),
)


@pytest.mark.parametrize(("parse", "octets"), EXPENSIVE, ids=[f"{number}" for number in range(len(EXPENSIVE))])
def test_an_input_that_is_made_to_be_expensive_costs_little(parse: Callable[[bytes], object], octets: bytes) -> None:
    gc.collect()
    gc.disable()
    begun = time.thread_time()
    try:
        with suppress(*PROMISED):
            parse(octets)
        took = time.thread_time() - begun
    finally:
        gc.enable()
    assert took < MOST_SECONDS
