"""Alerts on certificates and on STARTTLS."""

from __future__ import annotations

from dashboards.alerts.reasons import reasons_of
from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import ENDPOINT, FAILURE, OWN_LABELS, Vocabulary, either, with_labels

PRESENTED = "mail_tls_chain_not_after_timestamp_seconds"
VERIFIED = "mail_tls_verified_chain_not_after_timestamp_seconds"
"""The first expiry among all certificates that a server sends, and on the path that was verified."""

ENDS = f"The certificate of {ENDPOINT} expires in {{{{ $value | humanizeDuration }}}}"


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (
        _injection(say),
        _starttls_gone(say),
        _expired(say),
        _not_verified(say),
        _about_to_expire(say),
        _expires_soon(say),
        _renewal_due(say),
    )


def _injection(say: Vocabulary) -> Alert:
    name = "MailStarttlsInjection"
    (reason,) = reasons_of(name)
    return Alert(
        name=name,
        severity=Severity.CRITICAL,
        # Once is enough, and between two scrapes as well.
        expression=say.counted(reason),
        summary=f"Somebody tampers with STARTTLS at {ENDPOINT}: {FAILURE}",
        description=(
            f"In the last hour {ENDPOINT} sent unexpected data before the TLS handshake: {FAILURE}. Treat "
            "it as an attack on the way to the server until you know better. No password was sent. Probe from the "
            "server's own network and compare: if it does not happen there, look at what is in between."
            f"{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Failures by reason and phase",
        links=say.failure_links,
    )


def _starttls_gone(say: Vocabulary) -> Alert:
    name = "MailStarttlsGone"
    offered = say.metric("mail_starttls_offered")
    # An opportunistic endpoint goes on in plain and succeeds: there, it is news only if STARTTLS was there before.
    in_plain = with_labels(
        f"{offered} == 0 and max_over_time({offered}[1d]) == 1", reason="starttls_not_offered", phase="starttls"
    )
    return Alert(
        name=name,
        severity=Severity.CRITICAL,
        expression=either(say.failing(reasons_of(name)), in_plain),
        lasts=say.settings.down_for,
        summary=f"{ENDPOINT} does not upgrade to TLS: {FAILURE}",
        description=(
            f"{ENDPOINT} does not upgrade to TLS: {FAILURE}. If it did yesterday, treat it as an attack until you know "
            "better: mail and passwords of clients that do not insist go over the network in plain. Compare the "
            "capabilities on the exporter's page of the endpoint with what the server says on its own network."
            f"{OWN_LABELS}"
        ),
        dashboard="mail-endpoint",
        panel="Failures by reason and phase",
        links=say.failure_links,
    )


def _expired(say: Vocabulary) -> Alert:
    # By the exporter's judgement, not by the dates alone: a server may send an expired certificate that no path needs.
    expired = say.metric("mail_tls_verification_error_info", 'error="expired"')
    return Alert(
        name="MailCertificateExpired",
        severity=Severity.CRITICAL,
        expression=(f"time() - {say.metric(PRESENTED)}\nand sum without (error) ({expired})"),
        lasts=say.settings.down_for,
        # The date is in the future where the certificate that expired is one that the server does not send.
        summary=(
            f"The certificate of {ENDPOINT} has expired"
            "{{ if gt $value 0.0 }} {{ $value | humanizeDuration }} ago{{ end }}"
        ),
        description=(
            f"A certificate in the chain of {ENDPOINT} has expired, and mail clients refuse the server: "
            "tls_certificate_expired in the phase tls. Compare what is served with what is on disk: mostly the file is "
            "new and the service was never reloaded."
        ),
        dashboard="mail-certificates",
        panel="Certificates",
        links=say.endpoint_links,
    )


def _not_verified(say: Vocabulary) -> Alert:
    name = "MailCertificateNotVerified"
    verified = say.metric("mail_tls_verified")
    # With `verify: false` the probe succeeds all the same: there, it is news only if the chain was good before.
    tolerated = with_labels(
        f"{verified} == 0 and max_over_time({verified}[1d]) == 1 and {say.metric('mail_probe_success')} == 1",
        reason="certificate not verified",
        phase="tls",
    )
    return Alert(
        name=name,
        severity=Severity.CRITICAL,
        expression=either(say.failing(reasons_of(name)), tolerated),
        lasts=say.settings.down_for,
        summary=f"Certificate check failed at {ENDPOINT}: {FAILURE}",
        description=(
            f"Mail clients refuse the certificate of {ENDPOINT}: {FAILURE}. Look at every problem that was found, in "
            "mail_tls_verification_error_info, and at the chain on the exporter's page of the endpoint. If nothing was "
            f"changed on the server, something in between intercepts TLS.{OWN_LABELS}"
        ),
        dashboard="mail-certificates",
        panel="Verification problems",
        links=say.endpoint_links,
    )


def _about_to_expire(say: Vocabulary) -> Alert:
    last = say.settings.last_days
    return _expiring(
        say,
        "MailCertificateAboutToExpire",
        Severity.CRITICAL,
        expression=_between(_left(say, VERIFIED), 0, last),
        in_short=": renew it now",
        look_at="Automatic renewal has failed. Renew it now, reload the service, and check that the new date arrives.",
    )


def _expires_soon(say: Vocabulary) -> Alert:
    last, soon = say.settings.last_days, say.settings.soon_days
    verified = _left(say, VERIFIED)
    # A certificate that is sent but not on the verified path may be unnecessary: it is never critical.
    only_sent = f"{_between(_left(say, PRESENTED), 0, soon)}\nunless {verified} <= {last:g} * 86400"
    return _expiring(
        say,
        "MailCertificateExpiresSoon",
        Severity.WARNING,
        expression=f"({_between(verified, last, soon)}\nor ({only_sent}))",
        in_short=" and has not been renewed",
        look_at="Renewal by ACME should have happened. Look at why it did not, or why the service was not reloaded.",
    )


def _renewal_due(say: Vocabulary) -> Alert:
    soon, renewal = say.settings.soon_days, say.settings.renewal_days
    verified = _left(say, VERIFIED)
    only_sent = f"{_between(_left(say, PRESENTED), soon, renewal)}\nunless {verified} <= {soon:g} * 86400"
    return _expiring(
        say,
        "MailCertificateRenewalDue",
        Severity.INFO,
        expression=f"({_between(verified, soon, renewal)}\nor ({only_sent}))",
        in_short=": renewal is due",
        look_at="Look at who renews it: ACME will do so soon, and a certificate that people renew should be ordered.",
    )


def _left(say: Vocabulary, metric: str) -> str:
    # The least of an hour: behind a load balancer one server may be without the new certificate, and while the server
    # cannot be reached there is no certificate at all.
    return f"min_over_time({say.metric(metric)}[1h]) - time()"


def _between(left: str, above: float, most: float) -> str:
    """More than so many days, and at most so many."""
    return f"({left} <= {most:g} * 86400) > {above:g} * 86400"


def _expiring(say: Vocabulary, name: str, severity: Severity, *, expression: str, in_short: str, look_at: str) -> Alert:
    return Alert(
        name=name,
        severity=severity,
        expression=f"{expression}\n{say.probed()}",
        summary=f"{ENDS}{in_short}",
        description=(
            f"{ENDS}; it is the server's own, or another one in its chain. The reason would then be "
            f"tls_certificate_expired in the phase tls. {look_at}"
        ),
        dashboard="mail-certificates",
        panel="Certificates",
        links=say.endpoint_links,
    )
