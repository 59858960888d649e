"""The SASL mechanisms that take a few lines; SCRAM has a file of its own.

Each is a generator that reads like its RFC: what the client says, in order, and what it makes of each challenge.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import partial
from typing import Final

from exporter.protocol.sasl.sasl_exchange import REDACTED, Complaint, Mechanics, Respond, SaslAttempt

KVSEP: Final = b"\1"
"""What separates key from key in both mechanisms that carry a token (RFC 7628 3.1)."""

_TOKEN: Final = re.compile(rb"[!-~]+")
_BREAKS: Final = re.compile(rb"[\0\1\r\n]")


def plain(attempt: SaslAttempt) -> Mechanics:
    """PLAIN (RFC 4616). Name and password go out as they are: section 2 leaves preparing them to the server."""
    # RFC 4616 section 2: NUL separates the parts, so that none of them can hold one.
    attempt.refuse_nul(attempt.name, attempt.secret)
    # RFC 4616 section 2: [authzid] NUL authcid NUL passwd; without authzid the server derives it.
    yield Respond(b"\0" + attempt.name + b"\0" + attempt.secret, final=True)


def login(attempt: SaslAttempt) -> Mechanics:
    """LOGIN (draft-murchison-sasl-login): the first prompt wants the name and the second the password.

    The prompts themselves are free text, and are not looked at.
    """
    yield Respond(None)
    yield Respond(attempt.name)
    yield Respond(attempt.secret, final=True)


def cram_md5(attempt: SaslAttempt) -> Mechanics:
    """CRAM-MD5 (RFC 2195): the name, and the challenge keyed with the password."""
    challenge = yield Respond(None)
    # Not for security: nothing is built on MD5 here that a server did not ask for, and FIPS modes would refuse it.
    digest = hmac.new(attempt.secret, challenge, partial(hashlib.md5, usedforsecurity=False))
    yield Respond(attempt.name + b" " + digest.hexdigest().encode(), final=True)


def external(attempt: SaslAttempt) -> Mechanics:
    """EXTERNAL (RFC 4422 appendix A): whom the certificate is to act as; empty leaves that to the server."""
    attempt.refuse_nul(attempt.name)
    yield Respond(attempt.name, final=True)


def xoauth2(attempt: SaslAttempt) -> Mechanics:
    """XOAUTH2 (Google's and Microsoft's documentation; there is no RFC)."""
    _refuse_breaks(attempt)
    challenge = yield Respond(
        b"user=" + attempt.name + KVSEP + b"auth=Bearer " + attempt.secret + KVSEP + KVSEP, final=True
    )
    # Only an error comes as a challenge; an empty response lets the server go on to its refusal.
    yield Respond(b"", complaint=_complaint(attempt, challenge))


def oauthbearer(attempt: SaslAttempt) -> Mechanics:
    """OAUTHBEARER (RFC 7628)."""
    _refuse_breaks(attempt)
    # RFC 7628 3.1: the header of RFC 5801 without channel binding, and each pair with a separator behind it.
    header = b"n,a=" + saslname(attempt.name) + b","
    pairs = (b"host=" + attempt.host.encode(), b"port=%d" % attempt.port, b"auth=Bearer " + attempt.secret)
    challenge = yield Respond(header + KVSEP + b"".join(pair + KVSEP for pair in pairs) + KVSEP, final=True)
    # RFC 7628 3.2.3: an error comes as a challenge, and has to be answered by one separator.
    yield Respond(KVSEP, complaint=_complaint(attempt, challenge))


def saslname(name: bytes) -> bytes:
    """A name in a message where a comma separates and an equals sign escapes (RFC 5801 section 4)."""
    return name.replace(b"=", b"=3D").replace(b",", b"=2C")


def _refuse_breaks(attempt: SaslAttempt) -> None:
    """Make sure that neither the name nor the token breaks out of its place in the message."""
    if _BREAKS.search(attempt.name):
        raise attempt.refuse("the username holds a control character")
    # RFC 6750 2.1 allows fewer octets still; a token is an opaque thing, and servers judge theirs.
    if not _TOKEN.fullmatch(attempt.secret):
        raise attempt.refuse("the access token is empty or contains characters other than printable ASCII")


def _complaint(attempt: SaslAttempt, challenge: bytes) -> Complaint:
    """The JSON with which servers explain themselves (RFC 7628 3.2.2). People read it as it is."""
    return Complaint(challenge.replace(attempt.secret, REDACTED.encode()))
