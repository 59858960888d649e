"""The metrics of mail domains: a row each, with its name, its meaning and where its figures come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from exporter.metrics.domain_state import DomainState, FollowedState
from exporter.metrics.labels import label_pairs
from exporter.metrics.metric import GAUGE, Labelled, Metric, Reader, timestamp
from exporter.model import DomainReport

Figures = Iterable[tuple[str, str]]
"""Further labels as they stand between braces, and the value as it is written."""

DOMAIN_LABELS = ("domain",)
"""What every series of a domain has, before the labels that its configuration adds."""


Owner = TypeVar("Owner", bound=Labelled)


def _each(read: Callable[[Owner], Figures]) -> Reader[Owner]:
    """The series of each domain, with further labels or without."""

    def write(name: str, states: Sequence[Owner]) -> str:
        return "".join(
            [
                f"{name}{{{state.labels}{',' if pairs else ''}{pairs}}} {value}\n"
                for state in states
                for pairs, value in read(state)
            ]
        )

    return write


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _figure(value: str | None) -> Figures:
    return () if value is None else (("", value),)


def _reported(read: Callable[[DomainReport], Figures]) -> Callable[[DomainState], Figures]:
    """Read it from the last judgement."""
    return lambda state: () if state.report is None else read(state.report)


def _successes(report: DomainReport) -> Figures:
    return [
        (label_pairs([("check", check)]), _flag(success))
        for check, success in report.success.items()
        if success is not None
    ]


def _problems(report: DomainReport) -> Figures:
    found = dict.fromkeys((finding.check, finding.problem) for finding in report.findings)
    return [(label_pairs([("check", check), ("problem", problem)]), "1") for check, problem in found]


def _deliverable(report: DomainReport) -> Figures:
    return [
        (label_pairs([("mx", each.mx), ("address", each.address), ("sender", each.sender)]), _flag(each.deliverable))
        for each in report.deliveries
    ]


def _matches(report: DomainReport) -> Figures:
    rows = {
        label_pairs(
            [
                ("host", each.host),
                ("port", str(each.port)),
                ("address", each.address),
                ("key_type", each.key_type),
                ("usage", str(each.usage)),
                ("selector", str(each.selector)),
                ("matching", str(each.matching)),
                ("record", each.record),
            ]
        ): each.matches
        for each in report.matches
    }
    return [(pairs, _flag(matches)) for pairs, matches in rows.items()]


def _rollover(report: DomainReport) -> Figures:
    return [
        (label_pairs([("host", host), ("port", str(port))]), _flag(ready))
        for (host, port), ready in report.rollover_ready.items()
    ]


def _policy(report: DomainReport) -> Figures:
    policy = report.policy
    if policy.mode is None or policy.id is None:
        return ()
    return ((label_pairs([("mode", policy.mode), ("id", policy.id)]), "1"),)


def _listed(report: DomainReport) -> Figures:
    return [
        (label_pairs([("address", address), ("zone", zone)]), _flag(listed))
        for (address, zone), listed in report.listed.items()
    ]


def _digest(report: DomainReport) -> Figures:
    return [("", _flag(each.digest_matches)) for each in report.sources if each.digest_matches is not None]


DOMAIN_METRICS: tuple[Metric[DomainState], ...] = (
    Metric(
        "mail_domain_check_success",
        GAUGE,
        "Whether the check of the domain succeeded: 1 or 0.",
        _each(_reported(_successes)),
        ("check",),
    ),
    Metric(
        "mail_domain_problem_info",
        GAUGE,
        "One for each kind of problem that the last judgement found; the value is always 1.",
        _each(_reported(_problems)),
        ("check", "problem"),
    ),
    Metric(
        "mail_domain_last_run_timestamp_seconds",
        GAUGE,
        "When the last judgement of the domain ended.",
        _each(_reported(lambda report: _figure(timestamp(report.checked_at)))),
    ),
    Metric(
        "mail_domain_interval_seconds",
        GAUGE,
        "How often the domain is judged.",
        _each(lambda state: _figure(f"{state.interval:g}")),
    ),
    Metric(
        "mail_domain_mx_records",
        GAUGE,
        "MX records in DNS; 0 with a null MX, and with none.",
        _each(_reported(lambda report: _figure(None if report.mx_records is None else str(report.mx_records)))),
    ),
    Metric(
        "mail_domain_deliverable",
        GAUGE,
        "Whether a sender that honours dane, mta_sts or neither would hand over its mail now: 1 or 0.",
        _each(_reported(_deliverable)),
        ("mx", "address", "sender"),
    ),
    Metric(
        "mail_dane_tlsa_match",
        GAUGE,
        "Whether the TLSA record matches what the address serves with this kind of key: 1 or 0.",
        _each(_reported(_matches)),
        ("host", "port", "address", "key_type", "usage", "selector", "matching", "record"),
    ),
    Metric(
        "mail_dane_rollover_ready",
        GAUGE,
        "Whether a TLSA record for a key that is not served yet stands beside the one in use: 1 or 0.",
        _each(_reported(_rollover)),
        ("host", "port"),
    ),
    Metric(
        "mail_mta_sts_policy_info",
        GAUGE,
        "What MTA-STS policy is published; the value is always 1.",
        _each(_reported(_policy)),
        ("mode", "id"),
    ),
    Metric(
        "mail_mta_sts_max_age_seconds",
        GAUGE,
        "How long senders keep the MTA-STS policy.",
        _each(_reported(lambda report: _figure(None if report.policy.max_age is None else str(report.policy.max_age)))),
    ),
    Metric(
        "mail_mta_sts_policy_certificate_not_after_timestamp_seconds",
        GAUGE,
        "When the certificate expires that the MTA-STS policy is served with.",
        _each(
            _reported(
                lambda report: _figure(
                    None
                    if report.policy.certificate_not_after is None
                    else timestamp(report.policy.certificate_not_after)
                )
            )
        ),
    ),
    Metric(
        "mail_mta_sts_policy_changed_without_id",
        GAUGE,
        "Whether the MTA-STS policy is another than with the same id before: 1 or 0.",
        _each(
            _reported(
                lambda report: _figure(
                    None if report.policy.changed_without_id is None else _flag(report.policy.changed_without_id)
                )
            )
        ),
    ),
    Metric(
        "mail_dmarc_policy_info",
        GAUGE,
        "What DMARC policy applies; the value is always 1.",
        _each(
            _reported(
                lambda report: (
                    () if report.dmarc_policy is None else ((label_pairs([("policy", report.dmarc_policy)]), "1"),)
                )
            )
        ),
        ("policy",),
    ),
    Metric(
        "mail_dnsbl_listed",
        GAUGE,
        "Whether the DNS list has the address: 1 or 0.",
        _each(_reported(_listed)),
        ("address", "zone"),
    ),
    Metric(
        "mail_autoconfig_success",
        GAUGE,
        "Whether the source answers: 1 or 0.",
        _each(
            _reported(lambda report: [(label_pairs([("source", s.source)]), _flag(s.success)) for s in report.sources])
        ),
        ("source",),
    ),
    Metric(
        "mail_autoconfig_agrees",
        GAUGE,
        "Whether the source says what the others say: 1 or 0.",
        _each(
            _reported(
                lambda report: [
                    (label_pairs([("source", s.source)]), _flag(s.agrees))
                    for s in report.sources
                    if s.agrees is not None
                ]
            )
        ),
        ("source",),
    ),
    Metric(
        "mail_autoconfig_digest_match",
        GAUGE,
        "Whether the digest in DNS is that of the PACC document: 1 or 0.",
        _each(_reported(_digest)),
    ),
)

FOLLOWED_METRICS: tuple[Metric[FollowedState], ...] = (
    Metric(
        "mail_discovery_success",
        GAUGE,
        "Whether the last look at what the domain publishes succeeded: 1 or 0.",
        _each(lambda state: _figure(_flag(state.success))),
    ),
    Metric(
        "mail_discovery_last_success_timestamp_seconds",
        GAUGE,
        "When a look at what the domain publishes succeeded last.",
        _each(lambda state: _figure(None if state.last_success_at is None else timestamp(state.last_success_at))),
    ),
    Metric(
        "mail_discovery_endpoints",
        GAUGE,
        "Endpoints that the domain stands for.",
        _each(lambda state: _figure(str(state.count))),
    ),
)
