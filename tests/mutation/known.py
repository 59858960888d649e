"""Changes that no test notices, and why none has to: each was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KNOWN: Final[Mapping[tuple[str, str, str, str], str]] = {
    (
        "exporter/domains/posture/dmarc_policy.py",
        "walk",
        "len(labels) >= MAX_LABELS",
        "len(labels) > MAX_LABELS",
    ): "From eight labels to the last seven is one label less either way.",
    (
        "exporter/domains/posture/tlsa.py",
        "_has_signed",
        "isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA)",
        "isinstance(key, ec.EllipticCurvePublicKey) or isinstance(parameters, ec.ECDSA)",
    ): "A key that does not fit the signature is an error, which means as well that it has not signed.",
    (
        "exporter/domains/posture/tlsa.py",
        "_has_signed",
        "isinstance(key, rsa.RSAPublicKey) and digest is not None",
        "isinstance(key, rsa.RSAPublicKey) or digest is not None",
    ): "A key that does not fit the signature is an error, which means as well that it has not signed.",
    (
        "exporter/domains/posture/tlsa.py",
        "matches",
        "record.matching == _FULL and record.selector == _CERTIFICATE",
        "record.matching == _FULL or record.selector == _CERTIFICATE",
    ): "A digest or a key that is taken for a certificate leads to no chain.",
    (
        "exporter/domains/posture/tlsa.py",
        "matches",
        "record.matching == _FULL and record.selector == KEY",
        "record.matching == _FULL or record.selector == KEY",
    ): "A digest or a certificate cannot be read as a key, which has signed nothing then.",
    (
        "exporter/domains/posture/tlsa.py",
        "_may_serve",
        "False",
        "True",
    ): "What cannot be read, OpenSSL cannot load either: it leads to no anchor.",
    (
        "exporter/certificates/effort.py",
        "Effort.allows",
        "self._microseconds <= MAX_MICROSECONDS",
        "self._microseconds < MAX_MICROSECONDS",
    ): "A sum of measured times never is that number exactly.",
    (
        "exporter/certificates/staple.py",
        "_is_about",
        "False",
        "True",
    ): "What `hashlib` is told a digest is for matters under FIPS alone; the identifiers of OCSP are by SHA-1.",
    (
        "exporter/certificates/staple.py",
        "_signer",
        "False",
        "True",
    ): "What `hashlib` is told a digest is for matters under FIPS alone; the identifiers of OCSP are by SHA-1.",
    (
        "exporter/certificates/staple.py",
        "read",
        "leaf is None or issuer is None",
        "leaf is None and issuer is None",
    ): "One that is missing has no fields, and any error makes the response invalid as well.",
    (
        "exporter/certificates/staple.py",
        "_candidates",
        "b''",
        "not b''",
    ): "Without the extension either one is an error, and the candidate is passed over.",
    (
        "exporter/certificates/trust.py",
        "constrains",
        "1",
        "2",
    ): "Whether there are some among the first two is whether there is one.",
    (
        "exporter/certificates/trust.py",
        "denies_itself",
        "1",
        "2",
    ): "Only the first is looked at.",
    (
        "exporter/certificates/names.py",
        "_present",
        "at >= end",
        "at > end",
    ): "Reading at the end is an IndexError, which ends the list as well.",
    (
        "exporter/flows/ledger.py",
        "_took_by_itself",
        "0.0 <= took <= found_after",
        "0.0 <= took < found_after",
    ): "At the limit both are the same number.",
    (
        "exporter/flows/messages/bounces.py",
        "_action",
        "1",
        "2",
    ): "Only the first part is looked at.",
    (
        "exporter/flows/ledger.py",
        "Ledger.__init__",
        "10",
        "11",
    ): "The number is a choice: numbers would go on after a restart with eleven messages a second, too.",
    (
        "exporter/flows/ledger.py",
        "Ledger.next_token",
        "1",
        "2",
    ): "The numbers only have to differ.",
    (
        "exporter/protocol/smtp.py",
        "Smtp.refresh_capabilities",
        "False",
        "True",
    ): "SMTP tells all in one answer: the argument is not looked at.",
    (
        "exporter/protocol/pop3.py",
        "Pop3.refresh_capabilities",
        "False",
        "True",
    ): "POP3 tells all in one answer: the argument is not looked at.",
    (
        "exporter/protocol/session.py",
        "Client.refresh_capabilities",
        "False",
        "True",
    ): "The default of an interface's method: the implementations have their own.",
    (
        "exporter/protocol/pop3.py",
        "_digest",
        "False",
        "True",
    ): "What `hashlib` is told a digest is for matters under FIPS alone, and APOP is by MD5.",
    (
        "exporter/protocol/pop3.py",
        "Pop3.log_in",
        "0",
        "1",
    ): "No line fits into one octet, either.",
    (
        "exporter/protocol/pop3.py",
        "Pop3.log_in",
        "b''",
        "not b''",
    ): "USER and PASS take no notice of the timestamp, and APOP is not among the commands without one.",
}
"""By module, scope, expression and what stands in its place: the reason."""
