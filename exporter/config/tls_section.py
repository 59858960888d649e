"""Reads the key `tls` into a `TlsPolicy`, and checks the files that it names.

A missing file of authorities is a problem of the configuration. Otherwise each probe of the endpoint would fail with a
reason that blames the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import crypto

from exporter.certificates import pem_blocks
from exporter.config.problems import MAX_PATH, Location, Notes, Places, directory, quoted
from exporter.config.sections import Layers
from exporter.model import TlsPolicy

MAX_PEM_BYTES = 4 * 1024 * 1024
"""The largest PEM file. A distribution's file of authorities has a quarter of a megabyte."""

_MAX_LISTED = 5
"""The most certificates of one file that a message names."""

_FILES = ("ca_file", "client_cert_file", "client_key_file")

_NO_CERTIFICATE = "holds no certificate in PEM; name a file with one"

_BEGIN = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----")

Complaint: TypeAlias = tuple[str, str, Callable[[Notes, Location, str], None]]
"""A key, the message about it, and the method that reports it as a problem or a warning."""


class TlsPolicies:
    """Makes policies. Equal ones are the same object, and their files are checked once."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._known: dict[TlsPolicy, tuple[TlsPolicy, tuple[Complaint, ...]]] = {}

    def policy(self, tls: Layers, notes: Notes) -> TlsPolicy:
        """The policy of one endpoint. Problems are added to `notes`."""
        values = tls.values()
        values |= {key: directory(self._places, tls.place(key)) / values[key] for key in _FILES if key in values}
        made = TlsPolicy(**values)
        if made not in self._known:
            self._known[made] = made, tuple(_complaints(made))
        policy, complaints = self._known[made]
        for key, message, say in complaints:
            if tls.usable(*_FILES):
                say(notes, tls.place(key), message)
        if not policy.verify:
            doubt = "a bad certificate will not fail the probe; better trust its authority by ca_file"
            notes.warning(tls.place("verify"), doubt)
        return policy


def _complaints(policy: TlsPolicy) -> Iterator[Complaint]:
    if policy.ca_file is not None:
        try:
            if doubt := check_authorities(policy.ca_file):
                yield "ca_file", doubt, Notes.warning
        except ValueError as error:
            yield "ca_file", str(error), Notes.problem
    if policy.client_cert_file is not None:
        try:
            _check_client(policy.client_cert_file, policy.client_key_file or policy.client_cert_file)
        except ValueError as error:
            yield "client_cert_file", str(error), Notes.problem
    elif policy.client_key_file is not None:
        yield "client_key_file", "is of no use alone; write client_cert_file beside it", Notes.problem


def check_authorities(path: Path) -> str | None:
    """Checks that a file has at least one certificate that OpenSSL accepts.

    Returns:
        A message about the certificates that OpenSSL refuses; `None` if it accepts all.

    Raises:
        ValueError: OpenSSL accepts none, or the file cannot be read. The message says which.
    """
    blocks = pem_blocks(_read(path))
    useless = [place for place, der in enumerate(blocks, 1) if not _is_certificate(der)]
    if len(useless) == len(blocks):
        raise ValueError(f"{_shown(path)} {_NO_CERTIFICATE}")
    if useless:
        which = ", ".join(map(str, useless[:_MAX_LISTED])) + (" and more" if len(useless) > _MAX_LISTED else "")
        return f"{_shown(path)}: certificate {which} of {len(blocks)} cannot be read and is not trusted; write it again"
    return None


def _is_certificate(der: bytes) -> bool:
    try:
        crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except crypto.Error:
        return False
    return True


def _check_client(certificate_file: Path, key_file: Path) -> None:
    """Checks that the certificate and the private key belong together. They may be in the same file."""
    theirs = _public_key(certificate_file)
    pem, shown = _private_key(_read(key_file)), _shown(key_file)
    if pem is None:
        raise ValueError(f"{shown} holds no private key in PEM; write its file as client_key_file")
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError(f"the private key in {shown} is encrypted; write it without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"the private key in {shown} cannot be read; write it in PEM") from None
    if _public_bytes(key.public_key()) != theirs:
        raise ValueError(f"the private key in {shown} belongs to another certificate; name its own")


def _private_key(pem: bytes) -> bytes | None:
    """The first private key, because certificates or curve parameters may precede it; `None` if there is none."""
    begin = _BEGIN.search(pem)
    if begin is None:
        return None
    body, end, _ = pem[begin.start() :].partition(b"-----END " + begin[1] + b"-----")
    return body + end


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_key(path: Path) -> bytes:
    """The public key of the first certificate in a file."""
    try:
        first = pem_blocks(_read(path))[0]
        leaf = crypto.load_certificate(crypto.FILETYPE_ASN1, first)
        return crypto.dump_publickey(crypto.FILETYPE_ASN1, leaf.get_pubkey())
    except (IndexError, crypto.Error):
        raise ValueError(f"{_shown(path)} {_NO_CERTIFICATE}") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PEM_BYTES + 1)
    except FileNotFoundError:
        mend = "relative paths begin at the configuration file's directory"
        raise ValueError(f"there is no file {_shown(path)}; {mend}") from None
    except OSError as error:
        raise ValueError(f"{_shown(path)} cannot be read ({error.strerror}); name a file that can") from None
    if len(content) > MAX_PEM_BYTES:
        raise ValueError(f"{_shown(path)} is larger than {MAX_PEM_BYTES} bytes; name a PEM file")
    return content


def _shown(path: Path) -> str:
    return quoted(str(path), MAX_PATH)
