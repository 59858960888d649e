"""The section `credentials`: from its entries to `Credentials`. Whom they fit is the endpoints' matter."""

from __future__ import annotations

from collections.abc import Container, Iterable

from exporter.config import text
from exporter.config.document import Value, YamlMapping
from exporter.config.login_schema import CredentialsSection
from exporter.config.oauth2 import read_oauth2
from exporter.config.problems import Journal, Location
from exporter.config.secret_sources import Secrets
from exporter.config.sections import Read, read_section
from exporter.model import Credentials, Endpoint


def read_credentials(value: Value, journal: Journal) -> dict[str, Credentials | None]:
    """Every entry by its name; `None` for one with problems, which endpoints may still name."""
    if value is None:
        return {}
    if not isinstance(value, YamlMapping):
        journal.problem(("credentials",), "must be a mapping of names to a username and a password_file each")
        return {}
    return {name: _entry(name, entry, journal) for name, entry in value.items()}


def check_for_secrets(
    credentials: Iterable[Credentials | None], endpoints: Iterable[Endpoint | None], journal: Journal
) -> None:
    """Reports entries without a secret, but for those whose every endpoint logs in by its client certificate."""
    users: dict[str, set[bool]] = {}
    for endpoint in endpoints:
        if endpoint is not None and endpoint.credentials is not None:
            by_certificate = endpoint.tls.client_cert_file is not None
            users.setdefault(endpoint.credentials.name, set()).add(by_certificate)
    for entry in credentials:
        if entry is None or entry.password is not None or entry.oauth2 is not None or users.get(entry.name) == {True}:
            continue
        ways = "password_file, password_env, password, oauth2"
        message = f"has no password; write one of {ways}, or tls: {{client_cert_file: ...}} at its endpoints"
        journal.problem(("credentials", entry.name), message)


def check_for_use(credentials: Iterable[str], used: Container[str], journal: Journal) -> None:
    """Warns of entries that nobody logs in with: more often a slip than a spare."""
    for name in credentials:
        if name not in used:
            doubt = "nobody logs in with these; name them at an endpoint, or leave them out"
            journal.warning(("credentials", name), doubt)


def _entry(name: str, value: Value, journal: Journal) -> Credentials | None:
    at: Location = ("credentials", name)
    directory = journal.directory(at)
    try:
        text.name(name)
    except ValueError as error:
        journal.problem(at, f"the name {error}")
    read = read_section(CredentialsSection, value, at, journal)
    if read is None:
        return None
    before = len(journal.problems)
    secrets = Secrets(read, directory, at, journal)
    username, written = _username(read, at, journal), secrets.written("password")
    if written and "oauth2" in read.section.model_fields_set:
        journal.problem((*at, "oauth2"), f"{written[0]} is there too; write only one of the two")
    password = secrets.source("password")
    oauth2 = read_oauth2(read, username, directory, journal, at)
    if username is None or read.broken or len(journal.problems) > before:
        return None
    return Credentials(name, username, password, oauth2)


def _username(read: Read[CredentialsSection], at: Location, journal: Journal) -> str | None:
    username = read.section.username
    if username is None and ("username",) not in read.broken:
        journal.problem((*at, "username"), "is missing; write the user's name as the server knows it")
    return username
