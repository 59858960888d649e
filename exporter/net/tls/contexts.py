"""Makes TLS contexts from files and keeps them up to date: trusted authorities, client certificates and versions.

A context is expensive to make (the system's trust store is some 140 certificates) and cheap to use, so there is one for
each distinct policy. When one of its files changes, the next use gets a new context. So no restart is needed when a
certificate is removed from the store or a client key is rotated.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL, crypto

from exporter.certificates import pem_blocks, subjects
from exporter.file_version import FileVersion, file_version
from exporter.model import KeyType, TlsPolicy, TlsVersion
from exporter.net.tls.recording import VerifiedChains, on_staple, on_verification
from exporter.single_flight import SingleFlight
from exporter.threads import in_own_thread

CHECK_EVERY: Final = 1.0
"""Seconds until files are checked for changes again. A check takes a few microseconds for each file."""

BUNDLES: Final = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Alpine, Arch
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora, Red Hat
    Path("/etc/ssl/ca-bundle.pem"),  # openSUSE
    Path("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),  # Red Hat, in containers
    Path("/etc/ssl/cert.pem"),  # Alpine, FreeBSD, OpenBSD, macOS
)
"""Where systems keep their trusted authorities in one file. cryptography's own OpenSSL knows none of these places."""

VERSIONS: Final[Mapping[TlsVersion, int]] = {
    TlsVersion.TLS1_0: SSL.TLS1_VERSION,
    TlsVersion.TLS1_1: SSL.TLS1_1_VERSION,
    TlsVersion.TLS1_2: SSL.TLS1_2_VERSION,
    TlsVersion.TLS1_3: SSL.TLS1_3_VERSION,
}

OUTDATED: Final = frozenset({TlsVersion.TLS1_0, TlsVersion.TLS1_1})
"""Versions whose handshakes are signed with SHA-1 and MD5. OpenSSL allows this only at its security level 0."""

MAX_DEPTH: Final = 16
"""The most intermediates on a path. Public authorities have one or two; OpenSSL's own limit is a hundred."""


