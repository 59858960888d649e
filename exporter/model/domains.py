"""Mail domains: the sources of their endpoints, their checks, and the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from exporter.model.endpoints import KeyType


class Source(StrEnum):
    """Where a domain publishes its servers."""

    MX = "mx"
    SRV = "srv"
    AUTOCONFIG = "autoconfig"
    AUTOCONFIG_HTTP = "autoconfig_http"
    ISPDB = "ispdb"
    PACC = "pacc"
    PRESETS = "presets"


class DomainCheck(StrEnum):
    """The checks of a domain."""

    MX = "mx"
    DNSSEC = "dnssec"
    DANE = "dane"
    MTA_STS = "mta_sts"
    TLS_RPT = "tls_rpt"
    SPF = "spf"
    DMARC = "dmarc"
    DKIM = "dkim"
    REVERSE_DNS = "reverse_dns"
    DNSBL = "dnsbl"
    AUTOCONFIG = "autoconfig"


class Sender(StrEnum):
    """A kind of sending mail server, by the security that it requires."""

    DANE = "dane"
    MTA_STS = "mta_sts"
    OPPORTUNISTIC = "opportunistic"


class Reach(StrEnum):
    """The effect of a problem on its check."""

    FAILS = "fails"
    """The check fails."""
    WARNS = "warns"
    """The check may still succeed."""
    HIDES = "hides"
    """The result of the check is unknown."""


class DomainProblem(StrEnum):
    """The possible problems of a domain. Each has a section in docs/domains.md."""

    reach: Reach

    def __new__(cls, value: str, reach: Reach = Reach.FAILS) -> Self:
        """A member with its effect."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.reach = reach
        return member

    DNS_FAILED = "dns_failed", Reach.HIDES
    TIMEOUT = "timeout", Reach.HIDES
    INTERNAL_ERROR = "internal_error", Reach.HIDES
    TARGET_NOT_ALLOWED = "target_not_allowed", Reach.HIDES
    NO_ROUTE = "no_route", Reach.HIDES

    DOMAIN_NOT_FOUND = "domain_not_found"
    MX_MISSING = "mx_missing"
    MX_IMPLICIT = "mx_implicit", Reach.WARNS
    MX_NULL_BESIDE_OTHERS = "mx_null_beside_others"
    MX_IS_ADDRESS = "mx_is_address"
    MX_IS_ALIAS = "mx_is_alias", Reach.WARNS
    MX_WITHOUT_ADDRESS = "mx_without_address"
    MX_MALFORMED = "mx_malformed"
    MX_ALL_UNREACHABLE = "mx_all_unreachable"
    MX_UNREACHABLE = "mx_unreachable"
    MX_REFUSES = "mx_refuses"

    DNSSEC_UNKNOWN = "dnssec_unknown", Reach.HIDES
    DNSSEC_BOGUS = "dnssec_bogus"
    DNSSEC_MX_INSECURE = "dnssec_mx_insecure", Reach.WARNS

    DANE_UNKNOWN = "dane_unknown", Reach.HIDES
    DANE_INSECURE = "dane_insecure"
    DANE_MX_INSECURE = "dane_mx_insecure", Reach.WARNS
    DANE_LOOKUP_FAILED = "dane_lookup_failed"
    DANE_MALFORMED = "dane_malformed"
    DANE_UNUSABLE = "dane_unusable", Reach.WARNS
    DANE_MISMATCH = "dane_mismatch"
    DANE_KEY_TYPE_MISMATCH = "dane_key_type_mismatch"
    DANE_WITHOUT_STARTTLS = "dane_without_starttls"
    DANE_PARTIAL = "dane_partial", Reach.WARNS
    DANE_RENEWAL_UNPREPARED = "dane_renewal_unprepared", Reach.WARNS
    DANE_WITHDRAWN = "dane_withdrawn", Reach.WARNS

    MTA_STS_RECORD_INVALID = "mta_sts_record_invalid"
    MTA_STS_SEVERAL_RECORDS = "mta_sts_several_records"
    MTA_STS_POLICY_UNREACHABLE = "mta_sts_policy_unreachable"
    MTA_STS_POLICY_CERTIFICATE = "mta_sts_policy_certificate"
    MTA_STS_POLICY_INVALID = "mta_sts_policy_invalid"
    MTA_STS_MX_UNLISTED = "mta_sts_mx_unlisted"
    MTA_STS_MX_CERTIFICATE = "mta_sts_mx_certificate"
    MTA_STS_MX_WITHOUT_STARTTLS = "mta_sts_mx_without_starttls"
    MTA_STS_CHANGED_WITHOUT_ID = "mta_sts_changed_without_id"
    MTA_STS_MAX_AGE_SHORT = "mta_sts_max_age_short", Reach.WARNS
    MTA_STS_NOT_ENFORCED = "mta_sts_not_enforced", Reach.WARNS
    MTA_STS_POLICY_EXPIRES = "mta_sts_policy_expires", Reach.WARNS

    TLS_RPT_INVALID = "tls_rpt_invalid"
    TLS_RPT_SEVERAL_RECORDS = "tls_rpt_several_records"

    SPF_MISSING = "spf_missing"
    SPF_SEVERAL_RECORDS = "spf_several_records"
    SPF_SYNTAX = "spf_syntax"
    SPF_TOO_MANY_LOOKUPS = "spf_too_many_lookups"
    SPF_TOO_MANY_VOID_LOOKUPS = "spf_too_many_void_lookups"
    SPF_MISSING_INCLUDE = "spf_missing_include"
    SPF_SENDER_NOT_ALLOWED = "spf_sender_not_allowed"
    SPF_ALLOWS_ALL = "spf_allows_all"
    SPF_USES_PTR = "spf_uses_ptr", Reach.WARNS
    SPF_WITHOUT_END = "spf_without_end", Reach.WARNS

    DMARC_MISSING = "dmarc_missing"
    DMARC_SEVERAL_RECORDS = "dmarc_several_records"
    DMARC_SYNTAX = "dmarc_syntax"
    DMARC_NOT_ENFORCED = "dmarc_not_enforced", Reach.WARNS
    DMARC_REPORTS_NOT_ACCEPTED = "dmarc_reports_not_accepted"

    DKIM_MISSING = "dkim_missing"
    DKIM_REVOKED = "dkim_revoked"
    DKIM_SYNTAX = "dkim_syntax"
    DKIM_SEVERAL_RECORDS = "dkim_several_records"
    DKIM_KEY_SHORT = "dkim_key_short"
    DKIM_KEY_WEAK = "dkim_key_weak", Reach.WARNS
    DKIM_TESTING = "dkim_testing", Reach.WARNS

    REVERSE_DNS_MISSING = "reverse_dns_missing"
    REVERSE_DNS_UNCONFIRMED = "reverse_dns_unconfirmed"
    HELO_UNCONFIRMED = "helo_unconfirmed", Reach.WARNS

    DNSBL_LISTED = "dnsbl_listed"
    DNSBL_UNUSABLE = "dnsbl_unusable", Reach.WARNS

    AUTOCONFIG_INVALID = "autoconfig_invalid"
    AUTOCONFIG_UNREACHABLE = "autoconfig_unreachable"
    AUTOCONFIG_CERTIFICATE = "autoconfig_certificate"
    AUTOCONFIG_DISAGREES = "autoconfig_disagrees"
    AUTOCONFIG_DIGEST_MISMATCH = "autoconfig_digest_mismatch"
    AUTOCONFIG_SERVER_FAILS = "autoconfig_server_fails"
    AUTOCONFIG_IN_PLAIN = "autoconfig_in_plain", Reach.WARNS
    AUTOCONFIG_CERTIFICATE_EXPIRES = "autoconfig_certificate_expires", Reach.WARNS


