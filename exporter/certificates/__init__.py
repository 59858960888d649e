"""Judging certificates: a presented chain, what OpenSSL found in it, a name and a time become facts and problems.

Pure: no socket, no clock, no file. `der` takes apart, `fields` finds the parts of a certificate and `certificate` reads
them, `distinguished` writes names and `names` matches them, `strength` knows what is weak, `effort` what
is too much, `verification` names what
OpenSSL reports, `trust` says why a path ends nowhere, `chain` puts these together once for each chain, `staple` judges
a stapled OCSP response, and `judging` comes to the verdict of a probe, which `pins` may add to.

Everything in a certificate is the server's word and hostile until checked; nothing in here raises over it.
"""

from __future__ import annotations

from exporter.certificates.certificate import Certificate, UnreadableError, end_point, pem_blocks, read, subjects
from exporter.certificates.chain import Chain, examine
from exporter.certificates.effort import REFUSAL, Effort
from exporter.certificates.judging import Verdict, failure_reason, judge
from exporter.certificates.names import server_name_indication
from exporter.certificates.pins import held_to
from exporter.certificates.verification import Finding

__all__ = [
    "REFUSAL",
    "Certificate",
    "Chain",
    "Effort",
    "Finding",
    "UnreadableError",
    "Verdict",
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
