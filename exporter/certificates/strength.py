"""Keys and signatures: their names, which are too weak to trust, and how much work they need.

The measure of weakness is 112 bits: what NIST SP 800-57 part 1 (table 2) has allowed since 2014, and OpenSSL's security
level 2. For RSA it is also that of the Baseline Requirements, by which public authorities issue (6.1.5 wants 2048 bits,
7.1.3.2 leaves SHA-1 out). OpenSSL's own check is not enough: a connection to an old server lowers OpenSSL's security
level, and that must not lower the judgement of certificates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from exporter.certificates.der import CONSTRUCTED, CONTEXT, OBJECT_IDENTIFIER, dotted, elements, first

MIN_FACTORING_BITS: Final = 2048
"""RSA: a modulus of 2048 bits has 112 bits of strength, one of 1024 bits 80. DSA counts as weak whatever its size: FIPS
186-5 has withdrawn it, and neither TLS 1.3 nor browsers nor Go know it."""

MIN_CURVE_BITS: Final = 224
"""Elliptic curves have half of their size; the Edwards curves and what comes after them are all above."""

WEAK_HASHES: Final = frozenset({"md2", "md4", "md5", "sha1"})
"""Collisions of them have been computed; OpenSSL grants MD5 and SHA-1 39 and 63 bits."""

RSA: Final = "1.2.840.113549.1.1.1"
RSA_PSS: Final = "1.2.840.113549.1.1.10"
DSA: Final = "1.2.840.10040.4.1"
EC: Final = "1.2.840.10045.2.1"
EDWARDS: Final[Mapping[str, str]] = {"1.3.101.112": "Ed25519", "1.3.101.113": "Ed448"}

CURVES: Final[Mapping[str, str]] = {
    "secp224r1": "P-224",
    "secp256r1": "P-256",
    "secp384r1": "P-384",
    "secp521r1": "P-521",
}
"""NIST's names, by which people know these curves (FIPS 186-5); others go by their own."""


class Signature(NamedTuple):
    """How something is signed.

    Attributes:
        name: As `openssl x509 -text` prints it.
        digest: The name of the hash that is signed, as `hashlib` has it; `None` where none is named.
    """

    name: str
    digest: str | None


SIGNATURES: Final[Mapping[str, Signature]] = {
    "1.2.840.113549.1.1.2": Signature("md2WithRSAEncryption", "md2"),
    "1.2.840.113549.1.1.3": Signature("md4WithRSAEncryption", "md4"),
    "1.2.840.113549.1.1.4": Signature("md5WithRSAEncryption", "md5"),
    "1.2.840.113549.1.1.5": Signature("sha1WithRSAEncryption", "sha1"),
    "1.3.14.3.2.29": Signature("sha1WithRSA", "sha1"),
    "1.2.840.113549.1.1.14": Signature("sha224WithRSAEncryption", "sha224"),
    "1.2.840.113549.1.1.11": Signature("sha256WithRSAEncryption", "sha256"),
    "1.2.840.113549.1.1.12": Signature("sha384WithRSAEncryption", "sha384"),
    "1.2.840.113549.1.1.13": Signature("sha512WithRSAEncryption", "sha512"),
    "1.2.840.10045.4.1": Signature("ecdsa-with-SHA1", "sha1"),
    "1.2.840.10045.4.3.1": Signature("ecdsa-with-SHA224", "sha224"),
    "1.2.840.10045.4.3.2": Signature("ecdsa-with-SHA256", "sha256"),
    "1.2.840.10045.4.3.3": Signature("ecdsa-with-SHA384", "sha384"),
    "1.2.840.10045.4.3.4": Signature("ecdsa-with-SHA512", "sha512"),
    "1.2.840.10040.4.3": Signature("dsaWithSHA1", "sha1"),
    "2.16.840.1.101.3.4.3.2": Signature("dsa_with_SHA256", "sha256"),
    "1.3.101.112": Signature("ED25519", None),
    "1.3.101.113": Signature("ED448", None),
    "2.16.840.1.101.3.4.3.17": Signature("ML-DSA-44", None),
    "2.16.840.1.101.3.4.3.18": Signature("ML-DSA-65", None),
    "2.16.840.1.101.3.4.3.19": Signature("ML-DSA-87", None),
}
"""By their number; the rest are shown by it. RSASSA-PSS has its hash among its parameters."""

DIGESTS: Final[Mapping[str, str]] = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
"""Hashes by their number, for RSASSA-PSS."""

