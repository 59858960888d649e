"""Queries of more than one dashboard, in PromQL."""

from __future__ import annotations

from typing import Final

from dashboards.promql import Scope
from dashboards.settings import Settings
from exporter.model import FailureReason, Outcome

WINDOWS: Final = ("15m", "3h", "2d")
"""How far back a figure of probes looks: the first window with a probe in it counts. Twice the interval is the least
that a rate needs, and an endpoint may be probed once a day."""

ROWS: Final = 40
"""Rows of a timeline that one can still read."""

OF_ENDPOINTS: Final = ("endpoint", "address")
"""The labels that identify an endpoint."""

NEVER: Final = 10_000_000_000
"""Seconds, in place of the time since a success that there never was: more than any, so that it is sorted last."""

OUTCOME_CODES: Final = {outcome: code for code, outcome in enumerate(Outcome)}
"""A number for each outcome, because Grafana draws states from numbers."""

REASON_CODES: Final = {reason: code for code, reason in enumerate(FailureReason, start=1)}
"""A number for each reason, because Grafana draws states from numbers. 0 is success."""


def stale(of: Scope, settings: Settings) -> str:
    """1 for each endpoint whose last result is too old to be believed, else 0."""
    return (
        f"time() - {of('mail_probe_last_run_timestamp_seconds')} "
        f"> bool {settings.stale_intervals:g} * {of('mail_endpoint_interval_seconds')} + 60"
    )


def expiry(of: Scope, at: str = "") -> str:
    """When the first certificate on the verified path expires, or without a path one that is sent.

    Args:
        of: What to ask about.
        at: A point in time for all of a graph, as ` @ end()`.
    """
    verified = of("mail_tls_verified_chain_not_after_timestamp_seconds")
    return f"({verified}{at} or {of('mail_tls_chain_not_after_timestamp_seconds')}{at})"


def days_left(of: Scope) -> str:
    """Days until then."""
    return f"({expiry(of)} - time()) / 86400"


def failures(of: Scope, window: str) -> str:
    """How many probes failed in the window, by endpoint, reason and phase.

    A counter begins with the first failure of its kind, which no increase shows: it is added.
    """
    counter = of("mail_probe_failures_total")
    increase = f"increase({counter}[{window}])"
    return f"(({increase} and {counter} offset {window}) or {increase} + 1)"


def failed(of: Scope, *by: str) -> str:
    """How many probes failed in the time before each point of a graph.

    Args:
        of: What to ask about.
        by: The labels to tell them apart by.
    """
    return f"sum by ({', '.join(by)}) {failures(of, '$__rate_interval')}"


def success_ratio(of: Scope, window: str) -> str:
    """The share of an endpoint's probes that succeeded in the window.

    By the counters, which miss none; what Prometheus probes itself has none, and the gauge has all its probes.
    """
    probes = f"increase({of('mail_probes_total')}[{window}])"
    failing = f"sum without (reason, phase) {failures(of, window)}"
    return (
        f"clamp_min(1 - ({failing} or {probes} * 0) / ({probes} > 0), 0) "
        f"or avg_over_time({of('mail_probe_success')}[{window}])"
    )


def percentile(quantile: float, buckets: str, *by: str) -> str:
    """A percentile of a histogram, in the shortest window with something in it: without that it is NaN.

    Args:
        quantile: Between 0 and 1.
        buckets: The histogram's series.
        by: The labels to tell apart.
    """
    labels = ", ".join((*by, "le"))
    return " or ".join(
        f"histogram_quantile({quantile}, sum by ({labels}) (rate({buckets}[{window}]))) >= 0" for window in WINDOWS
    )


def states(of: Scope) -> str:
    """0 for each endpoint that works, and the code of the reason for each that fails."""
    coded = f"{of('mail_probe_failure_info')} * on (reason) group_left () ({codes()})"
    failing = f"max without (reason, phase) ({coded})"
    return f"({failing} or ({of('mail_probe_success')} == 1) * 0)"


def codes() -> str:
    """The code of each reason, with the label `reason`."""
    return " or ".join(
        f'label_replace(vector({code}), "reason", "{reason}", "", "")' for reason, code in REASON_CODES.items()
    )


def flow_states(of: Scope) -> str:
    """The code of the outcome of each flow's last message."""
    listed = " or ".join(
        f'label_replace(vector({code}), "outcome", "{outcome}", "", "")' for outcome, code in OUTCOME_CODES.items()
    )
    coded = f"{of('mail_flow_outcome_info')} * on (outcome) group_left () ({listed})"
    delivered = f"({of('mail_flow_success')} == 1) * {OUTCOME_CODES[Outcome.DELIVERED]}"
    return f"(max without (outcome, leg, reason) ({coded}) or {delivered})"


def since_success(failing: str, succeeded: str, *details: str) -> str:
    """The seconds since the last success of each thing that fails, with the labels that say how.

    Args:
        failing: The series that are there while it fails.
        succeeded: When it succeeded last.
        details: The labels that only the former have.
    """
    since = f"(time() - {succeeded}) * ignoring ({', '.join(details)}) group_right () {failing}"
    return f"{since} or {failing} * {NEVER}"


def failing_in_the_time_shown(of: Scope) -> str:
    """Narrows a timeline to the endpoints that failed in the time shown, unless all are asked for at the top."""
    return below_one_in_the_time_shown(of("mail_probe_success"))


def below_one_in_the_time_shown(flags: str) -> str:
    """Narrows a timeline to those of some flags that were 0 in the time shown, unless all are asked for at the top."""
    return worst(over_time("avg", flags))


def worst(least: str) -> str:
    """Those that are below 1, and of many only the lowest: hundreds of rows are a black block. Or all, if asked for.

    Args:
        least: The same at every point of a graph, so that of equal ones the same are chosen for all of it.
    """
    return f"bottomk({ROWS} + 10000 * ($shown - 1), {least} < $shown)"


def over_time(function: str, selector: str) -> str:
    """The lowest or highest values in the shown time range, evaluated at its end.

    So a row is whole if it depends on this: what was before the first failure is there, too.
    """
    return f"{function}_over_time({selector}[$__range] @ end())"


def in_rows(expression: str, settings: Settings, *by: str) -> str:
    """The same with the label `row`, which tells things apart, also those that two exporters look at.

    Args:
        expression: What is shown.
        settings: What the user chose.
        by: The labels to tell things by; by default those of endpoints.
    """
    names = ", ".join(f'"{label}"' for label in (*(by or OF_ENDPOINTS), "instance", *settings.places))
    return f'label_join({expression}, "row", " ", {names})'
