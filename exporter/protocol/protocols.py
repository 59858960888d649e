"""One row for each protocol: its client, its URL schemes and ports, and the keys and mechanisms that only it has.

Adding a protocol is a member of `Protocol`, a row here, and its place in the rows of `errands`; a test walks the
members and asks every table for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from exporter.model import Encryption, Endpoint, Mechanism, Protocol
from exporter.protocol.imap import Imap
from exporter.protocol.pop3 import Pop3
from exporter.protocol.session import Client
from exporter.protocol.smtp import Smtp


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a URL scheme stands for.

    Attributes:
        port: Where the URL names none.
    """

    name: str
    protocol: Protocol
    port: int
    encryption: Encryption


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """Everything about one protocol.

    Attributes:
        client: Makes the client's side of a connection, for an endpoint and a name to give in EHLO.
        schemes: In the order of preference where several fit.
        colours: On dashboards: in full, and for what is below the same in full colour.
        keys: The keys of endpoints that this protocol uses but not every protocol does.
        mechanisms: Its own mechanisms, which are not SASL.
    """

    client: Callable[[Endpoint, str], Client]
    schemes: tuple[Scheme, ...]
    colours: tuple[str, str]
    keys: frozenset[str] = frozenset()
    mechanisms: frozenset[Mechanism] = frozenset()


PROTOCOLS: Final[Mapping[Protocol, ProtocolRow]] = MappingProxyType(
    {
        Protocol.SMTP: ProtocolRow(
            Smtp,
            (
                Scheme("smtp", Protocol.SMTP, 25, Encryption.STARTTLS),
                Scheme("submission", Protocol.SMTP, 587, Encryption.STARTTLS),
                Scheme("submissions", Protocol.SMTP, 465, Encryption.TLS),
                Scheme("smtps", Protocol.SMTP, 465, Encryption.TLS),
            ),
            ("#b877d9", "#d9b8ea"),
            keys=frozenset({"helo", "mail_from", "rcpt_to", "rcpt_expect"}),
        ),
        Protocol.IMAP: ProtocolRow(
            Imap,
            (
                Scheme("imap", Protocol.IMAP, 143, Encryption.STARTTLS),
                Scheme("imaps", Protocol.IMAP, 993, Encryption.TLS),
            ),
            ("#5794f2", "#a3c4f8"),
            keys=frozenset({"mailbox", "read_back"}),
        ),
        Protocol.POP3: ProtocolRow(
            Pop3,
            (
                Scheme("pop3", Protocol.POP3, 110, Encryption.STARTTLS),
                Scheme("pop3s", Protocol.POP3, 995, Encryption.TLS),
            ),
            ("#3aa6b9", "#93cfd9"),
            keys=frozenset({"read_back"}),
            mechanisms=frozenset({Mechanism.USERPASS, Mechanism.APOP}),
        ),
    }
)


def with_key(key: str) -> frozenset[Protocol]:
    """The protocols that a key of endpoints means something to."""
    return frozenset(protocol for protocol, row in PROTOCOLS.items() if key in row.keys) or frozenset(Protocol)


def with_mechanism(mechanism: Mechanism) -> frozenset[Protocol]:
    """The protocols that have a mechanism."""
    return frozenset(each for each, row in PROTOCOLS.items() if mechanism in row.mechanisms) or frozenset(Protocol)
