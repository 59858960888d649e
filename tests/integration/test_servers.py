"""The servers that other tests lean on do what those take for granted. Nothing of the product is used here."""

from __future__ import annotations

import imaplib
import smtplib
import ssl

import pytest

from tests.servers.authority import Authority
from tests.servers.dovecot import StartDovecot
from tests.servers.mail import ALICE, ALICES_MESSAGES, ALICES_UNSEEN, BOB, MailServers
from tests.servers.programs import LOOPBACK, REMOTE_LOOPBACK


def test_the_mail_delivered_by_smtp_is_in_the_mailbox_and_counts_towards_the_quota(mail: MailServers) -> None:
    figures = mail.figures(ALICE)

    assert figures.messages == ALICES_MESSAGES
    assert figures.unseen == ALICES_UNSEEN
    assert figures.size > 3000
    assert 0 < figures.quota_used < figures.quota_limit == 10 * 1024 * 1024


def test_imap_and_pop3_agree_on_the_mailbox(mail: MailServers) -> None:
    client = mail.pop3(ALICE)
    try:
        messages, size = client.stat()
    finally:
        client.quit()

    assert (mail.figures(ALICE).messages, mail.figures(ALICE).size) == (messages, size)


def test_an_account_without_mail_has_an_empty_mailbox(mail: MailServers) -> None:
    assert 0 == mail.figures(BOB).messages


@pytest.mark.parametrize(("host", "disabled"), [(LOOPBACK, False), (REMOTE_LOOPBACK, True)])
def test_dovecot_forbids_logins_in_plain_to_clients_that_are_not_local(
    mail: MailServers, host: str, *, disabled: bool
) -> None:
    with imaplib.IMAP4(host, mail.dovecot.imap, timeout=10) as client:
        assert disabled == ("LOGINDISABLED" in client.capabilities)


def test_dovecot_offers_every_mechanism_that_is_to_be_tested(mail: MailServers) -> None:
    expected = {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"}
    with imaplib.IMAP4(LOOPBACK, mail.dovecot.imap, timeout=10) as client:
        offered = {one.removeprefix("AUTH=") for one in client.capabilities if one.startswith("AUTH=")}

    assert expected == offered


def test_dovecot_takes_a_bearer_token_as_long_as_it_is_active(mail: MailServers) -> None:
    def log_in() -> str:
        context = ssl.create_default_context(cafile=str(mail.authority.file))
        with imaplib.IMAP4_SSL(LOOPBACK, mail.dovecot.imaps, ssl_context=context, timeout=10) as client:
            response = f"user={BOB.username}\x01auth=Bearer a-token\x01\x01".encode()
            client.authenticate("XOAUTH2", lambda challenge: b"" if challenge else response)
            return client.state

    mail.introspection.tokens["a-token"] = BOB.username
    assert "AUTH" == log_in()
    del mail.introspection.tokens["a-token"]
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        log_in()


@pytest.mark.parametrize(
    ("port", "starttls", "auth"), [("smtp", True, False), ("submission", True, False), ("plain", False, True)]
)
def test_postfix_offers_in_plain_what_each_port_is_for(
    mail: MailServers, port: str, *, starttls: bool, auth: bool
) -> None:
    with smtplib.SMTP(LOOPBACK, getattr(mail.postfix, port), timeout=10) as client:
        client.ehlo()
        assert starttls == client.has_extn("starttls")
        assert auth == client.has_extn("auth")


def test_a_dovecot_can_be_started_with_any_certificate(authority: Authority, start_dovecot: StartDovecot) -> None:
    identity = authority.issue("other", names=["other.example"])
    server = start_dovecot(identity)

    served = ssl.get_server_certificate((LOOPBACK, server.imaps), timeout=10)

    assert identity.chain_file.read_text().startswith(served)


def test_a_dovecot_can_be_started_without_tls(authority: Authority, start_dovecot: StartDovecot) -> None:
    server = start_dovecot(authority.issue("plain", names=["localhost"]), tls=False)

    with imaplib.IMAP4(LOOPBACK, server.imap, timeout=10) as client:
        assert "STARTTLS" not in client.capabilities
