"""What users may choose about their dashboards and alerts: every parameter of the generator, with its default.

Values only. `command` makes a flag of each field, with the help that stands in its metadata.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Final

import promql_parser

from deploy.address import project_url

PROJECT_URL: Final = project_url()
PROJECT_DOCS_URL: Final = f"{PROJECT_URL}/blob/main/docs"
"""Where the documentation is read while no exporter can be reached."""

EXPORTER_URL: Final = "http://localhost:9925"


def _choice(default: Any, explanation: str) -> Any:
    """A field of `Settings` with the explanation that `--help` shows."""
    return field(default=default, metadata={"help": explanation})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every parameter. Durations are written as Prometheus writes them; shares are between 0 and 1.

    Raises:
        ValueError: A value makes no sense; the message names it.
    """

    docs_url: str = _choice(
        "", "Where people read failures.md and alerts.md. By default the exporter itself serves them, below /docs/."
    )
    exporter_url: str = _choice(
        EXPORTER_URL,
        "Where people reach the exporter's pages. Alerts link to http:// and the instance that was scraped unless this "
        "is given. It may hold labels, as https://mail.{{ $labels.cluster }}.example.com.",
    )
    grafana_url: str = _choice("", "Where people reach Grafana, so that Prometheus' alerts can link to a dashboard.")
    places: tuple[str, ...] = _choice(
        ("cluster", "vantage"),
        "A label by which several exporters are told apart, beside job and instance. Dashboards have it as a variable "
        "and a column; where no series has it, it does no harm. Repeatable.",
    )
    labels: tuple[str, ...] = _choice(
        (), "A label of your own endpoints that dashboards can be narrowed by. Repeatable."
    )

    selectors: tuple[str, ...] = _choice(
        (), 'A matcher that every selector of the rules gets, as job="mail". Repeatable.'
    )
    alert_labels: tuple[str, ...] = _choice((), "A label that every alert gets, as team=mail. Repeatable.")
    without: tuple[str, ...] = _choice((), "An alert to leave out, by its name. Repeatable.")
    critical: str = _choice("critical", "The severity label of alerts that should wake somebody.")
    warning: str = _choice("warning", "The severity label of alerts for the next working day.")
    info: str = _choice("info", "The severity label of alerts that are good to know.")

    down_for: str = _choice("2m", "How long an endpoint must fail, after --down-probes, before that is an alert.")
    down_probes: float = _choice(
        2.0, "How many probes in a row must have failed, for endpoints that are probed rarely."
    )
    many_endpoints: float = _choice(5.0, "How many endpoints must fail at once until one alert stands for all of them.")
    many_share: float = _choice(
        0.5, "The share of an exporter's endpoints, or of its logins, that counts as most of them."
    )
    keep_firing_for: str = _choice(
        "5m", "How long an alert on a failing endpoint stays after its condition has ended, so that gaps do not end it."
    )
    login_for: str = _choice(
        "7m",
        "How long logins must be rejected. Longer than the first pause after a rejection, so that two tries failed.",
    )
    flapping_changes: float = _choice(
        6.0, "How often in an hour an endpoint goes up or down until it counts as flapping."
    )
    slow_seconds: float = _choice(5.0, "The median of five minutes' probes that is slow for any endpoint, in seconds.")
    slow_times: float = _choice(3.0, "How many times the median of 30 days the median of the last hour may be.")
    slow_by_seconds: float = _choice(0.5, "How much longer than it an endpoint must take at least, in seconds.")
    renewal_days: float = _choice(28.0, "Days before its end that a certificate is due for renewal (info).")
    soon_days: float = _choice(14.0, "Days before its end that a certificate should have been renewed (warning).")
    last_days: float = _choice(3.0, "Days before its end that renewing a certificate cannot wait (critical).")
    quota_share: float = _choice(0.9, "The share of its quota at which a mailbox counts as nearly full.")
    objective: float = _choice(0.995, "The share of probes that should succeed over 30 days.")
    fast_burn: float = _choice(14.4, "How many times too fast the error budget burns when it cannot wait (over 1 h).")
    slow_burn: float = _choice(6.0, "How many times too fast it burns when it should be looked at (over 6 h).")
    stale_intervals: float = _choice(3.0, "How many of its intervals an endpoint may go without a result.")
    absent_for: str = _choice("5m", "How long an exporter may be missing, or a configuration refused.")
    lag_seconds: float = _choice(0.1, "How late the exporter's event loop may be, 99 times of 100, in seconds.")
    delay_seconds: float = _choice(1.0, "How late probes may start, 99 times of 100, in seconds.")
    skipped_share: float = _choice(0.01, "The share of probes that may be skipped.")

    grafana_datasource: str = _choice(
        "prometheus", "The uid of the Prometheus data source, for Grafana-managed alerts."
    )
    grafana_folder: str = _choice("Mail", "The folder that Grafana-managed alerts go to.")
    grafana_recorded: bool = _choice(
        False, "Let Grafana-managed alerts use the recording rules, which Prometheus must then have."
    )

    def __post_init__(self) -> None:
        for name in ("down_for", "login_for", "absent_for", "keep_firing_for"):
            _check_duration(name, getattr(self, name))
        for name in ("many_share", "quota_share", "objective", "skipped_share"):
            share = getattr(self, name)
            if not 0 < share < 1:
                raise ValueError(f"{flag(name)} is a share between 0 and 1, not {share:g}")
        if not self.renewal_days > self.soon_days > self.last_days > 0:
            raise ValueError("--renewal-days, --soon-days and --last-days must become fewer, and stay above 0")
        for text in self.selectors:
            _check_selector(text)
        for text in self.alert_labels:
            name, separator, value = text.partition("=")
            if not (name.isidentifier() and separator and value):
                raise ValueError(f"--alert-label is written NAME=VALUE, not {text!r}")

    @property
    def extra_labels(self) -> dict[str, str]:
        """`alert_labels` as a mapping."""
        pairs = (text.partition("=") for text in self.alert_labels)
        return {name: value for name, _, value in pairs}


def flag(name: str) -> str:
    """A field's flag on the command line; of a repeatable one in the singular."""
    (one,) = (one for one in fields(Settings) if one.name == name)
    singular = name.removesuffix("s") if isinstance(one.default, tuple) else name
    return f"--{singular.replace('_', '-')}"


def seconds(duration: str) -> float:
    """A duration as Prometheus writes it, in seconds."""
    parsed: timedelta = promql_parser.parse_duration(duration)
    return parsed.total_seconds()


def _check_duration(name: str, duration: str) -> None:
    try:
        seconds(duration)
    except ValueError as error:
        raise ValueError(f"{flag(name)} is a duration such as 90s or 5m, not {duration!r}") from error


def _check_selector(matcher: str) -> None:
    try:
        promql_parser.parse(f"up{{{matcher}}}")
    except ValueError as error:
        raise ValueError(f'--selector is a matcher such as job="mail", not {matcher!r}') from error
