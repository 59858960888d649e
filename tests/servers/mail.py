"""The mail server of the tests: Dovecot and Postfix together, with accounts, delivered mail and a second opinion.

The second opinion is the standard library's own clients: what they see is what the exporter has to report.
"""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from tests.servers.authority import Authority, Identity
from tests.servers.dovecot import Account, Dovecot, dovecot
from tests.servers.introspection import Introspection, introspection
from tests.servers.postfix import Postfix, postfix
from tests.servers.programs import LOOPBACK, REMOTE_LOOPBACK, wait_until

DOMAIN = "example.test"
HOSTNAME = f"mail.{DOMAIN}"
NAMES = (HOSTNAME, "localhost", LOOPBACK, REMOTE_LOOPBACK)
"""What the certificate is for."""

ALICE = Account(f"alice@{DOMAIN}", 'alice "quotes\\ and spaces"')
"""Has mail. Her password needs every kind of quoting."""
BOB = Account(f"bob@{DOMAIN}", "bob-secret")
"""Has none."""

FORGETFUL = tuple(Account(f"forgetful{number}@{DOMAIN}", "the right one") for number in range(1, 13))
"""Those whose passwords the exporter gets wrong: one for each endpoint, so that no failed login is another's fault."""

ALICES_MESSAGES = 3
ALICES_UNSEEN = 2


@dataclass(frozen=True, slots=True)
class MailboxFigures:
    """What a mailbox holds, as the standard library's clients see it. Sizes in bytes."""

    messages: int
    unseen: int
    size: int
    quota_used: int
    quota_limit: int


@dataclass(frozen=True, slots=True)
class MailServers:
    """Everything that runs."""

    authority: Authority
    identity: Identity
    dovecot: Dovecot
    postfix: Postfix
    introspection: Introspection

    def imap(self, account: Account) -> imaplib.IMAP4_SSL:
        """An independent client, logged in."""
        client = imaplib.IMAP4_SSL(LOOPBACK, self.dovecot.imaps, ssl_context=self._trusting(), timeout=10)
        client.authenticate("PLAIN", lambda _: f"\0{account.username}\0{account.password}".encode())
        return client

    def pop3(self, account: Account) -> poplib.POP3_SSL:
        """An independent client, logged in."""
        client = poplib.POP3_SSL(LOOPBACK, self.dovecot.pop3s, context=self._trusting(), timeout=10)
        client.user(account.username)
        client.pass_(account.password)
        return client

    def deliver(self, account: Account, *bodies: str) -> None:
        """Sends messages by SMTP and waits until they are in the mailbox."""
        with self.imap(account) as client:
            before = _messages(client)
        with smtplib.SMTP(LOOPBACK, self.postfix.smtp, timeout=10) as smtp:
            for number, body in enumerate(bodies):
                message = EmailMessage()
                message["From"], message["To"] = "sender@elsewhere.test", account.username
                message["Subject"] = f"Message {number}"
                message.set_content(body)
                smtp.send_message(message)

        def delivered() -> bool:
            with self.imap(account) as client:
                return _messages(client) == before + len(bodies)

        wait_until(delivered, what=f"{len(bodies)} messages for {account.username} are delivered")

    def figures(self, account: Account, mailbox: str = "INBOX") -> MailboxFigures:
        """What is in a mailbox now."""
        with self.imap(account) as client:
            _, (status,) = client.status(mailbox, "(MESSAGES UNSEEN SIZE)")
            _, (_, quotas) = client.getquotaroot(mailbox)
        numbers = dict(re.findall(r"(MESSAGES|UNSEEN|SIZE) (\d+)", _text(status)))
        quota = re.search(r"STORAGE (\d+) (\d+)", _text(quotas[0]))
        if quota is None:
            raise ValueError(f"no STORAGE in {quotas!r}")
        used, limit = (int(number) * 1024 for number in quota.groups())  # RFC 9208 5.1: in units of 1024 octets
        return MailboxFigures(
            messages=int(numbers["MESSAGES"]),
            unseen=int(numbers["UNSEEN"]),
            size=int(numbers["SIZE"]),
            quota_used=used,
            quota_limit=limit,
        )

    def flags(self, account: Account) -> list[str]:
        """The flags of every message, without changing any: looking must not either."""
        with self.imap(account) as client:
            client.select("INBOX", readonly=True)
            _, answers = client.fetch("1:*", "(FLAGS)")
        return [_text(answer) for answer in answers]

    def _trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.file))


@contextmanager
def mail_servers(directory: Path) -> Iterator[MailServers]:
    """Runs all of them until the block ends, with Alice's mail delivered and the first of it read.

    Args:
        directory: Where other users may enter.
    """
    everybody = [ALICE, BOB, *FORGETFUL]
    authority = Authority.make(directory / "authority", "Test Authority")
    identity = authority.issue(HOSTNAME, names=NAMES)
    with ExitStack() as stack:
        tokens = stack.enter_context(introspection())
        mailboxes = stack.enter_context(
            dovecot(directory / "dovecot", identity, everybody, introspection_url=tokens.url)
        )
        relay = stack.enter_context(
            postfix(directory / "postfix", identity, everybody, mailboxes=mailboxes, domain=DOMAIN)
        )
        servers = MailServers(
            authority=authority, identity=identity, dovecot=mailboxes, postfix=relay, introspection=tokens
        )
        servers.deliver(ALICE, *("A line of text.\n" * (100 * number + 1) for number in range(ALICES_MESSAGES)))
        with servers.imap(ALICE) as client:
            client.select("INBOX")
            client.store("1", "+FLAGS", r"(\Seen)")
        yield servers


def _messages(client: imaplib.IMAP4) -> int:
    _, (status,) = client.status("INBOX", "(MESSAGES)")
    return int(_text(status).rpartition(" ")[2].rstrip(")"))


def _text(answer: object) -> str:
    """What imaplib hands out as bytes, for a reader; its stubs leave the type open."""
    if not isinstance(answer, bytes):
        raise TypeError(f"not bytes: {answer!r}")
    return answer.decode("ascii")
