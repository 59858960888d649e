"""The web configuration: from a file in exporter-toolkit's format to a policy, or everything that is wrong with it.

exporter-toolkit reads its file for each request. Here the files are checked once a second, in a thread, so that a slow
disk delays nothing. If a new file is invalid, the old one stays in force.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog

from exporter.config.document import YamlDocument, YamlMapping, is_unusable, read_document
from exporter.config.files import read_text
from exporter.config.problems import ConfigurationError, Note, Problem, Reading, SectionNotes, quoted
from exporter.config.sections import read_section
from exporter.file_version import FileVersion, file_version
from exporter.threads import in_own_thread
from exporter.web.policy.policy import ClientAuth, Policy, RateLimit, TlsSettings, WebConfig
from exporter.web.policy.policy_schema import (
    HEADERS,
    HttpServerSection,
    RateLimitSection,
    TlsServerSection,
    WebConfigSection,
)
from exporter.web.policy.server_context import TlsFileError, server_context, unreadable_files

CHECK_INTERVAL: Final = 1.0
"""Seconds between two looks at the files."""

log = structlog.get_logger()

FileVersions = tuple[FileVersion | None, ...]
"""Identifies the versions of files; `None` for a missing file."""


class PolicyFile:
    """A web configuration that may change while the program runs.

    Attributes:
        policy: The last valid one.
    """

    def __init__(self, path: Path) -> None:
        """Reads it, and the files that it names.

        Raises:
            ConfigurationError: Something is wrong with them; all problems in one go.
        """
        self._path = path
        self._named: tuple[Path, ...] = ()
        self._seen: FileVersions = ()
        self.policy = self._load()

    async def follow(self, changed: Callable[[Policy], None], reloaded: Callable[[bool], None]) -> None:
        """Looks for changes, forever.

        Args:
            changed: Is called with every new policy.
            reloaded: Is called after every change with whether it could be used.
        """
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            try:
                # In a thread of its own: the files may lie on a file system that hangs.
                found = await in_own_thread(self.refresh, "web-config")
            except Exception:
                reloaded(False)
                raise
            if found:
                changed(self.policy)
            if found is not None:
                reloaded(found)

    def refresh(self) -> bool | None:
        """Reads the files again if they changed. Problems are logged.

        Returns:
            Whether there is a new policy; `None` if nothing has changed.
        """
        now = tuple(map(_version, (self._path, *self._named)))
        if now == self._seen:
            return None
        self._seen = now
        try:
            policy = self._load()
            self._check_scheme(policy)
        except ConfigurationError as error:
            problems = error.problems
        else:
            self.policy = policy
            log.info("web configuration reloaded", file=str(self._path))
            return True
        for problem in problems:
            log.error("web configuration not reloaded", problem=problem.message, **problem.place)
        return False

    def _load(self) -> Policy:
        # Looked at before they are read: what changes meanwhile is then a change at the next look.
        own = _version(self._path)
        config, document = read_web_config(self._path)
        self._named = config.files
        self._seen = (own, *map(_version, self._named))
        if config.tls is None:
            return Policy(config)
        try:
            return Policy(config, server_context(config.tls))
        except TlsFileError as error:
            faults = {error.key: str(error)} | unreadable_files(config.tls)
            notes = [Note(("tls_server_config", key), message) for key, message in faults.items()]
        except OSError as error:
            # It was there a moment ago: somebody is at work, and will be done at a later look.
            notes = [Note(("tls_server_config",), f"one of its files cannot be read ({error.strerror}); put it back")]
        raise ConfigurationError(note.problem(document) for note in notes)

    def _check_scheme(self, policy: Policy) -> None:
        """Refuses a change between HTTP and HTTPS: it looks like an attack, or passwords are sent unencrypted."""
        if (policy.context is None) is not (self.policy.context is None):
            message = "tls_server_config comes or goes only with a restart; what was in force stays so"
            raise ConfigurationError([Problem(str(self._path), 1, message)])


def _version(file: Path) -> FileVersion | None:
    try:
        return file_version(file)
    except OSError:
        return None


def read_web_config(path: Path) -> tuple[WebConfig, YamlDocument]:
    """Reads a file, but not those that it names.

    Returns:
        The settings, and the document, which knows the place of each.

    Raises:
        ConfigurationError: Something is wrong with it; all problems in one go.
    """
    document = read_document(read_text(path), str(path))
    reading = _web_config(document, path.parent.absolute())
    notes = (note for note in reading.problems if not is_unusable(document.root, note.location))
    problems = [*document.problems, *(note.problem(document) for note in notes)]
    if problems or reading.value is None:
        raise ConfigurationError(problems)
    return reading.value, document


def _web_config(document: YamlDocument, directory: Path) -> Reading[WebConfig]:
    """`directory` is absolute, but with its symlinks: a mounted Secret is replaced by turning one."""
    notes = SectionNotes()
    root = YamlMapping() if document.root is None else document.root
    if not isinstance(root, YamlMapping):
        notes.problem((), "a web configuration must be a mapping of keys to values at its top")
        return notes.reading(None)
    read = read_section(WebConfigSection, root, (), notes)
    if read is None:
        return notes.reading(None)
    section = read.section
    broken = {place[0] for place in read.broken}
    config = WebConfig(
        tls=None if "tls_server_config" in broken else _tls(section.tls_server_config, directory, notes),
        headers=_headers(section.http_server_config, notes),
        users=MappingProxyType(dict(section.basic_auth_users or {})),
        auth_excluded_paths=frozenset(section.auth_excluded_paths or ()),
        rate_limit=None if "rate_limit" in broken else _rate_limit(section.rate_limit, notes),
    )
    return notes.reading(config)


def _tls(section: TlsServerSection | None, directory: Path, notes: SectionNotes) -> TlsSettings | None:
    """`None` where nothing is written: then it is plain HTTP."""
    if section is None or not section.model_fields_set:
        return None
    at = ("tls_server_config",)
    if section.cert_file is None or section.key_file is None:
        missing = "cert_file" if section.cert_file is None else "key_file"
        notes.problem(at, f"has no {missing}; write the name of a PEM file, or leave the section out for plain HTTP")
        return None
    settings = TlsSettings(
        cert_file=directory / section.cert_file,
        key_file=directory / section.key_file,
        client_auth=section.client_auth_type or ClientAuth.NONE,
        client_ca_file=directory / section.client_ca_file if section.client_ca_file else None,
        client_allowed_sans=frozenset(section.client_allowed_sans or ()),
        min_version=section.min_version or ssl.TLSVersion.TLSv1_2,
        max_version=section.max_version or ssl.TLSVersion.TLSv1_3,
        cipher_suites=tuple(section.cipher_suites or ()),
        prefer_server_cipher_suites=section.prefer_server_cipher_suites is not False,
        curves=tuple(section.curve_preferences or ()),
    )
    if settings.client_auth.verifies and settings.client_ca_file is None:
        notes.problem((*at, "client_auth_type"), "needs to know who vouches for clients; write client_ca_file")
    if settings.client_auth is ClientAuth.NONE and settings.client_ca_file is not None:
        message = f"is of no use alone; write client_auth_type: {ClientAuth.REQUIRE}"
        notes.problem((*at, "client_ca_file"), message)
    if settings.client_allowed_sans and settings.client_auth is not ClientAuth.REQUIRE:
        message = f"is of no use to clients that show no certificate; write client_auth_type: {ClientAuth.REQUIRE}"
        notes.problem((*at, "client_allowed_sans"), message)
    if settings.min_version > settings.max_version:
        notes.problem((*at, "min_version"), "is above max_version; change one of them")
    return settings


def _headers(section: HttpServerSection | None, notes: SectionNotes) -> Mapping[str, str]:
    written = {} if section is None else dict(section.headers or {})
    for name, value in written.items():
        if value and HEADERS[name] and value not in HEADERS[name]:
            at = ("http_server_config", "headers", name)
            notes.problem(at, f"{quoted(value)} is not a value of {name}; write {' or '.join(HEADERS[name])}")
    return MappingProxyType({name: value for name, value in written.items() if value})


def _rate_limit(section: RateLimitSection | None, notes: SectionNotes) -> RateLimit | None:
    if section is None or not section.interval:
        return None
    if not section.burst:
        notes.problem(("rate_limit",), "lets nobody in without a burst; write burst: 20")
        return None
    return RateLimit(section.interval, section.burst)
