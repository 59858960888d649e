"""What a probe looks at once it is in, and what it must not do before: mailboxes, recipients, logins in plain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.authority import Authority
from tests.servers.dovecot import dovecot
from tests.servers.exporter import Metrics, observe
from tests.servers.mail import ALICE, BOB, DOMAIN, MailServers
from tests.servers.programs import LOOPBACK, REMOTE_LOOPBACK

FOREIGN = "someone@elsewhere.test"


@pytest.fixture(scope="module")
def metrics(
    mail: MailServers, authority: Authority, server_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Metrics:
    imaps = {"url": f"imaps://{LOOPBACK}:{mail.dovecot.imaps}", "credentials": "alice"}
    pop3s = {"url": f"pop3s://{LOOPBACK}:{mail.dovecot.pop3s}", "credentials": "alice"}
    smtp = {"url": f"smtp://{LOOPBACK}:{mail.postfix.smtp}"}
    plain_imap = {"protocol": "imap", "port": mail.dovecot.imap, "encryption": "none", "credentials": "alice"}
    plain_smtp = {"protocol": "smtp", "host": LOOPBACK, "port": mail.postfix.plain, "credentials": "alice"}
    without_tls = authority.issue("without-tls", names=[LOOPBACK])
    with dovecot(server_directory / "without-tls", without_tls, [ALICE], tls=False) as plain_server:
        plain_dovecot = {"host": LOOPBACK, "credentials": "alice"}
        return observe(
            tmp_path_factory.mktemp("checks"),
            [
                {"name": "inbox", "mailbox": "INBOX", **imaps},
                {"name": "archive", "mailbox": "Archive", **imaps},
                {"name": "no-such-mailbox", "mailbox": "Nowhere", **imaps},
                {"name": "empty-inbox", "mailbox": "INBOX", **imaps, "credentials": "bob"},
                {"name": "maildrop", **pop3s},
                {"name": "empty-maildrop", **pop3s, "credentials": "bob"},
                {"name": "known-recipient", "rcpt_to": ALICE.username, **smtp},
                {"name": "recipient-with-sender", "rcpt_to": ALICE.username, "mail_from": FOREIGN, **smtp},
                {"name": "unknown-recipient", "rcpt_to": f"nobody@{DOMAIN}", **smtp},
                {"name": "closed-relay", "rcpt_to": FOREIGN, "rcpt_expect": [550, 554], **smtp},
                {"name": "open-relay", "rcpt_to": ALICE.username, "rcpt_expect": [550, 554], **smtp},
                {"name": "refused-otherwise", "rcpt_to": FOREIGN, "rcpt_expect": [550], **smtp},
                {"name": "capability", "expect": {"capabilities": ["IDLE", "quota"]}, **imaps},
                {"name": "no-capability", "expect": {"capabilities": ["IDLE", "X-MISSING"]}, **imaps},
                {"name": "no-login-on-port-25", "credentials": "alice", **smtp},
                {"name": "plain-refused-by-us", "host": LOOPBACK, **plain_imap},
                {
                    "name": "plain-refused-by-it",
                    "host": REMOTE_LOOPBACK,
                    "allow_insecure_auth": True,
                    "mechanism": "PLAIN",
                    **plain_imap,
                },
                {
                    "name": "upgrade-for-remote",
                    "url": f"imap://{REMOTE_LOOPBACK}:{mail.dovecot.imap}",
                    "credentials": "bob",
                },
                {"name": "starttls-missing-smtp", "encryption": "starttls", **plain_smtp},
                {"name": "opportunity-missing-smtp", "encryption": "opportunistic", **plain_smtp},
                {
                    "name": "starttls-missing-imap",
                    "protocol": "imap",
                    "port": plain_server.imap,
                    "encryption": "starttls",
                    **plain_dovecot,
                },
                {
                    "name": "opportunity-missing-imap",
                    "protocol": "imap",
                    "port": plain_server.imap,
                    "encryption": "opportunistic",
                    **plain_dovecot,
                },
                {
                    "name": "starttls-missing-pop3",
                    "protocol": "pop3",
                    "port": plain_server.pop3,
                    "encryption": "starttls",
                    **plain_dovecot,
                },
                {
                    "name": "opportunity-missing-pop3",
                    "protocol": "pop3",
                    "port": plain_server.pop3,
                    "encryption": "opportunistic",
                    **plain_dovecot,
                },
            ],
            credentials={
                "alice": {"username": ALICE.username, "password": ALICE.password},
                "bob": {"username": BOB.username, "password": BOB.password},
            },
            defaults={"interval": "6s", "tls": {"ca_file": str(mail.authority.file)}},
        ).metrics


def failure(metrics: Metrics, endpoint: str) -> tuple[str, str] | None:
    """Reason and phase; `None` if the last probe succeeded."""
    failures = metrics.find("mail_probe_failure_info", endpoint=endpoint)
    assert (not failures) == bool(metrics.value("mail_probe_success", endpoint=endpoint))
    return (failures[0]["reason"], failures[0]["phase"]) if failures else None


def test_imap_figures_match_what_was_delivered(metrics: Metrics, mail: MailServers) -> None:
    expected = mail.figures(ALICE)
    of = {"endpoint": "inbox", "mailbox": "INBOX"}

    assert expected.messages == metrics.value("mail_mailbox_messages", **of)
    assert expected.unseen == metrics.value("mail_mailbox_unseen_messages", **of)
    assert expected.size == metrics.value("mail_mailbox_size_bytes", **of)
    assert expected.quota_used == metrics.value("mail_mailbox_quota_used_bytes", **of)
    assert expected.quota_limit == metrics.value("mail_mailbox_quota_limit_bytes", **of)


def test_pop3_figures_match_what_was_delivered(metrics: Metrics, mail: MailServers) -> None:
    expected = mail.figures(ALICE)

    assert expected.messages == metrics.value("mail_mailbox_messages", endpoint="maildrop")
    assert expected.size == metrics.value("mail_mailbox_size_bytes", endpoint="maildrop")
    assert metrics.get("mail_mailbox_unseen_messages", endpoint="maildrop") is None
    assert metrics.get("mail_mailbox_quota_used_bytes", endpoint="maildrop") is None


@pytest.mark.parametrize("endpoint", ["archive", "empty-inbox", "empty-maildrop"])
def test_an_empty_mailbox_has_zero_messages_and_zero_bytes(metrics: Metrics, endpoint: str) -> None:
    assert failure(metrics, endpoint) is None
    assert 0 == metrics.value("mail_mailbox_messages", endpoint=endpoint)
    assert 0 == metrics.value("mail_mailbox_size_bytes", endpoint=endpoint)


def test_looking_at_a_mailbox_changes_no_flag(mail: MailServers, tmp_path: Path) -> None:
    before = mail.flags(ALICE)
    observe(
        tmp_path,
        [
            {
                "name": "inbox",
                "url": f"imaps://{LOOPBACK}:{mail.dovecot.imaps}",
                "credentials": "alice",
                "mailbox": "INBOX",
            }
        ],
        credentials={"alice": {"username": ALICE.username, "password": ALICE.password}},
        defaults={"interval": "1s", "timeout": "1s", "tls": {"ca_file": str(mail.authority.file)}},
    )

    assert before == mail.flags(ALICE)


@pytest.mark.parametrize(
    "endpoint", ["known-recipient", "recipient-with-sender", "closed-relay", "capability", "upgrade-for-remote"]
)
def test_what_is_as_it_should_be_succeeds(metrics: Metrics, endpoint: str) -> None:
    assert failure(metrics, endpoint) is None


@pytest.mark.parametrize(
    ("endpoint", "reason", "phase"),
    [
        ("no-such-mailbox", "mailbox_unavailable", "check"),
        ("unknown-recipient", "recipient_refused", "check"),
        ("refused-otherwise", "recipient_refused", "check"),
        ("open-relay", "recipient_accepted", "check"),
        ("no-capability", "capability_missing", "check"),
        ("no-login-on-port-25", "auth_mechanism_not_offered", "auth"),
        ("plain-refused-by-us", "auth_insecure", "auth"),
        ("plain-refused-by-it", "auth_mechanism_not_offered", "auth"),
        ("starttls-missing-smtp", "starttls_not_offered", "starttls"),
        ("starttls-missing-imap", "starttls_not_offered", "starttls"),
        ("starttls-missing-pop3", "starttls_not_offered", "starttls"),
        ("opportunity-missing-smtp", "auth_insecure", "auth"),
        ("opportunity-missing-imap", "auth_insecure", "auth"),
        ("opportunity-missing-pop3", "auth_insecure", "auth"),
    ],
)
def test_what_is_not_fails_with_its_reason_in_its_phase(
    metrics: Metrics, endpoint: str, reason: str, phase: str
) -> None:
    assert (reason, phase) == failure(metrics, endpoint)


@pytest.mark.parametrize("endpoint", ["starttls-missing-smtp", "starttls-missing-imap", "starttls-missing-pop3"])
def test_a_missing_starttls_is_reported(metrics: Metrics, endpoint: str) -> None:
    assert 0 == metrics.value("mail_starttls_offered", endpoint=endpoint)


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [("known-recipient", 250), ("unknown-recipient", 550), ("closed-relay", 554)],
)
def test_the_answer_about_the_recipient_is_the_checks_reply_code(metrics: Metrics, endpoint: str, code: int) -> None:
    assert code == metrics.value("mail_probe_last_reply_code", endpoint=endpoint, phase="check")


def test_asking_about_a_recipient_delivers_nothing(metrics: Metrics, mail: MailServers) -> None:
    assert failure(metrics, "known-recipient") is None
    assert metrics.value("mail_mailbox_messages", endpoint="inbox") == mail.figures(ALICE).messages
