"""All rules, in their groups. Which rules there are; what each says stands in the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from dashboards.alerts import budget, domain, encryption, endpoint, exporter, flow, login, mailbox
from dashboards.alerts.recordings import Window, availability, latency, mixed, probes, successes
from dashboards.alerts.rule import Alert, Group, Recording
from dashboards.alerts.vocabulary import MANY_DOWN, Vocabulary
from dashboards.promql import Scope
from dashboards.settings import Settings

SUBJECTS: Final[tuple[tuple[str, Callable[[Vocabulary], tuple[Alert, ...]]], ...]] = (
    ("mail-exporter", exporter.alerts),
    ("mail-endpoints", endpoint.alerts),
    ("mail-error-budgets", budget.alerts),
    ("mail-logins", login.alerts),
    ("mail-encryption", encryption.alerts),
    ("mail-mailboxes", mailbox.alerts),
    ("mail-flows", flow.alerts),
    ("mail-domains", domain.alerts),
)
"""The groups of alerts, in the order of docs/alerts.md."""

Figures: TypeAlias = tuple[tuple[Callable[[Scope, Window], Recording], tuple[Window, ...]], ...]

RECORDINGS: Final[tuple[tuple[str, str, Figures], ...]] = (
    (
        "mail-recordings",
        "1m",
        ((availability, (Window.FIVE_MINUTES, Window.HALF_HOUR)), (latency, (Window.FIVE_MINUTES,))),
    ),
    (
        "mail-recordings-long",
        "3m",
        (
            (availability, (Window.HOUR, Window.SIX_HOURS, Window.MONTH)),
            (latency, (Window.HOUR, Window.SIX_HOURS, Window.MONTH)),
        ),
    ),
)
"""The groups of recording rules: name, interval, and which figures over which windows. The first also counts probes."""


def recording_groups(settings: Settings) -> tuple[Group, ...]:
    """The recording rules: short windows every minute, long ones as seldom as the lookback of five minutes allows."""
    say = Vocabulary(settings, recorded=True)
    scope = say.scope
    many = Recording(MANY_DOWN, say.many_down(), say.many_down())
    first = (probes(scope), successes(scope), many)
    return tuple(
        Group(
            name,
            interval,
            (*first, *_figures(scope, figures), mixed(scope)) if place == 0 else _figures(scope, figures),
        )
        for place, (name, interval, figures) in enumerate(RECORDINGS)
    )


def alert_groups(settings: Settings, *, recorded: bool) -> tuple[Group, ...]:
    """The alerts.

    Args:
        settings: What the user chose.
        recorded: Whether they may use the recording rules.

    Raises:
        ValueError: An alert is to be left out that does not exist.
    """
    say = Vocabulary(settings, recorded=recorded)
    groups = tuple(Group(name, "1m", alerts(say)) for name, alerts in SUBJECTS)
    known = {alert.name for alert in alerts_of(groups)}
    if unknown := sorted(set(settings.without) - known):
        raise ValueError(f"--without {unknown[0]}: there is no such alert, only {', '.join(sorted(known))}")
    kept = (
        Group(group.name, group.interval, tuple(one for one in group.rules if one.name not in settings.without))
        for group in groups
    )
    return tuple(group for group in kept if group.rules)


def _figures(scope: Scope, figures: Figures) -> tuple[Recording, ...]:
    return tuple(figure(scope, window) for figure, windows in figures for window in windows)


def alerts_of(groups: Iterable[Group]) -> tuple[Alert, ...]:
    """The alerts of all groups, in order."""
    return tuple(rule for group in groups for rule in group.rules if isinstance(rule, Alert))
