"""What the tests of the dialogues share: endpoints, a login, a server of each protocol that agrees to everything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from exporter.model import Encryption, Endpoint, Login, Mechanism, Protocol, Secret, SecretKind
from exporter.protocol.imap import Imap
from exporter.protocol.pop3 import Pop3
from exporter.protocol.session import Client
from exporter.protocol.smtp import Smtp

USERNAME: Final = "monitor@example.com"
PASSWORD: Final = b"correct horse"
PLAIN: Final = b"AG1vbml0b3JAZXhhbXBsZS5jb20AY29ycmVjdCBob3JzZQ=="


def login(mechanism: Mechanism = Mechanism.AUTO, *, username: str = USERNAME, password: bytes = PASSWORD) -> Login:
    return Login(username, Secret(password), mechanism)


TOKEN: Final = b"ya29.a-token"
BEARER: Final = b"dXNlcj1tb25pdG9yQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHlhMjkuYS10b2tlbgEB"
"""`TOKEN` in XOAUTH2, in base64."""
EXPLANATION: Final = b"eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0="
"""What a server has against a token, in base64."""
EXPLAINED: Final = '; the server explains "{"status":"401","schemes":"bearer"}"'


def bearer(mechanism: Mechanism = Mechanism.AUTO) -> Login:
    return Login(USERNAME, Secret(TOKEN), mechanism, SecretKind.TOKEN)


def holder(kind: SecretKind, mechanism: Mechanism = Mechanism.AUTO) -> Login:
    """Anyone who logs in with a secret of this kind."""
    secrets = {SecretKind.PASSWORD: PASSWORD, SecretKind.TOKEN: TOKEN, SecretKind.CERTIFICATE: b""}
    return Login(USERNAME, Secret(secrets[kind]), mechanism, kind)


def endpoint(protocol: Protocol, encryption: Encryption = Encryption.TLS, **others: Any) -> Endpoint:
    return Endpoint("the endpoint", protocol, "mail.example.com", 4711, encryption, **others)


@dataclass(frozen=True, slots=True)
class Agreeable:
    """A server that says yes to everything, in the order in which it is asked. `TAG` stands for the tags of IMAP.

    Attributes:
        client: The client's side.
        others: What its endpoint has besides, so that there is something to check.
        plain: Its capabilities before the handshake, the upgrade among them.
        encrypted: Its capabilities behind the handshake, PLAIN among them.
        upgrade: How the client asks for the upgrade.
        ask: How it asks for the capabilities.
        checks: What it says to check what `others` asks for.
    """

    client: Callable[[Endpoint, str], Client]
    protocol: Protocol
    others: dict[str, Any]
    greeting: bytes
    plain: bytes
    go_ahead: bytes
    encrypted: bytes
    welcome: bytes
    checked: bytes
    ask: bytes
    upgrade: bytes
    login: bytes
    checks: tuple[bytes, ...]

    def endpoint(self, encryption: Encryption, **others: Any) -> Endpoint:
        return endpoint(self.protocol, encryption, **(self.others | others))

    def parts(self, encryption: Encryption) -> tuple[bytes, ...]:
        """What it says on each side of the handshake, from the greeting to the last check."""
        rest = self.encrypted + self.welcome + self.checked
        match encryption:
            case Encryption.TLS:
                return tagged(b"", self.greeting + rest)
            case Encryption.STARTTLS | Encryption.OPPORTUNISTIC:
                return tagged(self.greeting + self.plain + self.go_ahead, rest)
            case Encryption.NONE:
                return tagged(self.greeting + rest)


def tagged(*parts: bytes) -> tuple[bytes, ...]:
    """The parts with the tags of IMAP filled in, one a command."""
    numbers = count(1)
    return tuple(re.sub(rb"\bTAG\b", lambda _: b"a%d" % next(numbers), part) for part in parts)


def untagged(lines: Iterable[bytes]) -> list[bytes]:
    """What a client said, without the tags of IMAP."""
    return [re.sub(rb"^a[0-9]+ ", b"", line) for line in lines]


SMTP: Final = Agreeable(
    client=Smtp,
    protocol=Protocol.SMTP,
    others={"rcpt_to": "postmaster@example.com"},
    greeting=b"220-mail.example.com ESMTP\r\n220 welcome\r\n",
    plain=b"250-mail.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n",
    go_ahead=b"220 2.0.0 Ready to start TLS\r\n",
    encrypted=b"250-mail.example.com\r\n250-SIZE 2000\r\n250 AUTH PLAIN LOGIN\r\n",
    welcome=b"235 2.7.0 Authentication successful\r\n",
    checked=b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n",
    ask=b"EHLO probe.example.com",
    upgrade=b"STARTTLS",
    login=b"AUTH PLAIN " + PLAIN,
    checks=(b"MAIL FROM:<>", b"RCPT TO:<postmaster@example.com>", b"RSET"),
)

POP3: Final = Agreeable(
    client=Pop3,
    protocol=Protocol.POP3,
    others={},
    greeting=b"+OK ready\r\n",
    plain=b"+OK\r\nSTLS\r\n.\r\n",
    go_ahead=b"+OK Begin TLS negotiation now.\r\n",
    encrypted=b"+OK\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n",
    welcome=b"+OK Logged in.\r\n",
    checked=b"+OK 2 320\r\n",
    ask=b"CAPA",
    upgrade=b"STLS",
    login=b"AUTH PLAIN " + PLAIN,
    checks=(b"STAT",),
)

IMAP: Final = Agreeable(
    client=Imap,
    protocol=Protocol.IMAP,
    others={"mailbox": "INBOX"},
    greeting=b"* OK ready\r\n",
    plain=b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nTAG OK done\r\n",
    go_ahead=b"TAG OK Begin TLS negotiation now.\r\n",
    encrypted=b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\nTAG OK done\r\n",
    welcome=b"TAG OK [CAPABILITY IMAP4rev1 SASL-IR] Logged in\r\n",
    checked=b"* STATUS INBOX (MESSAGES 7 UNSEEN 3)\r\nTAG OK done\r\n* 7 EXISTS\r\nTAG OK [READ-ONLY] done\r\n",
    ask=b"CAPABILITY",
    upgrade=b"STARTTLS",
    login=b"AUTHENTICATE PLAIN " + PLAIN,
    checks=(b'STATUS "INBOX" (MESSAGES UNSEEN)', b'EXAMINE "INBOX"'),
)

EVERY: Final = (SMTP, POP3, IMAP)
