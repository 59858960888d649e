"""Alerts on logins that do not work."""

from __future__ import annotations

from dataclasses import replace

from dashboards.alerts.reasons import reasons_of
from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import (
    ENDPOINT,
    FAILURE,
    LAST_SUCCESS,
    OF_AN_ENDPOINT,
    OWN_LABELS,
    Vocabulary,
    in_parentheses,
)

WAIT = "{{ $value | humanizeDuration }}"


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (*_by_reach(say, _rejected(say)), *_by_reach(say, _disabled(say)), _not_possible(say), _backing_off(say))


def _by_reach(say: Vocabulary, alert: Alert) -> tuple[Alert, Alert]:
    """The same alert twice: critical if most of an exporter's logins fail like that, a warning if only some do.

    One account among hundreds is nothing to be woken for.
    """
    few = in_parentheses(say.few_refuse(reasons_of(alert.name)))
    others = f"ignoring ({', '.join((*OF_AN_ENDPOINT, 'reason', 'phase'))})"
    failing = in_parentheses(alert.expression)
    return (
        replace(alert, expression=f"{failing}\nunless {others}\n{few}"),
        replace(alert, expression=f"{failing}\nand {others}\n{few}", severity=Severity.WARNING),
    )


def _rejected(say: Vocabulary) -> Alert:
    name = "MailLoginRejected"
    return Alert(
        name=name,
        severity=Severity.CRITICAL,
        expression=say.failing(reasons_of(name)),
        lasts=say.settings.login_for,
        stays=say.settings.keep_firing_for,
        summary=f"{ENDPOINT} rejects the login: {FAILURE}",
        description=(
            f"{ENDPOINT} has rejected the exporter's login for at least {say.settings.login_for}: {FAILURE}. "
            f"{LAST_SUCCESS} Either this account has a problem (password changed, expired, locked), or nobody can log "
            "in. Try another account first: that tells the two apart. Then read the server's words on the exporter's "
            f"page of the endpoint.{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Login",
        links=say.failure_links,
    )


def _disabled(say: Vocabulary) -> Alert:
    name = "MailLoginDisabled"
    return Alert(
        name=name,
        severity=Severity.CRITICAL,
        expression=say.failing(reasons_of(name)),
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"{ENDPOINT} no longer offers this kind of login: {FAILURE}",
        description=(
            f"The provider of {ENDPOINT} says that this kind of login is switched off: {FAILURE}. Everybody who still "
            f"logs in this way is locked out as well, and no password will help. {LAST_SUCCESS} Read the server's "
            "words on the exporter's page of the endpoint, then let the tenant allow it again, or move to OAuth 2."
            f"{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Login",
        links=say.failure_links,
    )


def _not_possible(say: Vocabulary) -> Alert:
    name = "MailLoginNotPossible"
    return Alert(
        name=name,
        severity=Severity.WARNING,
        expression=say.failing(reasons_of(name)),
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"The exporter cannot log in to {ENDPOINT}: {FAILURE}",
        description=(
            f"The login to {ENDPOINT} was not even tried: {FAILURE}. The connection works up to there, and whether "
            f"users can log in is unknown. {LAST_SUCCESS} Look at the exporter's side first: the secret, the token, "
            f"the mechanisms; the exporter's page of the endpoint says which.{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Login",
        links=say.failure_links,
    )


def _backing_off(say: Vocabulary) -> Alert:
    return Alert(
        name="MailLoginBackingOff",
        severity=Severity.INFO,
        expression=f"{say.metric('mail_auth_backoff_seconds')} > 0",
        lasts="10m",
        summary=f"{ENDPOINT}: logins are paused for {WAIT}, because the last were rejected",
        description=(
            f"So that the account is not locked, the exporter tries no login at {ENDPOINT} for another {WAIT}. Until "
            "then probes fail with the remembered reason, auth_rejected in the phase auth, and a repaired account will "
            f"not show yet. A changed secret is tried at once.{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Login",
        links=say.endpoint_links,
    )
