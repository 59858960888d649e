"""SMTP as a client speaks it (RFC 5321), with STARTTLS (RFC 3207), AUTH (RFC 4954) and SIZE (RFC 1870)."""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass
from typing import Final

from exporter.model import Endpoint, FailureReason, Login
from exporter.protocol import sasl
from exporter.protocol.dialogue import (
    MAX_REPLY_LINES,
    Dialogue,
    DialogueError,
    Learn,
    LoginTaken,
    LoginTried,
    ProtocolError,
    ReadLine,
    ReplyCode,
    ResponseTooLargeError,
    Send,
    SizeLimit,
    printable,
    quoted,
)

REDACTED: Final = "<redacted>"

MAX_COMMAND: Final = 512
"""Octets of a command line with its CRLF (RFC 5321 4.5.3.1.4)."""

_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED: Final = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply (RFC 5321 4.2): the code and the text of each line."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463) that leads the text; empty if there is none."""
        found = _ENHANCED.match(self.lines[0])
        return found[1].decode() if found else ""

    def __str__(self) -> str:
        return quoted(b" ".join((str(self.code).encode(), *self.lines)))


class Smtp:
    """The client's side of one SMTP connection; see `exporter.protocol.conversation.Client` for the methods."""

    def __init__(self, endpoint: Endpoint, client_name: str) -> None:
        self.capabilities: tuple[str, ...] | None = None
        self._endpoint = endpoint
        self._client_name = (endpoint.helo or client_name).encode()

    def greet(self) -> Dialogue[None]:
        # RFC 5321 4.3.1: the client waits for the greeting; who speaks before its last line is taken for a spam robot.
        reply = yield from read_reply()
        if reply.code != 220:
            raise _refusal(FailureReason.SERVER_REFUSED, "the greeting is", reply)

    def ask_capabilities(self) -> Dialogue[None]:
        reply = yield from command(b"EHLO " + self._client_name)
        if reply.code == 250:
            self.capabilities = tuple(printable(line) for line in reply.lines[1:] if line.strip())
            limit = _size_limit(self.capabilities)
            if limit is not None:
                yield Learn(SizeLimit(limit))
            return
        # RFC 5321 3.2: a server that does not know EHLO may still know HELO; a temporary refusal means this client.
        if reply.code >= 500:
            self.capabilities = None
            reply = yield from command(b"HELO " + self._client_name)
        if reply.code != 250:
            raise _refusal(FailureReason.COMMAND_REFUSED, "EHLO and HELO are answered with", reply)

    def offers_starttls(self) -> bool:
        return "STARTTLS" in self._keywords()

    def starttls(self) -> Dialogue[None]:
        reply = yield from command(b"STARTTLS")
        if reply.code != 220:
            raise DialogueError(FailureReason.STARTTLS_REFUSED, f"STARTTLS is answered with {reply}")
        self.capabilities = None

    def logged_in_already(self) -> bool:
        return False

    def log_in(self, login: Login) -> Dialogue[None]:
        offered = self._keywords().get("AUTH", ())
        mechanism = sasl.choose(login.mechanism, offered)
        if mechanism is None:
            raise sasl.not_offered(login.mechanism, offered)
        yield Learn(LoginTried(mechanism))
        reply = yield from _authenticate(sasl.EXCHANGES[mechanism](login))
        if reply.code != 235:
            raise _login_refusal(reply)
        yield Learn(LoginTaken())

    def has_more_to_check(self, *, logged_in: bool) -> bool:  # noqa: ARG002 - the recipient is asked about either way
        return self._endpoint.rcpt_to is not None

    def check(self) -> Dialogue[None]:
        reply = yield from command(f"MAIL FROM:<{self._endpoint.mail_from}>".encode())
        if reply.code != 250:
            raise _refusal(FailureReason.COMMAND_REFUSED, "MAIL is answered with", reply)
        reply = yield from command(f"RCPT TO:<{self._endpoint.rcpt_to}>".encode())
        if reply.code == 421:
            raise _refusal(FailureReason.SERVER_BUSY, "RCPT is answered with", reply)
        # RFC 5321 4.1.1.5: RSET drops the transaction; there was no DATA, so nothing was sent.
        yield from command(b"RSET")
        self._judge_recipient(reply)

    def quit(self) -> Dialogue[None]:
        yield from command(b"QUIT")

    def _keywords(self) -> dict[str, tuple[str, ...]]:
        """The capabilities as keyword and parameters; `AUTH=PLAIN` is from before RFC 2554, and some still write it."""
        found: dict[str, tuple[str, ...]] = {}
        for item in self.capabilities or ():
            keyword, *parameters = item.upper().replace("AUTH=", "AUTH ", 1).split()
            found[keyword] = found.get(keyword, ()) + tuple(parameters)
        return found

    def _judge_recipient(self, reply: Reply) -> None:
        expected = self._endpoint.rcpt_expect
        accepted = 200 <= reply.code < 300
        if reply.code in expected or (accepted and not expected):
            return
        if accepted:
            codes = ", ".join(map(str, expected))
            raise DialogueError(
                FailureReason.RECIPIENT_ACCEPTED, f"RCPT should be refused with {codes} but is answered with {reply}"
            )
        raise DialogueError(FailureReason.RECIPIENT_REFUSED, f"RCPT is answered with {reply}")


