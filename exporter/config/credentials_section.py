"""Reads the section `credentials` into `Credentials`, some of which have an `OAuth2Client` to fetch tokens.

contradictions.py checks whether they fit an endpoint.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from exporter.config.document import YamlMapping, YamlValue
from exporter.config.endpoint_schema import CredentialsSection, OAuth2Section
from exporter.config.problems import Location, Places, Reading, SectionNotes, directory
from exporter.config.secret_keys import Secrets
from exporter.config.sections import Layer, check_name, read_section
from exporter.model import Credentials, Endpoint, OAuth2Authentication, OAuth2Client, OAuth2Provider

_TOKEN_URLS: Mapping[OAuth2Provider, str] = {
    OAuth2Provider.MICROSOFT: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
    OAuth2Provider.GOOGLE: "https://oauth2.googleapis.com/token",
}

_SCOPES: Mapping[OAuth2Provider, str] = {
    OAuth2Provider.MICROSOFT: "https://outlook.office365.com/.default",
    OAuth2Provider.GOOGLE: "https://mail.google.com/",
}
"""The scopes that the providers' own mail servers need."""

_AUTHENTICATION: Mapping[OAuth2Provider, OAuth2Authentication] = {
    OAuth2Provider.MICROSOFT: OAuth2Authentication.POST,
    OAuth2Provider.GOOGLE: OAuth2Authentication.POST,
    OAuth2Provider.CUSTOM: OAuth2Authentication.BASIC,
}
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
    own = read_section(CredentialsSection, value, at, notes)
    if own is None:
        return notes.reading(None)
    secrets = Secrets(own, folder)
    username, written = own.section.username, secrets.written("password")
    if own.missing("username"):
        own.problem("is missing; write the user's name as the server knows it", "username")
    if written and own.has("oauth2"):
        own.problem(f"{written[0]} is there too; write only one of the two", "oauth2")
    password = secrets.source("password")
    oauth2 = None
    if own.section.oauth2 is not None:
        oauth2 = _OAuth2Reader(own.below("oauth2"), folder).client(username)
    elif own.has("oauth2"):
        own.problem("has no value; write provider, client_id and client_secret_file below it", "oauth2")
    return notes.value_or_problems(None if username is None else Credentials(name, username, password, oauth2))


class _OAuth2Reader:
    """Reads and checks one section `oauth2`."""

    def __init__(self, own: Layer[OAuth2Section], folder: Path) -> None:
        self._own = own
        self._section = own.section
        self._folder = folder
        self._secrets = Secrets(own, folder)

    def client(self, username: str | None) -> OAuth2Client | None:
        """The client that the section describes; `None` if there are problems."""
        section = self._section
        if section.provider is None:
            self._missing("provider", "microsoft, google or custom")
            return None
        self._check_grant(section.provider)
        self._check_tenant(section.provider)
        self._check_ca_file()
        if section.provider is OAuth2Provider.CUSTOM and section.token_url is None:
            self._missing("token_url", "the provider's URL, such as https://idp.example.com/oauth2/token")
        service_account = self._secrets.source("service_account")
        secrets = {key: self._secrets.source(key) for key in ("client_secret", "refresh_token", "private_key")}
        if self._own.notes.problems:
            return None
        shown = None if secrets["client_secret"] is None else _AUTHENTICATION[section.provider]
        token_url = section.token_url or _TOKEN_URLS[section.provider].format(tenant=section.tenant)
        # RFC 6749, 6: a request must not have scopes beyond those of its refresh token. So none is sent by default.
        scope = section.scope or (None if secrets["refresh_token"] else _SCOPES.get(section.provider))
        return OAuth2Client(
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

    def _check_grant(self, provider: OAuth2Provider) -> None:
        """Checks that the client has one consistent way to authenticate."""
        written = {key: keys[0] for key in _OF_A_CLIENT if (keys := self._secrets.written(key))}
        if self._secrets.written("service_account"):
            for key in written.values():
                self._own.problem("a service account needs no client; leave it out", key)
            if provider is OAuth2Provider.MICROSOFT:
                self._own.problem(
                    "microsoft knows none; write client_id and client_secret_file", "service_account_file"
                )
            return
        if self._secrets.written("subject"):
            self._own.problem("is for service_account_file, which is not there; leave it out", "subject")
        self._check_client(provider, written)

    def _check_client(self, provider: OAuth2Provider, written: Mapping[str, str]) -> None:
        if provider is OAuth2Provider.GOOGLE and "refresh_token" not in written:
            mend = "write service_account_file, or refresh_token_file"
            self._own.problem(f"google gives no tokens for mail to a client by itself; {mend}")
            return
        if "client_id" not in written:
            self._missing("client_id", f"the one that {provider} gave to the client")
        if "client_secret" in written and "private_key" in written:
            self._own.problem(
                f"{written['client_secret']} is there too; write only one of the two", written["private_key"]
            )
        if self._secrets.written("authentication") and "client_secret" not in written:
            self._own.problem("says how a client_secret is shown, and there is none; leave it out", "authentication")
        if "certificate_file" in written and "private_key" not in written:
            self._own.problem("belongs to a private_key_file; write that too", "certificate_file")
        if "private_key" in written and "certificate_file" not in written and provider is OAuth2Provider.MICROSOFT:
            self._missing("certificate_file", "the PEM file with the certificate that microsoft knows the key by")
        if not {"refresh_token", "client_secret", "private_key"} & written.keys():
            ways = "client_secret_file, client_secret_env, client_secret, private_key_file"
            self._own.problem(f"has no secret and no key; write one of {ways}")

    def _check_tenant(self, provider: OAuth2Provider) -> None:
        section = self._section
        if provider is not OAuth2Provider.MICROSOFT:
            if self._secrets.written("tenant"):
                self._own.problem(f"is microsoft's, and the provider is {provider}; leave it out", "tenant")
        elif section.token_url is not None:
            if section.tenant is not None:
                self._own.problem("the token_url beside it says that too; write only one of the two", "tenant")
        elif section.tenant is None:
            self._missing("tenant", "the directory's domain, such as contoso.onmicrosoft.com, or its id")
        elif section.tenant.lower() in _NO_DIRECTORY and not self._secrets.written("refresh_token"):
            self._own.problem(f"{section.tenant} is not a single directory; write its domain or its id", "tenant")

    def _check_ca_file(self) -> None:
        if self._section.ca_file is not None:
            from exporter.config.pem_files import check_authorities  # noqa: PLC0415 - it says why

            try:
                doubt = check_authorities(self._folder / self._section.ca_file)
            except ValueError as error:
                doubt = str(error)
            if doubt is not None:
                self._own.problem(doubt, "ca_file")

    def _missing(self, key: str, mend: str) -> None:
        if not self._own.spoilt(key):
            self._own.problem(f"is missing; write {mend}", key)
