"""Alerts on mail domains: can the world deliver to them, and does it take their mail?"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import Vocabulary, own_labels, own_page, page

DOMAIN: Final = "{{ $labels.domain }}"
OWN_LABELS: Final = own_labels("domain", "check", "sender", "host", "port", "key_type", "zone", "source")

BROKEN_SPF: Final = (
    "spf_several_records",
    "spf_syntax",
    "spf_too_many_lookups",
    "spf_too_many_void_lookups",
    "spf_missing_include",
)
"""Problems that make receivers take the record for an error."""

BROKEN_MTA_STS: Final = (
    "mta_sts_record_invalid",
    "mta_sts_several_records",
    "mta_sts_policy_unreachable",
    "mta_sts_policy_certificate",
    "mta_sts_policy_invalid",
    "mta_sts_policy_expires",
    "mta_sts_mx_unlisted",
    "mta_sts_mx_certificate",
    "mta_sts_mx_without_starttls",
    "mta_sts_changed_without_id",
)
"""Problems by which senders lose a policy, keep an old one, or hold mail back."""


def alerts(say: Vocabulary) -> tuple[Alert, ...]:
    """In the order of urgency."""
    return (
        _undeliverable(say),
        _dane_mismatch(say),
        _dane_renewal(say),
        _dane_withdrawn(say),
        _mta_sts(say),
        _spf(say),
        _listed(say),
        _autoconfig(say),
        _discovery(say),
        _stale(say),
    )


def _links(say: Vocabulary, section: str) -> MappingProxyType[str, str]:
    """The exporter's page of the domain, and what the problem means."""
    return MappingProxyType(
        {"domain_url": own_page(say.settings, "domain"), "problem_url": page(say.settings, "domains", section)}
    )


