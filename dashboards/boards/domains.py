"""Mail domains: whether the world can deliver to them, and what is wrong with what they publish."""

from __future__ import annotations

from dashboards.boards.board import Board, Line, Section
from dashboards.boards.columns import CELL, exporter
from dashboards.boards.links import domain_page, problem
from dashboards.boards.looks import (
    ANY,
    BAD,
    GOOD,
    NEUTRAL,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    SOON_BAD,
    flag,
    says,
    value_range,
    values,
)
from dashboards.boards.panels import figure, timeline
from dashboards.boards.parts import Panel, Query, Text
from dashboards.boards.questions import in_rows, over_time, worst
from dashboards.boards.tables import Column, cell_link, rows
from dashboards.boards.variables import of_domains, scope_of_domains, shown_over_time
from dashboards.promql import Scope
from dashboards.settings import Settings

DOMAIN = Column("domain", "Domain", {"links": [cell_link(domain_page(CELL))]})
DOMAIN_OF_ROW = "${__field.labels.domain:percentencode}"
"""The domain of a series, in a link."""


def board(settings: Settings) -> Board:
    """The dashboard for administrators of the DNS of mail domains."""
    of = scope_of_domains(settings)
    return Board(
        uid="mail-domains",
        title="Mail domains",
        description="Whether the world can deliver to mail domains and takes their mail, and what is wrong.",
        since="now-24h",
        variables=[*of_domains(settings), shown_over_time()],
        sections=(
            Section(
                "",
                (
                    Line(4, _tiles(of)),
                    Line(9, ((12, _delivery(of, settings)), (12, _checks(of, settings)))),
                    Line(9, ((12, _problems(of, settings)), (12, _domains(of, settings)))),
                ),
            ),
            Section(
                "Encryption",
                (
                    Line(8, ((12, _tlsa(of, settings)), (12, _rollovers(of, settings)))),
                    Line(7, ((24, _policies(of, settings)),)),
                ),
            ),
            Section(
                "Senders and clients",
                (
                    Line(8, ((10, _lists(of, settings)), (14, _documents(of, settings)))),
                    Line(6, ((24, _followed(of, settings)),)),
                ),
            ),
        ),
    )


def _tiles(of: Scope) -> tuple[tuple[int, Panel], ...]:
    delivers = f"max without (mx, address) ({of('mail_domain_deliverable')})"
    held = f"count(count by (domain, sender) ({delivers} == 0)) or on () vector(0)"
    failing = f"sum({of('mail_domain_check_success')} == bool 0)"
    return (
        (
            6,
            figure(
                Text("Judged domains", "Those that the exporters judge."),
                Query(f"count(count by (domain) ({of('mail_domain_interval_seconds')}))"),
                "none",
                ANY,
            ),
        ),
        (
            6,
            figure(
                Text("Held back", "Domains and kinds of senders of which no mail would be delivered now."),
                Query(held),
                "none",
                NONE_IS_GOOD,
            ),
        ),
        (
            6,
            figure(Text("Failing checks", "All domains together."), Query(failing), "none", NONE_IS_BETTER),
        ),
        (
            6,
            figure(
                Text("Addresses on DNS lists", "Each counts once for each list."),
                Query(f"sum({of('mail_dnsbl_listed')})"),
                "none",
                NONE_IS_GOOD,
            ),
        ),
    )


def _each(flags: str, lowest: str, settings: Settings, *by: str) -> Query:
    """A row for each thing that was 0 in the time shown, or for all if those are asked for.

    Args:
        flags: What is shown.
        lowest: The least that each was in the time shown.
        settings: What the user chose.
        by: The labels that tell things apart.
    """
    return Query(in_rows(f"{flags} and {worst(lowest)}", settings, *by), "{{row}}")


def _delivery(of: Scope, settings: Settings) -> Panel:
    deliverable = of("mail_domain_deliverable")
    return timeline(
        Text(
            "Delivery",
            "Whether a sender that honours DANE, MTA-STS or neither (opportunistic) would hand over its mail: to at "
            "least one address of the domain. Only domains of which an address would get none in the time shown; "
            "choose at the top to see all.",
            "Every address would get mail",
        ),
        [
            _each(
                f"max without (mx, address) ({deliverable})",
                f"min without (mx, address) ({over_time('min', deliverable)})",
                settings,
                "domain",
                "sender",
            )
        ],
        flag("Delivers", "Holds back"),
        link=domain_page(DOMAIN_OF_ROW),
    )


def _checks(of: Scope, settings: Settings) -> Panel:
    success = of("mail_domain_check_success")
    failing = f"sum without (check) ({success} == bool 0)"
    return timeline(
        Text(
            "Checks",
            "How many checks of each domain failed; which they were is in the table below, and on the exporter's page "
            "of the domain, where a row leads. Only domains of which one failed in the time shown; choose at the top "
            "to see all.",
            "No check failed",
        ),
        [_each(failing, f"min without (check) ({over_time('min', success)})", settings, "domain")],
        [values(v0=says("None fails", GOOD, 0)), value_range(1, None, says(None, SOON_BAD, 1))],
        values=True,
        link=domain_page(DOMAIN_OF_ROW),
    )


