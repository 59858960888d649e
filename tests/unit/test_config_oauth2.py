from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from exporter.config.configuration import Configuration
from exporter.config.load import load, parse
from exporter.config.values.secret_sources import EnvSecret, FileSecret, InlineSecret
from exporter.config.yaml_output import render
from exporter.model import (
    Credentials,
    LoginBackoff,
    Mechanism,
    OAuth2Authentication,
    OAuth2Client,
    OAuth2Grant,
    OAuth2Provider,
    Secret,
)


def credentials(oauth2: str) -> Credentials:
    text = f"credentials: {{c: {{username: u@example.com, oauth2: {{{oauth2}}}}}}}\nendpoints: [{{url: imaps://h}}]\n"
    (entry,) = parse(text, "/etc/config.yaml").credentials
    return entry


def client(oauth2: str) -> OAuth2Client:
    found = credentials(oauth2).oauth2
    assert found is not None
    return found


MICROSOFT = OAuth2Client(
    provider=OAuth2Provider.MICROSOFT,
    token_url="https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token",
    scope="https://outlook.office365.com/.default",
    client_id="i",
    client_secret=FileSecret(Path("/etc/s")),
    authentication=OAuth2Authentication.POST,
)


def test_microsoft_knows_its_token_url_by_the_tenant_and_its_scope() -> None:
    found = client("provider: microsoft, tenant: contoso.onmicrosoft.com, client_id: i, client_secret_file: s")

    assert MICROSOFT == found
    assert found.grant is OAuth2Grant.CLIENT_CREDENTIALS


def test_microsoft_elsewhere_has_another_token_url_and_scope() -> None:
    found = client(
        "provider: microsoft, client_id: i, client_secret_file: s, "
        "token_url: https://login.microsoftonline.us/t/oauth2/v2.0/token, scope: https://outlook.office365.us/.default"
    )
    assert (
        replace(
            MICROSOFT,
            token_url="https://login.microsoftonline.us/t/oauth2/v2.0/token",
            scope="https://outlook.office365.us/.default",
        )
        == found
    )


def test_a_private_key_comes_with_its_certificate() -> None:
    found = client(
        "provider: microsoft, tenant: contoso.onmicrosoft.com, client_id: i, private_key_file: k, certificate_file: /c"
    )
    expected = replace(
        MICROSOFT,
        client_secret=None,
        authentication=None,
        private_key=FileSecret(Path("/etc/k")),
        certificate=FileSecret(Path("/c")),
    )
    assert expected == found


def test_a_service_account_acts_for_the_user_unless_it_is_told_for_whom() -> None:
    found = client("provider: google, service_account_file: /k")
    expected = OAuth2Client(
        provider=OAuth2Provider.GOOGLE,
        token_url="https://oauth2.googleapis.com/token",
        scope="https://mail.google.com/",
        service_account=FileSecret(Path("/k")),
        subject="u@example.com",
    )
    assert (expected, OAuth2Grant.JWT_BEARER) == (found, found.grant)
    assert "v" == client("provider: google, service_account_file: /k, subject: v").subject


def test_a_refresh_token_is_for_what_it_was_given_for() -> None:
    found = client("provider: google, client_id: i, client_secret_env: S, refresh_token_env: R")
    expected = OAuth2Client(
        provider=OAuth2Provider.GOOGLE,
        token_url="https://oauth2.googleapis.com/token",
        client_id="i",
        client_secret=EnvSecret("S"),
        refresh_token=EnvSecret("R"),
        authentication=OAuth2Authentication.POST,
    )
    assert (expected, OAuth2Grant.REFRESH_TOKEN) == (found, found.grant)


def test_a_user_may_come_from_any_directory_and_a_client_may_have_no_secret() -> None:
    found = client("provider: microsoft, tenant: consumers, client_id: i, refresh_token_file: /r")

    assert "https://login.microsoftonline.com/consumers/oauth2/v2.0/token" == found.token_url
    assert (None, None, None) == (found.client_secret, found.private_key, found.scope)


def test_custom_takes_what_is_written() -> None:
    found = client(
        "provider: custom, token_url: 'https://idp.example.com:8443/token?realm=mail', scope: imap smtp, "
        "client_id: i, client_secret: 007"
    )
    expected = OAuth2Client(
        provider=OAuth2Provider.CUSTOM,
        token_url="https://idp.example.com:8443/token?realm=mail",
        scope="imap smtp",
        client_id="i",
        client_secret=InlineSecret(Secret(b"007")),
        authentication=OAuth2Authentication.BASIC,
    )
    assert expected == found


def test_a_client_secret_is_shown_as_the_provider_wants_it() -> None:
    written = "client_id: i, client_secret_env: S, token_url: https://h/"

    assert OAuth2Authentication.BASIC == client(f"provider: custom, {written}").authentication
    assert OAuth2Authentication.POST == client(f"provider: microsoft, {written}").authentication
    found = client(f"provider: custom, {written}, authentication: client_secret_post")
    assert OAuth2Authentication.POST == found.authentication


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:1", "127.8.9.10"])
def test_http_is_for_this_machine(host: str) -> None:
    url = f"http://{host}/token"
    assert url == client(f"provider: custom, token_url: '{url}', client_id: i, client_secret_env: S").token_url


def warnings(configuration: Configuration) -> list[str]:
    return [warning.message for warning in configuration.warnings]


