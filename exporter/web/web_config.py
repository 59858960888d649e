"""The web configuration: by what TLS, by whom and how often the interface may be used, in exporter-toolkit's format.

From a file to values, or everything that is wrong with it. What the keys are stands in `web_config_schema`; what is
made of the values is the subject of `tls` and `security`.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from exporter.config.document import YamlMapping, read_document
from exporter.config.files import read_text
from exporter.config.problems import ConfigurationError, Journal, quoted
from exporter.config.sections import read_section
from exporter.web.web_config_schema import (
    HEADERS,
    HttpServerSection,
    RateLimitSection,
    TlsServerSection,
    WebConfigSection,
)
from exporter.web.web_settings import ClientAuth, RateLimit, TlsSettings, WebConfig


def read_web_config(path: Path) -> tuple[WebConfig, Journal]:
    """Reads a file, but not those that it names.

    Returns:
        What it says, and a journal for what is wrong with those files.

    Raises:
        ConfigurationError: Something is wrong with it; all problems in one go.
    """
    document = read_document(read_text(path), str(path))
    journal = Journal(document)
    journal.problems += document.problems
    root = YamlMapping() if document.root is None else document.root
    if not isinstance(root, YamlMapping):
        journal.problem((), "a web configuration must be a mapping of keys to values at its top")
        raise ConfigurationError(journal.problems)
    read = read_section(WebConfigSection, root, (), journal)
    if read is None or journal.problems:
        raise ConfigurationError(journal.problems)
    section = read.section
    # Absolute, but with its symlinks: a mounted Secret is replaced by turning one.
    config = WebConfig(
        tls=_tls(section.tls_server_config, path.parent.absolute(), journal),
        headers=_headers(section.http_server_config, journal),
        users=MappingProxyType(dict(section.basic_auth_users or {})),
        rate_limit=_rate_limit(section.rate_limit, journal),
    )
    if journal.problems:
        raise ConfigurationError(journal.problems)
    return config, journal


def _tls(section: TlsServerSection | None, directory: Path, journal: Journal) -> TlsSettings | None:
    """`None` where nothing is written: then it is plain HTTP."""
    if section is None or not section.model_fields_set:
        return None
    at = ("tls_server_config",)
    if section.cert_file is None or section.key_file is None:
        missing = "cert_file" if section.cert_file is None else "key_file"
        journal.problem(at, f"has no {missing}; write the name of a PEM file, or leave the section out for plain HTTP")
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
        journal.problem((*at, "client_auth_type"), "needs to know who vouches for clients; write client_ca_file")
    if settings.client_auth is ClientAuth.NONE and settings.client_ca_file is not None:
        message = f"is of no use alone; write client_auth_type: {ClientAuth.REQUIRE}"
        journal.problem((*at, "client_ca_file"), message)
    if settings.client_allowed_sans and settings.client_auth is not ClientAuth.REQUIRE:
        message = f"is of no use to clients that show no certificate; write client_auth_type: {ClientAuth.REQUIRE}"
        journal.problem((*at, "client_allowed_sans"), message)
    if settings.min_version > settings.max_version:
        journal.problem((*at, "min_version"), "is above max_version; change one of them")
    return settings


def _headers(section: HttpServerSection | None, journal: Journal) -> Mapping[str, str]:
    """Without those that are blank."""
    written = {} if section is None else dict(section.headers or {})
    for name, value in written.items():
        if value and HEADERS[name] and value not in HEADERS[name]:
            at = ("http_server_config", "headers", name)
            journal.problem(at, f"{quoted(value)} is no value of {name}; write {' or '.join(HEADERS[name])}")
    return MappingProxyType({name: value for name, value in written.items() if value})


def _rate_limit(section: RateLimitSection | None, journal: Journal) -> RateLimit | None:
    if section is None or not section.interval:
        return None
    if not section.burst:
        journal.problem(("rate_limit",), "lets nobody in without a burst; write burst: 20")
        return None
    return RateLimit(section.interval, section.burst)
