"""The state of each mail domain: the last judgement of judged ones, the last discovery of followed ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.config.configuration import Domain
from exporter.metrics.label_text import label_pairs
from exporter.model import DomainReport


@dataclass(frozen=True, slots=True)
class DomainState:
    """One judged domain.

    Attributes:
        labels: The labels of its series, as written between the braces.
        interval: Seconds between two judgements.
        report: The last report; `None` before the first one.
        history: Earlier reports, the newest first.
    """

    name: str
    labels: str
    interval: float
    report: DomainReport | None = None
    history: tuple[DomainReport, ...] = ()


@dataclass(frozen=True, slots=True)
class FollowedState:
    """One followed domain.

    Attributes:
        success: Whether the last look succeeded.
        last_success_at: Unix time of the last successful look; `None` if there was none.
        count: The number of its endpoints.
        problems: For people.
    """

    domain: str
    success: bool
    last_success_at: float | None
    count: int
    problems: tuple[str, ...] = ()

    @property
    def labels(self) -> str:
        """The labels of its series, as written between the braces."""
        return label_pairs([("domain", self.domain)])


MAX_HISTORY = 20
"""The most reports of a domain that are kept for its page."""


class DomainStates:
    """The domains of this process."""

    def __init__(self) -> None:
        self._domains: dict[str, DomainState] = {}
        self._followed: dict[str, FollowedState | None] = {}

    def configure(self, judged: Iterable[Domain], followed: Iterable[str]) -> None:
        """Use these domains from now on. The state of domains that stay is kept."""
        before, self._domains = self._domains, {}
        for each in judged:
            labels = label_pairs([("domain", each.name), *each.labels.items()])
            known = before.get(each.name) or DomainState(each.name, labels, each.interval)
            self._domains[each.name] = replace(known, labels=labels, interval=each.interval)
        self._followed = {name: self._followed.get(name) for name in followed}

    def judged(self, report: DomainReport) -> None:
        """Store the report of a domain, unless the domain was removed meanwhile."""
        state = self._domains.get(report.domain)
        if state is None:
            return
        history = state.history
        if state.report is not None and _differs(state.report, report):
            history = (state.report, *history)[:MAX_HISTORY]
        self._domains[report.domain] = replace(state, report=report, history=history)

    def followed(self, followed: FollowedState) -> None:
        if followed.domain in self._followed:
            self._followed[followed.domain] = followed

    def snapshot(self) -> tuple[tuple[DomainState, ...], tuple[FollowedState, ...]]:
        """Judged and followed domains, in the order of the configuration."""
        followed = tuple(state for state in self._followed.values() if state is not None)
        return tuple(self._domains.values()), followed

    @property
    def is_empty(self) -> bool:
        return not self._domains and not self._followed

    def of(self, name: str) -> DomainState | None:
        """The judged domain of this name; `None` if there is none."""
        return self._domains.get(name)


def _differs(one: DomainReport, other: DomainReport) -> bool:
    """Whether two reports differ."""
    return (one.success, one.findings) != (other.success, other.findings)
