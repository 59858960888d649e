"""Fuzz targets for what a domain publishes: records, policies and documents of anybody who registers a name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final

from exporter.domains.discovery.autoconfig_document import DocumentError, parse_document
from exporter.domains.discovery.pacc import digest_matches, parse_pacc
from exporter.domains.posture.dkim_key import dkim_records, parse_dkim
from exporter.domains.posture.dmarc_policy import parse_dmarc
from exporter.domains.posture.spf_evaluation import Ask, Told, check_host
from exporter.domains.posture.spf_macros import SenderIdentity
from exporter.domains.posture.spf_record import parse_spf
from exporter.domains.posture.sts_policy import parse_policy, parse_sts_record, parse_tls_rpt
from exporter.domains.tags import RecordError, having_version
from exporter.model import Source

RECORDS: Final[Sequence[tuple[Callable[[str], object], type[ValueError]]]] = (
    (parse_spf, RecordError),
    (parse_dmarc, RecordError),
    (parse_dkim, RecordError),
    (parse_sts_record, RecordError),
    (parse_tls_rpt, RecordError),
)

MOST_QUESTIONS: Final = 400
"""RFC 7208 4.6.4 bounds the look-ups of an evaluation: ten terms, of which one may lead to ten hosts."""

POLICY: Final = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"

AUTOCONFIG: Final = b"""<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="example.com"><domain>example.com</domain>
<incomingServer type="imap"><hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILADDRESS%</username></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.example.com</hostname><port>587</port><socketType>STARTTLS</socketType>
</outgoingServer></emailProvider></clientConfig>
"""

TEXTS: Final = (
    b"v=spf1 a:%{d2r}.example.com/24//64 mx ip4:192.0.2.0/24 include:_spf.example.net exists:%{i}._x.a.test -all",
    b"v=DMARC1; p=reject; sp=quarantine; adkim=s; t=y; psd=n; rua=mailto:a@example.net!10m,mailto:b@example.org",
    b"v=DKIM1; k=ed25519; t=y:s; s=email; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    b"v=STSv1; id=20261128T000000;",
    b"v=TLSRPTv1; rua=mailto:tls@example.com, https://example.com/tls",
)


def autoconfig(octets: bytes) -> None:
    try:
        offers = parse_document(octets, Source.AUTOCONFIG, "example.com", "user@example.com")
    except DocumentError as error:
        assert str(error).isprintable()
    else:
        assert offers
        assert all(offer.host.isascii() and 1 <= offer.port <= 65535 for offer in offers)


def pacc(octets: bytes) -> None:
    """The first line is a digest record, the rest the document."""
    text, _, body = octets.partition(b"\n")
    assert digest_matches(body, [text.decode("utf-8", "replace")]) in {True, False, None}
    try:
        offers = parse_pacc(body)
    except DocumentError as error:
        assert str(error).isprintable()
    else:
        assert offers
        assert all(offer.host.isascii() for offer in offers)


def policy(octets: bytes) -> None:
    try:
        found = parse_policy(octets)
    except RecordError as error:
        assert str(error).isprintable()
    else:
        assert found.max_age >= 0
        assert found.lists("mail.example.com") in {True, False}


def text_record(octets: bytes) -> None:
    """As DNS brings it: octets that are decoded with replacement, read as each kind of record."""
    text = octets.decode("utf-8", "replace")
    having_version([text], "DMARC1")
    dkim_records([text])
    for parse, wrong in RECORDS:
        try:
            parse(text)
        except wrong as error:
            assert str(error)


def spf_evaluation(octets: bytes) -> None:
    """Each line is the next answer to a question for a record; addresses are always the same."""
    answers = octets.split(b"\n")
    run = check_host(SenderIdentity(ip_address("192.0.2.1"), "a@example.com", "mx.example.com"), "example.com")
    told: Told | None = None
    with suppress(StopIteration):
        for number in range(MOST_QUESTIONS):
            ask: Ask = next(run) if told is None else run.send(told)
            told = Told((_answer(ask, answers[number % len(answers)]),))
        raise AssertionError(f"more than {MOST_QUESTIONS} questions")


def _answer(ask: Ask, text: bytes) -> str:
    match ask.rdtype:
        case "A":
            return "192.0.2.1"
        case "AAAA":
            return "2001:db8::1"
        case "TXT":
            return "v=spf1 " + text.decode("utf-8", "replace")
        case _:
            return "mx.example.com"


PUBLISHED: Final[Mapping[str, Callable[[bytes], object]]] = MappingProxyType(
    {
        "autoconfig": autoconfig,
        "pacc": pacc,
        "mta-sts-policy": policy,
        "text-record": text_record,
        "spf-evaluation": spf_evaluation,
    }
)


def published_seeds() -> dict[str, list[bytes]]:
    document = json.dumps({"protocols": {"imap": {"host": "imap.example.com"}, "submit": {"host": "smtp.example.com"}}})
    digest = b"v=UAAC1; a=sha256; d=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
    return {
        "autoconfig": [AUTOCONFIG],
        "pacc": [digest + b"\n" + document.encode()],
        "mta-sts-policy": [POLICY],
        "text-record": list(TEXTS),
        "spf-evaluation": [b"include:a.example.com mx -all\nredirect=%{d}\nptr exists:%{l1r-}.%{v} ?all"],
    }
