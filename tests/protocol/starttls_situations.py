"""What somebody on the path can do to STARTTLS, as data: what is said in plain, and what a probe has to make of it.

The situations follow the taxonomy of "Why TLS is better without STARTTLS" (USENIX Security 2021): negotiation (the
offer is stripped, refused, or made pointless by PREAUTH), buffering (words in plain that a careless client takes for
said under TLS), tampering (data and alerts before the handshake), and session fixation (answers to commands that were
not asked yet). They are described again, for a server that says one thing in each turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from exporter.model import FailureReason as Reason
from exporter.model import Phase, Protocol

MARK: Final = b"X-INJECTED"
"""Stands in everything that an attacker announces."""

FIGURE: Final = b"666"
"""Likewise in every figure that an attacker makes up."""

Outcome = tuple[Reason, Phase] | None
"""Reason and phase of the failure; `None` for a probe that succeeds."""

NOT_OFFERED: Final = (Reason.STARTTLS_NOT_OFFERED, Phase.STARTTLS)
REFUSED: Final = (Reason.STARTTLS_REFUSED, Phase.STARTTLS)
INJECTED: Final = (Reason.STARTTLS_INJECTION, Phase.STARTTLS)
GAVE_UP: Final = (Reason.TLS_HANDSHAKE_FAILED, Phase.TLS)
OUT_OF_STEP: Final = (Reason.PROTOCOL_ERROR, Phase.STARTTLS)
BUSY: Final = (Reason.SERVER_BUSY, Phase.STARTTLS)
CLOSED: Final = (Reason.CONNECTION_CLOSED, Phase.STARTTLS)


class Turn(Enum):
    """When the server speaks in plain."""

    GREETING = "greeting"
    OFFER = "offer"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Server:
    """What an honest server says.

    Attributes:
        plain: Before the handshake, in each turn.
        encrypted: Behind it, one piece a turn, to the goodbye.
    """

    plain: Mapping[Turn, bytes]
    encrypted: tuple[bytes, ...]


SERVERS: Final = {
    Protocol.SMTP: Server(
        {
            Turn.GREETING: b"220 mail.example.com ESMTP\r\n",
            Turn.OFFER: b"250-mail.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n",
            Turn.CONSENT: b"220 2.0.0 go ahead\r\n",
        },
        (b"250-mail.example.com\r\n250 AUTH PLAIN\r\n", b"235 2.7.0 welcome\r\n", b"221 2.0.0 bye\r\n"),
    ),
    Protocol.IMAP: Server(
        {
            Turn.GREETING: b"* OK mail.example.com ready\r\n",
            Turn.OFFER: b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n",
            Turn.CONSENT: b"a2 OK go ahead\r\n",
        },
        (
            b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\na3 OK done\r\n",
            b"a4 OK [CAPABILITY IMAP4rev1] welcome\r\n",
            b"* STATUS INBOX (MESSAGES 3 UNSEEN 1)\r\na5 OK done\r\n",
            b"* 3 EXISTS\r\na6 OK [READ-ONLY] done\r\n",
            b"* BYE bye\r\na7 OK done\r\n",
        ),
    ),
    Protocol.POP3: Server(
        {
            Turn.GREETING: b"+OK mail.example.com ready\r\n",
            Turn.OFFER: b"+OK\r\nSTLS\r\nUIDL\r\n.\r\n",
            Turn.CONSENT: b"+OK go ahead\r\n",
        },
        (b"+OK\r\nSASL PLAIN\r\n.\r\n", b"+OK welcome\r\n", b"+OK 3 300\r\n", b"+OK bye\r\n"),
    ),
}


@dataclass(frozen=True, slots=True)
class Situation:
    """One of them.

    Attributes:
        turn: Where the attacker speaks.
        said: All that is said in that turn.
        outcome: Of a probe that insists on TLS.
        ends: Whether nothing is said after that turn.
    """

    title: str
    protocol: Protocol
    turn: Turn
    said: bytes
    outcome: Outcome
    ends: bool = True


INJECTIONS: Final[Mapping[Protocol, Mapping[str, bytes]]] = {
    Protocol.SMTP: {
        "the answer to EHLO": b"250-evil.example\r\n250-X-INJECTED\r\n250 AUTH PLAIN LOGIN\r\n",
        "the answer to EHLO and the login": b"250-evil.example\r\n250 AUTH PLAIN\r\n235 2.7.0 X-INJECTED\r\n",
        "another consent": b"220 X-INJECTED\r\n",
        "a greeting": b"220 evil.example ESMTP X-INJECTED\r\n",
        "a welcome": b"235 2.7.0 X-INJECTED\r\n",
        "a challenge": b"334 \r\n",
        "a rejection": b"535 5.7.8 X-INJECTED\r\n250 X-INJECTED\r\n",
        "half a reply": b"250-X-INJECTED\r\n",
        "half a line": b"250-X-INJ",
        "a single octet": b"2",
        "a NUL": b"\0",
        "an empty line": b"\r\n",
        "a line feed": b"\n",
        "white space": b" \t ",
        "no SMTP": b"* OK X-INJECTED\r\n",
        "a TLS alert": b"\x15\x03\x03\x00\x02\x02\x28",
        "a handshake": b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00",
        "a goodbye": b"421 4.3.2 going down\r\n",
    },
    Protocol.IMAP: {
        "capabilities": b"* CAPABILITY IMAP4rev1 X-INJECTED AUTH=PLAIN\r\n",
        "the answer to CAPABILITY": b"* CAPABILITY IMAP4rev1 X-INJECTED AUTH=PLAIN\r\na3 OK done\r\n",
        "capabilities in a code": b"* OK [CAPABILITY IMAP4rev1 X-INJECTED AUTH=PLAIN] fine\r\n",
        "capabilities and the next answers": b"* CAPABILITY IMAP4rev1 X-INJECTED\r\na3 OK\r\na4 OK\r\na5 OK\r\n",
        "another consent": b"a2 OK X-INJECTED\r\n",
        "the answer to the next command": b"a3 OK X-INJECTED\r\n",
        "a welcome": b"a4 OK X-INJECTED\r\n",
        "a rejection": b"a4 NO [AUTHENTICATIONFAILED] X-INJECTED\r\n",
        "a continuation": b"+ \r\n",
        "figures": b"* STATUS INBOX (MESSAGES 666 UNSEEN 666)\r\n",
        "messages": b"* 666 EXISTS\r\n* 666 RECENT\r\n",
        "a mailbox": b'* LIST () "/" X-INJECTED\r\n',
        "a message": b"* 1 FETCH (BODY[] {10}\r\nX-INJECTED)\r\n",
        "a quota": b'* QUOTA "" (STORAGE 666 666)\r\n',
        "an alert": b"* OK [ALERT] X-INJECTED log in at http://evil.example\r\n",
        "a warning": b"* NO [ALERT] X-INJECTED\r\n",
        "a referral": b"* NO [REFERRAL imap://evil.example/] X-INJECTED\r\n",
        "PREAUTH": b"* PREAUTH X-INJECTED\r\n",
        "an open literal": b"* X-INJECTED {100}\r\n",
        "half a line": b"* CAPABILITY X-INJ",
        "a single octet": b"*",
        "a NUL": b"\0",
        "an empty line": b"\r\n",
        "white space": b" \t ",
        "no IMAP": b"220 X-INJECTED\r\n",
        "a TLS alert": b"\x15\x03\x03\x00\x02\x02\x28",
        "a goodbye": b"* BYE going down\r\n",
    },
    Protocol.POP3: {
        "the answer to CAPA": b"+OK\r\nX-INJECTED\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
        "the answer to CAPA and the login": b"+OK\r\nX-INJECTED\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n",
        "another consent": b"+OK X-INJECTED\r\n",
        "figures": b"+OK 666 666\r\n",
        "a challenge": b"+ \r\n",
        "a rejection": b"-ERR [AUTH] X-INJECTED\r\n+OK\r\n",
        "half a list": b"+OK\r\nX-INJECTED\r\n",
        "half a line": b"+OK X-INJ",
        "a single octet": b"+",
        "a NUL": b"\0",
        "an empty line": b"\r\n",
        "white space": b" \t ",
        "no POP3": b"* OK X-INJECTED\r\n",
        "a TLS alert": b"\x15\x03\x03\x00\x02\x02\x28",
        "a goodbye": b"-ERR [SYS/TEMP] going down\r\n",
    },
}
"""What is added to what the server says, in the same segment."""

REPLACEMENTS: Final[Mapping[Protocol, tuple[tuple[str, Turn, bytes, Outcome], ...]]] = {
    Protocol.SMTP: (
        ("the offer is left out", Turn.OFFER, b"250-a\r\n250 AUTH PLAIN\r\n", NOT_OFFERED),
        ("the offer is misspelt", Turn.OFFER, b"250-a\r\n250-STARTTLSX\r\n250 AUTH PLAIN\r\n", NOT_OFFERED),
        ("the offer is crossed out", Turn.OFFER, b"250-a\r\n250-XXXXXXXA\r\n250 AUTH PLAIN\r\n", NOT_OFFERED),
        ("the offer is only the name", Turn.OFFER, b"250-STARTTLS\r\n250 AUTH PLAIN\r\n", NOT_OFFERED),
        ("the offer is a parameter", Turn.OFFER, b"250-a\r\n250 AUTH PLAIN STARTTLS\r\n", NOT_OFFERED),
        ("nothing is offered", Turn.OFFER, b"250 a\r\n", NOT_OFFERED),
        ("it is refused for now", Turn.CONSENT, b"454 4.7.0 TLS not available\r\n", REFUSED),
        ("it is refused for good", Turn.CONSENT, b"502 5.5.1 not implemented\r\n", REFUSED),
        ("it needs no TLS", Turn.CONSENT, b"503 5.5.1 TLS already active\r\n", REFUSED),
        ("it is answered as EHLO is", Turn.CONSENT, b"250 STARTTLS\r\n", REFUSED),
        ("it is answered as a login is", Turn.CONSENT, b"235 2.7.0 welcome\r\n", REFUSED),
        ("it is answered by a challenge", Turn.CONSENT, b"334 VXNlcm5hbWU6\r\n", REFUSED),
        ("it is answered by a goodbye", Turn.CONSENT, b"421 4.3.2 going down\r\n", BUSY),
        ("it is answered by nonsense", Turn.CONSENT, b"go ahead\r\n", OUT_OF_STEP),
        ("it is answered by another protocol", Turn.CONSENT, b"+OK go ahead\r\n", OUT_OF_STEP),
        ("the consent has two codes", Turn.CONSENT, b"220-go\r\n250 ahead\r\n", OUT_OF_STEP),
    ),
    Protocol.IMAP: (
        ("the offer is left out", Turn.OFFER, b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na1 OK\r\n", NOT_OFFERED),
        ("the offer is misspelt", Turn.OFFER, b"* CAPABILITY IMAP4rev1 STARTTLSX\r\na1 OK\r\n", NOT_OFFERED),
        ("nothing is offered", Turn.OFFER, b"* CAPABILITY\r\na1 OK\r\n", NOT_OFFERED),
        ("the greeting is PREAUTH", Turn.GREETING, b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n", NOT_OFFERED),
        ("the greeting is PREAUTH alone", Turn.GREETING, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", NOT_OFFERED),
        ("the greeting is preauth", Turn.GREETING, b"* preauth [capability imap4rev1 starttls] hi\r\n", NOT_OFFERED),
        ("the greeting hides the offer", Turn.GREETING, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n", NOT_OFFERED),
        ("it is refused", Turn.CONSENT, b"a2 NO not now\r\n", REFUSED),
        ("it is not known", Turn.CONSENT, b"a2 BAD unknown command\r\n", REFUSED),
        ("it is referred elsewhere", Turn.CONSENT, b"a2 NO [REFERRAL imap://evil.example/] there\r\n", REFUSED),
        ("the consent has another tag", Turn.CONSENT, b"a9 OK go ahead\r\n", OUT_OF_STEP),
        ("the consent has the tag of the login", Turn.CONSENT, b"a4 OK go ahead\r\n", OUT_OF_STEP),
        ("the consent is a continuation", Turn.CONSENT, b"+ go ahead\r\n", OUT_OF_STEP),
        ("the consent is PREAUTH", Turn.CONSENT, b"* PREAUTH welcome\r\n", OUT_OF_STEP),
        ("the consent is a goodbye", Turn.CONSENT, b"* BYE going down\r\n", CLOSED),
        ("the consent is another protocol's", Turn.CONSENT, b"220 go ahead\r\n", OUT_OF_STEP),
    ),
    Protocol.POP3: (
        ("the offer is left out", Turn.OFFER, b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n", NOT_OFFERED),
        ("the offer is misspelt", Turn.OFFER, b"+OK\r\nSTLSX\r\nUSER\r\n.\r\n", NOT_OFFERED),
        ("the offer is SMTP's", Turn.OFFER, b"+OK\r\nSTARTTLS\r\nUSER\r\n.\r\n", NOT_OFFERED),
        ("the offer is a parameter", Turn.OFFER, b"+OK\r\nSASL PLAIN STLS\r\n.\r\n", NOT_OFFERED),
        ("nothing is offered", Turn.OFFER, b"+OK\r\n.\r\n", NOT_OFFERED),
        ("it is refused", Turn.CONSENT, b"-ERR not now\r\n", REFUSED),
        ("it is refused for now", Turn.CONSENT, b"-ERR [SYS/TEMP] not now\r\n", REFUSED),
        ("it is refused as a login is", Turn.CONSENT, b"-ERR [AUTH] no\r\n", REFUSED),
        ("it is answered by a challenge", Turn.CONSENT, b"+ \r\n", OUT_OF_STEP),
        ("it is answered by nonsense", Turn.CONSENT, b"go ahead\r\n", OUT_OF_STEP),
        ("it is answered by another protocol", Turn.CONSENT, b"220 go ahead\r\n", OUT_OF_STEP),
        ("it is answered in small letters", Turn.CONSENT, b"+ok go ahead\r\n", OUT_OF_STEP),
    ),
}
"""What the server is made to say instead."""

GOODBYES: Final = {Protocol.SMTP: b"421 ", Protocol.IMAP: b"* BYE ", Protocol.POP3: b"-ERR [SYS/TEMP] "}


def situations() -> Iterator[Situation]:
    """All of them."""
    for protocol, replacements in REPLACEMENTS.items():
        for title, turn, said, outcome in replacements:
            yield Situation(title, protocol, turn, said, outcome)
    for protocol, injections in INJECTIONS.items():
        honest = SERVERS[protocol].plain
        for turn in Turn:
            for title, words in injections.items():
                outcome = _outcome(protocol, turn, words)
                title_there = f"{title} behind the {turn.value}"
                yield Situation(title_there, protocol, turn, honest[turn] + words, outcome, ends=outcome is not None)


def _outcome(protocol: Protocol, turn: Turn, words: bytes) -> Outcome:
    goodbye = words.startswith(GOODBYES[protocol])
    if turn is Turn.CONSENT:
        return GAVE_UP if goodbye else INJECTED
    phase = Phase.CAPABILITY if turn is Turn.GREETING else Phase.STARTTLS
    if goodbye:
        return Reason.CONNECTION_CLOSED if protocol is Protocol.IMAP else Reason.SERVER_BUSY, phase
    if protocol is Protocol.IMAP and words.startswith(b"*"):
        return _unasked(words, phase)
    return Reason.PROTOCOL_ERROR, phase


def _unasked(words: bytes, phase: Phase) -> Outcome:
    """RFC 9051 7: an IMAP server may send data at any time. It is read with the next answer, and not believed."""
    if not words.endswith(b"\r\n") or b"{100}" in words:
        # The server waits for more than it gets.
        return Reason.CONNECTION_CLOSED, phase
    if b"PREAUTH" in words or b"\r\na3 OK" in words:
        return Reason.PROTOCOL_ERROR, phase
    return None
