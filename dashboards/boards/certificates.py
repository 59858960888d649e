"""Mail certificates: every certificate by the days it has left, what is wrong with it, and what TLS is spoken."""

from __future__ import annotations

from dashboards.boards.board import Board, Line, Section
from dashboards.boards.columns import ENDPOINT, INSTANCE, endpoint
from dashboards.boards.links import endpoint_dashboard
from dashboards.boards.looks import ANY, BAD, GOOD, LOOK, NONE_IS_BETTER, NONE_IS_GOOD, UNKNOWN, Steps, flag
from dashboards.boards.looks import days_left as of_days_left
from dashboards.boards.panels import figure, graph, timeline
from dashboards.boards.parts import Panel, Query, Text, by_last_value
from dashboards.boards.questions import days_left, expiry, failing_in_the_time_shown, in_rows
from dashboards.boards.tables import Column, bounds, ranked, rows
from dashboards.boards.variables import of_endpoints, scope_of_endpoints, shown_over_time
from dashboards.promql import Scope
from dashboards.settings import Settings

MOST = 50
"""Lines in one graph: more are neither read nor drawn well."""


def board(settings: Settings) -> Board:
    """The dashboard for people who renew certificates or decide about versions of TLS."""
    of = scope_of_endpoints(settings)
    return Board(
        uid="mail-certificates",
        title="Mail certificates",
        description="Every certificate by the days it has left, what is wrong with it, and what TLS is spoken.",
        since="now-7d",
        variables=[*of_endpoints(settings), shown_over_time()],
        sections=(
            Section(
                "",
                (
                    Line(4, _tiles(of, settings)),
                    Line(16, ((24, _table(of, settings)),)),
                    Line(9, ((12, _problems(of)), (12, _issuers(of)))),
                ),
            ),
            Section(
                "TLS",
                (
                    Line(6, ((8, _versions(of)), (8, _groups(of)), (8, _keys(of)))),
                    Line(9, ((10, _ciphers(of)), (10, _starttls(of, settings)), (4, _staples(of)))),
                ),
            ),
            Section("Over time", (Line(10, ((24, _over_time(of, settings)),)),)),
        ),
    )


