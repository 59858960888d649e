"""Certificates that no mail client should take, served by a real Dovecot: refused, and reported all the same."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.authority import DAY, Authority, Identity, self_signed
from tests.servers.dovecot import Account, dovecot
from tests.servers.exporter import Metrics, Observation, observe
from tests.servers.programs import LOOPBACK, program

MAIL_NAME = "mail.example.test"
MONITOR = Account("monitor@example.test", "a-password-that-must-stay-here")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What becomes of one certificate.

    Attributes:
        reason: Of the probe's failure.
        problem: Of the certificate, as the metric's label names it.
    """

    reason: str
    problem: str


EXPECTED = {
    "expired": Expectation("tls_certificate_expired", "expired"),
    "not-yet-valid": Expectation("tls_certificate_not_yet_valid", "not_yet_valid"),
    "wrong-name": Expectation("tls_name_mismatch", "name_mismatch"),
    "self-signed": Expectation("tls_untrusted", "self_signed"),
    "unknown-authority": Expectation("tls_untrusted", "unknown_authority"),
}

SCHEMES = ("imap", "imaps", "pop3", "pop3s")


@pytest.fixture(scope="module")
def identities(authority: Authority, server_directory: Path) -> dict[str, Identity]:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    stranger = Authority.make(server_directory / "stranger", "An authority nobody was told of")
    return {
        "expired": authority.issue("expired", names=[LOOPBACK], not_before=now - 30 * DAY, not_after=now - DAY),
        "not-yet-valid": authority.issue("not-yet-valid", names=[LOOPBACK], not_before=now + DAY),
        "wrong-name": authority.issue("wrong-name", names=["mail.elsewhere.test"]),
        "self-signed": self_signed(server_directory, names=[LOOPBACK]),
        "unknown-authority": stranger.issue("unknown", names=[LOOPBACK]),
    }


@pytest.fixture(scope="module")
def seen(
    authority: Authority,
    identities: Mapping[str, Identity],
    server_directory: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Observation:
    with ExitStack() as stack:
        endpoints: list[dict[str, object]] = []
        for name, identity in identities.items():
            server = stack.enter_context(dovecot(server_directory / f"dovecot-{name}", identity, [MONITOR]))
            endpoints += [
                {
                    "name": f"{name}-{scheme}",
                    "url": f"{scheme}://{LOOPBACK}:{getattr(server, scheme)}",
                    "credentials": "monitor",
                }
                for scheme in SCHEMES
            ]
        good = authority.issue("good", names=[MAIL_NAME])
        server = stack.enter_context(dovecot(server_directory / "dovecot-good", good, [MONITOR]))
        url = f"imaps://{LOOPBACK}:{server.imaps}"
        tls = {"ca_file": str(authority.file)}
        endpoints += [
            {"name": "named", "url": url, "tls": {**tls, "server_name": MAIL_NAME}, "credentials": "monitor"},
            {"name": "unverified", "url": url, "tls": {**tls, "verify": False}},
            {"name": "unverified-login", "url": url, "tls": {**tls, "verify": False}, "credentials": "monitor"},
        ]
        return observe(
            tmp_path_factory.mktemp("certificates"),
            endpoints,
            credentials={"monitor": {"username": MONITOR.username, "password": MONITOR.password}},
            defaults={"interval": "6s", "tls": tls},
        )


@pytest.fixture(scope="module")
def metrics(seen: Observation) -> Metrics:
    return seen.metrics


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_bad_certificate_fails_the_probe_with_its_reason(metrics: Metrics, name: str, scheme: str) -> None:
    endpoint, expected = f"{name}-{scheme}", EXPECTED[name]

    assert 0 == metrics.value("mail_probe_success", endpoint=endpoint)
    assert 1 == metrics.value("mail_probe_failure_info", endpoint=endpoint, reason=expected.reason, phase="tls")
    assert 0 == metrics.value("mail_tls_verified", endpoint=endpoint)
    assert 1 == metrics.value("mail_tls_verification_error_info", endpoint=endpoint, error=expected.problem)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_bad_certificate_has_its_dates_reported(
    metrics: Metrics, identities: Mapping[str, Identity], name: str, scheme: str
) -> None:
    endpoint, leaf = f"{name}-{scheme}", identities[name].certificate
    not_before = metrics.value("mail_tls_certificate_not_before_timestamp_seconds", endpoint=endpoint)
    not_after = metrics.value("mail_tls_certificate_not_after_timestamp_seconds", endpoint=endpoint)

    assert leaf.not_valid_before_utc.timestamp() == not_before
    assert leaf.not_valid_after_utc.timestamp() == not_after


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bad_certificate_is_described_as_openssl_does(
    metrics: Metrics, identities: Mapping[str, Identity], name: str
) -> None:
    openssl = program("openssl", package="openssl")
    command = [openssl, "x509", "-noout", "-serial", "-fingerprint", "-sha256", "-in", str(identities[name].chain_file)]
    serial, fingerprint = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[::2][:2]
    (described,) = metrics.find("mail_tls_certificate_info", endpoint=f"{name}-imaps")

    assert serial.partition("=")[2].lower() == described["serial"]
    assert fingerprint.partition("=")[2].replace(":", "").lower() == described["fingerprint_sha256"]
    assert "EC P-256" == described["key"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", EXPECTED)
def test_no_login_is_tried_over_a_bad_certificate(metrics: Metrics, name: str, scheme: str) -> None:
    endpoint = f"{name}-{scheme}"

    assert metrics.get("mail_auth_success", endpoint=endpoint) is None
    assert [] == metrics.find("mail_probe_last_phase_duration_seconds", endpoint=endpoint, phase="auth")


def test_no_password_reached_a_server_with_a_bad_certificate(seen: Observation, server_directory: Path) -> None:
    assert 1 == seen.metrics.value("mail_auth_success", endpoint="named")
    assert f"user=<{MONITOR.username}>" in (server_directory / "dovecot-good" / "dovecot.log").read_text()
    for name in EXPECTED:
        assert f"user=<{MONITOR.username}>" not in (server_directory / f"dovecot-{name}" / "dovecot.log").read_text()


def test_the_name_that_is_asked_for_may_be_configured(metrics: Metrics) -> None:
    assert 1 == metrics.value("mail_probe_success", endpoint="named")
    assert 1 == metrics.value("mail_tls_verified", endpoint="named")


def test_without_verification_the_judgement_is_reported_and_does_not_fail_the_probe(metrics: Metrics) -> None:
    assert 1 == metrics.value("mail_probe_success", endpoint="unverified")
    assert 0 == metrics.value("mail_tls_verified", endpoint="unverified")
    assert 1 == metrics.value("mail_tls_verification_error_info", endpoint="unverified", error="name_mismatch")


def test_without_verification_no_password_is_sent(metrics: Metrics) -> None:
    failure = {"endpoint": "unverified-login", "reason": "auth_insecure", "phase": "auth"}

    assert 1 == metrics.value("mail_probe_failure_info", **failure)


def test_no_password_is_in_the_metrics_or_the_log(seen: Observation) -> None:
    assert MONITOR.password not in seen.text
    assert MONITOR.password not in seen.log
