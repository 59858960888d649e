"""Access tokens from end to end: an authorisation server, the daemon, and a Dovecot that asks the first about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from exporter.model import Mechanism, TokenOutcome
from tests.servers.authorisation import AuthorisationServer, Client, authorisation
from tests.servers.authority import Authority
from tests.servers.dovecot import Account, Dovecot, dovecot
from tests.servers.exporter import Exporter, Metrics, StartExporter, observe
from tests.servers.programs import LOOPBACK, scratch_directory, wait_until

USER = "tokens@example.com"
SECRET = "s&cr:t that opens the token endpoint"

REQUESTS = "mail_oauth2_token_requests_total"


@pytest.fixture(scope="module")
def shared_idp() -> Iterator[AuthorisationServer]:
    """The one that Dovecot asks. What it has issued is good there."""
    with authorisation() as server:
        yield server


@pytest.fixture(scope="module")
def mail_server(shared_idp: AuthorisationServer, authority: Authority) -> Iterator[Dovecot]:
    with (
        scratch_directory() as directory,
        dovecot(
            directory,
            authority.issue("tokens", names=[LOOPBACK]),
            # Nobody logs in by this password; the mailbox is his who has a token.
            [Account(USER, "not needed")],
            introspection_url=shared_idp.introspection_url,
        ) as server,
    ):
        yield server


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that the daemon needs for a login by a token.

    Attributes:
        tokens: The authorisation server.
    """

    tokens: AuthorisationServer
    server: Dovecot
    authority: Authority
    directory: Path

    @property
    def secret_file(self) -> Path:
        """The client's secret."""
        return self.directory / "client-secret"

    def entry(self, **changes: object) -> dict[str, object]:
        """An entry of the credentials."""
        oauth2 = {
            "provider": "custom",
            "token_url": self.tokens.token_url,
            "scope": "imap pop3",
            "client_id": "monitor",
            "client_secret_file": str(self.secret_file),
            **changes,
        }
        return {"username": USER, "oauth2": {key: value for key, value in oauth2.items() if value is not None}}

    def endpoint(self, scheme: str = "imaps", **keys: object) -> dict[str, object]:
        """One that logs in."""
        return {
            "name": scheme,
            "url": f"{scheme}://{LOOPBACK}:{self.server.imaps if scheme == 'imaps' else self.server.pop3s}",
            "tls": {"ca_file": str(self.authority.file)},
            "credentials": "contoso",
            "interval": "3s",
            **keys,
        }

    def configuration(self) -> str:
        """That endpoint."""
        return yaml.safe_dump({"credentials": {"contoso": self.entry()}, "endpoints": [self.endpoint()]})


@pytest.fixture
def stage(shared_idp: AuthorisationServer, mail_server: Dovecot, authority: Authority, tmp_path: Path) -> Stage:
    """All of it, as good as new."""
    shared_idp.clients = {"monitor": Client(USER, SECRET)}
    shared_idp.requests.clear()
    shared_idp.issued.clear()
    shared_idp.lifetime = 3600
    stage = Stage(shared_idp, mail_server, authority, tmp_path)
    stage.secret_file.write_text(SECRET)
    stage.secret_file.chmod(0o600)
    return stage


def requests(metrics: Metrics) -> dict[str, float]:
    """Requests for tokens by what became of them, without what did not happen."""
    counted = {one["outcome"]: metrics.get(REQUESTS, **one) for one in metrics.find(REQUESTS, credentials="contoso")}
    assert set(map(str, TokenOutcome)) == counted.keys()
    return {outcome: count for outcome, count in counted.items() if count}


def once(exporter: Exporter, metric: str, what: str) -> Metrics:
    """The metrics as soon as this one has a series that is not 0."""

    def seen() -> Metrics | None:
        metrics = exporter.metrics()
        return metrics if any(metrics.get(metric, **labels) for labels in metrics.find(metric)) else None

    return wait_until(seen, what=what)


@pytest.mark.parametrize("mechanism", [Mechanism.XOAUTH2, Mechanism.OAUTHBEARER, Mechanism.AUTO])
@pytest.mark.parametrize("scheme", ["imaps", "pop3s"])
def test_a_token_logs_in(stage: Stage, mechanism: Mechanism, scheme: str) -> None:
    endpoint = stage.endpoint(scheme, mechanism=mechanism.value)
    seen = observe(stage.directory, [endpoint], credentials={"contoso": stage.entry()})

    used = Mechanism.OAUTHBEARER if mechanism is Mechanism.AUTO else mechanism
    assert 1.0 == seen.metrics.get("mail_probe_success", endpoint=scheme), seen.log
    assert 1.0 == seen.metrics.get("mail_auth_success", mechanism=used.value)
    assert 0.0 == seen.metrics.get("mail_auth_backoff_seconds", endpoint=scheme)
    assert {"success": 1.0} == requests(seen.metrics)
    (token,) = stage.tokens.issued
    told = seen.metrics.get("mail_oauth2_token_expiry_timestamp_seconds", credentials="contoso")
    assert pytest.approx(stage.tokens.issued[token].expires_at, abs=5) == told
    assert {token} == set(stage.tokens.asked_about[-1:])
    assert token not in seen.text + seen.log


