"""What clients and well-behaved servers say in each protocol, for the tests of those that misbehave."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import pytest

from exporter.model import Protocol
from tests.servers.dialects import DIALECTS
from tests.servers.raw_client import connected
from tests.servers.scripted import Script, scripted

every_protocol = pytest.mark.parametrize("protocol", list(Protocol))

ASK: Final = {Protocol.SMTP: b"EHLO me", Protocol.IMAP: b"a CAPABILITY", Protocol.POP3: b"CAPA"}
LAST: Final = {Protocol.SMTP: b"250 ", Protocol.IMAP: b"a ", Protocol.POP3: b"."}
QUIT: Final = {Protocol.SMTP: b"QUIT", Protocol.IMAP: b"a LOGOUT", Protocol.POP3: b"QUIT"}
PLAIN: Final = b64encode(b"\0me\0the password")
LOGIN: Final = {
    Protocol.SMTP: b"AUTH PLAIN " + PLAIN,
    Protocol.IMAP: b"a AUTHENTICATE PLAIN " + PLAIN,
    Protocol.POP3: b"AUTH PLAIN " + PLAIN,
}
LOGIN_IN_TWO_STEPS: Final = {protocol: line.removesuffix(b" " + PLAIN) for protocol, line in LOGIN.items()}
OFFER_BEFORE_TLS: Final = {
    Protocol.SMTP: [b"250-fake.example", b"250-SIZE 1000000", b"250 STARTTLS"],
    Protocol.IMAP: [b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED", b"a OK done"],
    Protocol.POP3: [b"+OK", b"RESP-CODES", b"STLS", b"."],
}
OFFER_UNDER_TLS: Final = {
    Protocol.SMTP: [b"250-fake.example", b"250-SIZE 1000000", b"250 AUTH PLAIN LOGIN"],
    Protocol.IMAP: [b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN QUOTA STATUS=SIZE", b"a OK done"],
    Protocol.POP3: [b"+OK", b"RESP-CODES", b"USER", b"SASL PLAIN", b"."],
}
ACCEPTED: Final = {
    Protocol.SMTP: b"235 2.7.0 welcome",
    Protocol.IMAP: b"a OK welcome",
    Protocol.POP3: b"+OK welcome",
}
CHALLENGE: Final = {Protocol.SMTP: b"334 ", Protocol.IMAP: b"+ ", Protocol.POP3: b"+ "}


def upgrade(protocol: Protocol) -> bytes:
    return b"a STARTTLS" if protocol is Protocol.IMAP else DIALECTS[protocol].upgrade


def greeting(protocol: Protocol) -> bytes:
    return DIALECTS[protocol].greeting.removesuffix(b"\r\n")


async def last_words(script: Script, question: bytes | None = None) -> bytes:
    """What the server says before it closes the connection; behind the greeting, to a client that asks something."""
    async with scripted(script) as server, connected(server.port) as client:
        if question is not None:
            await client.line()
            await client.send(question + b"\r\n")
        return await client.rest()
