"""Checks files in PEM that a configuration names: authorities, certificates and private keys.

Import this only when a configuration names such a file: OpenSSL takes a fifth of the time in which a small one is read.
"""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import crypto

from exporter.certificates import pem_blocks
from exporter.config.problems import MAX_PATH, quoted

MAX_PEM_BYTES = 4 * 1024 * 1024
"""The largest PEM file. A distribution's file of authorities has a quarter of a megabyte."""

_MAX_LISTED = 5
"""The most certificates of one file that a message names."""

_NO_CERTIFICATE = "holds no certificate in PEM; name a file with one"

_BEGIN = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----")


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


def check_client(certificate_file: Path, key_file: Path) -> None:
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
        if path.is_fifo():  # reading it would wait for somebody who writes, and again at each reload
            raise ValueError(f"{_shown(path)} is a pipe, which cannot be read again; name a file")
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
