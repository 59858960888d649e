"""What a recording rule and an alert are, before either is written out for Prometheus or Grafana. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Severity(StrEnum):
    """What an alert asks for. The label's value is a setting; these are the settings' names."""

    CRITICAL = "critical"
    """Wake somebody: mail does not work, is being tampered with, or stops working in days."""
    WARNING = "warning"
    """The next working day."""
    INFO = "info"
    """Good to know; nobody has to act."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule, for a figure that is expensive to compute.

    Attributes:
        name: As `level:metric:operation`.
        expression: What Prometheus evaluates; may be of other recordings.
        from_scratch: The same of the metrics alone, for where there are no recordings.
    """

    name: str
    expression: str
    from_scratch: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Its texts are in the templating language that Prometheus and Grafana share.

    Attributes:
        name: Unique, and the heading of its section in docs/alerts.md.
        expression: Has one series for each thing that is wrong.
        summary: One line: what is wrong, where, and why.
        description: What that means, and what to look at.
        panel: The title of the panel that shows it, in `dashboard`.
        lasts: How long it must be so, as Prometheus writes durations.
        stays: How long it goes on after that has ended, likewise. Grafana does not know it.
        links: Further annotations, each a URL.
        from_an_exporter: Whether the exporter that it is about is there, to be linked to.
    """

    name: str
    severity: Severity
    expression: str
    summary: str
    description: str
    dashboard: str
    panel: str
    lasts: str = "0s"
    stays: str = "0s"
    links: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    from_an_exporter: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together.

    Attributes:
        interval: As Prometheus writes durations. Below five minutes: a recorded value that is older has gone stale.
    """

    name: str
    interval: str
    rules: tuple[Recording | Alert, ...]