def _tiles(of: Scope, settings: Settings) -> tuple[tuple[int, Panel], ...]:
    left = days_left(of)
    expired = of("mail_tls_verification_error_info", 'error="expired"')

    def below(title: str, days: float, above: float, steps: Steps) -> Panel:
        query = f"sum(({left} <= bool {days:g}) * ({left} > bool {above:g}))"
        text = Text(
            title, f"Endpoints whose first certificate to expire does so in {above:g} to {days:g} days.", "None seen"
        )
        return figure(text, Query(query), "none", steps)

    return (
        (
            4,
            figure(
                Text("With a certificate", "Endpoints that presented one to their last probe."),
                Query(f"count({of('mail_tls_certificate_not_after_timestamp_seconds')})"),
                "none",
                ((None, GOOD),),
            ),
        ),
        (
            4,
            figure(
                Text("Not verified", "Endpoints whose chain or name could not be verified, for any reason."),
                Query(f"sum({of('mail_tls_verified')} == bool 0)"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
        (
            4,
            figure(
                Text("Expired", "Endpoints with an expired certificate that the verification needs.", "None"),
                Query(f"count({expired})"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
        (4, below(f"Within {settings.last_days:g} days", settings.last_days, 0, NONE_IS_BETTER)),
        (
            4,
            below(
                f"Within {settings.soon_days:g} days", settings.soon_days, settings.last_days, ((None, GOOD), (1, LOOK))
            ),
        ),
        (
            4,
            below(
                f"Within {settings.renewal_days:g} days",
                settings.renewal_days,
                settings.soon_days,
                ((None, GOOD), (1, GOOD)),
            ),
        ),
    )


def _table(of: Scope, settings: Settings) -> Panel:
    steps = {"thresholds": bounds(of_days_left(settings)), "color": {"mode": "thresholds"}}
    return rows(
        Text(
            "Certificates",
            "The certificate that each endpoint presented to its last probe. Days left are the server's own and "
            "those of the first in its chain to expire; below zero it has expired.",
            "No certificate seen",
        ),
        [
            Query(of("mail_tls_certificate_info")),
            Query(f"({of('mail_tls_certificate_not_after_timestamp_seconds')} - time()) / 86400"),
            Query(days_left(of)),
            Query(of("mail_tls_verified")),
        ],
        [
            *endpoint(settings),
            Column(
                "Value #B",
                "Days left",
                {
                    "unit": "none",
                    "decimals": 1,
                    "custom.cellOptions": {"type": "color-text"},
                    "custom.width": 90,
                    **steps,
                },
            ),
            Column(
                "Value #C",
                "Chain: days left",
                {
                    "unit": "none",
                    "decimals": 1,
                    "custom.cellOptions": {"type": "color-text"},
                    "custom.width": 130,
                    **steps,
                },
            ),
            Column(
                "Value #D",
                "Verified",
                {
                    "custom.width": 80,
                    "custom.cellOptions": {"type": "color-text"},
                    "mappings": [
                        {
                            "type": "value",
                            "options": {
                                "0": {"text": "No", "color": BAD, "index": 0},
                                "1": {"text": "Yes", "color": GOOD, "index": 1},
                            },
                        }
                    ],
                },
            ),
            Column("subject", "Subject"),
            Column("issuer", "Issuer"),
            Column("key", "Key", {"custom.width": 120}),
            Column("signature", "Signature", {"custom.width": 200}),
        ],
        sort_by="Days left",
    )


def _problems(of: Scope) -> Panel:
    return ranked(
        Text(
            "Verification problems",
            "How many endpoints have which problem with their certificate; one may have several. incomplete_chain: the "
            "server does not send the intermediate certificate.",
            "All certificates are good",
        ),
        Query(f"count by (error) ({of('mail_tls_verification_error_info')})"),
        [Column("error", "Problem")],
        "Endpoints",
        unit="none",
        steps=((None, BAD),),
        decimals=0,
    )


def _issuers(of: Scope) -> Panel:
    return _counted(
        "Issuers", "How many endpoints have a certificate signed by whom.", of("mail_tls_certificate_info"), "issuer"
    )


def _versions(of: Scope) -> Panel:
    return _counted(
        "Protocol versions",
        "How many endpoints speak which version of TLS. RFC 8996 deprecated TLS 1.0 and 1.1.",
        of("mail_tls_info"),
        "version",
    )


def _groups(of: Scope) -> Panel:
    return _counted(
        "Key exchange",
        'How many endpoints agree on which key exchange group. X25519MLKEM768 resists "record now, decrypt later".',
        of("mail_tls_info"),
        "group",
    )


def _keys(of: Scope) -> Panel:
    return _counted("Keys", "Kind and size of the certificates' keys.", of("mail_tls_certificate_info"), "key")


def _ciphers(of: Scope) -> Panel:
    return _counted("Cipher suites", "How many endpoints agree on which cipher suite.", of("mail_tls_info"), "cipher")


def _starttls(of: Scope, settings: Settings) -> Panel:
    offered = f"{of('mail_starttls_offered')} and ({failing_in_the_time_shown(of)})"
    return timeline(
        Text(
            "STARTTLS over time",
            "Whether STARTTLS was offered, for endpoints that should use it and failed in the time shown; choose at "
            "the top to see all. Without it, opportunistic ones go on in plain, and others fail.",
            "Nothing failed",
        ),
        [Query(in_rows(offered, settings), "{{row}}")],
        flag("Offered", "Not offered"),
        link=endpoint_dashboard(ENDPOINT, INSTANCE),
    )


def _staples(of: Scope) -> Panel:
    return figure(
        Text(
            "OCSP stapled",
            "The share of endpoints that send an OCSP response. It is optional, and some authorities have stopped "
            "OCSP.",
            "No TLS",
        ),
        Query(f"avg({of('mail_tls_ocsp_stapled')})"),
        "percentunit",
        ((None, UNKNOWN), (1e-9, GOOD)),
    )


def _over_time(of: Scope, settings: Settings) -> Panel:
    fewest = f"{days_left(of)} and bottomk({MOST}, {expiry(of, ' @ end()')})"
    return graph(
        Text(
            "Days left over time",
            f"Days left of the certificate that expires first, for the {MOST} endpoints with the fewest. It falls by "
            "one a day, and a jump up is a renewal: a missing one is visible weeks before.",
        ),
        [Query(in_rows(fewest, settings), "{{row}}")],
        "none",
        steps=of_days_left(settings),
        color=by_last_value(),
        filled=False,
        low=None,
    )


def _counted(title: str, description: str, series: str, label: str) -> Panel:
    """How many endpoints have which value of a label."""
    return ranked(
        Text(title, description, "No TLS"),
        Query(f"count by ({label}) ({series})"),
        [Column(label, label.capitalize())],
        "Endpoints",
        unit="none",
        steps=ANY,
        decimals=0,
    )
