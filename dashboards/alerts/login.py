"""Alerts on logins that do not work."""

from __future__ import annotations

from dashboards.alerts.reasons import reasons_of
from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import ENDPOINT, FAILURE, Vocabulary

WAIT = "{{ $value | humanizeDuration }}"


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (_rejected(say), _disabled(say), _not_possible(say), _backing_off(say))


def _rejected(say: Vocabulary) -> Alert:
    name = "MailLoginRejected"
    return Alert(
        name=name,
        severity=Severity.CRITICAL,
        expression=say.failing(reasons_of(name)),
        lasts=say.settings.login_for,
        summary=f"{ENDPOINT} rejects the login: {FAILURE}",
        description=(
            f"{ENDPOINT} has rejected the exporter's login for {say.settings.login_for} and longer: {FAILURE}. Either "
            "this account has a problem (password changed, expired, locked), or nobody can log in. Try another "
            "account first: that tells the two apart. Then read the server's words on the exporter's page of the "
            "endpoint."
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
        summary=f"{ENDPOINT} no longer offers this kind of login: {FAILURE}",
        description=(
            f"The provider of {ENDPOINT} says that this kind of login is switched off: {FAILURE}. Whoever still logs "
            "in this way is locked out as well, and no password will help. Read the server's words on the exporter's "
            "page of the endpoint, then let the tenant allow it again, or move to OAuth 2."
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
        summary=f"The exporter cannot log in to {ENDPOINT}: {FAILURE}",
        description=(
            f"The login to {ENDPOINT} was not even tried: {FAILURE}. The connection works up to there, and whether "
            "users can log in is unknown. Look at the exporter's side first: the secret, the token, the mechanisms; "
            "the exporter's page of the endpoint says which."
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
        summary=f"{ENDPOINT}: no login before {WAIT} have passed, because the last were rejected",
        description=(
            f"So that the account is not locked, the exporter tries no login at {ENDPOINT} for another {WAIT}. Until "
            "then the reason auth_rejected in the phase auth is what was remembered, and mending the account does not "
            "show. A changed secret is tried at once."
        ),
        dashboard="mail-endpoint",
        panel="Login",
        links=say.endpoint_links,
    )
