"""A flow of the tests, its key, and what its messages become on the way."""

from __future__ import annotations

from exporter.flows.messages import message, signature
from exporter.flows.messages.signature import MessageToken
from exporter.model import (
    Credentials,
    Encryption,
    Endpoint,
    Expected,
    Flow,
    Protocol,
    Receiving,
    Secret,
    Sending,
)

KEY = Secret(b"the flow key of the tests")
NOW = 1_700_000_000.0
ME = Credentials("me", "me@example.com")
SUBMISSION = Endpoint("submission", Protocol.SMTP, "mail.example.com", 587, Encryption.STARTTLS, credentials=ME)
IMAP = Endpoint("imap", Protocol.IMAP, "mail.example.net", 993, Encryption.TLS, credentials=ME)
FLOW = Flow(
    "there",
    Receiving(IMAP, ("INBOX", "\\Junk"), "mx.example.net"),
    Sending("me@example.com", "you@example.net", SUBMISSION),
    Expected(within=120.0),
)
TOKEN = MessageToken(signature.mark("there"), 7, NOW)
TEXT = signature.sign(TOKEN, KEY)

RECEIVED = (
    b"Received: from relay.example.com (relay.example.com [192.0.2.1])\r\n"
    b"\tby mx.example.net (Postfix) with ESMTPS id 1\r\n"
    b"\tfor <you@example.net>; Tue, 14 Nov 2023 22:13:24 +0000 (UTC)\r\n"
    b"Received: from client (client [192.0.2.7])\r\n"
    b"\tby relay.example.com with ESMTPSA id 2; Tue, 14 Nov 2023 22:13:21 +0000\r\n"
)


def sent(text: str = TEXT, sender: str = "me@example.com", recipient: str = "you@example.net") -> bytes:
    """The message as it is handed in."""
    return message.build(text, "there", sender, recipient, NOW)


def arrived(*fields: bytes, octets: bytes | None = None) -> bytes:
    """The message as it is found: with Received and other fields above its own."""
    return b"".join(field + b"\r\n" for field in fields) + RECEIVED + (sent() if octets is None else octets)
