"""Alerts on the exporter itself: without it, no news is not good news."""

from __future__ import annotations

from dashboards.alerts.reasons import reasons_of
from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import (
    ENDPOINT,
    FAILURE,
    INSTANCE,
    OF_AN_INSTANCE,
    OWN_LABELS,
    Vocabulary,
    either,
    with_labels,
)

SYMPTOM = '{{ $labels.symptom }} is {{ $value | printf "%.2f" }}'
PROBLEM = "{{ $labels.problem }} {{ $value }}"


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (
        _absent(say),
        _overloaded(say),
        _reload_failed(say),
        _task_failing(say),
        _shards(say),
        _internal_error(say),
    )


def _absent(say: Vocabulary) -> Alert:
    build, up = say.metric("mail_exporter_build_info"), say.metric("up")
    versions = "version, python_version, openssl_version"
    # What was an exporter within a day and does not answer now. A pod that was replaced has no `up` any more, and is
    # not missed while its job has others.
    unreachable = f"{up} == 0\nand ignoring ({versions}) last_over_time({build}[1d])"
    # A job of which nothing is left, not even a target.
    of_jobs = f"group without ({', '.join(OF_AN_INSTANCE)})"
    vanished = f"{of_jobs} (last_over_time({build}[1d]))\nunless {of_jobs} ({build})\nunless {of_jobs} ({up})"
    return Alert(
        name="MailExporterAbsent",
        severity=Severity.CRITICAL,
        # And if nothing is known of any, there is none.
        expression=f"{either(unreachable, vanished)}\nor on ()\nabsent({build})",
        lasts=say.settings.absent_for,
        summary="mail-exporter{{ with $labels.instance }} at {{ . }}{{ end }} is gone: mail is not monitored",
        description=(
            "Prometheus gets no metrics from mail-exporter{{ with $labels.instance }} at {{ . }}{{ end }}"
            "{{ with $labels.job }} (job {{ . }}){{ end }}. Alerts on "
            "its endpoints have ended and will not fire, which does not mean recovery. Look at whether the process "
            "runs and what its log says last, then at Prometheus' page of targets for the reason."
        ),
        dashboard="mail-exporter",
        panel="Exporters",
        from_an_exporter=False,
    )


def _overloaded(say: Vocabulary) -> Alert:
    settings = say.settings
    lag, delay = (
        f"histogram_quantile(0.99, rate({say.metric(f'{histogram}_bucket')}[10m])) > {bound:g}"
        for histogram, bound in (
            ("mail_exporter_event_loop_lag_seconds", settings.lag_seconds),
            ("mail_exporter_probe_start_delay_seconds", settings.delay_seconds),
        )
    )
    skipped = f"sum without (reason) (rate({say.metric('mail_exporter_probes_skipped_total')}[10m]))"
    started = f"rate({say.metric('mail_exporter_probe_start_delay_seconds_count')}[10m])"
    return Alert(
        name="MailExporterOverloaded",
        severity=Severity.WARNING,
        expression=either(
            with_labels(lag, symptom="event loop lag in seconds"),
            with_labels(delay, symptom="start delay in seconds"),
            with_labels(
                f"{skipped} / ({skipped} + {started}) > {settings.skipped_share:g}", symptom="share of probes skipped"
            ),
            but_for="symptom",
        ),
        lasts="10m",
        summary=f"mail-exporter at {INSTANCE} is overloaded: {SYMPTOM}",
        description=(
            f"mail-exporter at {INSTANCE} cannot keep its schedule: {SYMPTOM}. Probes may run out of time for this "
            "reason alone. Look at the CPU that it gets, at the number of endpoints and their intervals, and at what "
            "its probes wait for; then shard."
        ),
        dashboard="mail-exporter",
        panel="Event loop lag",
    )


def _reload_failed(say: Vocabulary) -> Alert:
    return Alert(
        name="MailExporterReloadFailed",
        severity=Severity.WARNING,
        expression=either(
            f"{say.metric('mail_exporter_config_last_reload_successful')} == 0",
            f"{say.metric('mail_exporter_web_config_last_reload_successful')} == 0",
        ),
        lasts=say.settings.absent_for,
        summary=f"mail-exporter at {INSTANCE} refused its new configuration",
        description=(
            f"mail-exporter at {INSTANCE} continues with the old configuration, because the new one is invalid. It "
            "will not start with the new one either. Run mail-exporter check on the file: it lists every problem with "
            "its line. If that finds none, the file of --web.config.file is invalid: the log has its problems."
        ),
        dashboard="mail-exporter",
        panel="Configuration",
    )


def _task_failing(say: Vocabulary) -> Alert:
    failures = say.metric("mail_exporter_task_failures_total")
    return Alert(
        name="MailExporterTaskFailing",
        severity=Severity.WARNING,
        expression=f"increase({failures}[15m]) > 0",
        lasts="15m",
        summary=f"mail-exporter at {INSTANCE}: its task {{{{ $labels.task }}}} keeps failing",
        description=(
            f"The task {{{{ $labels.task }}}} of mail-exporter at {INSTANCE} has kept failing for 15 minutes, "
            "and is restarted each time. Probes go on. Look at its log for the reason: mostly a full disk, or no file "
            "descriptors left."
        ),
        dashboard="mail-exporter",
        panel="Tasks that failed",
    )


def _shards(say: Vocabulary) -> Alert:
    total = say.metric("mail_exporter_total_shards")
    job = f"without ({', '.join(OF_AN_INSTANCE)})"
    most = f"max {job} ({total})"
    shard = f'count_values {job} ("shard", {say.metric("mail_exporter_shard")})'
    return Alert(
        name="MailExporterShardsInconsistent",
        severity=Severity.WARNING,
        expression=either(
            with_labels(
                f"{most} != min {job} ({total})",
                problem="the instances disagree on their number, and one says",
            ),
            with_labels(f"count without (shard) ({shard}) < {most}", problem="some are missing, and there are"),
            with_labels(
                f"max without (shard) ({shard}) > 1 and {most} > 1",
                problem="one is run by several instances, in number",
            ),
            but_for="problem",
        ),
        lasts="15m",
        summary=f"The shards of mail-exporter ({{{{ $labels.job }}}}) do not fit together: {PROBLEM}",
        description=(
            f"Among the mail-exporters of job {{{{ $labels.job }}}}, {PROBLEM}. Some endpoints "
            "are probed twice or not at all. Look at --shard and --total-shards of each, and at whether a rollout is "
            "stuck. Vantage points that each probe everything need a job of their own."
        ),
        dashboard="mail-exporter",
        panel="Exporters",
    )


def _internal_error(say: Vocabulary) -> Alert:
    name = "MailExporterInternalError"
    (reason,) = reasons_of(name)
    return Alert(
        name=name,
        severity=Severity.WARNING,
        expression=say.counted(reason),
        summary=f"A bug in mail-exporter at {INSTANCE}, met with {ENDPOINT}: {FAILURE}",
        description=(
            f"A probe of {ENDPOINT} ended with {FAILURE} in the last hour. That says nothing about the mail server, "
            "and what it does say is missing. Look for the traceback in the log of the exporter, with the endpoint's "
            f"name, and report it.{OWN_LABELS}"
        ),
        dashboard="mail-exporter",
        panel="Internal errors",
        links=say.failure_links,
    )
