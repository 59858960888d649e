"""The health of flows and mail domains, for their lists and the counts on the status page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.metrics.domain_state import DomainState
from exporter.metrics.endpoint_state import Health
from exporter.metrics.flow_state import FlowState


@dataclass(frozen=True, slots=True)
class Roundup:
    """The number of flows or domains, in all and by health."""

    all: int
    failing: int
    waiting: int


def flow_health(state: FlowState) -> Health:
    """The health of a flow, by its last message."""
    if not state.sends:
        return Health.WAITING if state.overdue is None else Health.FAILING if state.overdue else Health.UP
    if state.latest is None:
        return Health.WAITING
    return Health.UP if state.latest.leg is None else Health.FAILING


def domain_health(state: DomainState) -> Health:
    """The health of a domain, by its last judgement; waiting if nothing could be found out."""
    if failing_checks(state) or held_back(state):
        return Health.FAILING
    return Health.UP if state.report is not None and True in state.report.success.values() else Health.WAITING


def failing_checks(state: DomainState) -> list[str]:
    """The checks that did not succeed."""
    success = {} if state.report is None else state.report.success
    return [check.value for check, value in success.items() if value is False]


def held_back(state: DomainState) -> list[str]:
    """The kinds of senders that would deliver to no address."""
    rows = () if state.report is None else state.report.deliveries
    kinds = dict.fromkeys(each.sender for each in rows)
    return [kind.value for kind in kinds if not any(each.deliverable for each in rows if each.sender is kind)]


def of_flows(states: Sequence[FlowState]) -> Roundup:
    return _counted(map(flow_health, states))


def of_domains(states: Sequence[DomainState]) -> Roundup:
    return _counted(map(domain_health, states))


def _counted(healths: Iterable[Health]) -> Roundup:
    found = list(healths)
    return Roundup(len(found), found.count(Health.FAILING), found.count(Health.WAITING))