def test_secrets_of_clients_are_looked_at_as_passwords_are(tmp_path: Path) -> None:
    (tmp_path / "public").write_text("hunter2")
    (tmp_path / "public").chmod(0o644)
    file = tmp_path / "config.yaml"
    file.write_text(
        """\
credentials:
  a: {username: u, oauth2: {provider: custom, token_url: https://h/, client_id: i, client_secret: hunter2}}
  b: {username: u, oauth2: {provider: custom, token_url: https://h/, client_id: i, client_secret_file: public}}
  c: {username: u, oauth2: {provider: google, service_account_file: missing}}
endpoints: [{url: imaps://h, credentials: a}, {url: imaps://i, credentials: b}, {url: imaps://j, credentials: c}]
"""
    )
    found = warnings(load(file))

    assert [
        (
            "credentials.a.oauth2.client_secret: a client secret in the configuration is in plain text; "
            "use client_secret_file instead"
        ),
        (
            f'credentials.b.oauth2.client_secret_file: every user of this machine can read "{tmp_path}/public"; '
            "use chmod o-r"
        ),
        (
            f'credentials.c.oauth2.service_account_file: "{tmp_path}/missing" cannot be read at present '
            "(No such file or directory); logins fail until it can"
        ),
    ] == found


EVERY_WAY = """\
credentials:
  a: {username: u, oauth2: {provider: microsoft, tenant: t, client_id: i, client_secret_file: s}}
  b: {username: u, oauth2: {provider: microsoft, tenant: t, client_id: i, private_key_file: k, certificate_file: c}}
  c: {username: u, oauth2: {provider: google, service_account_file: k, subject: v}}
  d: {username: u, oauth2: {provider: custom, token_url: https://h/, scope: a b, client_id: i, refresh_token_env: R}}
login_backoff: {initial: 10m, max: 2h}
endpoints: [{url: imaps://h, credentials: a}]
"""


def test_what_is_shown_loads_again_and_means_the_same() -> None:
    first = parse(EVERY_WAY, "/etc/f")
    second = parse("".join(render(first)), "/etc/f")

    assert first.credentials == second.credentials
    assert first.endpoints == second.endpoints
    assert LoginBackoff(600, 7200) == first.login_backoff == second.login_backoff


def test_secrets_are_not_shown() -> None:
    text = """\
credentials:
  c:
    username: u
    oauth2: {provider: custom, token_url: https://h/, client_id: i, client_secret: hunter2, refresh_token: hunter3}
endpoints: [{url: imaps://h}]
"""
    configuration = parse(text, "f")

    assert "hunter" not in "".join(render(configuration)) + repr(configuration)
    assert 'client_secret: "<redacted>", refresh_token: "<redacted>"' in "".join(render(configuration))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{}", LoginBackoff(300, 3600)),
        ("{initial: 2h}", LoginBackoff(7200, 7200)),
        ("{max: 1m}", LoginBackoff(60, 60)),
        ("{initial: 1s, max: 24h}", LoginBackoff(1, 86400)),
    ],
)
def test_of_the_backoff_what_is_not_written_gives_way(written: str, expected: LoginBackoff) -> None:
    assert expected == parse(f"login_backoff: {written}\nendpoints: [{{url: imaps://h}}]", "f").login_backoff


MECHANISMS = """\
defaults: {{mechanism: {mechanism}}}
credentials:
  password: {{username: u, password_env: P}}
  token: {{username: u, oauth2: {{provider: google, service_account_file: /k}}}}
endpoints:
  - {{url: imaps://a, credentials: password}}
  - {{url: imaps://b, credentials: token}}
  - {{url: pop3s://c, credentials: password}}
"""


@pytest.mark.parametrize(
    ("mechanism", "expected"),
    [
        ("PLAIN", ["PLAIN", "auto", "PLAIN"]),
        ("XOAUTH2", ["auto", "XOAUTH2", "auto"]),
        ("APOP", ["auto", "auto", "APOP"]),
        ("EXTERNAL", ["auto", "auto", "auto"]),
    ],
)
def test_a_mechanism_of_the_defaults_passes_by_credentials_that_it_does_not_fit(
    mechanism: str, expected: list[str]
) -> None:
    found = parse(MECHANISMS.format(mechanism=mechanism), "f").endpoints
    assert [Mechanism(each) for each in expected] == [endpoint.mechanism for endpoint in found]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A client's certificate, with its key."""
    file = tmp_path / "client.pem"
    trustme.CA().issue_cert("client.example.com").private_key_and_cert_chain_pem.write_to_path(file)
    return file


@pytest.mark.parametrize("mechanism", ["auto", "EXTERNAL"])
def test_credentials_without_a_secret_log_in_by_the_client_certificate(certificate: Path, mechanism: str) -> None:
    configuration = parse(
        f"""\
defaults: {{tls: {{client_cert_file: {certificate}}}, mechanism: {mechanism}}}
credentials: {{c: {{username: u}}}}
endpoints: [{{url: imaps://a, credentials: c}}]
modules: {{m: {{url: "imaps://", credentials: c, allowed_targets: [h]}}}}
""",
        "f",
    )
    assert (Credentials("c", "u"),) == configuration.credentials
    assert Credentials("c", "u") == parse("".join(render(configuration)), "f").credentials[0]


def test_a_module_may_be_the_only_one_to_log_in_by_a_certificate(certificate: Path) -> None:
    configuration = parse(
        f"""\
credentials: {{c: {{username: u}}}}
endpoints: [{{url: imaps://a}}]
modules:
  m: {{url: "imaps://", credentials: c, allowed_targets: [h], tls: {{client_cert_file: {certificate}}}}}
""",
        "f",
    )
    assert Credentials("c", "u") == configuration.modules["m"].template.credentials
