"""SCRAM (RFC 5802, RFC 7677), with and without channel binding (RFC 9266, RFC 5929).

`scram` reads as the exchange goes, from top to bottom. Random octets, the binding to the TLS session and the work that
takes long are asked for by steps. No login is believed before the server has shown that it knows the password too.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Generator
from typing import Final

from exporter.model import FailureReason, Mechanism, Secret
from exporter.protocol.dialogue import (
    ChannelBinding,
    Conceal,
    DeriveKey,
    DialogueError,
    GiveChannelBinding,
    GiveRandom,
    ProtocolError,
    Step,
    quoted,
)
from exporter.protocol.sasl.mechanisms import saslname
from exporter.protocol.sasl.sasl_exchange import Complaint, Mechanics, Respond, SaslAttempt, decoded_challenge
from exporter.protocol.sasl.saslprep import prepared

MAX_ITERATIONS: Final = 2_000_000
"""Rounds of hashing that a server may ask for: more than anybody recommends (OWASP: 1,400,000 for SHA-1, 600,000 for
SHA-256), and about a second of work. The grammar has no limit, and a hostile server would ask for billions. There is no
lower limit: few rounds give less away than PLAIN would on the same connection."""

NONCE_SIZE: Final = 18
"""Random octets in the client's nonce: 24 characters without padding, as in the example of RFC 5802 section 5."""

DIGESTS: Final = {
    Mechanism.SCRAM_SHA_1: "sha1",
    Mechanism.SCRAM_SHA_1_PLUS: "sha1",
    Mechanism.SCRAM_SHA_256: "sha256",
    Mechanism.SCRAM_SHA_256_PLUS: "sha256",
}
"""The hash function of each, by `hashlib`'s name."""

BOUND: Final = frozenset({Mechanism.SCRAM_SHA_1_PLUS, Mechanism.SCRAM_SHA_256_PLUS})
"""Those that bind the login to the TLS session."""

DEFAULT_BINDING: Final[ChannelBinding] = "tls-exporter"
"""The default binding under TLS 1.3 (RFC 9266 section 3)."""

OTHER_BINDING: Final[ChannelBinding] = "tls-server-end-point"

UNBOUND: Final = (b"n,,", b"")
"""The header and the data of a login without channel binding. RFC 5802 section 6 lets a client that supports binding
say "y" instead, so that a server notices if its offer was stripped. But TLS may end in front of the server: at a TLS
terminator, or in Postfix before Dovecot's SASL. Such a server offers bindings that this connection does not have, and
refuses a "y"."""

SERVER_ERRORS: Final = {
    b"no-resources": FailureReason.AUTH_UNAVAILABLE,
    b"channel-binding-not-supported": FailureReason.AUTH_MECHANISM_NOT_OFFERED,
    b"unsupported-channel-binding-type": FailureReason.AUTH_MECHANISM_NOT_OFFERED,
    b"server-does-support-channel-binding": FailureReason.AUTH_MECHANISM_NOT_OFFERED,
}
"""The errors of RFC 5802 section 7 that are not about the login. The others are judged by the refusal behind them."""

# RFC 5802 section 7: server-first-message without mandatory extensions, which nobody knows; optional ones may follow.
_SERVER_FIRST: Final = re.compile(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/=]*),i=([1-9][0-9]{0,15})(?:,.*)?", re.DOTALL)
_SERVER_ERROR: Final = re.compile(rb"e=([^,]*)")


def scram(attempt: SaslAttempt) -> Mechanics:
    """RFC 5802 sections 3 and 5. Name and password are prepared by SASLprep, as section 5.1 wants."""
    digest = DIGESTS[attempt.mechanism]
    attempt.refuse_nul(attempt.name)
    header, binding = (yield from _bind(attempt)) if attempt.mechanism in BOUND else UNBOUND
    nonce = b64encode((yield GiveRandom(NONCE_SIZE)))
    client_first_bare = b"n=" + saslname(prepared(attempt.name)) + b",r=" + nonce
    server_first = yield Respond(header + client_first_bare)
    yield from _heed_error(server_first)
    server_nonce, salt, iterations = _read_server_first(server_first, nonce)

    salted_password = yield DeriveKey(digest, Secret(prepared(attempt.secret)), salt, iterations)
    client_final_without_proof = b"c=" + b64encode(header + binding) + b",r=" + server_nonce
    auth_message = b",".join((client_first_bare, server_first, client_final_without_proof))
    client_key = hmac.digest(salted_password, b"Client Key", digest)
    stored_key = hashlib.new(digest, client_key).digest()
    client_signature = hmac.digest(stored_key, auth_message, digest)
    client_proof = bytes(a ^ b for a, b in zip(client_key, client_signature, strict=True))
    server_key = hmac.digest(salted_password, b"Server Key", digest)
    server_final = b"v=" + b64encode(hmac.digest(server_key, auth_message, digest))

    # Salt, nonce and signature together let anyone who reads the transcript try passwords at leisure.
    yield Conceal(b64encode(server_final))
    answer = yield Respond(client_final_without_proof + b",p=" + b64encode(client_proof))
    yield from _heed_error(answer)
    if not hmac.compare_digest(answer.partition(b",")[0], server_final):
        raise ProtocolError("the server's signature is wrong: it does not know the password, and says it does")
    yield Respond(b"", final=True)


def _bind(attempt: SaslAttempt) -> Generator[Step, bytes, tuple[bytes, bytes]]:
    """The header and the data of a bound login: it is for those who ask for a -PLUS mechanism by name.

    Nothing tells which bindings a server knows. Under TLS 1.3 there is one default (RFC 9266); under TLS 1.2 most mail
    servers know only `tls-unique`, which is broken and not spoken here.
    """
    for kind in (DEFAULT_BINDING, OTHER_BINDING):
        data = yield GiveChannelBinding(kind)
        if data:
            return b"p=" + kind.encode() + b",,", data
    raise DialogueError(
        FailureReason.AUTH_MECHANISM_NOT_OFFERED,
        f"{attempt.mechanism} ties the login to the TLS session, and this connection has nothing to tie it to",
    )


def _heed_error(message: bytes) -> Mechanics:
    """RFC 5802 section 7, server-error: it takes the place of what was due, and a refusal follows an empty response."""
    found = _SERVER_ERROR.match(message)
    if found is not None:
        yield Respond(b"", complaint=Complaint(message, SERVER_ERRORS.get(found[1])))
        raise ProtocolError(f"the server goes on after {quoted(message)}")


def _read_server_first(message: bytes, nonce: bytes) -> tuple[bytes, bytes, int]:
    """The server's nonce, the salt and the iterations."""
    found = _SERVER_FIRST.fullmatch(message)
    if found is None:
        raise ProtocolError(f"not the first message of a SCRAM server: {quoted(message)}")
    server_nonce, salt, iterations = found[1], decoded_challenge(found[2]), int(found[3])
    # RFC 5802 section 5.1: the client MUST verify that the server's nonce begins with its own.
    if not server_nonce.startswith(nonce) or len(server_nonce) == len(nonce):
        raise ProtocolError(f"the server's nonce does not go on from the client's: {quoted(message)}")
    if iterations > MAX_ITERATIONS:
        raise ProtocolError(
            f"the server wants a password hashed {iterations} times, and {MAX_ITERATIONS} are as many as it gets"
        )
    return server_nonce, salt, iterations
