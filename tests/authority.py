"""Certificates as a test wants them, good and bad: issued by cryptography, or bent by hand where it refuses.

Only making. Which certificate shows which problem is said in `tests.certificates`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

NOW = datetime.now(UTC).replace(microsecond=0)
"""When the tests began; what is valid is so for long before and after."""

SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
OUTDATED = {
    "sha1": (bytes.fromhex("06092a864886f70d010105"), bytes.fromhex("3021300906052b0e03021a05000414")),
    "md5": (bytes.fromhex("06092a864886f70d010104"), bytes.fromhex("3020300c06082a864886f70d020505000410")),
}
"""Each outdated hash's signature algorithm, and the beginning of its DigestInfo (RFC 8017 9.2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Party:
    """A certificate and its key: an authority, or a server."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        return der(self.certificate)


@dataclass(frozen=True, slots=True)
class Span:
    """A validity, in days from now."""

    start: float = -30
    end: float = 60


def issue(
    name: str,
    by: Party | None = None,
    *,
    alternatives: Iterable[str | x509.GeneralName] = (),
    authority: bool = False,
    path_length: int | None = None,
    days: Span = Span(),
    key: PrivateKey | None = None,
    usages: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.SERVER_AUTH,),
    may_sign: bool = True,
    key_identifiers: bool = True,
    key_usage: x509.KeyUsage | None = None,
    serial: int | None = None,
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
) -> Party:
    """Issue a certificate.

    Args:
        name: The common name.
        by: The issuer; `None` for a self-signed one.
        alternatives: DNS names, or whatever else belongs into subjectAltName.
        path_length: Of an authority.
        usages: extendedKeyUsage of a server; `None` for no such extension.
        may_sign: An authority's keyUsage.
        key_usage: An authority's; by default what may sign and shake hands.
        key_identifiers: Whether it says which key it has, and by which it was signed.
        serial: The serial number; a random one by default.
        extensions: Further ones, each with whether it is critical.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(by.certificate.subject if by else named(name))
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days.start))
        .not_valid_after(NOW + timedelta(days=days.end))
        .add_extension(x509.BasicConstraints(authority, path_length), critical=True)
    )
    if key_identifiers:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    given = [extension for extension, _ in extensions]
    if key_identifiers and by and not any(isinstance(e, x509.AuthorityKeyIdentifier) for e in given):
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(issuer, critical=False)
    if authority:
        builder = builder.add_extension(key_usage or _key_usage(may_sign=may_sign), critical=True)
    elif usages is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    general = [x509.DNSName(name) if isinstance(name, str) else name for name in alternatives]
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Party(builder.sign(signer, digest), key)


def named(common_name: str) -> x509.Name:
    """A distinguished name of nothing but a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def address(text: str) -> x509.IPAddress:
    """An IP address as a subjectAltName."""
    return x509.IPAddress(ip_address(text))


@cache
def rsa_key(bits: int, which: str) -> rsa.RSAPrivateKey:
    """A key that is made once: RSA keys take their time."""
    del which  # only tells one key from another
    return rsa.generate_private_key(65537, bits)


def signed_over(party: Party, by: Party, digest: str) -> Party:
    """The same certificate, signed over an outdated hash, which cryptography no longer does.

    Args:
        by: An issuer with an RSA key, which signed it over SHA-256.
        digest: `sha1` or `md5`.
    """
    algorithm, prefix = OUTDATED[digest]
    signed = party.certificate.tbs_certificate_bytes.replace(SHA256_WITH_RSA, algorithm)
    info = prefix + hashlib.new(digest, signed, usedforsecurity=False).digest()
    assert isinstance(by.key, rsa.RSAPrivateKey)
    private = by.key.private_numbers()
    size = by.key.key_size // 8
    padded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info  # RFC 8017 9.2, EMSA-PKCS1-v1_5
    signature = pow(int.from_bytes(padded), private.d, private.public_numbers.n).to_bytes(size)
    whole = _tlv(0x30, signed + _tlv(0x30, algorithm + b"\x05\x00") + _tlv(0x03, b"\x00" + signature))
    return Party(x509.load_der_x509_certificate(whole), party.key)


def tampered(party: Party) -> Party:
    """The same certificate with a signature that is not quite the issuer's."""
    encoded = bytearray(party.der)
    encoded[-1] ^= 1
    return Party(x509.load_der_x509_certificate(bytes(encoded)), party.key)


def staple(
    leaf: Party,
    issuer: Party,
    *,
    responder: Party | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    days: Span = Span(-1, 6),
    by_name: bool = False,
    appointed: Iterable[Party] = (),
    digest: hashes.HashAlgorithm | None = None,
) -> bytes:
    """An OCSP response about a leaf.

    Args:
        issuer: Whom it names as the leaf's issuer.
        responder: Who signs; the issuer by default.
        days: From thisUpdate to nextUpdate.
        by_name: Name the responder by its name, and not by its key.
        appointed: Whose certificates to send along.
        digest: Of the certificate's identifier; SHA-1, as everybody does, by default.
    """
    responder = responder or issuer
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            leaf.certificate,
            issuer.certificate,
            digest or hashes.SHA1(),  # noqa: S303 - an identifier, not a signature
            status,
            NOW + timedelta(days=days.start),
            NOW + timedelta(days=days.end),
            NOW - timedelta(days=2) if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(
            ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH, responder.certificate
        )
    )
    along = [party.certificate for party in appointed]
    if along:
        builder = builder.certificates(along)
    signed_with = None if isinstance(responder.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(responder.key, signed_with).public_bytes(Encoding.DER)


def der(certificate: x509.Certificate) -> bytes:
    """As it is sent."""
    return certificate.public_bytes(Encoding.DER)


def pem(*certificates: x509.Certificate) -> bytes:
    """As files have them."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_pem(party: Party) -> bytes:
    """The key, not encrypted."""
    return party.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _key_usage(*, may_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=may_sign,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _tlv(tag: int, content: bytes) -> bytes:
    """One DER element (X.690 8.1.3)."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content
