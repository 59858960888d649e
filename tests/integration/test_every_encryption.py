"""Dovecot and Postfix, probed in every protocol and every encryption mode, with the right and with a wrong password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pytest

from exporter.model import Encryption, Phase, Protocol
from tests.servers.exporter import Metrics, Observation, observe
from tests.servers.mail import ALICE, FORGETFUL, MailServers
from tests.servers.programs import LOOPBACK

ALL = [(protocol, encryption) for protocol, encryption in product(Protocol, Encryption)]
ENCRYPTED = [(protocol, encryption) for protocol, encryption in ALL if encryption is not Encryption.NONE]
UPGRADED = [each for each in ALL if each[1] in {Encryption.STARTTLS, Encryption.OPPORTUNISTIC}]
WRONG_PASSWORD = "not-the-right-one"


@dataclass(frozen=True, slots=True)
class Case:
    """One endpoint."""

    protocol: Protocol
    encryption: Encryption
    right: bool

    @property
    def name(self) -> str:
        return f"{self.protocol}-{self.encryption}-{'right' if self.right else 'wrong'}"


CASES = [Case(protocol, encryption, right) for protocol, encryption in ALL for right in (True, False)]

PORTS: dict[tuple[Protocol, bool], Callable[[MailServers], int]] = {
    (Protocol.SMTP, True): lambda mail: mail.postfix.submissions,
    (Protocol.SMTP, False): lambda mail: mail.postfix.submission,
    (Protocol.IMAP, True): lambda mail: mail.dovecot.imaps,
    (Protocol.IMAP, False): lambda mail: mail.dovecot.imap,
    (Protocol.POP3, True): lambda mail: mail.dovecot.pop3s,
    (Protocol.POP3, False): lambda mail: mail.dovecot.pop3,
}
"""By protocol, and whether TLS comes first."""


def port(mail: MailServers, case: Case) -> int:
    # Postfix offers logins without TLS only at a port of its own; Dovecot offers them to its own address.
    if (case.protocol, case.encryption) == (Protocol.SMTP, Encryption.NONE):
        return mail.postfix.plain
    return PORTS[case.protocol, case.encryption is Encryption.TLS](mail)


@pytest.fixture(scope="module")
def seen(mail: MailServers, tmp_path_factory: pytest.TempPathFactory) -> Observation:
    wrong = iter(FORGETFUL)
    credentials: dict[str, object] = {"alice": {"username": ALICE.username, "password": ALICE.password}}
    endpoints = []
    for case in CASES:
        login = "alice"
        if not case.right:
            account = next(wrong)
            login = account.username.partition("@")[0]
            credentials[login] = {"username": account.username, "password": WRONG_PASSWORD}
        endpoints.append(
            {
                "name": case.name,
                "protocol": str(case.protocol),
                "host": LOOPBACK,
                "port": port(mail, case),
                "encryption": str(case.encryption),
                "credentials": login,
                "allow_insecure_auth": case.encryption is Encryption.NONE,
            }
        )
    return observe(
        tmp_path_factory.mktemp("encryption"),
        endpoints,
        credentials=credentials,
        defaults={"interval": "6s", "timeout": "6s", "tls": {"ca_file": str(mail.authority.file)}},
    )


@pytest.fixture(scope="module")
def metrics(seen: Observation) -> Metrics:
    return seen.metrics


def right(protocol: Protocol, encryption: Encryption) -> str:
    return Case(protocol, encryption, right=True).name


def wrong(protocol: Protocol, encryption: Encryption) -> str:
    return Case(protocol, encryption, right=False).name


@pytest.mark.parametrize(("protocol", "encryption"), ALL)
def test_the_right_password_succeeds(metrics: Metrics, protocol: Protocol, encryption: Encryption) -> None:
    endpoint = right(protocol, encryption)

    assert [] == metrics.find("mail_probe_failure_info", endpoint=endpoint)
    assert 1 == metrics.value("mail_probe_success", endpoint=endpoint, protocol=protocol)
    assert 1 == metrics.value("mail_auth_success", endpoint=endpoint)
    assert 4 == metrics.value("mail_probe_ip_protocol", endpoint=endpoint)


@pytest.mark.parametrize(("protocol", "encryption"), ALL)
def test_a_wrong_password_is_rejected_and_named_so(
    metrics: Metrics, protocol: Protocol, encryption: Encryption
) -> None:
    endpoint = wrong(protocol, encryption)

    assert 0 == metrics.value("mail_probe_success", endpoint=endpoint)
    assert 0 == metrics.value("mail_auth_success", endpoint=endpoint)
    assert 1 == metrics.value("mail_probe_failure_info", endpoint=endpoint, reason="auth_rejected", phase="auth")
    assert metrics.value("mail_probe_failures_total", endpoint=endpoint, reason="auth_rejected", phase="auth") >= 1


@pytest.mark.parametrize(("protocol", "encryption"), ALL)
def test_every_phase_on_the_way_is_timed_and_no_other(
    metrics: Metrics, protocol: Protocol, encryption: Encryption
) -> None:
    expected = {Phase.DNS, Phase.CONNECT, Phase.GREETING, Phase.CAPABILITY, Phase.AUTH, Phase.QUIT}
    if encryption is not Encryption.NONE:
        expected.add(Phase.TLS)
    if (protocol, encryption) in UPGRADED:
        expected.add(Phase.STARTTLS)
    if protocol is Protocol.POP3:
        expected.add(Phase.CHECK)  # STAT needs nothing configured

    endpoint = right(protocol, encryption)
    phases = {one["phase"] for one in metrics.find("mail_probe_last_phase_duration_seconds", endpoint=endpoint)}
    durations = [
        metrics.value("mail_probe_last_phase_duration_seconds", endpoint=endpoint, phase=phase) for phase in phases
    ]

    assert expected == phases
    assert all(duration >= 0 for duration in durations)
    assert sum(durations) <= metrics.value("mail_probe_last_duration_seconds", endpoint=endpoint) + 0.001


@pytest.mark.parametrize(("protocol", "encryption"), ENCRYPTED)
@pytest.mark.parametrize("case", [right, wrong])
def test_certificate_dates_match_the_certificate_file(
    metrics: Metrics,
    mail: MailServers,
    protocol: Protocol,
    encryption: Encryption,
    case: Callable[[Protocol, Encryption], str],
) -> None:
    endpoint, leaf = case(protocol, encryption), mail.identity.certificate
    not_before = metrics.value("mail_tls_certificate_not_before_timestamp_seconds", endpoint=endpoint)
    not_after = metrics.value("mail_tls_certificate_not_after_timestamp_seconds", endpoint=endpoint)

    assert leaf.not_valid_before_utc.timestamp() == not_before
    assert leaf.not_valid_after_utc.timestamp() == not_after
    assert not_after == metrics.value("mail_tls_chain_not_after_timestamp_seconds", endpoint=endpoint)
    assert 1 == metrics.value("mail_tls_verified", endpoint=endpoint)
    assert [] == metrics.find("mail_tls_verification_error_info", endpoint=endpoint)


@pytest.mark.parametrize(("protocol", "encryption"), ENCRYPTED)
def test_the_session_is_described(metrics: Metrics, protocol: Protocol, encryption: Encryption) -> None:
    (session,) = metrics.find("mail_tls_info", endpoint=right(protocol, encryption))

    assert session["version"] in {"TLSv1.2", "TLSv1.3"}
    assert session["cipher"]


@pytest.mark.parametrize("protocol", Protocol)
def test_without_encryption_nothing_is_said_of_certificates(metrics: Metrics, protocol: Protocol) -> None:
    endpoint = right(protocol, Encryption.NONE)
    families = {name for name, labels in metrics.series if ("endpoint", endpoint) in labels and "_tls_" in name}

    assert set() == families


@pytest.mark.parametrize(("protocol", "encryption"), ALL)
def test_starttls_is_reported_where_it_was_asked_for(
    metrics: Metrics, protocol: Protocol, encryption: Encryption
) -> None:
    expected = 1 if (protocol, encryption) in UPGRADED else None

    assert expected == metrics.get("mail_starttls_offered", endpoint=right(protocol, encryption))


@pytest.mark.parametrize("encryption", Encryption)
def test_smtp_tells_its_last_reply_codes_and_its_size_limit(
    metrics: Metrics, mail: MailServers, encryption: Encryption
) -> None:
    endpoint = right(Protocol.SMTP, encryption)
    codes = {
        one["phase"]: metrics.value("mail_probe_last_reply_code", **one)
        for one in metrics.find("mail_probe_last_reply_code", endpoint=endpoint)
    }
    expected = {"greeting": 220, "capability": 250, "auth": 235, "quit": 221}
    if (Protocol.SMTP, encryption) in UPGRADED:
        expected["starttls"] = 220

    assert expected == codes
    assert mail.postfix.size_limit == metrics.value("mail_smtp_size_limit_bytes", endpoint=endpoint)


def test_no_password_is_in_the_metrics_or_the_log(seen: Observation) -> None:
    for text in (seen.text, seen.log):
        assert ALICE.password not in text
        assert WRONG_PASSWORD not in text
