"""Why a TLS handshake failed, in words: which alert the server sent, or what OpenSSL did not like.

This module has only the texts. The stream chooses the failure reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from OpenSSL import SSL

ALERT: Final = re.compile(r"(?:(?:tls|ssl/tls|sslv3|tlsv1|tlsv13) alert|tlsv1) (?P<description>[a-z ]+)")
"""How OpenSSL reports an alert that the server sent. What stands before it differs between its releases, and is not the
version of the session. Some of TLS 1.0's (RFC 6066 9) come without the word."""

HINTS: Final[Mapping[str, str]] = {
    "bad_certificate": "it wants another client certificate",
    "certificate_required": "it wants a client certificate",
    "handshake_failure": "no cipher suite, group or signature algorithm in common, or it wants a client certificate",
    "insufficient_security": "it wants stronger cipher suites",
    "protocol_version": "no protocol version in common",
    "unknown_ca": "it does not trust the client certificate's authority",
    "unrecognized_name": "it knows no server of the name sent in SNI",
}
"""What an alert usually means here (RFC 8446 6.2); the others speak for themselves."""

NOT_TLS: Final = "the server did not answer with TLS"

COMPLAINTS: Final[Mapping[str, str]] = {
    "wrong version number": NOT_TLS,
    "packet length too long": NOT_TLS,
    "http request": NOT_TLS,
    "https proxy request": NOT_TLS,
    "unexpected message": "the server sent a message that does not belong there",
    "unsupported protocol": "no protocol version in common: the server chose one below min_version",
    "no protocols available": "no protocol version is left to offer",
    "dh key too small": "the server's Diffie-Hellman group is too small to be safe",
    "unsafe legacy renegotiation disabled": "the server does not know secure renegotiation (RFC 5746)",
    "legacy sigalg disallowed or unsupported": "the server signs the handshake with an algorithm that is too weak",
    "wrong signature type": "the server signs the handshake with an algorithm that was not offered",
    "no shared cipher": "no cipher suite in common",
    "excessive message size": "the server's certificates are too large",
    "bad record type": "what came is not part of the TLS session",
    "decryption failed or bad record mac": "what came was damaged or altered on the way",
    "packet length too short": "what came is not part of the TLS session",
}
"""OpenSSL's own reasons, in words for people; the others are quoted."""

VAGUE: Final = "record layer failure"
"""What OpenSSL adds to a reason that says more."""

UNREADABLE: Final[Mapping[str, str]] = {
    "ASN1 lib": "one of the server's certificates is so malformed that OpenSSL cannot read it",
    "cert length mismatch": "one of the server's certificates is followed by octets that do not belong to it",
    "unable to find public key parameters": "the key in the server's certificate cannot be read",
    "unknown certificate type": "the server's certificate has a key of an unknown kind",
}
"""OpenSSL's reasons for ending a handshake because of a certificate. All other problems it only reports."""


def handshake_failure(error: Exception) -> str:
    """Say in one line why a handshake failed.

    Args:
        error: What pyOpenSSL raised.
    """
    match error:
        case SSL.ZeroReturnError():
            return "the server ended the TLS session"
        case SSL.SysCallError():
            return "the TLS session is broken"
        case SSL.Error(args=([*_],)):
            reasons = _reasons(error)
            for reason in reasons:
                if reason in UNREADABLE:
                    return f"{UNREADABLE[reason]} ({', '.join(reasons)})"
            told = [reason for reason in reasons if reason != VAGUE] or reasons
            return "; ".join(map(_in_words, told)) or "OpenSSL gave no reason"
        case _:
            return type(error).__name__


def is_over_a_certificate(error: Exception) -> bool:
    """Whether a handshake failed because a certificate cannot be read at all."""
    return not UNREADABLE.keys().isdisjoint(_reasons(error))


def _reasons(error: Exception) -> list[str]:
    """OpenSSL's, each once, the first cause first."""
    match error:
        case SSL.Error(args=([*entries],)):
            return list(dict.fromkeys(reason for _, _, reason in entries if reason))
        case _:
            return []


def _in_words(reason: str) -> str:
    if alert := ALERT.fullmatch(reason):
        name = alert["description"].replace(" ", "_")
        hint = HINTS.get(name)
        return f"the server sent alert {name}" + (f": {hint}" if hint else "")
    if reason in COMPLAINTS:
        return f"{COMPLAINTS[reason]} ({reason})"
    return f"OpenSSL: {reason}"
