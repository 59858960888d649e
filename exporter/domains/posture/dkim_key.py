"""DKIM: parses a selector's key record (RFC 6376 section 3.6.1, RFC 8301, RFC 8463). Pure."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from exporter.domains.tags import RecordError, parse_tags, shown

LEAST_BITS = 1024
"""RFC 8301 section 3.2: verifiers reject shorter keys."""

GOOD_BITS = 2048
"""RFC 8301 section 3.2: signers should use keys of this length."""

_ED25519_OCTETS = 32


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A parsed record.

    Attributes:
        bits: The size of an RSA key; `None` for other keys and revoked ones.
        revoked: Whether the key is empty.
        testing: Whether receivers are asked to ignore the result (`t=y`).
    """

    bits: int | None
    revoked: bool
    testing: bool


def dkim_records(texts: Sequence[str]) -> list[str]:
    """The TXT records that have a key. The version is optional, the key is required."""
    return [text for text in texts if re.search(r"(?:^|;)\s*(?:p\s*=|v\s*=\s*DKIM1)", text)]


def parse_dkim(text: str) -> DkimKey:
    """Parse a record.

    Raises:
        RecordError: It cannot be used.
    """
    tags = parse_tags(text)
    if tags.get("v", "DKIM1") != "DKIM1":
        raise RecordError(f"v {shown(tags['v'])} is not DKIM1")
    if "v" in tags and next(iter(tags)) != "v":
        raise RecordError("v=DKIM1 has to be the first tag, if it is there")
    kind = tags.get("k", "rsa").lower()
    if kind not in ("rsa", "ed25519"):
        raise RecordError(f"k {shown(kind)} is neither rsa nor ed25519")
    if "p" not in tags:
        raise RecordError("p is missing")
    if not set(tags.get("s", "*").replace(" ", "").lower().split(":")) & {"*", "email"}:
        raise RecordError(f"s {shown(tags['s'])} says that the key is not for mail")
    if "h" in tags and "sha256" not in tags["h"].replace(" ", "").lower().split(":"):
        # RFC 8301 section 3.1: signatures with SHA-1 are not valid any more.
        raise RecordError(f"h {shown(tags['h'])} does not allow sha256, and nothing else counts")
    testing = "y" in tags.get("t", "").replace(" ", "").lower().split(":")
    data = re.sub(r"\s", "", tags["p"])
    if not data:
        return DkimKey(None, revoked=True, testing=testing)
    return DkimKey(_bits(kind, data), revoked=False, testing=testing)


def _bits(kind: str, data: str) -> int | None:
    try:
        der = b64decode(data, validate=True)
    except ValueError:  # also its subclass binascii.Error
        raise RecordError("p is not base64") from None
    if kind == "ed25519":
        if len(der) != _ED25519_OCTETS:
            raise RecordError(f"p holds {len(der)} octets, and an ed25519 key has {_ED25519_OCTETS}")
        return None
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise RecordError("p holds no public key") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise RecordError("p holds a key of another kind than k says")
    return key.key_size