def test_a_client_that_signs_logs_in_as_well(stage: Stage) -> None:
    key = rsa.generate_private_key(65537, 2048)
    stage.tokens.clients["monitor"] = Client(USER, key=key.public_key())
    stage.secret_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    entry = stage.entry(client_secret_file=None, private_key_file=str(stage.secret_file))
    seen = observe(stage.directory, [stage.endpoint()], credentials={"contoso": entry})

    assert 1.0 == seen.metrics.get("mail_auth_success", endpoint="imaps"), seen.log


def test_a_hundred_endpoints_share_one_token(stage: Stage) -> None:
    endpoints = [stage.endpoint(name=f"e{number}", interval="5s") for number in range(100)]
    limits = {"connections_per_host": 10}
    seen = observe(stage.directory, endpoints, credentials={"contoso": stage.entry()}, limits=limits)

    assert 1 == len(stage.tokens.requests)
    assert {"success": 1.0} == requests(seen.metrics)
    succeeded = [seen.metrics.get("mail_auth_success", endpoint=f"e{number}") for number in range(100)]
    assert [1.0] * 100 == succeeded


def test_a_token_that_is_taken_back_costs_one_probe(stage: Stage, start_exporter: StartExporter) -> None:
    exporter = start_exporter(stage.configuration())
    once(exporter, "mail_probe_success", "it logs in")
    stage.tokens.revoke_all()
    wait_until(lambda: stage.tokens.issued, what="a new token is fetched")
    once(exporter, "mail_probe_failures_total", "a probe has failed")
    seen = once(exporter, "mail_probe_success", "it logs in again")

    assert 1.0 == seen.get("mail_probe_failures_total", reason="auth_rejected", phase="auth")
    assert 0.0 == seen.get("mail_auth_backoff_seconds")
    assert {"success": 2.0} == requests(seen)
    assert 2 == len(stage.tokens.requests)


def test_a_token_that_ends_is_replaced_and_no_probe_minds(stage: Stage, start_exporter: StartExporter) -> None:
    stage.tokens.lifetime = 3
    exporter = start_exporter(stage.configuration())
    wait_until(lambda: len(stage.tokens.requests) >= 3, what="the token was replaced twice")
    seen = exporter.metrics()

    assert {"auth_rejected", "token_failed"}.isdisjoint(
        labels["reason"] for labels in seen.find("mail_probe_failures_total")
    )
    assert {"success"} == requests(seen).keys()


def test_a_wrong_client_secret_is_told_and_mended_without_a_reload(stage: Stage, start_exporter: StartExporter) -> None:
    stage.secret_file.write_text("wrong secret")
    exporter = start_exporter(stage.configuration())
    failed = once(exporter, "mail_probe_failure_info", "it fails")

    assert 1.0 == failed.get("mail_probe_failure_info", reason="token_failed", phase="auth")
    # What came before the login is not lost.
    assert 1.0 == failed.get("mail_tls_verified")
    assert "the token endpoint refuses: invalid_client: AADSTS7000215" in exporter.log.read_text()
    stage.secret_file.write_text(SECRET)

    # Whoever is slow to mend it sees another refusal.
    made = requests(once(exporter, "mail_probe_success", "it logs in"))
    assert (1.0, {"refused", "success"}) == (made["success"], set(made))


def test_a_client_secret_that_is_missing_fails_its_own_endpoints_alone(stage: Stage) -> None:
    other = stage.entry(client_secret_file=str(stage.directory / "nowhere"))
    endpoints = [stage.endpoint(), stage.endpoint("pop3s", credentials="other")]
    seen = observe(stage.directory, endpoints, credentials={"contoso": stage.entry(), "other": other})

    assert 1.0 == seen.metrics.get("mail_probe_success", endpoint="imaps")
    assert 1.0 == seen.metrics.get("mail_probe_failure_info", endpoint="pop3s", reason="secret_unreadable")


def test_a_token_of_somebody_else_is_rejected_and_left_alone(stage: Stage, start_exporter: StartExporter) -> None:
    stage.tokens.clients["monitor"] = Client("somebody-else@example.com", SECRET)
    exporter = start_exporter(stage.configuration())
    seen = once(exporter, "mail_auth_backoff_seconds", "the login is held back")

    backoff = seen.get("mail_auth_backoff_seconds")
    assert backoff is not None
    assert 290 < backoff <= 300
    assert 1.0 == seen.get("mail_probe_failure_info", reason="auth_rejected", phase="auth")
    # The one it had, one more that was not for this user either, and one for when it is tried again.
    assert 2 <= len(stage.tokens.requests) <= 3