def _problems(of: Scope, settings: Settings) -> Panel:
    return rows(
        Text("Problems", "What the last judgement found. A problem leads to what it means.", "None found"),
        [Query(of("mail_domain_problem_info"))],
        [
            DOMAIN,
            Column("check", "Check"),
            Column("problem", "Problem", {"links": [cell_link(problem(CELL))]}),
            *exporter(settings),
        ],
        sort_by="Domain",
    )


def _domains(of: Scope, settings: Settings) -> Panel:
    return rows(
        Text("Domains", "Since when nothing was found out, and how many MX records there are."),
        [
            Query(f"time() - {of('mail_domain_last_run_timestamp_seconds')}"),
            Query(of("mail_domain_mx_records")),
            Query(f"{of('mail_dmarc_policy_info')} * 0 + 1"),
        ],
        [
            DOMAIN,
            Column("Value #A", "Judged", {"unit": "s", "custom.width": 100}),
            Column("Value #B", "MX records", {"custom.width": 110}),
            Column("policy", "DMARC policy", {"custom.width": 130}),
            *exporter(settings),
        ],
        sort_by="Domain",
    )


def _tlsa(of: Scope, settings: Settings) -> Panel:
    match = of("mail_dane_tlsa_match")
    of_records = "max without (usage, selector, matching, record)"
    return timeline(
        Text(
            "TLSA records",
            "Whether a record matches what each address presents with each kind of key. Only where none did in the "
            "time shown; choose at the top to see all.",
            "A record always matched",
        ),
        [
            _each(
                f"{of_records} ({match})",
                f"{of_records} ({over_time('min', match)})",
                settings,
                "host",
                "port",
                "address",
                "key_type",
            )
        ],
        flag("Matches", "Does not match"),
    )


def _rollovers(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text("Rollovers", "Whether a record for a key that is not served yet stands beside the one in use."),
        [Query(in_rows(of("mail_dane_rollover_ready"), settings, "host", "port"), "{{row}}")],
        [values(v1=says("Ready", GOOD, 0), v0=says("Not prepared", NEUTRAL, 1))],
    )


def _policies(of: Scope, settings: Settings) -> Panel:
    expiry = of("mail_mta_sts_policy_certificate_not_after_timestamp_seconds")
    return rows(
        Text("MTA-STS policies", "What is published, and the days that the certificate of its server has left."),
        [
            Query(of("mail_mta_sts_policy_info")),
            Query(of("mail_mta_sts_max_age_seconds")),
            Query(f"({expiry} - time()) / 86400"),
            Query(of("mail_mta_sts_policy_changed_without_id")),
        ],
        [
            DOMAIN,
            Column("mode", "Mode"),
            Column("id", "Id"),
            Column("Value #B", "Kept for", {"unit": "s"}),
            Column("Value #C", "Days left", {"decimals": 0}),
            Column("Value #D", "Changed without id"),
            *exporter(settings),
        ],
        sort_by="Domain",
    )


def _lists(of: Scope, settings: Settings) -> Panel:
    listed = of("mail_dnsbl_listed")
    return timeline(
        Text(
            "DNS lists",
            "Whether a list has an address that sends. Only those that had it in the time shown; choose at the top to "
            "see all.",
            "No address was listed",
        ),
        [_each(listed, f"1 - {over_time('max', listed)}", settings, "address", "zone")],
        [values(v1=says("Listed", BAD, 0), v0=says("Not listed", GOOD, 1))],
    )


def _documents(of: Scope, settings: Settings) -> Panel:
    return rows(
        Text("Published documents", "Whether each source answers, says what the others say, and fits its digest."),
        [
            Query(of("mail_autoconfig_success")),
            Query(of("mail_autoconfig_agrees")),
            Query(of("mail_autoconfig_digest_match")),
        ],
        [
            DOMAIN,
            Column("source", "Source", {"custom.width": 110}),
            Column("Value #A", "Answers", {"custom.width": 90}),
            Column("Value #B", "Agrees", {"custom.width": 90}),
            Column("Value #C", "Digest", {"custom.width": 90}),
            *exporter(settings),
        ],
        sort_by="Domain",
    )


def _followed(of: Scope, settings: Settings) -> Panel:
    return rows(
        Text("Followed domains", "Those whose endpoints are discovered: the last look, and what they stand for."),
        [
            Query(of("mail_discovery_success")),
            Query(of("mail_discovery_endpoints")),
            Query(f"time() - {of('mail_discovery_last_success_timestamp_seconds')}"),
        ],
        [
            DOMAIN,
            Column("Value #A", "Success"),
            Column("Value #B", "Endpoints"),
            Column("Value #C", "Last success", {"unit": "s"}),
            *exporter(settings),
        ],
        sort_by="Domain",
    )
