"""Alerts on what is asked after the login: the mailbox, its quota, and who may relay."""

from __future__ import annotations

from dashboards.alerts.reasons import reasons_of
from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import ENDPOINT, FAILURE, LAST_SUCCESS, OWN_LABELS, Vocabulary


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (_recipient_accepted(say), _not_readable(say), _nearly_full(say))


def _recipient_accepted(say: Vocabulary) -> Alert:
    name = "MailRecipientAccepted"
    return Alert(
        name=name,
        severity=Severity.CRITICAL,
        expression=say.failing(reasons_of(name)),
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"{ENDPOINT} takes mail that it must refuse: {FAILURE}",
        description=(
            f"{ENDPOINT} would take mail for a recipient that it should refuse: {FAILURE}. If that is a foreign "
            "address, it may be an open relay, and is found by spammers within hours. Look at the relay "
            f"restrictions, and at whether the queue fills with foreign mail already. {LAST_SUCCESS}{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Reply codes",
        links=say.failure_links,
    )


def _not_readable(say: Vocabulary) -> Alert:
    name = "MailMailboxNotReadable"
    return Alert(
        name=name,
        severity=Severity.WARNING,
        expression=say.failing(reasons_of(name)),
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"{ENDPOINT}: the mailbox cannot be read: {FAILURE}",
        description=(
            f"The login at {ENDPOINT} works, and the mailbox that the exporter looks at cannot be read: {FAILURE}. "
            f"{LAST_SUCCESS} Look at whether it exists under that name, at its permissions, and at the server's log "
            f"for a damaged index.{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Mailbox",
        links=say.failure_links,
    )


def _nearly_full(say: Vocabulary) -> Alert:
    used, limit = (
        f"last_over_time({say.metric(series)}[15m])"
        for series in ("mail_mailbox_quota_used_bytes", "mail_mailbox_quota_limit_bytes")
    )
    return Alert(
        name="MailMailboxQuotaNearlyFull",
        severity=Severity.WARNING,
        expression=f"{used} / ({limit} > 0) > {say.settings.quota_share:g}\n{say.probed('mailbox')}",
        lasts="15m",
        summary=f"The mailbox {{{{ $labels.mailbox }}}} of {ENDPOINT} is {{{{ $value | humanizePercentage }}}} full",
        description=(
            f"The quota of {{{{ $labels.mailbox }}}} at {ENDPOINT} is {{{{ $value | humanizePercentage }}}} used up. "
            "When it is full, mail to it is refused (452 4.2.2, 552 5.2.2), with the reason recipient_refused in the "
            f"phase check. Look at what is in it, or raise the quota.{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Mailbox",
        links=say.endpoint_links,
    )
