"""What a handshake shows while it runs: OpenSSL's reports about the chain, and the stapled OCSP response.

OpenSSL verifies the chain during the handshake and calls back for every certificate and every error. The callbacks here
write down and never abort, so that an expired certificate still shows its dates; the judgement comes afterwards, in
`exporter.certificates`, and anyone who sends credentials waits for it.

A chain that OpenSSL verified is remembered, and its signatures are not checked again. That cannot weaken a verdict:
the memory belongs to one trust store and ends with it; a remembered path counts only while every certificate on it is
valid; name and staple are judged every time; and a chain that OpenSSL had anything against is put to it again every
time. That the server holds the leaf's key is proven by each handshake again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container
from typing import Final

from cachetools import LRUCache
from OpenSSL import SSL, crypto

from exporter.certificates import REFUSAL, Chain, Effort, VerificationFinding, examine

REMEMBERED: Final = 64 * 1024 * 1024
"""Octets of chains that are kept for one trust store: those of some 8,000 endpoints that share nothing. It takes an
authority that is trusted to fill it."""


class VerifiedChains:
    """The chains that OpenSSL verified against one trust store, by the digest of the sent certificates.

    Args:
        anchors: The names of the store's authorities, DER.
        wall: The Unix time: whether a path is valid is a question of now.
        octets: How much of them is kept.
    """

    def __init__(self, anchors: Container[bytes], wall: Callable[[], float], octets: int = REMEMBERED) -> None:
        self.anchors = anchors
        self._wall = wall
        self._chains: LRUCache[bytes, Chain] = LRUCache(octets, getsizeof=lambda chain: chain.size)

    def find(self, digest: bytes) -> Chain | None:
        """The chain, if it was verified and all of its path is valid now."""
        chain = self._chains.get(digest)
        return chain if chain is not None and chain.is_current(self._wall()) else None

    def remember(self, digest: bytes, chain: Chain) -> None:
        """Keep a verified chain. The chains not seen for longest are dropped."""
        if chain.sound and chain.size <= self._chains.maxsize:
            self._chains[digest] = chain


class Recorder:
    """What one handshake shows. The connection carries it as its application data."""

    __slots__ = (
        "_digest",
        "_effort",
        "_findings",
        "_finished",
        "_known",
        "_presented",
        "_refused",
        "_verified",
        "staple",
    )

    def __init__(self, verified: VerifiedChains) -> None:
        self._verified = verified
        self._presented: list[bytes] | None = None
        self._digest = b""
        self._known: Chain | None = None
        self._findings: list[VerificationFinding] = []
        self._finished = False
        self._effort = Effort()
        self._refused = False
        self.staple = b""

    def note(
        self, connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, *, accepted: bool
    ) -> bool:
        """Record one report of OpenSSL's verification, and return whether it should continue."""
        if self._presented is None:
            self._read(connection)
        if self._known is not None:
            return False
        if not accepted:
            self._findings.append(VerificationFinding(code, depth))
            return True
        # The signatures are gone through from the trust anchor down: the leaf comes last, and then name constraints.
        if not self._effort.allows(_der(certificate)) or (depth == 0 and not self._effort.allows_constraints()):
            self._refused = True
            return False
        self._finished = depth == 0
        return True

    def presented(self, connection: SSL.Connection) -> tuple[bytes, ...]:
        """The certificates that the server sent, DER."""
        if self._presented is None:
            self._read(connection)
        return tuple(self._presented or ())

    def chain(self, connection: SSL.Connection) -> Chain:
        """The certificates that the server sent, examined."""
        presented = list(self.presented(connection))
        if self._known is None:
            path = [_der(step) for step in connection.get_verified_chain() or ()]
            self._known = examine(
                presented,
                path,
                self._findings,
                finished=self._finished,
                refusal=REFUSAL if self._refused else None,
                anchors=self._verified.anchors,
            )
            self._verified.remember(self._digest, self._known)
        return self._known

    def _read(self, connection: SSL.Connection) -> None:
        self._presented = [_der(step) for step in connection.get_peer_cert_chain() or ()]
        # DER says how long it is: no two chains have the same concatenation.
        self._digest = hashlib.sha256(b"".join(self._presented)).digest()
        self._known = self._verified.find(self._digest)


def on_verification(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
    """OpenSSL's verification has reached a certificate, or met an error."""
    recorder: Recorder = connection.get_app_data()
    return recorder.note(connection, certificate, code, depth, accepted=bool(ok))


def on_staple(connection: SSL.Connection, response: bytes, _: None) -> bool:
    """The server stapled an OCSP response, or sent none."""
    recorder: Recorder = connection.get_app_data()
    recorder.staple = response
    return True


def _der(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
