"""Alerts on mail flow: messages that do not arrive, or not as they should."""

from __future__ import annotations

from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import OWN_LABELS, Vocabulary, either

FLOW = "{{ $labels.flow }}{{ with $labels.mx }} by {{ . }}{{ end }}"
"""Which flow, in a text. Only where messages are handed to MX hosts do series have the label `mx`."""

OUTCOME = "{{ $labels.outcome }} in the leg {{ $labels.leg }}{{ with $labels.reason }}, {{ . }}{{ end }}"

NOT_DELIVERED = "lost|bounced|refused|deferred|send_failed|receive_failed"
DASHBOARD = "mail-flow"

TIMES_SLOWER = 3
LEAST_SECONDS = 10
"""Durations below this are never slow."""

MANY_LEFT = 5


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (_not_delivered(say), _junk(say), _authentication(say), _slow(say), _backlog(say), _overdue(say))


def _not_delivered(say: Vocabulary) -> Alert:
    outcome = say.metric("mail_flow_outcome_info", f'outcome=~"{NOT_DELIVERED}"')
    succeeded = say.metric("mail_flow_last_success_timestamp_seconds")
    interval = say.metric("mail_flow_interval_seconds")
    matching = "ignoring (outcome, leg, reason)"
    # One message that is lost is not an outage. MX hosts have an interval each, like all that is asked here.
    return Alert(
        name="MailFlowNotDelivering",
        severity=Severity.CRITICAL,
        expression=f"{outcome}\nunless {matching}\n(time() - {succeeded} < 2 * {interval})",
        lasts="1m",
        stays=say.settings.keep_firing_for,
        summary=f"{FLOW}: mail does not arrive: {OUTCOME}",
        description=(
            f"The last message of the flow {FLOW} was not delivered: {OUTCOME}, and none has been for two intervals. "
            "Look at its page: it has the words of the server and the way of the messages before. Submit: the server "
            "that takes the mail. Transit: what is between the two. Retrieve: the mailbox cannot be read." + OWN_LABELS
        ),
        dashboard=DASHBOARD,
        panel="Where mail is stuck",
        links=say.flow_links,
    )


def _junk(say: Vocabulary) -> Alert:
    return Alert(
        name="MailFlowInJunk",
        severity=Severity.WARNING,
        expression=say.metric("mail_flow_outcome_info", 'outcome="junk"'),
        lasts="1m",
        stays="5m",
        summary=f"{FLOW}: mail arrives in another mailbox than it should",
        description=(
            f"The last message of the flow {FLOW} arrived where junk goes, and so does other mail of the same sender. "
            "Look at its spam score and its authentication results, at the sender's reputation, and at rules that "
            f"move mail.{OWN_LABELS}"
        ),
        dashboard=DASHBOARD,
        panel="Spam score",
        links=say.flow_links,
    )


def _authentication(say: Vocabulary) -> Alert:
    now = say.metric("mail_flow_auth_result_info")
    before = f"last_over_time({now}[1h] offset 1d)"
    return Alert(
        name="MailFlowAuthenticationChanged",
        severity=Severity.WARNING,
        expression=f"({now} unless {before})\nand ignoring (result)\n{before}",
        lasts="15m",
        summary=f"{FLOW}: {{{{ $labels.method }}}} is now {{{{ $labels.result }}}}",
        description=(
            f"The receiving server says {{{{ $labels.result }}}} of the {{{{ $labels.method }}}} of {FLOW}, and said "
            "something else a day ago. Look at the sender's SPF record, DKIM key and DMARC policy, and at what "
            f"changes mail on its way.{OWN_LABELS}"
        ),
        dashboard=DASHBOARD,
        panel="Authentication",
        links=say.flow_links,
    )


def _slow(say: Vocabulary) -> Alert:
    buckets = say.metric("mail_flow_duration_seconds_bucket")
    now, usual = (f"histogram_quantile(0.5, rate({buckets}[{window}]))" for window in ("1h", "7d"))
    return Alert(
        name="MailFlowSlow",
        severity=Severity.WARNING,
        expression=f"{now} > {TIMES_SLOWER} * {usual}\nand {now} > {LEAST_SECONDS}",
        lasts="10m",
        summary=f"{FLOW}: mail takes {{{{ $value | humanizeDuration }}}}",
        description=(
            f"Half of the messages of {FLOW} took longer than {{{{ $value | humanizeDuration }}}} in the last hour, "
            f"{TIMES_SLOWER} times as long as in the last week. Look at which leg and which hop has become slow: a "
            f"queue, a content filter, greylisting.{OWN_LABELS}"
        ),
        dashboard=DASHBOARD,
        panel="Legs",
        links=say.flow_links,
    )


def _backlog(say: Vocabulary) -> Alert:
    leftovers = say.metric("mail_flow_removed_total", 'kind="leftover"')
    left = f"increase({leftovers}[6h]) > {MANY_LEFT}"
    waiting = f"{say.metric('mail_flow_in_flight')} > 10"
    return Alert(
        name="MailFlowBacklog",
        severity=Severity.WARNING,
        expression=either(left, waiting, but_for="kind"),
        lasts="10m",
        summary=f"{FLOW}: messages pile up",
        description=(
            f"{{{{ $value | humanize }}}} messages of {FLOW} are under way or were found after they had been given up. "
            "While more than ten are under way no more are sent. Look at whether the mailbox can be read and "
            f"written, at give_up, and whether two exporters run the same flow with the same key.{OWN_LABELS}"
        ),
        dashboard=DASHBOARD,
        panel="Under way",
        links=say.flow_links,
    )


def _overdue(say: Vocabulary) -> Alert:
    return Alert(
        name="MailFlowReportOverdue",
        severity=Severity.WARNING,
        expression=f"{say.metric('mail_flow_overdue')} == 1",
        lasts="1m",
        summary=f"{FLOW}: the message that should come regularly has not come",
        description=(
            f"The newest message that the flow {FLOW} waits for is older than it may be, or there is none. Look at "
            f"what sends it: a backup, a cron job, a report. The exporter sends nothing here.{OWN_LABELS}"
        ),
        dashboard=DASHBOARD,
        panel="Age of awaited messages",
        links=say.flow_links,
    )
