"""The part of the dashboard of an endpoint about TLS: the certificate, the session, and what is wrong with them."""

from __future__ import annotations

from dashboards.boards.board import Line
from dashboards.boards.columns import address, exporter
from dashboards.boards.looks import (
    GOOD,
    OTHER,
    UNKNOWN,
    flag,
    says,
    values,
)
from dashboards.boards.panels import graph, timeline
from dashboards.boards.parts import Panel, Query, Text
from dashboards.boards.questions import (
    days_left,
    in_rows,
)
from dashboards.boards.tables import Column, rows
from dashboards.promql import Scope
from dashboards.settings import Settings


def encryption(of: Scope, settings: Settings) -> tuple[Line, ...]:
    return (
        Line(5, ((24, _certificate(of, settings)),)),
        Line(8, ((10, _session(of, settings)), (8, _problems(of, settings)), (6, _days_left(of)))),
    )


def _certificate(of: Scope, settings: Settings) -> Panel:
    return rows(
        Text(
            "Certificate of the server",
            "The leaf that the server presented to the last probe.",
            "The last probe saw none",
        ),
        [
            Query(of("mail_tls_certificate_info")),
            Query(f"{of('mail_tls_certificate_not_before_timestamp_seconds')} * 1000"),
            Query(f"{of('mail_tls_certificate_not_after_timestamp_seconds')} * 1000"),
        ],
        [
            Column("subject", "Subject"),
            Column("issuer", "Issuer"),
            Column("key", "Key", {"custom.width": 90}),
            Column("signature", "Signature", {"custom.width": 160}),
            Column("serial", "Serial", {"custom.width": 140}),
            Column("Value #B", "Valid from", {"unit": "dateTimeAsIso", "custom.width": 165}),
            Column("Value #C", "Valid until", {"unit": "dateTimeAsIso", "custom.width": 165}),
            address(),
            *exporter(settings),
        ],
        sort_by="Valid until",
    )


def _session(of: Scope, settings: Settings) -> Panel:
    return rows(
        Text(
            "TLS session",
            'What was agreed on: protocol version, cipher suite, key exchange group. X25519MLKEM768 resists "record '
            'now, decrypt later".',
            "The last probe had none",
        ),
        [Query(of("mail_tls_info"))],
        [
            Column("version", "Version", {"custom.width": 80}),
            Column("cipher", "Cipher suite"),
            Column("group", "Key exchange", {"custom.width": 115}),
            address(),
            *exporter(settings),
        ],
        sort_by="Version",
    )


def _problems(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Certificate and staple",
            "Whether chain and name are good, and whether the server sends an OCSP response along. Below, in red, "
            "each problem that was found.",
            "No TLS",
        ),
        [
            Query(in_rows(of("mail_tls_verified"), settings, "address"), "verified {{row}}"),
            Query(in_rows(f"{of('mail_tls_verification_error_info')} * 0", settings, "address"), "{{error}} {{row}}"),
            Query(in_rows(f"{of('mail_tls_ocsp_stapled')} + 2", settings, "address"), "staple {{row}}"),
        ],
        [*flag("Yes", "No"), values(v2=says("No", UNKNOWN), v3=says("Yes", GOOD))],
    )


def _days_left(of: Scope) -> Panel:
    return graph(
        Text(
            "Days left over time",
            "Until the server's certificate expires, until the first of its chain does, and until its OCSP response is "
            "due for renewal. A jump up is a renewal. Where several addresses or exporters show different ones: the "
            "first to expire.",
            "None seen",
        ),
        [
            Query(f"min({of('mail_tls_certificate_not_after_timestamp_seconds')} - time()) / 86400", "certificate"),
            Query(f"min({days_left(of)})", "chain"),
            Query(f"min({of('mail_tls_ocsp_next_update_timestamp_seconds')} - time()) / 86400", "OCSP response"),
        ],
        "none",
        colors=zip(("certificate", "chain", "OCSP response"), OTHER, strict=True),
        dashed=["chain"],
    )
