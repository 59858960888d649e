"""Alerts on an error budget that burns: an endpoint that fails too often for too long, without being down.

An outage in one piece has its own alert and burns the budget as well. So these are about repeated failures: at least
two, or the same cause would call twice.
"""

from __future__ import annotations

from dashboards.alerts.recordings import Window
from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import ENDPOINT, FAILURE, OWN_LABELS, Vocabulary, in_parentheses

IN_WORDS = {Window.HOUR: "hour", Window.SIX_HOURS: "six hours"}


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (_fast(say), _slowly(say))


def burning_fast(say: Vocabulary) -> str:
    """The endpoints whose budget of 30 days is gone in two, at this rate. The value is the share of failures."""
    return _burning(say, Window.HOUR, Window.HALF_HOUR, say.settings.fast_burn)


def burning_slowly(say: Vocabulary) -> str:
    """The endpoints whose budget of 30 days is gone in five, at this rate. The value is the share of failures."""
    return _burning(say, Window.SIX_HOURS, Window.HOUR, say.settings.slow_burn)


def _burning(say: Vocabulary, long: Window, short: Window, times: float) -> str:
    """Google's SRE workbook has two windows: the long one says that it matters, the short one that it goes on."""
    bound = f"{times * (1 - say.settings.objective):.6g}"
    down_now = f"{say.availability(Window.FIVE_MINUTES)} == 0"
    return "\n".join(
        (
            f"1 - {say.availability(long)} > {bound}",
            f"and 1 - {say.availability(short)} > {bound}",
            f"and {in_parentheses(say.repeated(long))}",
            f"unless {down_now}",
        )
    )


def _fast(say: Vocabulary) -> Alert:
    return _alert(say, "MailErrorBudgetBurningFast", Severity.CRITICAL, burning_fast(say), Window.HOUR)


def _slowly(say: Vocabulary) -> Alert:
    expression = f"{burning_slowly(say)}\nunless\n{in_parentheses(burning_fast(say))}"
    return _alert(say, "MailErrorBudgetBurningSlowly", Severity.WARNING, expression, Window.SIX_HOURS)


def _alert(say: Vocabulary, name: str, severity: Severity, expression: str, window: Window) -> Alert:
    objective = f"{say.settings.objective * 100:g} %"
    return Alert(
        name=name,
        severity=severity,
        expression=f"{in_parentheses(expression)}\n* ignoring (reason, phase) group_right ()\n{say.most_often(window)}",
        summary=f"{ENDPOINT}: {{{{ $value | humanizePercentage }}}} of the probes fail, mostly with {FAILURE}",
        description=(
            f"In the last {IN_WORDS[window]} {{{{ $value | humanizePercentage }}}} of the probes of {ENDPOINT} failed, "
            f"with successes in between, and mostly with {FAILURE}. At this rate it misses the objective of "
            f"{objective} in 30 days. Look at what the failures have in common: their times, the address, the phase."
            f"{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Success ratio",
        links=say.failure_links,
    )
