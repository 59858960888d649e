"""Reads the section `credentials` into `Credentials`, some of which have an `OAuth2Client` to fetch tokens.

contradictions.py checks whether they fit an endpoint.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from exporter.config.document import YamlMapping, YamlValue
from exporter.config.endpoint_schema import CredentialsSection, OAuth2Section
from exporter.config.problems import Location, Places, Reading, SectionNotes, directory
from exporter.config.secret_keys import Secrets
from exporter.config.sections import Read, check_name, read_section
from exporter.model import Credentials, Endpoint, OAuth2Authentication, OAuth2Client, OAuth2Provider

_TOKEN_URLS: Mapping[OAuth2Provider, str] = MappingProxyType(
    {
        OAuth2Provider.MICROSOFT: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        OAuth2Provider.GOOGLE: "https://oauth2.googleapis.com/token",
    }
)

_SCOPES: Mapping[OAuth2Provider, str] = MappingProxyType(
    {
        OAuth2Provider.MICROSOFT: "https://outlook.office365.com/.default",
        OAuth2Provider.GOOGLE: "https://mail.google.com/",
    }
)
"""The scopes that the providers' own mail servers need."""

_AUTHENTICATION: Mapping[OAuth2Provider, OAuth2Authentication] = MappingProxyType(
    {
        OAuth2Provider.MICROSOFT: OAuth2Authentication.POST,
        OAuth2Provider.GOOGLE: OAuth2Authentication.POST,
        OAuth2Provider.CUSTOM: OAuth2Authentication.BASIC,
    }
)
"""The way that the provider documents. Others must accept Basic (RFC 6749, 2.3.1)."""

_NO_DIRECTORY = frozenset({"common", "organizations", "consumers"})
"""Microsoft's tenants that mean several directories. An application that logs in as itself must name one directory."""

_OF_A_CLIENT = ("client_id", "client_secret", "authentication", "private_key", "certificate_file", "refresh_token")
"""Keys that cannot be used together with a service account."""


def read_credentials(value: YamlValue, places: Places) -> Reading[dict[str, Credentials | None]]:
    """Reads all entries by their names. An entry with problems is `None`, and endpoints may still name it."""
    notes = SectionNotes()
    entries: dict[str, Credentials | None] = {}
    if value is not None and not isinstance(value, YamlMapping):
        notes.problem(("credentials",), "must be a mapping of names to a username and a password_file each")
        return notes.reading(entries)
    for name, entry in (value or {}).items():
        at: Location = ("credentials", name)
        check_name(name, at, notes)
        entries[name] = notes.take(_entry(name, entry, at, directory(places, at)))
    return notes.reading(entries)


def check_for_secrets(
    credentials: Iterable[Credentials | None], endpoints: Iterable[Endpoint | None], notes: SectionNotes
) -> None:
    """Reports entries without a secret, unless all their endpoints log in with a client certificate."""
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
        notes.problem(("credentials", entry.name), message)


def check_for_use(credentials: Iterable[str], used: Container[str], notes: SectionNotes) -> None:
    """Warns of unused entries, because they are usually mistakes."""
    for name in credentials:
        if name not in used:
            doubt = "nobody logs in with these; name them at an endpoint, or leave them out"
            notes.warning(("credentials", name), doubt)


def _entry(name: str, value: YamlValue, at: Location, folder: Path) -> Reading[Credentials]:
    notes = SectionNotes()
    read = notes.take(read_section(CredentialsSection, value, at))
    if read is None:
        return notes.reading(None)
    secrets = Secrets(read, folder, at, notes)
    username, written = _username(read, at, notes), secrets.written("password")
    if written and "oauth2" in read.section.model_fields_set:
        notes.problem((*at, "oauth2"), f"{written[0]} is there too; write only one of the two")
    password = secrets.source("password")
    oauth2 = notes.take(_read_oauth2(read, username, at, folder))
    return notes.value_or_problems(None if username is None else Credentials(name, username, password, oauth2))


def _username(read: Read[CredentialsSection], at: Location, notes: SectionNotes) -> str | None:
    username = read.section.username
    if username is None and ("username",) not in read.broken:
        notes.problem((*at, "username"), "is missing; write the user's name as the server knows it")
    return username


def _read_oauth2(
    credentials: Read[CredentialsSection], username: str | None, at: Location, folder: Path
) -> Reading[OAuth2Client]:
    """Reads the OAuth2 client of an entry of credentials; without a value if it is missing or invalid."""
    section, at = credentials.section.oauth2, (*at, "oauth2")
    if section is None:
        notes = SectionNotes()
        if "oauth2" in credentials.section.model_fields_set:
            notes.problem(at, "has no value; write provider, client_id and client_secret_file below it")
        return notes.reading(None)
    broken = frozenset(place[1:] for place in credentials.broken if place[0] == "oauth2")
    return _OAuth2Reader(Read(section, broken), at, folder).client(username)