MULTIPLICATION: Final = 1.7e-7
"""Microseconds that one bit of an exponent costs for each squared bit of a modulus, on the slowest machine measured."""

FAST_CURVES: Final = frozenset({"secp224r1", "secp256r1"})
FAST: Final = 150.0
SLOW_CURVE: Final = 2000.0
"""Microseconds that the check of a signature takes: by Edwards curves and those that OpenSSL has code of its own for,
and by any other of 521 bits. P-384 takes 0.6 ms, P-521 0.5, brainpoolP512r1 0.9, and those over a binary field more."""


DSA_BITS: Final = 1024
"""Bits of the exponents of the two powers that a check computes; FIPS 186-4 4.2 allows up to 256 each."""


@dataclass(frozen=True, slots=True)
class CertificateKey:
    """A public key.

    Attributes:
        name: Kind and size or curve, e.g. `RSA 2048`, `EC P-256`, `Ed25519`.
        kind: `rsa`, `ecdsa`, or another name.
        weak: Whether it has less than 112 bits of strength.
        effort: Microseconds that the check of a signature with it takes at most, roughly.
    """

    name: str
    kind: str
    weak: bool = False
    effort: float = SLOW_CURVE


def key_of(public_key: bytes) -> CertificateKey:
    """The key in a SubjectPublicKeyInfo.

    An unknown kind is shown by its number and is not called weak: OpenSSL judges it too.
    """
    number = "?"
    try:
        algorithm, bits, *_ = elements(first(public_key).content)
        identifier, *parameters = elements(algorithm.content)
        number = dotted(identifier.content)
        if number in (RSA, RSA_PSS):
            modulus, exponent, *_ = elements(first(bits.content[1:]).content)
            return _rsa(_bits(modulus.content), _bits(exponent.content))
        if number == DSA:
            return _dsa(_bits(first(first(parameters[0].whole).content).content))
        if number == EC:
            return _curve(parameters[0].content if parameters[0].tag == OBJECT_IDENTIFIER else b"")
    except (ValueError, IndexError):
        return CertificateKey(number, number)
    if number in EDWARDS:
        return CertificateKey(EDWARDS[number], EDWARDS[number].lower(), effort=FAST)
    name = SIGNATURES[number].name if number in SIGNATURES else number
    return CertificateKey(name, name.lower())


def _rsa(size: int, exponent: int) -> CertificateKey:
    return CertificateKey(f"RSA {size}", "rsa", size < MIN_FACTORING_BITS, MULTIPLICATION * size**2 * exponent)


def _dsa(size: int) -> CertificateKey:
    return CertificateKey(f"DSA {size}", "dsa", weak=True, effort=MULTIPLICATION * size**2 * DSA_BITS)


def _curve(identifier: bytes) -> CertificateKey:
    number = dotted(identifier) if identifier else "by explicit parameters"
    try:
        curve = ec.get_curve_for_oid(x509.ObjectIdentifier(number))()
    except (LookupError, ValueError):
        return CertificateKey(f"EC {number}", "ecdsa")
    name = CURVES.get(curve.name, curve.name)
    effort = FAST if curve.name in FAST_CURVES else SLOW_CURVE * (curve.key_size / 521) ** 2
    return CertificateKey(f"EC {name}", "ecdsa", curve.key_size < MIN_CURVE_BITS, effort)


def signature_of(algorithm: bytes) -> Signature:
    """The name of an AlgorithmIdentifier, and the hash that it signs."""
    try:
        identifier, *parameters = elements(first(algorithm).content)
    except ValueError:
        return Signature("?", None)
    number = dotted(identifier.content)
    if number == RSA_PSS:
        return Signature("rsassaPss", _digest_of_pss(parameters[0].whole if parameters else b""))
    return SIGNATURES.get(number, Signature(number, None))


def is_weak(signature: Signature) -> bool:
    """Whether it has less than 112 bits of strength."""
    return signature.digest in WEAK_HASHES


def _digest_of_pss(parameters: bytes) -> str | None:
    """RFC 4055 3.1: the first of the parameters, and SHA-1 where it is left out."""
    try:
        given = elements(first(parameters).content if parameters else b"")
        holder = next((each for each in given if each.tag == CONTEXT | CONSTRUCTED), None)
        return DIGESTS.get(dotted(first(first(holder.content).content).content)) if holder else "sha1"
    except ValueError:
        return None


def _bits(integer: bytes) -> int:
    """The size of a positive integer."""
    return int.from_bytes(integer).bit_length()
