"""Mail domains as JSON, for the API and the command line: field names, units and what is null."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from exporter.metrics.domain_state import DomainState, FollowedState
from exporter.model import DomainReport


def domain_document(report: DomainReport) -> Mapping[str, Any]:
    """A domain as JSON. The names are an interface and do not change."""
    return {
        "domain": report.domain,
        "checks": [
            {
                "check": check.value,
                "success": success,
                "problems": [
                    {"problem": finding.problem.value, "detail": finding.detail}
                    for finding in report.findings
                    if finding.check is check
                ],
            }
            for check, success in report.success.items()
        ],
        "deliverable": [
            {
                "mx": each.mx,
                "address": each.address,
                "sender": each.sender.value,
                "deliverable": each.deliverable,
                "detail": each.detail,
            }
            for each in report.deliveries
        ],
    }


def domain_list(states: Sequence[DomainState], followed: Sequence[FollowedState], now: float) -> bytes:
    """The answer to `/api/v1/domains`."""
    return _encoded(
        {
            "generated_at": now,
            "domains": [_summary(state) for state in states],
            "followed": [
                {
                    "domain": each.domain,
                    "success": each.success,
                    "last_success_at": each.last_success_at,
                    "endpoints": each.count,
                    "problems": list(each.problems),
                }
                for each in followed
            ],
        }
    )


def domain_detail(state: DomainState, now: float) -> bytes:
    """The answer to `/api/v1/domains/NAME`: what `mail-exporter domain --json` says, and when that was."""
    report = state.report
    document = {"domain": state.name, "checks": [], "deliverable": []} if report is None else domain_document(report)
    return _encoded({"generated_at": now, **_summary(state), **document})


def _summary(state: DomainState) -> Mapping[str, Any]:
    report = state.report
    return {
        "domain": state.name,
        "interval": state.interval,
        "checked_at": None if report is None else report.checked_at,
        "duration": None if report is None else report.duration,
        "success": None if report is None else {check.value: success for check, success in report.success.items()},
        "problems": None if report is None else len(report.findings),
    }


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