def _undeliverable(say: Vocabulary) -> Alert:
    return Alert(
        name="MailDomainUndeliverable",
        severity=Severity.CRITICAL,
        expression=f"max without (mx, address) ({say.metric('mail_domain_deliverable')}) == 0",
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"{DOMAIN} gets no mail from {{{{ $labels.sender }}}} senders",
        description=(
            f"Senders of the kind {{{{ $labels.sender }}}} would deliver to no address of the MX hosts of {DOMAIN} "
            "now. For dane: the TLSA records do not match what the servers present; for mta_sts: the policy does not "
            "list them, or their certificates are invalid; for opportunistic: nobody can deliver. "
            f"Look at the exporter's page of the domain, which says why for each address.{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="Delivery",
        links=_links(say, "deliverable"),
    )


def _dane_mismatch(say: Vocabulary) -> Alert:
    match = say.metric("mail_dane_tlsa_match")
    return Alert(
        name="MailDaneMismatch",
        severity=Severity.WARNING,
        expression=f"max without (usage, selector, matching, record) ({match}) == 0",
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary="{{ $labels.host }} port {{ $labels.port }}: no TLSA record matches its {{ $labels.key_type }} key",
        description=(
            "No TLSA record of {{ $labels.host }} port {{ $labels.port }} matches what {{ $labels.address }} presents "
            f"to clients that take {{{{ $labels.key_type }}}} keys. Senders to {DOMAIN} that honour DANE and get this "
            f"key hold their mail back. Look at what was renewed last, and publish the record of its key.{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="TLSA records",
        links=_links(say, "dane_mismatch"),
    )


def _dane_renewal(say: Vocabulary) -> Alert:
    return Alert(
        name="MailDaneRenewalUnprepared",
        severity=Severity.WARNING,
        expression=say.metric("mail_domain_problem_info", 'problem="dane_renewal_unprepared"'),
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"DANE of {DOMAIN} breaks with the next renewal, if that makes a new key",
        description=(
            f"A certificate of a mail server of {DOMAIN} is due for renewal, and every TLSA record in use is of its "
            "key. Look at whether the renewal keeps the key; if not, publish the record of the next key first, and "
            f"wait for two TTLs.{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="Problems",
        links=_links(say, "dane_renewal_unprepared"),
    )


def _dane_withdrawn(say: Vocabulary) -> Alert:
    return Alert(
        name="MailDaneRecordWithdrawn",
        severity=Severity.WARNING,
        expression=say.metric("mail_domain_problem_info", 'problem="dane_withdrawn"'),
        lasts=say.settings.down_for,
        summary=f"A TLSA record of {DOMAIN} was withdrawn while its key is still served",
        description=(
            f"The name servers no longer have a TLSA record of a mail server of {DOMAIN} that still presents its key, "
            "or all its records are gone. Senders that honour DANE stop delivering when their caches forget the "
            "record and another one is there. Look at whether a rollover goes on: publish the record of the key that "
            f"is served again, and withdraw it after the certificate has changed.{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="Problems",
        links=_links(say, "dane_withdrawn"),
    )


def _mta_sts(say: Vocabulary) -> Alert:
    problems = "|".join(BROKEN_MTA_STS)
    return Alert(
        name="MailMtaStsPolicyBroken",
        severity=Severity.WARNING,
        expression=say.metric("mail_domain_problem_info", f'problem=~"{problems}"'),
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"MTA-STS of {DOMAIN} is broken: {{{{ $labels.problem }}}}",
        description=(
            f"MTA-STS of {DOMAIN} has the problem {{{{ $labels.problem }}}}. Senders that honour MTA-STS cannot get "
            "the policy, keep an old one, or hold mail back. Look at the exporter's page of the domain for the "
            f"details, then at what the problem means.{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="Problems",
        links=_links(say, "{{ $labels.problem }}"),
    )


def _spf(say: Vocabulary) -> Alert:
    problems = "|".join(BROKEN_SPF)
    return Alert(
        name="MailSpfBroken",
        severity=Severity.WARNING,
        expression=say.metric("mail_domain_problem_info", f'problem=~"{problems}"'),
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"The SPF record of {DOMAIN} is invalid: {{{{ $labels.problem }}}}",
        description=(
            f"Receivers treat the SPF record of {DOMAIN} as an error: {{{{ $labels.problem }}}}. Mail of the domain is "
            f"then judged without it, and DMARC fails where DKIM does. Look at the last change of the record, or of a "
            f"record that it includes.{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="Problems",
        links=_links(say, "{{ $labels.problem }}"),
    )


def _listed(say: Vocabulary) -> Alert:
    return Alert(
        name="MailSenderListed",
        severity=Severity.WARNING,
        expression=f"{say.metric('mail_dnsbl_listed')} == 1",
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"{{{{ $labels.address }}}}, which sends for {DOMAIN}, is on {{{{ $labels.zone }}}}",
        description=(
            "Receivers that ask {{ $labels.zone }} refuse mail from {{ $labels.address }}, which sends for "
            f"{DOMAIN}. Look for what it sent: a hacked account, a form, a forwarder. Then ask the list for removal."
            f"{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="DNS lists",
        links=_links(say, "dnsbl_listed"),
    )


def _autoconfig(say: Vocabulary) -> Alert:
    return Alert(
        name="MailAutoconfigDisagrees",
        severity=Severity.WARNING,
        expression=f"{say.metric('mail_autoconfig_agrees')} == 0",
        lasts=say.settings.down_for,
        stays=say.settings.keep_firing_for,
        summary=f"{{{{ $labels.source }}}} of {DOMAIN} names other servers than the other sources",
        description=(
            f"What {{{{ $labels.source }}}} says of the servers of {DOMAIN} is not what the other sources say: which "
            "server a user gets depends on the mail program. Look at the exporter's page of the domain, and correct "
            f"the source that is old.{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="Published documents",
        links=_links(say, "autoconfig_disagrees"),
    )


def _discovery(say: Vocabulary) -> Alert:
    return Alert(
        name="MailDiscoveryFailing",
        severity=Severity.WARNING,
        expression=f"{say.metric('mail_discovery_success')} == 0",
        lasts="1h",
        stays=say.settings.keep_firing_for,
        summary=f"The servers of {DOMAIN} cannot be discovered",
        description=(
            f"What {DOMAIN} publishes about its servers could not be found out for an hour. Endpoints that were known "
            "are still probed; new ones are not noticed. Look at what mail-exporter discover says of the domain."
            f"{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="Followed domains",
        links=_links(say, "discovery"),
    )


def _stale(say: Vocabulary) -> Alert:
    run, interval = (say.metric(f"mail_domain_{figure}_seconds") for figure in ("last_run_timestamp", "interval"))
    return Alert(
        name="MailDomainNotJudged",
        severity=Severity.WARNING,
        expression=f"time() - {run} > 3 * {interval} + 600",
        lasts=say.settings.down_for,
        summary=f"{DOMAIN} is not judged any more",
        description=(
            f"The last judgement of {DOMAIN} ended {{{{ $value | humanizeDuration }}}} ago, which is more than three "
            f"of its intervals. Its figures are old. Look at the exporter's log.{OWN_LABELS}"
        ),
        dashboard="mail-domains",
        panel="Domains",
        links=_links(say, "checks"),
    )
