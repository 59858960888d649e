"""The hosts that the domains of the demo share, with their certificates, behaviour and documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from exporter.demo.site import Behaviour, Greeting, Upgrade
from exporter.model import Encryption, Protocol

HEALTHY: Final = "healthy.example"


class ShownCertificates(Enum):
    """The certificates that a server presents. The demo's authority signs all except the last two kinds."""

    GOOD = auto()
    BOTH = auto()
    """Two certificates, one with an RSA key and one with an ECDSA key."""
    DUE = auto()
    """A certificate with five days left of ninety."""
    SELF_SIGNED = auto()
    NOTHING = auto()
    """The port is closed."""


@dataclass(frozen=True, slots=True)
class DemoHost:
    """A mail server.

    Attributes:
        address: Its own loopback address in DNS.
        helo: The name in its greeting.
    """

    address: str
    shows: ShownCertificates = ShownCertificates.GOOD
    protocol: Protocol = Protocol.SMTP
    port: int = 25
    encryption: Encryption = Encryption.STARTTLS
    behaviour: Behaviour = field(default_factory=Behaviour)
    helo: str = f"mx.{HEALTHY}"


GOOD, BOTH, DUE, SELF_SIGNED, PLAIN, REFUSING, CLOSED, SILENT, NAMELESS = (f"127.25.0.{n}" for n in range(1, 10))
USERS, USERS_SELF_SIGNED = "127.25.0.20", "127.25.0.21"
WEB, WEB_DUE, WEB_SELF_SIGNED, WEB_CLOSED = (f"127.25.1.{n}" for n in range(1, 5))

HOSTS: Final[tuple[DemoHost, ...]] = (
    DemoHost(GOOD),
    DemoHost(BOTH, ShownCertificates.BOTH, helo="mx.both.example"),
    DemoHost(DUE, ShownCertificates.DUE, helo="mx.warnings.example"),
    DemoHost(SELF_SIGNED, ShownCertificates.SELF_SIGNED),
    DemoHost(PLAIN, behaviour=Behaviour(upgrade=Upgrade.HIDDEN), helo="plain.example"),
    DemoHost(REFUSING, behaviour=Behaviour(greeting=Greeting.REFUSE)),
    DemoHost(CLOSED, ShownCertificates.NOTHING),
    DemoHost(SILENT, behaviour=Behaviour(greeting=Greeting.SILENCE)),
    DemoHost(NAMELESS, helo="localhost.localdomain"),
    DemoHost(USERS, protocol=Protocol.IMAP, port=993, encryption=Encryption.TLS),
    DemoHost(USERS, port=465, encryption=Encryption.TLS),
    DemoHost(
        USERS_SELF_SIGNED, ShownCertificates.SELF_SIGNED, protocol=Protocol.IMAP, port=993, encryption=Encryption.TLS
    ),
)

WEB_HOSTS: Final[Mapping[str, ShownCertificates]] = {
    WEB: ShownCertificates.GOOD,
    WEB_DUE: ShownCertificates.DUE,
    WEB_SELF_SIGNED: ShownCertificates.SELF_SIGNED,
    WEB_CLOSED: ShownCertificates.NOTHING,
}

REVERSE: Final = (
    "1.0.25.127 PTR mx.healthy.example.",
    "2.0.25.127 PTR mx.both.example.",
    "3.0.25.127 PTR relay.warnings.example.",
    "7.2.0.192 PTR www.moved.example.",
)
"""PTR records, below in-addr.arpa."""

LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "list.example": (
        "2.0.0.127 A 127.0.0.2",
        "9.0.25.127 A 127.0.0.2",
        '9.0.25.127 TXT "sent unwanted mail, says the demo"',
    ),
    "list-of-all.example": ("*.0.0.127 A 127.0.0.2", "*.0.25.127 A 127.0.0.2"),
}
"""DNS lists: a working one, and one that was shut down and lists every address."""


def policy(*hosts: str, mode: str = "enforce", max_age: str = "604800") -> tuple[str, str]:
    """An MTA-STS policy."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {max_age}", ""]
    return "text/plain", "\r\n".join(lines)


def autoconfig(host: str, port: int = 993, socket: str = "SSL") -> tuple[str, str]:
    """An autoconfig document that names an IMAP server."""
    server = f"<hostname>{host}</hostname><port>{port}</port><socketType>{socket}</socketType>"
    provider = f'<emailProvider id="x"><incomingServer type="imap">{server}</incomingServer></emailProvider>'
    return "text/xml", f'<?xml version="1.0"?><clientConfig version="1.1">{provider}</clientConfig>'


def pacc(host: str) -> tuple[str, str]:
    """A PACC document that names an IMAP server."""
    return "application/json", f'{{"protocols": {{"imap": {{"host": "{host}"}}}}}}'


def includes(letters: str) -> str:
    """Terms of an SPF record, one for each letter."""
    return "".join(f"include:{letter}.spf.listed.example " for letter in letters)


STS_PATH: Final = "/.well-known/mta-sts.txt"
AUTOCONFIG_PATH: Final = "/mail/config-v1.1.xml"
PACC_PATH: Final = "/.well-known/user-agent-configuration.json"