@dataclass(frozen=True, slots=True)
class DomainFinding:
    """One problem that was found.

    Attributes:
        detail: For people: one line of printable text.
    """

    check: DomainCheck
    problem: DomainProblem
    detail: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether a sender of one kind would deliver to one address of one MX host now.

    Attributes:
        detail: Why, for people.
    """

    mx: str
    address: str
    sender: Sender
    deliverable: bool
    detail: str


@dataclass(frozen=True, slots=True)
class TlsaMatch:
    """Whether one TLSA record matches what one address serves with one kind of key.

    Attributes:
        record: The first eight hexadecimal digits of its data.
    """

    host: str
    port: int
    address: str
    key_type: KeyType
    usage: int
    selector: int
    matching: int
    record: str
    matches: bool


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """Facts of a domain's MTA-STS policy; unknown ones are `None`.

    Attributes:
        certificate_not_after: Unix time when the certificate of the policy's server ends.
        changed_without_id: Whether the policy changed without a new id.
    """

    mode: str | None = None
    id: str | None = None
    max_age: int | None = None
    certificate_not_after: float | None = None
    changed_without_id: bool | None = None


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The judgement of a published document.

    Attributes:
        agrees: Whether it agrees with the other sources; `None` if it is the only one.
        digest_matches: For PACC: whether the digest in DNS is the document's; `None` if there is none.
    """

    source: Source
    success: bool
    agrees: bool | None = None
    digest_matches: bool | None = None


@dataclass(frozen=True, slots=True)
class DomainReport:
    """The result of one judgement of a domain.

    Attributes:
        checked_at: Unix time, when it ended.
        duration: Seconds.
        success: The result of each check; `None` if nothing is published or the result is unknown.
        mx_records: The number of MX records; `None` if it is unknown.
        rollover_ready: For each host and port with matching TLSA records: whether there is one for another key.
        listed: For each address and working DNS list: whether the address is listed.
        dmarc_policy: The policy that applies to the domain.
    """

    domain: str
    checked_at: float
    duration: float
    success: Mapping[DomainCheck, bool | None]
    findings: tuple[DomainFinding, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    mx_records: int | None = None
    matches: tuple[TlsaMatch, ...] = ()
    rollover_ready: Mapping[tuple[str, int], bool] = field(default_factory=lambda: MappingProxyType({}))
    policy: PolicyFacts = PolicyFacts()
    dmarc_policy: str | None = None
    listed: Mapping[tuple[str, str], bool] = field(default_factory=lambda: MappingProxyType({}))
    sources: tuple[SourceFacts, ...] = ()
