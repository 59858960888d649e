"""The words that the alerts are made of: selectors, windows, "it fails because", and the sentences' standing parts.

What is alerted on, and when, stands in the files beside this one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dashboards.alerts.recordings import Window, availability, latency
from dashboards.alerts.rule import Recording
from dashboards.promql import Scope
from dashboards.settings import EXPORTER_URL, Settings, seconds
from exporter.model import FailureReason

ENDPOINT: Final = "{{ $labels.endpoint }}{{ with $labels.address }} at {{ . }}{{ end }}"
"""Which endpoint, in a text. Only where every address is probed do series have the label `address`."""

FAILURE: Final = "{{ $labels.reason }} in the phase {{ $labels.phase }}"
INSTANCE: Final = "{{ $labels.instance }}"

# An endpoint's name may be a URL, and has to be one segment of the path. Go's urlquery writes a space as "+", which
# only means a space in a query.
_NAME_IN_PATH: Final = r'{{ $labels.endpoint | urlquery | reReplaceAll "\\+" "%20" }}'

MARGIN: Final = 60
"""Seconds by which a reason is remembered longer than `down_for`, so that two reasons that take turns both last."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How one set of rules speaks of the metrics.

    Attributes:
        settings: What the user chose.
        recorded: Whether there are recording rules to rely on.
    """

    settings: Settings
    recorded: bool

    def metric(self, series: str, *matchers: str) -> str:
        """A selector with the user's own matchers."""
        return self.scope(series, *matchers)

    @property
    def scope(self) -> Scope:
        """What every selector is narrowed by."""
        return Scope(everywhere=self.settings.selectors)

    def availability(self, window: Window) -> str:
        """The share of the window in which an endpoint worked."""
        return self._figure(availability(self.scope, window))

    def latency(self, window: Window) -> str:
        """The median of an endpoint's durations in the window, in seconds."""
        return self._figure(latency(self.scope, window))

    def latency_throughout(self, window: Window, duration: str) -> str:
        """The least that `latency` was at any time of the duration, in seconds."""
        figure = latency(self.scope, window)
        series = f"{figure.name}[{duration}]" if self.recorded else f"{figure.from_scratch}[{duration}:1m]"
        return f"min_over_time({series})"

    def failing(self, reasons: Iterable[FailureReason]) -> str:
        """The endpoints that fail for one of the reasons, with the labels `reason` and `phase`.

        A probe in between that succeeds ends it. A probe in between that fails for another reason does not: a load
        balancer with two broken servers may give two reasons in turn, and neither alone would ever last. What is probed
        on demand has no counter, and as many failures as Prometheus asks for.
        """
        wanted = "|".join(reasons)
        failure = self.metric("mail_probe_failure_info", f'reason=~"{wanted}"')
        remembered = f"{seconds(self.settings.down_for) + MARGIN:g}s"
        probes = f"{self.settings.down_probes:g}"
        since_success = f"time() - {self.metric('mail_probe_last_success_timestamp_seconds')}"
        return "\n".join(
            (
                f"count_over_time({failure}[{remembered}])",
                "and ignoring (reason, phase)",
                f"({self.metric('mail_probe_success')} == 0 unless {self.metric('mail_probes_total')} < {probes})",
                "unless ignoring (reason, phase)",
                f"({since_success} < {probes} * {self.metric('mail_endpoint_interval_seconds')})",
            )
        )

    def counted(self, reason: FailureReason) -> str:
        """How often an endpoint failed for the reason in the last hour, with the labels `reason` and `phase`.

        Also the first time, with which the counter begins and which no increase shows.
        """
        counter = self.metric("mail_probe_failures_total", f'reason="{reason}"')
        return either(f"increase({counter}[1h]) > 0", f"{counter} unless {counter} offset 1h")

    def most_often(self, duration: str) -> str:
        """1, with the labels `reason` and `phase` of what an endpoint failed for most in the duration."""
        failures = f"count_over_time({self.metric('mail_probe_failure_info')}[{duration}])"
        return f"(topk without (reason, phase) (1, {failures}) > bool 0)"

    def longest_phase(self) -> str:
        """1, with the label `phase` of what took longest in an endpoint's last five minutes."""
        phases = f"avg_over_time({self.metric('mail_probe_last_phase_duration_seconds')}[5m])"
        return f"(topk without (phase) (1, {phases}) > bool 0)"

    def probed(self, *further: str) -> str:
        """Whether the endpoint is still probed, for figures that are remembered. Ends an expression.

        Args:
            further: Labels that the figure has and the endpoint has not.
        """
        matching = f" ignoring ({', '.join(further)})" if further else ""
        return f"and{matching} {self.metric('mail_probe_success')}"

    @property
    def endpoint_links(self) -> MappingProxyType[str, str]:
        """Where the exporter shows the endpoint, and Grafana if its URL is known."""
        exporter = self.settings.exporter_url
        base = "http://{{ $labels.instance }}" if exporter == EXPORTER_URL else exporter
        links = {"endpoint_url": f"{base}/endpoints/{_NAME_IN_PATH}"}
        if self.settings.grafana_url:
            links["dashboard_url"] = (
                f"{self.settings.grafana_url}/d/mail-endpoint?var-endpoint={{{{ $labels.endpoint | urlquery }}}}"
            )
        return MappingProxyType(links)

    @property
    def failure_links(self) -> MappingProxyType[str, str]:
        """As `endpoint_links`, and what the reason means."""
        meaning = f"{self.settings.docs_url}/failures.md#{{{{ $labels.reason }}}}"
        return MappingProxyType({**self.endpoint_links, "failure_url": meaning})

    def _figure(self, recording: Recording) -> str:
        return recording.name if self.recorded else recording.from_scratch


def either(*expressions: str, of_each: str = "") -> str:
    """What one expression or the other has, without what is in both twice.

    Args:
        expressions: The more telling first.
        of_each: Labels, separated by commas. What has the same of these is there twice, whatever its other labels.
    """
    operator = f"or on ({of_each})" if of_each else "or"
    return f"\n{operator}\n".join(map(in_parentheses, expressions))


def in_parentheses(expression: str) -> str:
    """The same, indented between parentheses."""
    return f"(\n{textwrap.indent(expression, '  ')}\n)"


def with_labels(expression: str, **labels: str) -> str:
    """The series of an expression with further labels."""
    for name, value in labels.items():
        expression = f'label_replace({expression}, "{name}", "{value}", "", "")'
    return expression