class TlsSetupError(OSError):
    """A file that TLS needs cannot be used. The message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    """The part of a policy that makes a context. Endpoints that differ only in name or `verify` share one."""

    ca_file: Path | None
    min_version: TlsVersion
    client_cert_file: Path | None
    client_key_file: Path | None
    key_type: KeyType | None


@dataclass(slots=True)
class _Made:
    context: SSL.Context
    sources: dict[Path, FileVersion]
    checked_at: float


class TlsContexts:
    """The contexts of one process.

    Args:
        clock: Monotonic seconds; decides when files are checked.
        wall: Unix time, for the validity of remembered chains.
        environment: `SSL_CERT_FILE` and `SSL_CERT_DIR` in it may name the system's store, as with OpenSSL.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._environment = environment
        self._made: dict[_Recipe, _Made] = {}
        self._looks = SingleFlight[_Recipe, SSL.Context]()

    def fresh(self, policy: TlsPolicy) -> SSL.Context | None:
        """The context for a policy, if its files were checked a moment ago."""
        made = self._made.get(_recipe(policy))
        return made.context if made is not None and self._is_fresh(made) else None

    async def current(self, policy: TlsPolicy) -> SSL.Context:
        """As `context`, for the event loop: a thread checks the files, once for all callers at that time.

        Raises:
            TlsSetupError: As there.
        """
        return await self._looks.join(_recipe(policy), lambda: self._look(policy))

    def context(self, policy: TlsPolicy) -> SSL.Context:
        """The context for a policy, from its files as they were at most a second ago.

        Reads files: the system's store takes some 10 ms the first time and after each change, and a disk may hang.

        Raises:
            TlsSetupError: A file is missing or unusable, or OpenSSL does not support the version.
        """
        known = self.fresh(policy)
        if known is not None:
            return known
        recipe, now = _recipe(policy), self._clock()
        made = self._made.get(recipe)
        store = {policy.ca_file: "ca_file"} if policy.ca_file else self._system_store()
        # Note the versions of the files before reading them. A file that changes in between is then read again.
        sources = {place: _identity(place, called) for place, called in store.items()}
        if policy.client_cert_file is not None:
            sources[policy.client_cert_file] = _identity(policy.client_cert_file, "client_cert_file")
        if policy.client_key_file is not None:
            sources[policy.client_key_file] = _identity(policy.client_key_file, "client_key_file")
        if made is None or made.sources != sources:
            made = _Made(self._make(recipe, store), sources, now)
            self._made[recipe] = made
        made.checked_at = now
        return made.context

    def _look(self, policy: TlsPolicy) -> asyncio.Future[SSL.Context]:
        """Read the files in a thread of its own, because their file system may hang."""
        try:
            return in_own_thread(partial(self.context, policy), "tls-files")
        except OSError as error:
            made = self._made.get(_recipe(policy))
            if made is None:
                raise TlsSetupError(f"the files of TLS cannot be looked at: {error.strerror}") from None
            # No thread can be started now. Use the files as they were at the last check.
            known = asyncio.get_running_loop().create_future()
            known.set_result(made.context)
            return known

    def _is_fresh(self, made: _Made) -> bool:
        return self._clock() - made.checked_at < CHECK_EVERY

    def _system_store(self) -> dict[Path, str]:
        """The places of the system's trusted authorities, each with its name for people."""
        file, directories = (self._environment.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        named = {Path(place): "SSL_CERT_DIR" for place in directories.split(os.pathsep) if place}
        if file:
            named[Path(file)] = "SSL_CERT_FILE"
        if named:
            return named
        defaults = ssl.get_default_verify_paths()
        known = [*BUNDLES, *(Path(place) for place in (defaults.cafile, defaults.capath) if place)]
        found = next((place for place in known if place.exists()), None)
        if found is None:
            raise TlsSetupError("there are no trusted authorities here: install ca-certificates, or set ca_file")
        return {found: "trust store"}

    def _make(self, recipe: _Recipe, store: Mapping[Path, str]) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        # This does not skip verification: `on_verification` records what OpenSSL finds, and `tls.facts` judges it.
        context.set_verify(SSL.VERIFY_NONE, on_verification)
        context.set_ocsp_client_callback(on_staple)
        # No session is resumed, because every probe needs the certificate. Renegotiation could replace it later.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        _set_versions(context, recipe.min_version)
        if recipe.key_type is not None:
            _insist_on(context, recipe.key_type)
        anchors: set[bytes] = set()
        for place, called in store.items():
            anchors |= _trust(context, place, called)
        # Everything in the store is trusted, intermediates as well as roots, as in curl, Go and browsers.
        _store(context).set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        context.set_verify_depth(MAX_DEPTH)
        context.set_app_data(VerifiedChains(anchors, self._wall))
        if recipe.client_cert_file is not None:
            _present(context, recipe.client_cert_file, recipe.client_key_file or recipe.client_cert_file)
        return context


def _recipe(policy: TlsPolicy) -> _Recipe:
    return _Recipe(policy.ca_file, policy.min_version, policy.client_cert_file, policy.client_key_file, policy.key_type)


def _identity(place: Path, called: str) -> FileVersion:
    try:
        return file_version(place)
    except OSError as error:
        raise TlsSetupError(f"{called} {place}: {error.strerror}") from None


def _set_versions(context: SSL.Context, lowest: TlsVersion) -> None:
    try:
        context.set_min_proto_version(VERSIONS[lowest])
        if lowest in OUTDATED:
            context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
            # Servers that old may lack RFC 5746. We never renegotiate, so the attack that it prevents is impossible.
            context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
    except SSL.Error:
        library = SSL.OpenSSL_version(SSL.SSLEAY_VERSION).decode("ascii", "replace")
        raise TlsSetupError(f"{library} was built without {lowest}: set min_version: TLSv1.2") from None


def _insist_on(context: SSL.Context, key_type: KeyType) -> None:
    """Allow only the suites of TLS 1.2 that need a certificate of this kind. TLS 1.3 has no such suites."""
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list({KeyType.RSA: b"aRSA:!aNULL:!eNULL", KeyType.ECDSA: b"aECDSA:!eNULL"}[key_type])


def _trust(context: SSL.Context, place: Path, called: str) -> frozenset[bytes]:
    """Trust the authorities of a file or directory. Returns the names of those that could be read now."""
    try:
        if place.is_dir():
            context.load_verify_locations(None, place)  # OpenSSL opens its files when it looks for one by name
            return frozenset()
        context.load_verify_locations(place)
    except SSL.Error as error:
        _trust_those_that_can_be_read(context, place, called, error)
    return subjects(_contents(place, called))


def _trust_those_that_can_be_read(context: SSL.Context, place: Path, called: str, error: SSL.Error) -> None:
    """Load the readable certificates of a file, because OpenSSL rejects a file with one unreadable certificate."""
    loaded = 0
    for der in pem_blocks(_contents(place, called)):
        with contextlib.suppress(crypto.Error):
            _store(context).add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
            loaded += 1
    if not loaded:
        reasons = "; ".join(reason for _, _, reason in error.args[0])
        raise TlsSetupError(f"{called} {place}: no certificates in PEM form can be read from it ({reasons})") from None


def _store(context: SSL.Context) -> crypto.X509Store:
    return cast("crypto.X509Store", context.get_cert_store())  # Every context has a store.


def _present(context: SSL.Context, cert_file: Path, key_file: Path) -> None:
    """Load the client certificate and its key."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - few present anything: a megabyte

    key_text = _contents(key_file, "client_key_file")
    try:
        # OpenSSL would ask at the terminal for the passphrase of an encrypted key, so check for that first. For the
        # same reason cryptography loads the key. It does not load the certificate, because it accepts fewer of them.
        for der in pem_blocks(_contents(cert_file, "client_cert_file")):
            crypto.load_certificate(crypto.FILETYPE_ASN1, der)
        context.use_certificate_chain_file(cert_file)
    except (SSL.Error, crypto.Error):
        raise TlsSetupError(f"client_cert_file {cert_file}: it holds no certificates in PEM form") from None
    try:
        key = serialization.load_pem_private_key(key_text, password=None)
    except TypeError:
        raise TlsSetupError(
            f"client_key_file {key_file}: the key is encrypted; write it without a passphrase"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise TlsSetupError(f"client_key_file {key_file}: it holds no private key in PEM form") from None
    try:
        # Any kind of key will do: pyOpenSSL and OpenSSL refuse keys that cannot sign a handshake.
        context.use_privatekey(cast("rsa.RSAPrivateKey", key))
        context.check_privatekey()
    except (SSL.Error, TypeError):
        raise TlsSetupError(f"client_key_file {key_file}: it is not the key of {cert_file}") from None


def _contents(place: Path, called: str) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise TlsSetupError(f"{called} {place}: {error.strerror}") from None
