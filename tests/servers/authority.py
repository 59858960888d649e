"""Certificates for the real servers: an authority made on the spot, and the leaves it signs.

Nothing is trusted outside of the test that hands `Authority.file` to its client. An authority that nobody was told of
is just a second one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server presents.

    Attributes:
        chain_file: PEM, the leaf first.
        key_file: PEM, unencrypted.
        certificate: The leaf.
    """

    chain_file: Path
    key_file: Path
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs leaves, and keeps every file in one directory.

    Attributes:
        directory: Where keys and chains go.
        file: PEM of its own certificate, for clients.
    """

    directory: Path
    file: Path
    certificate: x509.Certificate
    key: PrivateKey

    @classmethod
    def make(cls, directory: Path, name: str) -> Authority:
        """A new one with a name of its own."""
        directory.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        now = _now()
        certificate = (
            _builder(
                subject=_named(name), issuer=_named(name), key=key, not_before=now - DAY, not_after=now + 3650 * DAY
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        file = directory / "authority.pem"
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(directory=directory, file=file, certificate=certificate, key=key)

    def issue(
        self,
        name: str,
        *,
        names: Sequence[str],
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
        key: PrivateKey | None = None,
    ) -> Identity:
        """A leaf for a server, with the authority's certificate after it in the chain.

        Args:
            name: Of the files, and the common name.
            names: DNS names and IP addresses for subjectAltName.
            not_before: Yesterday if not given.
            not_after: In 30 days if not given.
            key: A new one on P-256 if not given.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        leaf = _leaf(name, names, key, issuer=self.certificate.subject, not_before=not_before, not_after=not_after)
        certificate = leaf.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        ).sign(self.key, _digest(self.key))
        return write_identity(self.directory / name, [certificate, self.certificate], key)


def self_signed(directory: Path, *, names: Sequence[str]) -> Identity:
    """A leaf that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = _named("self-signed")
    certificate = _leaf("self-signed", names, key, issuer=issuer).sign(key, hashes.SHA256())
    return write_identity(directory / "self-signed", [certificate], key)


def write_identity(stem: Path, chain: Sequence[x509.Certificate], key: PrivateKey) -> Identity:
    """Puts a chain and a key where a server can read them.

    Args:
        stem: Path of the files without their suffixes.
        chain: The leaf first.
        key: The leaf's.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    chain_file, key_file = stem.with_suffix(".chain.pem"), stem.with_suffix(".key.pem")
    chain_file.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Identity(chain_file=chain_file, key_file=key_file, certificate=chain[0])


def _leaf(
    name: str,
    names: Sequence[str],
    key: PrivateKey,
    *,
    issuer: x509.Name,
    not_before: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
) -> x509.CertificateBuilder:
    now = _now()
    return (
        _builder(
            _named(name),
            issuer=issuer,
            key=key,
            not_before=not_before or now - DAY,
            not_after=not_after or now + 30 * DAY,
        )
        .add_extension(x509.SubjectAlternativeName([_general_name(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )


def _builder(
    subject: x509.Name, *, issuer: x509.Name, key: PrivateKey, not_before: dt.datetime, not_after: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _digest(key: PrivateKey) -> hashes.SHA256 | None:
    """Ed25519 has its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _now() -> dt.datetime:
    """Whole seconds: a certificate's dates have no fraction."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)
