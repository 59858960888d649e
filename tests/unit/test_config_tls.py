from __future__ import annotations

import datetime as dt
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from exporter.config.configuration import Configuration
from exporter.config.load import parse
from exporter.config.problems import ConfigurationError


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an authority, and a client's certificate and key in files of several kinds."""
    directory = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    client, other = authority.issue_cert("client.example.com"), authority.issue_cert("other.example.com")
    client.cert_chain_pems[0].write_to_path(directory / "client.pem")
    client.private_key_pem.write_to_path(directory / "client.key")
    client.private_key_and_cert_chain_pem.write_to_path(directory / "both.pem")
    other.private_key_pem.write_to_path(directory / "other.key")
    (directory / "last.pem").write_bytes(client.cert_chain_pems[0].bytes() + client.private_key_pem.bytes())
    key = load_pem_private_key(client.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    (directory / "locked.key").write_bytes(locked)
    (directory / "broken.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (directory / "serial1.pem").write_bytes(_with_serial_1())
    (directory / "huge.pem").touch()
    os.truncate(directory / "huge.pem", 4 * 1024 * 1024 + 1)
    os.mkfifo(directory / "pipe.pem")
    return directory


def _with_serial_1() -> bytes:
    """A certificate of an authority."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _with_tls(pem: Path, tls: str) -> Configuration:
    return parse(f"endpoints: [{{url: imaps://h, tls: {{{tls}}}}}]", str(pem / "config.yaml"))


@pytest.mark.parametrize(
    "files",
    [
        {"ca_file": "ca.pem"},
        {"client_cert_file": "client.pem", "client_key_file": "client.key"},
        {"client_cert_file": "both.pem"},
        {"client_cert_file": "last.pem"},
    ],
)
def test_certificate_files_are_found_beside_the_configuration(pem: Path, files: dict[str, str]) -> None:
    tls = _with_tls(pem, ", ".join(f"{key}: {name}" for key, name in files.items())).endpoints[0].tls
    assert {key: pem / name for key, name in files.items()} == {key: getattr(tls, key) for key in files}


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ("ca_file: client.key", 'ca_file: "{}/client.key" holds no certificate in PEM; name a file with one'),
        ("ca_file: huge.pem", 'ca_file: "{}/huge.pem" is larger than 4194304 bytes; name a PEM file'),
        ("ca_file: pipe.pem", 'ca_file: "{}/pipe.pem" is a pipe, which cannot be read again; name a file'),
        (
            "client_cert_file: pipe.pem",
            'client_cert_file: "{}/pipe.pem" is a pipe, which cannot be read again; name a file',
        ),
        (
            "client_cert_file: client.pem",
            'client_cert_file: "{}/client.pem" holds no private key in PEM; write its file as client_key_file',
        ),
        (
            "client_cert_file: client.pem, client_key_file: other.key",
            'client_cert_file: the private key in "{}/other.key" belongs to another certificate; name its own',
        ),
        (
            "client_cert_file: client.pem, client_key_file: locked.key",
            'client_cert_file: the private key in "{}/locked.key" is encrypted; write it without',
        ),
        (
            "client_cert_file: client.pem, client_key_file: broken.key",
            'client_cert_file: the private key in "{}/broken.key" cannot be read; write it in PEM',
        ),
    ],
)
def test_certificate_files_that_would_fail_every_probe_are_problems(pem: Path, tls: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _with_tls(pem, tls)
    assert [f"tls.{message.format(pem)}"] == [problem.message for problem in raised.value.problems]


def test_a_certificate_file_is_looked_into_once(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    original = Path.open

    def count(path: Path, *arguments: Any, **keywords: Any) -> Any:
        opened.append(path)
        return original(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "open", count)
    endpoints = "".join(f"  - url: imaps://mail{number}.example.com\n" for number in range(50))
    parse(f"defaults: {{tls: {{ca_file: ca.pem}}}}\nendpoints:\n{endpoints}", str(pem / "config.yaml"))
    assert [pem / "ca.pem"] == opened


def test_an_authority_whose_serial_number_is_negative_is_one_as_it_is_in_collections_of_systems(pem: Path) -> None:
    der = x509.load_pem_x509_certificate((pem / "serial1.pem").read_bytes()).public_bytes(Encoding.DER)
    version_and_serial = b"\xa0\x03\x02\x01\x02\x02\x01"
    assert 1 == der.count(version_and_serial + b"\x01")
    der = der.replace(version_and_serial + b"\x01", version_and_serial + b"\x80")
    (pem / "negative.pem").write_text(ssl.DER_cert_to_PEM_cert(der))
    assert pem / "negative.pem" == _with_tls(pem, "ca_file: negative.pem").endpoints[0].tls.ca_file
