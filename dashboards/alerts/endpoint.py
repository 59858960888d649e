"""Alerts on an endpoint that does not work, works on and off, is slow, or is no longer looked at."""

from __future__ import annotations

from dashboards.alerts.budget import burning_fast, burning_slowly
from dashboards.alerts.reasons import DOWN, reasons_of
from dashboards.alerts.recordings import Window
from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import (
    ENDPOINT,
    FAILURE,
    INSTANCE,
    LAST_SUCCESS,
    OWN_LABELS,
    Vocabulary,
    in_parentheses,
)

DURATION = "{{ $value | humanizeDuration }}"
TIMES = '{{ $value | printf "%.1f" }}'
PHASE = "{{ $labels.phase }}"


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (_many_down(say), _down(say), _flapping(say), _slow(say), _slower_than_usual(say), _stale(say))


def _many_down(say: Vocabulary) -> Alert:
    settings = say.settings
    return Alert(
        name="MailManyEndpointsDown",
        severity=Severity.CRITICAL,
        expression=(
            f"{in_parentheses(say.many_down())}\n* ignoring (reason, phase) group_right ()\n{say.most_common_now()}"
        ),
        lasts=settings.down_for,
        stays=settings.keep_firing_for,
        summary=f"{{{{ $value }}}} mail endpoints of {INSTANCE} are down at once: mostly {FAILURE}",
        description=(
            f"{{{{ $value }}}} endpoints that {INSTANCE} probes have failed for at least {settings.down_for}, which is "
            f"{settings.many_share * 100:g} % of them or more, and mostly with {FAILURE}. This alert stands for all of "
            "them. So many at once have one cause: look at what they share. With dns or connect it is mostly the "
            f"exporter's own network, with auth one account that all of them use.{OWN_LABELS}"
        ),
        dashboard="mail-overview",
        panel="Failing by reason",
        links=say.many_links,
    )


def _down(say: Vocabulary) -> Alert:
    return Alert(
        name=DOWN,
        severity=Severity.CRITICAL,
        expression=say.failing(reasons_of(DOWN)),
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"{ENDPOINT} is down: {FAILURE}",
        description=(
            f"The {{{{ $labels.protocol }}}} probes of {ENDPOINT} have failed for at least {say.settings.down_for}, "
            f"with {FAILURE}. {LAST_SUCCESS} Read the last conversation on the exporter's page of the endpoint, then "
            f"what the reason means.{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="State and reason",
        links=say.failure_links,
    )


def _flapping(say: Vocabulary) -> Alert:
    changes = f"changes({say.metric('mail_probe_success')}[1h]) >= {say.settings.flapping_changes:g}"
    down_now = f"max_over_time({say.metric('mail_probe_success')}[5m]) == 0"
    return Alert(
        name="MailEndpointFlapping",
        severity=Severity.WARNING,
        # While it is down for good, or burns its budget, that is the alert.
        expression="\n".join(
            (
                in_parentheses(
                    f"{changes}\nunless {down_now}\n"
                    f"unless\n{in_parentheses(burning_fast(say))}\nunless\n{in_parentheses(burning_slowly(say))}"
                ),
                "* ignoring (reason, phase) group_right ()",
                say.most_often("1h"),
            )
        ),
        summary=f"{ENDPOINT} works on and off: mostly {FAILURE}",
        description=(
            f"{ENDPOINT} went up or down {{{{ $value }}}} times in the last hour, and when it failed it was mostly "
            f"with {FAILURE}. Look at the times of its failures. Regular ones point to a limit or a job, random ones "
            "to the network. One bad server of several behind a name fails as often as its share."
            f"{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="State and reason",
        links=say.failure_links,
    )


def _slow(say: Vocabulary) -> Alert:
    bound = f"{say.settings.slow_seconds:g}"
    return Alert(
        name="MailEndpointSlow",
        severity=Severity.WARNING,
        # Not `for`, which would begin again whenever another phase takes longest. And there must be ten minutes of it.
        expression="\n".join(
            (
                in_parentheses(
                    f"{say.latency_throughout(Window.FIVE_MINUTES, '10m')} > {bound}\n"
                    f"and {say.metric('mail_probe_success')} offset 10m\n"
                    f"and {say.metric('mail_probe_success')} == 1"
                ),
                "* ignoring (phase) group_right ()",
                say.longest_phase(),
            )
        ),
        summary=f"{ENDPOINT} is slow: {DURATION}, most of it in the phase {PHASE}",
        description=(
            f"For at least ten minutes, half of the probes of {ENDPOINT} took longer than {DURATION}; the bound is "
            f"{bound} s. The reason is time spent in the phase {PHASE}. Look at when that phase began to grow: slowly "
            f"is load, at once is a change. If everything is slow, look at the exporter's own lag.{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Latency by phase",
        links=say.endpoint_links,
    )


def _slower_than_usual(say: Vocabulary) -> Alert:
    hour, month, now = (say.latency(window) for window in (Window.HOUR, Window.MONTH, Window.FIVE_MINUTES))
    times, least = f"{say.settings.slow_times:g}", f"{say.settings.slow_by_seconds:g}"
    return Alert(
        name="MailEndpointSlowerThanUsual",
        severity=Severity.WARNING,
        # Above the absolute bound it is MailEndpointSlow's. The last five minutes say that it is not over.
        expression="\n".join(
            (
                in_parentheses(
                    f"{hour} / {month} > {times}\n"
                    f"and {hour} - {month} > {least}\n"
                    f"and {now} / {month} > {times}\n"
                    f"and {say.metric('mail_probe_success')} == 1\n"
                    f"unless {now} > {say.settings.slow_seconds:g}"
                ),
                "* ignoring (phase) group_right ()",
                say.longest_phase(),
            )
        ),
        summary=f"{ENDPOINT} takes {TIMES} times as long as usual, most of it in the phase {PHASE}",
        description=(
            f"The median of the last hour's probes of {ENDPOINT} is {TIMES} times that of 30 days. The reason is time "
            f"spent in the phase {PHASE}. Compare that phase with the weeks before, and with other endpoints of the "
            f"same host.{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Latency by phase",
        links=say.endpoint_links,
    )


def _stale(say: Vocabulary) -> Alert:
    interval = say.metric("mail_endpoint_interval_seconds")
    # An endpoint without any result yet may wait for its first turn: it counts from when it was configured.
    configured = (
        # Two clusters may have an exporter of the same job and instance: then the later of the two counts.
        f"{interval} * 0 + on (job, instance) group_left () max by (job, instance) "
        f"({say.metric('mail_exporter_config_last_reload_success_timestamp_seconds')})"
    )
    return Alert(
        name="MailProbeResultsStale",
        severity=Severity.WARNING,
        expression=(
            f"time() - (\n  {say.metric('mail_probe_last_run_timestamp_seconds')}\n  or\n  ({configured})\n)\n"
            f"> {say.settings.stale_intervals:g} * {interval} + 60"
        ),
        summary=f"{ENDPOINT} has not been probed for {{{{ $value | humanizeDuration }}}}",
        description=(
            f"The exporter at {INSTANCE} still shows results of {ENDPOINT}, and they are {{{{ $value | "
            "humanizeDuration }} old. They may no longer be true, whatever phase and reason they name, and no other "
            "alert will fire. Look at the exporter's log, its skipped probes and its lag."
            f"{OWN_LABELS}"
        ),
        dashboard="mail-exporter",
        panel="Probes skipped",
        links=say.endpoint_links,
    )