class _OAuth2Reader:
    """Reads and checks one section `oauth2`."""

    def __init__(self, read: Read[OAuth2Section], at: Location, folder: Path) -> None:
        self._section = read.section
        self._broken = read.broken
        self._folder = folder
        self._at = at
        self._notes = SectionNotes()
        self._secrets = Secrets(read, folder, at, self._notes)

    def client(self, username: str | None) -> Reading[OAuth2Client]:
        """The client that the section describes; without a value if there are problems."""
        section = self._section
        if section.provider is None:
            self._missing("provider", "microsoft, google or custom")
            return self._notes.reading(None)
        self._check_grant(section.provider)
        self._check_tenant(section.provider)
        self._check_ca_file()
        if section.provider is OAuth2Provider.CUSTOM and section.token_url is None:
            self._missing("token_url", "the provider's URL, such as https://idp.example.com/oauth2/token")
        service_account = self._secrets.source("service_account")
        secrets = {key: self._secrets.source(key) for key in ("client_secret", "refresh_token", "private_key")}
        if self._broken or self._notes.problems:
            return self._notes.reading(None)
        shown = None if secrets["client_secret"] is None else _AUTHENTICATION[section.provider]
        token_url = section.token_url or _TOKEN_URLS[section.provider].format(tenant=section.tenant)
        # RFC 6749, 6: a request must not have scopes beyond those of its refresh token. So none is sent by default.
        scope = section.scope or (None if secrets["refresh_token"] else _SCOPES.get(section.provider))
        client = OAuth2Client(
            provider=section.provider,
            token_url=token_url,
            scope=scope,
            client_id=section.client_id,
            certificate=self._secrets.file("certificate_file"),
            service_account=service_account,
            subject=None if service_account is None else section.subject or username,
            authentication=section.authentication or shown,
            ca_file=None if section.ca_file is None else self._folder / section.ca_file,
            **secrets,
        )
        return self._notes.reading(client)

    def _check_grant(self, provider: OAuth2Provider) -> None:
        """Checks that the client has one consistent way to authenticate."""
        written = {key: keys[0] for key in _OF_A_CLIENT if (keys := self._written(key))}
        if self._written("service_account"):
            for key in written.values():
                self._problem(key, "a service account needs no client; leave it out")
            if provider is OAuth2Provider.MICROSOFT:
                self._problem("service_account_file", "microsoft knows none; write client_id and client_secret_file")
            return
        if self._written("subject"):
            self._problem("subject", "is for service_account_file, which is not there; leave it out")
        self._check_client(provider, written)

    def _check_client(self, provider: OAuth2Provider, written: Mapping[str, str]) -> None:
        if provider is OAuth2Provider.GOOGLE and "refresh_token" not in written:
            mend = "write service_account_file, or refresh_token_file"
            self._notes.problem(self._at, f"google gives no tokens for mail to a client by itself; {mend}")
            return
        if "client_id" not in written:
            self._missing("client_id", f"the one that {provider} gave to the client")
        if "client_secret" in written and "private_key" in written:
            self._problem(written["private_key"], f"{written['client_secret']} is there too; write only one of the two")
        if self._written("authentication") and "client_secret" not in written:
            self._problem("authentication", "says how a client_secret is shown, and there is none; leave it out")
        if "certificate_file" in written and "private_key" not in written:
            self._problem("certificate_file", "belongs to a private_key_file; write that too")
        if "private_key" in written and "certificate_file" not in written and provider is OAuth2Provider.MICROSOFT:
            self._missing("certificate_file", "the PEM file with the certificate that microsoft knows the key by")
        if not {"refresh_token", "client_secret", "private_key"} & written.keys():
            ways = "client_secret_file, client_secret_env, client_secret, private_key_file"
            self._notes.problem(self._at, f"has no secret and no key; write one of {ways}")

    def _check_tenant(self, provider: OAuth2Provider) -> None:
        section = self._section
        if provider is not OAuth2Provider.MICROSOFT:
            if self._written("tenant"):
                self._problem("tenant", f"is microsoft's, and the provider is {provider}; leave it out")
        elif section.token_url is not None:
            if section.tenant is not None:
                self._problem("tenant", "the token_url beside it says that too; write only one of the two")
        elif section.tenant is None:
            self._missing("tenant", "the directory's domain, such as contoso.onmicrosoft.com, or its id")
        elif section.tenant.lower() in _NO_DIRECTORY and not self._written("refresh_token"):
            self._problem("tenant", f"{section.tenant} is not a single directory; write its domain or its id")

    def _check_ca_file(self) -> None:
        if self._section.ca_file is not None:
            from exporter.config.pem_files import check_authorities  # noqa: PLC0415 - it says why

            try:
                doubt = check_authorities(self._folder / self._section.ca_file)
            except ValueError as error:
                doubt = str(error)
            if doubt is not None:
                self._problem("ca_file", doubt)

    def _written(self, key: str) -> list[str]:
        """The forms of the key that are present, even with an invalid value."""
        return self._secrets.written(key) or [key] * self._is_there(key)

    def _is_there(self, key: str) -> bool:
        return getattr(self._section, key, None) is not None or (key,) in self._broken

    def _missing(self, key: str, mend: str) -> None:
        if (key,) not in self._broken:
            self._problem(key, f"is missing; write {mend}")

    def _problem(self, key: str, message: str) -> None:
        self._notes.problem((*self._at, key), message)
