"""The words that the alerts are made of: selectors, windows, "it fails because", and the sentences' standing parts.

What is alerted on, and when, stands in the files beside this one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dashboards.alerts.recordings import RESOLUTION, Window, availability, latency, mixed
from dashboards.alerts.rule import Recording
from dashboards.promql import Scope
from dashboards.settings import EXPORTER_URL, Settings, seconds
from exporter.model import FailureReason

ENDPOINT: Final = "{{ $labels.endpoint }}{{ with $labels.address }} at {{ . }}{{ end }}"
"""Which endpoint, in a text. Only where every address is probed do series have the label `address`."""

FAILURE: Final = "{{ $labels.reason }} in the phase {{ $labels.phase }}"
INSTANCE: Final = "{{ $labels.instance }}"

OF_AN_ENDPOINT: Final = ("endpoint", "protocol", "address")
"""What tells the endpoints of one exporter apart, beside the labels that users give them."""

OF_AN_INSTANCE: Final = (
    *("instance", "pod", "pod_name", "container", "container_id", "uid", "node", "host", "hostname"),
    *("version", "python_version", "openssl_version"),
)
"""What tells the exporters of one job apart: the label that Prometheus sets, and those that service discovery adds. All
other labels, such as `cluster` or `site`, tell jobs apart."""

LAST_SUCCESS: Final = (
    "{{ if ge $value 0.0 }}Last success: {{ $value | humanizeDuration }} ago."
    "{{ else }}No probe has succeeded since the exporter started.{{ end }}"
)
"""For the value of `Vocabulary.failing`."""

_OURS: Final = (
    *("alertname", "grafana_folder", "job", "instance", *OF_AN_ENDPOINT, "reason", "phase", "mailbox", "mechanism"),
    *("error", "severity", "symptom", "problem", "task", "__.*"),
    *("flow", "mx", "outcome", "leg", "method", "result", "kind"),
)


def own_labels(*further: str) -> str:
    """The labels that users gave, in brackets, for a text; `further` ones are ours as well."""
    return (
        f'{{{{ range $label, $text := $labels }}}}{{{{ if not (match "^({"|".join((*_OURS, *further))})$" $label) }}}}'
        " [{{ $label }}={{ $text }}]{{ end }}{{ end }}"
    )


OWN_LABELS: Final = own_labels()
"""The labels that users gave the endpoint or its exporter, in brackets; nothing if there are none."""

MANY_DOWN: Final = "exporter:mail_endpoints_down:many"
"""The record of `Vocabulary.many_down`, which every alert on a failing endpoint asks."""

REPEATED: Final = 4
"""Changes between up and down: two failures with a recovery each."""

MIXED_MINUTES: Final = 10
"""Five minutes' availability is neither 0 nor 1 for so many minutes, at most, around the two ends of one outage."""

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
        """The matchers of every selector."""
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

        None while many fail at once: that is one alert of its own. The value is the seconds since the last success, or
        -1 if there was none. A successful probe ends it. A failure for another reason does not: a load balancer with
        two broken servers may give two reasons in turn, and neither alone would ever last.
        """
        wanted = "|".join(reasons)
        failure = self.metric("mail_probe_failure_info", f'reason=~"{wanted}"')
        remembered = f"{seconds(self.settings.down_for) + MARGIN:g}s"
        return "\n".join(
            (
                f"0 * count_over_time({failure}[{remembered}])",
                "+ ignoring (reason, phase) group_left ()",
                in_parentheses(self._down()),
                f"unless ignoring ({', '.join((*OF_AN_ENDPOINT, 'reason', 'phase'))})",
                MANY_DOWN if self.recorded else in_parentheses(self.many_down()),
            )
        )

    def many_down(self) -> str:
        """How many endpoints of an exporter fail, where that is most of them.

        Endpoints with different labels of the user's count apart: those of one team, or of one site.
        """
        without = ", ".join(OF_AN_ENDPOINT)
        down = f"count without ({without}) (\n{textwrap.indent(self._down(), '  ')}\n)"
        probed = f"count without ({without}) ({self.metric('mail_probe_success')})"
        least, share = f"{self.settings.many_endpoints:g}", f"{self.settings.many_share:g}"
        return f"{down} >= {least}\nand\n{down} / {probed} >= {share}"

    def few_refuse(self, reasons: Iterable[FailureReason]) -> str:
        """The exporters of which some endpoints with a login fail for one of the reasons, and most do not."""
        wanted = "|".join(reasons)
        failure = self.metric("mail_probe_failure_info", f'reason=~"{wanted}"')
        without = ", ".join(OF_AN_ENDPOINT)
        refusing = f"count without ({without}, reason, phase) ({failure})"
        tried = f"count without ({without}, mechanism) ({self.metric('mail_auth_success')})"
        return f"{refusing}\n/ {tried} < {self.settings.many_share:g}"

    def _down(self) -> str:
        """The endpoints whose last probes failed, with the seconds since the last success, or -1 if there was none.

        What is probed on demand has no counter, and as many failures as Prometheus asks for.
        """
        probes = f"{self.settings.down_probes:g}"
        success = self.metric("mail_probe_success")
        succeeded = self.metric("mail_probe_last_success_timestamp_seconds")
        ended, interval = (
            self.metric(series)
            for series in ("mail_probe_last_run_timestamp_seconds", "mail_endpoint_interval_seconds")
        )
        in_a_row = f"{self.settings.down_probes - 0.5:g}"
        return "\n".join(
            (
                f"(time() - {succeeded} or {success} - 1)",
                f"and ({success} == 0 unless {self.metric('mail_probes_total')} < {probes})",
                f"unless (time() - {succeeded} < {probes} * {interval})",
                # By the exporter's own clock too: a scrape that is minutes old says nothing about the probes since.
                f"unless ({ended} - {succeeded} < {in_a_row} * {interval})",
            )
        )

    def counted(self, reason: FailureReason) -> str:
        """How often an endpoint failed for the reason in the last hour, with the labels `reason` and `phase`.

        Also the first time, with which the counter begins and which no increase shows.
        """
        counter = self.metric("mail_probe_failures_total", f'reason="{reason}"')
        return either(f"increase({counter}[1h]) > 0", f"{counter} unless {counter} offset 1h")

    def repeated(self, window: Window) -> str:
        """The endpoints that failed, worked and failed again in the window.

        A gauge that is scraped less often than probes run may never show it; then successes and failures stand side by
        side in the minutes of the window. One outage in one piece has such minutes only at its beginning and its end.
        """
        figure = mixed(self.scope)
        minutes = f"{figure.name}[{window}]" if self.recorded else f"{figure.from_scratch}[{window}:{RESOLUTION}]"
        return either(
            f"changes({self.metric('mail_probe_success')}[{window}]) >= {REPEATED}",
            f"sum_over_time({minutes}) > {MIXED_MINUTES}",
        )

    def most_often(self, duration: str) -> str:
        """1, with the labels `reason` and `phase` of what an endpoint failed for most in the duration.

        By the counters where there are some: a gauge may miss every failure.
        """
        counter = self.metric("mail_probe_failures_total")
        gauge = f"count_over_time({self.metric('mail_probe_failure_info')}[{duration}])"
        failures = f"increase({counter}[{duration}]) > 0 or ({counter} unless {counter} offset {duration}) or {gauge}"
        return f"(topk without (reason, phase) (1, {failures}) > bool 0)"

    def most_common_now(self) -> str:
        """1, with the labels `reason` and `phase` of what most endpoints of an exporter fail for now."""
        failures = f"count without ({', '.join(OF_AN_ENDPOINT)}) ({self.metric('mail_probe_failure_info')})"
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
        links = {"endpoint_url": own_page(self.settings, "endpoint")}
        if self.settings.grafana_url:
            links["dashboard_url"] = (
                f"{self.settings.grafana_url}/d/mail-endpoint?var-endpoint={{{{ $labels.endpoint | urlquery }}}}"
            )
        return MappingProxyType(links)

    @property
    def flow_links(self) -> MappingProxyType[str, str]:
        """Where the exporter shows the flow."""
        return MappingProxyType({"flow_url": own_page(self.settings, "flow")})

    @property
    def many_links(self) -> MappingProxyType[str, str]:
        """Where the exporter lists what fails, and what the most common reason means."""
        address = exporter_address(self.settings)
        meaning = page(self.settings, "failures", "{{ $labels.reason }}")
        return MappingProxyType({"exporter_url": f"{address}/", "failure_url": meaning})

    @property
    def failure_links(self) -> MappingProxyType[str, str]:
        """As `endpoint_links`, and what the reason means."""
        meaning = page(self.settings, "failures", "{{ $labels.reason }}")
        return MappingProxyType({**self.endpoint_links, "failure_url": meaning})

    def _figure(self, recording: Recording) -> str:
        return recording.name if self.recorded else f"({recording.from_scratch})"


def exporter_address(settings: Settings) -> str:
    """Where people reach the pages of the exporter that an alert is about."""
    url = settings.exporter_url
    return "http://{{ $labels.instance }}" if url == EXPORTER_URL else url.rstrip("/")


def own_page(settings: Settings, kind: str) -> str:
    """The exporter's page of what an alert is about: an endpoint, a flow or a domain.

    By query: proxies tidy up the slashes of a path, also those that are encoded.
    """
    return f"{exporter_address(settings)}/{kind}?name={{{{ $labels.{kind} | urlquery }}}}"


def page(settings: Settings, name: str, section: str) -> str:
    """The address of a section of the documentation: the exporter serves it, unless the settings say otherwise."""
    if settings.docs_url:
        return f"{settings.docs_url}/{name}.md#{section}"
    return f"{exporter_address(settings)}/docs/{name}#{section}"


def either(*expressions: str, but_for: str = "") -> str:
    """What one expression or the other has, without what is in both twice.

    Args:
        expressions: The more telling first.
        but_for: A label that makes no difference to whether two series are the same.
    """
    operator = f"or ignoring ({but_for})" if but_for else "or"
    return f"\n{operator}\n".join(map(in_parentheses, expressions))


def in_parentheses(expression: str) -> str:
    """The same, indented between parentheses."""
    return f"(\n{textwrap.indent(expression, '  ')}\n)"


def with_labels(expression: str, **labels: str) -> str:
    """The series of an expression with further labels."""
    for name, value in labels.items():
        expression = f'label_replace({expression}, "{name}", "{value}", "", "")'
    return expression
