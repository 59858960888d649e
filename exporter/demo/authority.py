"""A temporary certificate authority and the certificates that it signs, valid and invalid ones.

It lives as long as the demo. Nothing here touches a file or a clock: the caller says what time it is and where to keep
the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Validity:
    """The validity of a certificate.

    Attributes:
        not_before: With a time zone.
        not_after: With a time zone.
    """

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key.

    Attributes:
        certificate: In PEM.
        key: In PEM, PKCS #8, not encrypted.
    """

    certificate: bytes
    key: bytes

    @property
    def chain_file(self) -> bytes:
        """Both together, as `ssl.SSLContext.load_cert_chain` reads them."""
        return self.key + self.certificate


class Authority:
    """Signs server certificates."""

    def __init__(self, name: str, now: datetime) -> None:
        """Make the authority's own key and certificate.

        Args:
            name: Its common name.
            now: The time it is; the certificate began a year before, so that it can sign expired ones too.
        """
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name(name)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = (
            _builder(self._key, self._name, Validity(now - timedelta(days=365), now + timedelta(days=365)))
            .issuer_name(self._name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(certificate_authority=True), critical=True)
            .add_extension(identifier, critical=False)
        )
        self.certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        """In PEM, for clients that trust it."""

    def issue(self, names: Sequence[str], validity: Validity, key: SigningKey | None = None) -> Issued:
        """A certificate for a server.

        Args:
            names: DNS names and IP addresses; the first is the common name too.
            validity: Its validity.
            key: Its key; a new one on P-256 unless given.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _server_certificate(key, names, validity).issuer_name(self._name)
        builder = builder.add_extension(self._identifier, critical=False)
        return _issued(builder.sign(self._key, hashes.SHA256()), key)


def self_signed(names: Sequence[str], validity: Validity) -> Issued:
    """A self-signed server certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _server_certificate(key, names, validity).issuer_name(_common_name(names[0]))
    return _issued(builder.sign(key, hashes.SHA256()), key)


def _server_certificate(key: SigningKey, names: Sequence[str], validity: Validity) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(key, _common_name(names[0]), validity)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificate_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
    )


def _builder(key: SigningKey, subject: x509.Name, validity: Validity) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )


def _key_usage(*, certificate_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificate_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificate_authority,
        crl_sign=certificate_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _issued(certificate: x509.Certificate, key: SigningKey) -> Issued:
    return Issued(
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
