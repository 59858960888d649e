"""The metrics of mail domains. Each row has a name, a meaning and the source of the values."""

from __future__ import annotations

from collections.abc import Callable

from exporter.metrics.domain_state import DomainState, FollowedState
from exporter.metrics.rows.metric import Metric, SampleReader, Samples, count, flag, further, one, timestamp
from exporter.model import DomainReport

DOMAIN_LABELS = ("domain",)
"""The labels of every series of a domain, before those from its configuration."""


def _figure(read: Callable[[DomainReport], str | None]) -> SampleReader[DomainState]:
    """One series for each domain, once it was judged."""
    return one(lambda state: None if state.report is None else read(state.report))


def _reported(read: Callable[[DomainReport], Samples]) -> SampleReader[DomainState]:
    """Any number of series for each domain, once it was judged."""
    return further(lambda state: () if state.report is None else read(state.report))


def _problems(report: DomainReport) -> Samples:
    return dict.fromkeys(((finding.check, finding.problem) for finding in report.findings), "1").items()


def _matches(report: DomainReport) -> Samples:
    rows: dict[tuple[str, ...], bool] = {}
    for each in report.matches:
        server = (each.host, str(each.port), each.address, each.key_type)
        values = (*server, str(each.usage), str(each.selector), str(each.matching), each.record)
        # Whole keys of the same kind begin with the same digits: one of them is enough.
        rows[values] = rows.get(values, False) or each.matches
    return [(values, flag(matches)) for values, matches in rows.items()]


def _policy(report: DomainReport) -> Samples:
    policy = report.policy
    return () if policy.mode is None or policy.id is None else [((policy.mode, policy.id), "1")]


DOMAIN_METRICS: tuple[Metric[DomainState], ...] = (
    Metric(
        "mail_domain_check_success",
        "Whether the check of the domain succeeded: 1 or 0.",
        _reported(
            lambda report: [
                ((check,), flag(success)) for check, success in report.success.items() if success is not None
            ]
        ),
        ("check",),
    ),
    Metric(
        "mail_domain_problem_info",
        "Kinds of problems that the last judgement found; the value is always 1.",
        _reported(_problems),
        ("check", "problem"),
    ),
    Metric(
        "mail_domain_last_run_timestamp_seconds",
        "When the last judgement of the domain ended.",
        _figure(lambda report: timestamp(report.checked_at)),
    ),
    Metric(
        "mail_domain_interval_seconds",
        "How often the domain is judged.",
        one(lambda state: f"{state.interval:g}"),
    ),
    Metric(
        "mail_domain_mx_records",
        "MX records in DNS; 0 with a null MX, and with none.",
        _figure(lambda report: count(report.mx_records)),
    ),
    Metric(
        "mail_domain_deliverable",
        "Whether a sender that honours dane, mta_sts or neither would hand over its mail now: 1 or 0.",
        _reported(
            lambda report: [
                ((each.mx, each.address, each.sender), flag(each.deliverable)) for each in report.deliveries
            ]
        ),
        ("mx", "address", "sender"),
    ),
    Metric(
        "mail_dane_tlsa_match",
        "Whether the TLSA record matches what the address serves with this kind of key: 1 or 0.",
        _reported(_matches),
        ("host", "port", "address", "key_type", "usage", "selector", "matching", "record"),
    ),
    Metric(
        "mail_dane_rollover_ready",
        "Whether a TLSA record for a key that is not served yet is published beside the one in use: 1 or 0.",
        _reported(
            lambda report: [((host, str(port)), flag(ready)) for (host, port), ready in report.rollover_ready.items()]
        ),
        ("host", "port"),
    ),
    Metric(
        "mail_mta_sts_policy_info",
        "The published MTA-STS policy; the value is always 1.",
        _reported(_policy),
        ("mode", "id"),
    ),
    Metric(
        "mail_mta_sts_max_age_seconds",
        "How long senders keep the MTA-STS policy.",
        _figure(lambda report: count(report.policy.max_age)),
    ),
    Metric(
        "mail_mta_sts_policy_certificate_not_after_timestamp_seconds",
        "When the certificate of the MTA-STS policy's web server expires.",
        _figure(lambda report: timestamp(report.policy.certificate_not_after)),
    ),
    Metric(
        "mail_mta_sts_policy_changed_without_id",
        "Whether the MTA-STS policy changed without a new id: 1 or 0.",
        _figure(lambda report: flag(report.policy.changed_without_id)),
    ),
    Metric(
        "mail_dmarc_policy_info",
        "The DMARC policy that applies; the value is always 1.",
        _reported(lambda report: () if report.dmarc_policy is None else [((report.dmarc_policy,), "1")]),
        ("policy",),
    ),
    Metric(
        "mail_dnsbl_listed",
        "Whether the DNS list has the address: 1 or 0.",
        _reported(lambda report: [(place, flag(listed)) for place, listed in report.listed.items()]),
        ("address", "zone"),
    ),
    Metric(
        "mail_autoconfig_success",
        "Whether the source answers: 1 or 0.",
        _reported(lambda report: [((each.source,), flag(each.success)) for each in report.sources]),
        ("source",),
    ),
    Metric(
        "mail_autoconfig_agrees",
        "Whether the source agrees with the others: 1 or 0.",
        _reported(
            lambda report: [((each.source,), flag(each.agrees)) for each in report.sources if each.agrees is not None]
        ),
        ("source",),
    ),
    Metric(
        "mail_autoconfig_digest_match",
        "Whether the digest in DNS matches the PACC document: 1 or 0.",
        _figure(
            lambda report: next(
                (flag(each.digest_matches) for each in report.sources if each.digest_matches is not None), None
            )
        ),
    ),
)

FOLLOWED_METRICS: tuple[Metric[FollowedState], ...] = (
    Metric(
        "mail_discovery_success",
        "Whether the last discovery of the domain's servers succeeded: 1 or 0.",
        one(lambda state: flag(state.success)),
    ),
    Metric(
        "mail_discovery_last_success_timestamp_seconds",
        "When the discovery of the domain's servers last succeeded.",
        one(lambda state: timestamp(state.last_success_at)),
    ),
    Metric(
        "mail_discovery_endpoints",
        "Endpoints that were discovered for the domain.",
        one(lambda state: count(state.count)),
    ),
)
