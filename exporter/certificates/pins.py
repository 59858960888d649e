"""Compares the server's certificate and key with the expected fingerprints.

Only the server's own certificate counts. Others that it sends prove nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from exporter.certificates.judging import IMPORTANCE
from exporter.model import CertificateProblem, TlsFacts


def held_to(tls: TlsFacts, fingerprints: Collection[str]) -> TlsFacts:
    """The facts, with `FINGERPRINT_MISMATCH` among the problems if it is one.

    Args:
        tls: What the handshake showed.
        fingerprints: SHA-256 of certificates or of public keys, in lower-case hexadecimal; one has to match.
    """
    leaf = tls.chain[0] if tls.chain else None
    if leaf is not None and not {leaf.fingerprint_sha256, leaf.public_key_sha256}.isdisjoint(fingerprints):
        return tls
    words = "the certificate is not one of those expected"
    if leaf is not None:
        words += f": its SHA-256 is {leaf.fingerprint_sha256}, that of its key {leaf.public_key_sha256}"
    problems = {*tls.problems, CertificateProblem.FINGERPRINT_MISMATCH}
    return replace(
        tls,
        problems=tuple(sorted(problems, key=IMPORTANCE.__getitem__)),
        detail="; ".join(filter(None, (tls.detail, words))),
    )
