"""Which alert answers for which failure reason: every reason has one, so that one cause is one alert.

A reason that is not in the table is `MailEndpointDown`'s, so a new one is never without an alert.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from exporter.model import FailureReason

DOWN: Final = "MailEndpointDown"

ANSWERED_BY: Final[Mapping[FailureReason, str]] = MappingProxyType(
    {
        FailureReason.AUTH_REJECTED: "MailLoginRejected",
        FailureReason.AUTH_DISABLED: "MailLoginDisabled",
        FailureReason.AUTH_MECHANISM_NOT_OFFERED: "MailLoginNotPossible",
        FailureReason.AUTH_INSECURE: "MailLoginNotPossible",
        FailureReason.TOKEN_FAILED: "MailLoginNotPossible",
        FailureReason.SECRET_UNREADABLE: "MailLoginNotPossible",
        FailureReason.TLS_CERTIFICATE_EXPIRED: "MailCertificateExpired",
        FailureReason.TLS_CERTIFICATE_NOT_YET_VALID: "MailCertificateNotVerified",
        FailureReason.TLS_NAME_MISMATCH: "MailCertificateNotVerified",
        FailureReason.TLS_UNTRUSTED: "MailCertificateNotVerified",
        FailureReason.TLS_CERTIFICATE_INVALID: "MailCertificateNotVerified",
        FailureReason.STARTTLS_NOT_OFFERED: "MailStarttlsGone",
        FailureReason.STARTTLS_REFUSED: "MailStarttlsGone",
        FailureReason.STARTTLS_INJECTION: "MailStarttlsInjection",
        FailureReason.MAILBOX_UNAVAILABLE: "MailMailboxNotReadable",
        FailureReason.RECIPIENT_ACCEPTED: "MailRecipientAccepted",
        FailureReason.INTERNAL_ERROR: "MailExporterInternalError",
    }
)


def reasons_of(alert: str) -> tuple[FailureReason, ...]:
    """The reasons that an alert answers for, in the order of the enumeration."""
    return tuple(reason for reason in FailureReason if ANSWERED_BY.get(reason, DOWN) == alert)
