"""Judges certificates: from a chain, OpenSSL's findings, a name and a time to facts and problems.

Pure: no socket, no clock, no file.

- `der` decodes DER, `fields` finds the parts of a certificate, and `certificate` reads them.
- `distinguished` writes distinguished names, and `names` matches host names.
- `strength` finds weak keys and signatures, and `effort` limits the work of a verification.
- `verification` names OpenSSL's errors, and `trust` says why a path is incomplete.
- `chain` uses all of these once for each chain. `staple` checks a stapled OCSP response.
- `judging` gives the verdict of a probe, and `pins` compares it with what was pinned.

Everything in a certificate is untrusted input. Malformed certificates become findings, not exceptions.
"""

from __future__ import annotations

from exporter.certificates.certificate import Certificate, UnreadableError, end_point, pem_blocks, read, subjects
from exporter.certificates.chain import Chain, examine
from exporter.certificates.effort import REFUSAL, Effort
from exporter.certificates.judging import ChainVerdict, failure_reason, judge
from exporter.certificates.names import server_name_indication
from exporter.certificates.pins import held_to
from exporter.certificates.verification import VerificationFinding

__all__ = [
    "REFUSAL",
    "Certificate",
    "Chain",
    "ChainVerdict",
    "Effort",
    "UnreadableError",
    "VerificationFinding",
    "end_point",
    "examine",
    "failure_reason",
    "held_to",
    "judge",
    "pem_blocks",
    "read",
    "server_name_indication",
    "subjects",
]
