"""Makes the TLS context for accepted connections from the settings of the web configuration.

Problems of the files are described here, because OpenSSL's own messages ("PEM lib") do not help.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final, NoReturn

from exporter.config.problems import MAX_PATH, quoted
from exporter.web.policy.cipher_suites import TLS1_3
from exporter.web.policy.policy import ClientAuth, TlsSettings

_VERIFY: Final = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.REQUEST: ssl.CERT_NONE,
    ClientAuth.VERIFY_IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRE: ssl.CERT_REQUIRED,
}


class TlsFileError(ValueError):
    """A setting cannot be used; the message says why.

    Attributes:
        key: A key of the section `tls_server_config`.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context for connections from now on. Reads files.

    Raises:
        TlsFileError: One of them cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # RFC 7301: without ALPN, clients that also offer HTTP/2 would have to guess.
    context.set_alpn_protocols(["http/1.1"])
    context.minimum_version = settings.min_version
    context.maximum_version = settings.max_version
    if not settings.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _choose_ciphers(context, settings)
    _choose_curves(context, settings)
    _load_certificate(context, settings)
    if settings.client_auth.verifies and settings.client_ca_file is not None:
        _load_authorities(context, settings.client_ca_file)
        context.verify_mode = _VERIFY[settings.client_auth]
    return context


def unreadable_files(settings: TlsSettings) -> dict[str, str]:
    """The keys whose files cannot be read, and why."""
    files = {"cert_file": settings.cert_file, "key_file": settings.key_file}
    if settings.client_auth.verifies and settings.client_ca_file is not None:
        files["client_ca_file"] = settings.client_ca_file
    found = {}
    for key, file in files.items():
        try:
            _check_readable(key, file)
        except TlsFileError as error:
            found[key] = str(error)
    return found


def _choose_ciphers(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """As in Go, the setting chooses among the suites up to TLS 1.2; without any of those, only TLS 1.3 is left."""
    older = [suite for suite in settings.cipher_suites if suite not in TLS1_3]
    if older:
        try:
            context.set_ciphers(":".join(older))
        except ssl.SSLError:
            raise TlsFileError("cipher_suites", "OpenSSL has none of them here; write others, or none") from None
    elif settings.cipher_suites:
        if settings.max_version < ssl.TLSVersion.TLSv1_3:
            raise TlsFileError("cipher_suites", "are all of TLS 1.3, above max_version; write some of TLS 1.2 as well")
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def _choose_curves(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if len(settings.curves) == 1:
        try:
            context.set_ecdh_curve(settings.curves[0])
        except (ssl.SSLError, ValueError):
            # Python 3.11.2 (Debian 12) treats X25519 as unknown, although its OpenSSL supports it.
            raise TlsFileError("curve_preferences", "this Python cannot use it; write another, or none") from None
    elif settings.curves:
        set_groups = getattr(context, "set_groups", None)
        if set_groups is None:
            raise TlsFileError(
                "curve_preferences",
                "Python before 3.15 can keep to one curve, or to OpenSSL's choice; leave one, or none",
            )
        set_groups(":".join(settings.curves))


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    _check_readable("cert_file", settings.cert_file)
    _check_readable("key_file", settings.key_file)
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
    except _EncryptedKeyError:
        raise TlsFileError(
            "key_file", f"the key in {_shown(settings.key_file)} is encrypted; write it without"
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            message = f"the key in {_shown(settings.key_file)} belongs to another certificate; name its own"
            raise TlsFileError("key_file", message) from None
        raise _unusable(settings, error.reason) from None


def _unusable(settings: TlsSettings, reason: str) -> TlsFileError:
    """Finds out which of the two files OpenSSL cannot use, and why."""
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        probe.load_verify_locations(settings.cert_file)
    except ssl.SSLError:
        return TlsFileError(
            "cert_file", f"{_shown(settings.cert_file)} holds no certificate in PEM; name a file with one"
        )
    if b"PRIVATE KEY-----" not in settings.key_file.read_bytes():
        return TlsFileError(
            "key_file", f"{_shown(settings.key_file)} holds no private key in PEM; name a file with one"
        )
    words = reason.lower().replace("_", " ")
    return TlsFileError("cert_file", f"OpenSSL does not take this certificate and key ({words}); use others")


def _load_authorities(context: ssl.SSLContext, file: Path) -> None:
    _check_readable("client_ca_file", file)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        message = f"{_shown(file)} holds no certificate in PEM; name a file with one"
        raise TlsFileError("client_ca_file", message) from None


def _check_readable(key: str, file: Path) -> None:
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except FileNotFoundError:
        mend = "relative paths begin at the directory of the web configuration"
        raise TlsFileError(key, f"there is no file {_shown(file)}; {mend}") from None
    except OSError as error:
        raise TlsFileError(key, f"{_shown(file)} cannot be read ({error.strerror}); name a file that can") from None


class _EncryptedKeyError(Exception):
    """OpenSSL asked for a password."""


def _no_password() -> NoReturn:
    """Refuses to give a password; otherwise OpenSSL would ask at the terminal."""
    raise _EncryptedKeyError


def _shown(file: Path) -> str:
    return quoted(str(file), MAX_PATH)