def read_reply() -> Dialogue[Reply]:
    """RFC 5321 4.2.1: lines with one code, a hyphen behind it on all but the last."""
    lines: list[bytes] = []
    first_code: bytes | None = None
    while True:
        line = yield ReadLine()
        found = _LINE.fullmatch(line)
        if found is None:
            raise ProtocolError(f"not a line of an SMTP reply: {quoted(line)}")
        code, separator, text = found.groups()
        first_code = first_code or code
        if code != first_code:
            raise ProtocolError(f"the reply began with {first_code.decode()} and goes on with {quoted(line)}")
        lines.append(text or b"")
        if separator != b"-":
            yield Learn(ReplyCode(int(code)))
            return Reply(int(code), tuple(lines))
        if len(lines) >= MAX_REPLY_LINES:
            raise ResponseTooLargeError(f"a reply of more than {MAX_REPLY_LINES} lines")


def command(line: bytes, shown: str | None = None) -> Dialogue[Reply]:
    """Send a command and read its reply."""
    yield Send(line, shown)
    return (yield from read_reply())


def _authenticate(exchange: sasl.Exchange) -> Dialogue[Reply]:
    """RFC 4954 section 4. Returns the reply that ends the exchange, whatever its code."""
    verb = f"AUTH {exchange.mechanism}"
    initial = exchange.initial_response()
    # RFC 4954 section 4: an empty initial response is "=", and one that makes the line too long is sent when asked for.
    encoded = None if initial is None else b64encode(initial) or b"="
    if encoded is not None and len(verb) + 1 + len(encoded) + 2 <= MAX_COMMAND:
        reply = yield from command(verb.encode() + b" " + encoded, f"{verb} {REDACTED}")
        initial = None
    else:
        reply = yield from command(verb.encode())
    while reply.code == 334:
        if initial is not None:
            response, initial = initial, None
        else:
            response = exchange.respond(_challenge(reply))
        reply = yield from command(b64encode(response), REDACTED)
    return reply


def _challenge(reply: Reply) -> bytes:
    try:
        return a2b_base64(reply.lines[0], strict_mode=True)
    except Base64Error:
        raise ProtocolError(f"the challenge is not base64: {reply}") from None


def _size_limit(capabilities: tuple[str, ...]) -> int | None:
    """RFC 1870 section 4: SIZE alone, and SIZE 0, announce no fixed limit."""
    for item in capabilities:
        keyword, *parameters = item.upper().split()
        if keyword == "SIZE" and parameters and re.fullmatch("[0-9]{1,20}", parameters[0]):
            return int(parameters[0]) or None
    return None


def _refusal(permanent: FailureReason, context: str, reply: Reply) -> DialogueError:
    """RFC 5321 4.2.1: 4yz asks to come back later, everything else is final."""
    reason = FailureReason.SERVER_BUSY if 400 <= reply.code < 500 else permanent
    return DialogueError(reason, f"{context} {reply}")


def _login_refusal(reply: Reply) -> DialogueError:
    """RFC 4954 section 6: 4yz is the server's trouble, 5yz is the login's."""
    reason = FailureReason.AUTH_UNAVAILABLE if 400 <= reply.code < 500 else FailureReason.AUTH_REJECTED
    return DialogueError(reason, f"AUTH is answered with {reply}")
