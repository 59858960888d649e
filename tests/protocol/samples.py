"""What the tests of the dialogues share: endpoints, a login, a server of each protocol that agrees to everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from exporter.model import Encryption, Endpoint, Login, Mechanism, Protocol, Secret
from exporter.protocol.conversation import Client
from exporter.protocol.pop3 import Pop3
from exporter.protocol.smtp import Smtp

USERNAME: Final = "monitor@example.com"
PASSWORD: Final = b"correct horse"
PLAIN: Final = b"AG1vbml0b3JAZXhhbXBsZS5jb20AY29ycmVjdCBob3JzZQ=="


def login(mechanism: Mechanism = Mechanism.AUTO, *, username: str = USERNAME, password: bytes = PASSWORD) -> Login:
    return Login(username, Secret(password), mechanism)


def endpoint(protocol: Protocol, encryption: Encryption = Encryption.TLS, **others: Any) -> Endpoint:
    return Endpoint("the endpoint", protocol, "mail.example.com", 4711, encryption, **others)


@dataclass(frozen=True, slots=True)
class Agreeable:
    """A server that says yes to everything, in the order in which it is asked.

    Attributes:
        client: The client's side.
        plain: Its capabilities before the handshake, the upgrade among them.
        encrypted: Its capabilities behind the handshake, PLAIN among them.
        said: What the client says from the capabilities behind the handshake to the goodbye.
    """

    client: Callable[[Endpoint, str], Client]
    protocol: Protocol
    greeting: bytes
    plain: bytes
    go_ahead: bytes
    encrypted: bytes
    login: bytes
    check: bytes
    goodbye: bytes
    starttls: bytes
    said: tuple[bytes, ...]
    others: dict[str, Any]

    def endpoint(self, encryption: Encryption, **others: Any) -> Endpoint:
        return endpoint(self.protocol, encryption, **(self.others | others))

    def parts(self, encryption: Encryption) -> tuple[bytes, ...]:
        """What it says on both sides of the handshake, from the greeting to the last check."""
        logged_in = self.encrypted + self.login + self.check
        match encryption:
            case Encryption.TLS:
                return b"", self.greeting + logged_in
            case Encryption.STARTTLS | Encryption.OPPORTUNISTIC:
                return self.greeting + self.plain + self.go_ahead, logged_in
            case Encryption.NONE:
                return (self.greeting + logged_in,)


SMTP: Final = Agreeable(
    client=Smtp,
    protocol=Protocol.SMTP,
    greeting=b"220-mail.example.com ESMTP\r\n220 welcome\r\n",
    plain=b"250-mail.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n",
    go_ahead=b"220 2.0.0 Ready to start TLS\r\n",
    encrypted=b"250-mail.example.com\r\n250-SIZE 2000\r\n250 AUTH PLAIN LOGIN\r\n",
    login=b"235 2.7.0 Authentication successful\r\n",
    check=b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n",
    goodbye=b"250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n",
    starttls=b"STARTTLS",
    said=(
        b"EHLO probe.example.com",
        b"AUTH PLAIN " + PLAIN,
        b"MAIL FROM:<>",
        b"RCPT TO:<postmaster@example.com>",
        b"RSET",
        b"QUIT",
    ),
    others={"rcpt_to": "postmaster@example.com"},
)

POP3: Final = Agreeable(
    client=Pop3,
    protocol=Protocol.POP3,
    greeting=b"+OK ready <1896.697170952@mail.example.com>\r\n",
    plain=b"+OK\r\nSTLS\r\n.\r\n",
    go_ahead=b"+OK Begin TLS negotiation now.\r\n",
    encrypted=b"+OK\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n",
    login=b"+OK Logged in.\r\n",
    check=b"+OK 2 320\r\n",
    goodbye=b"+OK Logging out.\r\n",
    starttls=b"STLS",
    said=(b"CAPA", b"AUTH PLAIN " + PLAIN, b"STAT", b"QUIT"),
    others={},
)
