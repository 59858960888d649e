"""The metrics of mail domains. Each row has a name, a meaning and the source of the values."""

from __future__ import annotations

from collections.abc import Callable

from exporter.metrics.domain_state import DomainState, FollowedState
from exporter.metrics.label_text import label_pairs
from exporter.metrics.metric import GAUGE, Metric, Samples, count, flag, further, sample, timestamp
from exporter.model import DomainReport

DOMAIN_LABELS = ("domain",)
"""The labels of every series of a domain, before those from its configuration."""


def _reported(read: Callable[[DomainReport], Samples]) -> Callable[[DomainState], Samples]:
    """Read samples from the last judgement."""
    return lambda state: () if state.report is None else read(state.report)


def _successes(report: DomainReport) -> Samples:
    return [
        (label_pairs([("check", check)]), flag(success))
        for check, success in report.success.items()
        if success is not None
    ]


def _problems(report: DomainReport) -> Samples:
    found = dict.fromkeys((finding.check, finding.problem) for finding in report.findings)
    return [(label_pairs([("check", check), ("problem", problem)]), "1") for check, problem in found]


def _deliverable(report: DomainReport) -> Samples:
    return [
        (label_pairs([("mx", each.mx), ("address", each.address), ("sender", each.sender)]), flag(each.deliverable))
        for each in report.deliveries
    ]


def _matches(report: DomainReport) -> Samples:
    rows: dict[str, bool] = {}
    for each in report.matches:
        pairs = label_pairs(
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
        )
        # Whole keys of the same kind begin with the same digits: one of them is enough.
        rows[pairs] = rows.get(pairs, False) or each.matches
    return [(pairs, flag(matches)) for pairs, matches in rows.items()]


def _rollover(report: DomainReport) -> Samples:
    return [
        (label_pairs([("host", host), ("port", str(port))]), flag(ready))
        for (host, port), ready in report.rollover_ready.items()
    ]


def _policy(report: DomainReport) -> Samples:
    policy = report.policy
    if policy.mode is None or policy.id is None:
        return ()
    return ((label_pairs([("mode", policy.mode), ("id", policy.id)]), "1"),)


def _listed(report: DomainReport) -> Samples:
    return [
        (label_pairs([("address", address), ("zone", zone)]), flag(listed))
        for (address, zone), listed in report.listed.items()
    ]


def _digest(report: DomainReport) -> Samples:
    return [("", flag(each.digest_matches)) for each in report.sources if each.digest_matches is not None]


DOMAIN_METRICS: tuple[Metric[DomainState], ...] = (
    Metric(
        "mail_domain_check_success",
        GAUGE,
        "Whether the check of the domain succeeded: 1 or 0.",
        further(_reported(_successes)),
        ("check",),
    ),
    Metric(
        "mail_domain_problem_info",
        GAUGE,
        "Kinds of problems that the last judgement found; the value is always 1.",
        further(_reported(_problems)),
        ("check", "problem"),
    ),
    Metric(
        "mail_domain_last_run_timestamp_seconds",
        GAUGE,
        "When the last judgement of the domain ended.",
        further(_reported(lambda report: sample(timestamp(report.checked_at)))),
    ),
    Metric(
        "mail_domain_interval_seconds",
        GAUGE,
        "How often the domain is judged.",
        further(lambda state: sample(f"{state.interval:g}")),
    ),
    Metric(
        "mail_domain_mx_records",
        GAUGE,
        "MX records in DNS; 0 with a null MX, and with none.",
        further(_reported(lambda report: sample(count(report.mx_records)))),
    ),
    Metric(
        "mail_domain_deliverable",
        GAUGE,
        "Whether a sender that honours dane, mta_sts or neither would hand over its mail now: 1 or 0.",
        further(_reported(_deliverable)),
        ("mx", "address", "sender"),
    ),
    Metric(
        "mail_dane_tlsa_match",
        GAUGE,
        "Whether the TLSA record matches what the address serves with this kind of key: 1 or 0.",
        further(_reported(_matches)),
        ("host", "port", "address", "key_type", "usage", "selector", "matching", "record"),
    ),
    Metric(
        "mail_dane_rollover_ready",
        GAUGE,
        "Whether a TLSA record for a key that is not served yet is published beside the one in use: 1 or 0.",
        further(_reported(_rollover)),
        ("host", "port"),
    ),
    Metric(
        "mail_mta_sts_policy_info",
        GAUGE,
        "The published MTA-STS policy; the value is always 1.",
        further(_reported(_policy)),
        ("mode", "id"),
    ),
    Metric(
        "mail_mta_sts_max_age_seconds",
        GAUGE,
        "How long senders keep the MTA-STS policy.",
        further(_reported(lambda report: sample(count(report.policy.max_age)))),
    ),
    Metric(
        "mail_mta_sts_policy_certificate_not_after_timestamp_seconds",
        GAUGE,
        "When the certificate of the MTA-STS policy's web server expires.",
        further(_reported(lambda report: sample(timestamp(report.policy.certificate_not_after)))),
    ),
    Metric(
        "mail_mta_sts_policy_changed_without_id",
        GAUGE,
        "Whether the MTA-STS policy changed without a new id: 1 or 0.",
        further(_reported(lambda report: sample(flag(report.policy.changed_without_id)))),
    ),
    Metric(
        "mail_dmarc_policy_info",
        GAUGE,
        "The DMARC policy that applies; the value is always 1.",
        further(
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
        further(_reported(_listed)),
        ("address", "zone"),
    ),
    Metric(
        "mail_autoconfig_success",
        GAUGE,
        "Whether the source answers: 1 or 0.",
        further(
            _reported(lambda report: [(label_pairs([("source", s.source)]), flag(s.success)) for s in report.sources])
        ),
        ("source",),
    ),
    Metric(
        "mail_autoconfig_agrees",
        GAUGE,
        "Whether the source agrees with the others: 1 or 0.",
        further(
            _reported(
                lambda report: [
                    (label_pairs([("source", s.source)]), flag(s.agrees))
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
        "Whether the digest in DNS matches the PACC document: 1 or 0.",
        further(_reported(_digest)),
    ),
)

FOLLOWED_METRICS: tuple[Metric[FollowedState], ...] = (
    Metric(
        "mail_discovery_success",
        GAUGE,
        "Whether the last discovery of the domain's servers succeeded: 1 or 0.",
        further(lambda state: sample(flag(state.success))),
    ),
    Metric(
        "mail_discovery_last_success_timestamp_seconds",
        GAUGE,
        "When the discovery of the domain's servers last succeeded.",
        further(lambda state: sample(timestamp(state.last_success_at))),
    ),
    Metric(
        "mail_discovery_endpoints",
        GAUGE,
        "Endpoints that were discovered for the domain.",
        further(lambda state: sample(count(state.count))),
    ),
)
