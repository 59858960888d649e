"""POP3 as a client speaks it (RFC 1939), with CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.model import Encryption, Endpoint, Facts, FailureReason, Login, Mechanism
from exporter.protocol import sasl
from exporter.protocol.dialogue import (
    BLANK,
    MAX_REPLY_LINES,
    Dialogue,
    DialogueError,
    Learn,
    ProtocolError,
    ReadLine,
    ResponseTooLargeError,
    Send,
    ShowUnread,
    announcement,
    keywords,
    printable,
    quoted,
)
from exporter.protocol.refusals import login_refusals
from exporter.protocol.sasl.sasl_exchange import REDACTED, Exchange

MAX_COMMAND: Final = 255
"""Octets of a command line with its CRLF (RFC 2449 section 4)."""

BUSY: Final = ("IN-USE", "LOGIN-DELAY", "SYS/TEMP")
"""Response codes that ask to come back later (RFC 2449 section 8.1, RFC 3206 section 4)."""

_STATUS: Final = re.compile(rb"(\+OK|-ERR)\b[ \t]*(.*)", re.DOTALL)
_RESPONSE_CODE: Final = re.compile(rb"\[([^\[\]]{1,64})\]")
_CHALLENGE: Final = re.compile(rb"\+(?: (.*))?", re.DOTALL)
_TIMESTAMP: Final = re.compile(rb"<[!-;=?A-~]+@[!-;=?A-~]+>")


@dataclass(frozen=True, slots=True)
class Response:
    """The first line of a response (RFC 1939 section 3): which of the two status indicators, and the text behind it."""

    positive: bool
    text: bytes

    @property
    def code(self) -> str:
        """The response code (RFC 2449 section 8) that leads the text, in upper case; empty if there is none."""
        found = _RESPONSE_CODE.match(self.text)
        return printable(found[1]).upper() if found else ""

    def has_code(self, *codes: str) -> bool:
        """Whether its code is one of these. RFC 2449 section 8: there may be more detail behind a slash."""
        return f"{self.code}/".startswith(tuple([f"{code}/" for code in codes]))

    def __str__(self) -> str:
        return quoted((b"+OK " if self.positive else b"-ERR ") + self.text)


class Pop3:
    """The client's side of one POP3 connection; see `exporter.protocol.session.Client` for the methods.

    Attributes:
        timestamp: The message identifier in the greeting of a server that knows APOP (RFC 1939 section 7); `None` if
            there is none. It is kept after the upgrade although it was not encrypted: it is only hashed, not trusted.
    """

    farewell: Final = re.compile(rb"-ERR\b[^\r\n]*\r?\n")
    last_words: bytes = b""

    def __init__(self, endpoint: Endpoint, client_name: str) -> None:  # noqa: ARG002 - a POP3 client does not say its name
        self.capabilities: tuple[str, ...] | None = None
        self.timestamp: bytes | None = None
        self._endpoint = endpoint
        self._owes_response = False
        self.left = False
        """Whether QUIT was sent already."""

    def greet(self) -> Dialogue[None]:
        response = yield from read_response()
        if not response.positive:
            raise refusal(FailureReason.SERVER_REFUSED, "the greeting is", response)
        found = _TIMESTAMP.search(response.text)
        self.timestamp = found[0] if found else None

    def ask_capabilities(self) -> Dialogue[None]:
        response = yield from command(b"CAPA")
        if response.positive:
            lines = yield from read_lines()
            self.capabilities = announcement(lines)
        elif response.has_code("SYS"):
            # RFC 3206 section 4: trouble of the server's, which is another thing than not to know CAPA.
            raise refusal(FailureReason.COMMAND_REFUSED, "CAPA is answered with", response)

    def offers_starttls(self) -> bool:
        if self.capabilities is None:
            # RFC 2595 section 4 wants STLS announced, so a server without CAPA should not have it. An endpoint that
            # insists on TLS asks all the same; one that would merely like it goes on without.
            return self._endpoint.encryption is Encryption.STARTTLS
        return "STLS" in keywords(self.capabilities)

    def starttls(self) -> Dialogue[None]:
        response = yield from command(b"STLS")
        if not response.positive and self.capabilities is None:
            yield Learn(Facts(starttls_offered=False))
            raise DialogueError(FailureReason.STARTTLS_NOT_OFFERED, f"without CAPA, STLS is answered with {response}")
        if not response.positive:
            raise DialogueError(FailureReason.STARTTLS_REFUSED, f"STLS is answered with {response}")
        self.capabilities = None

    def logged_in_already(self) -> bool:
        return False

    def log_in(self, login: Login, *, encrypted: bool) -> Dialogue[None]:
        announced = keywords(("USER",) if self.capabilities is None else self.capabilities)
        # RFC 2449 section 6.3: USER and PASS are there unless the server's list lacks them; APOP is in no list.
        commands = [Mechanism.USERPASS] if "USER" in announced else []
        if self.timestamp is not None:
            commands.append(Mechanism.APOP)
        offered = announced.get("SASL", [])
        mechanism = sasl.choose(login, offered, commands, encrypted=encrypted)
        if mechanism in commands:
            response = yield from _COMMANDS[mechanism](login, self.timestamp or b"")
            if not response.positive:
                raise _login_refusal(response, announced)
        else:
            exchange = sasl.exchange(mechanism, login, self._endpoint)
            # Exchange Online takes a token only in a line of its own.
            response = yield from self._authenticate(exchange, 0 if mechanism is Mechanism.XOAUTH2 else MAX_COMMAND)
            if not response.positive:
                raise exchange.explained(_login_refusal(response, announced))
        yield Learn(Facts(auth_success=True))

    def refresh_capabilities(self, *, all_of_them: bool = False) -> Dialogue[None]:  # noqa: ARG002 - it is told in one
        # RFC 2449 section 5 lets the answer change with the login. It is not asked for again then: STAT and QUIT need
        # no capability, and expectations are about what every client is told.
        yield from ()

    def quit(self) -> Dialogue[None]:
        if self.left:
            return
        # RFC 1939 section 6: QUIT removes the messages that were marked as deleted, and none were.
        # Whatever else the server has said by now does not keep us from saying goodbye.
        for line in (b"*", b"QUIT") if self._owes_response else (b"QUIT",):
            yield Send(line)
            yield from read_response()

    def _authenticate(self, exchange: Exchange, room: int) -> Dialogue[Response]:
        """RFC 5034 section 4. Returns the response that ends the exchange, whatever it is."""
        yield from expect_silence()
        # An initial response that would make the line too long is sent when the server asks for it.
        yield from exchange.begin("AUTH", room)
        while (found := _CHALLENGE.fullmatch(answer := (yield ReadLine()).rstrip(BLANK))) is not None:
            try:
                yield from exchange.respond(found[1] or b"")
            except DialogueError as error:
                # RFC 5034 section 4: "*" cancels; whatever else is said now would be taken for the response.
                self._owes_response = error.in_step = True
                raise
        end = _response(answer)
        if end.positive:
            exchange.finish()
        return end


def read_response() -> Dialogue[Response]:
    """RFC 1939 section 3: one line, or the first of several."""
    return _response((yield ReadLine()).rstrip(BLANK))


def read_lines() -> Dialogue[tuple[bytes, ...]]:
    """RFC 1939 section 3: the lines up to a lone dot, each without the dot that was put before one of its own."""
    lines: list[bytes] = []
    while (line := (yield ReadLine())).rstrip(BLANK) != b".":
        if len(lines) >= MAX_REPLY_LINES:
            raise ResponseTooLargeError(f"a response of more than {MAX_REPLY_LINES} lines")
        lines.append(line.removeprefix(b"."))
    return tuple(lines)


def command(line: bytes, shown: str | None = None) -> Dialogue[Response]:
    """Send a command and read the first line of its response."""
    yield from expect_silence()
    yield Send(line, shown)
    return (yield from read_response())


def expect_silence() -> Dialogue[None]:
    """Make sure that no data is there that would be mistaken for the response to the next command.

    Raises:
        DialogueError: There is such data, or the server said goodbye.
    """
    unread = yield ShowUnread()
    if unread.startswith(b"-ERR"):
        response = yield from read_response()
        if response.has_code(*BUSY):
            detail = f"the server closes the connection with {response}"
            raise DialogueError(FailureReason.SERVER_BUSY, detail, in_step=False)
    if unread:
        raise ProtocolError(f"the server says what nobody asked for: {quoted(unread.rstrip())}")


def _user_and_pass(login: Login, _: bytes) -> Dialogue[Response]:
    """RFC 1939 section 7. Returns the response that ends it, whatever it is."""
    name = _argument("USER", "the username", login.username.encode())
    password = _argument("PASS", "the password", login.secret.reveal())
    yield Learn(Facts(auth_mechanism=Mechanism.USERPASS, auth_success=False))
    response = yield from command(b"USER " + name)
    if response.positive:
        response = yield from command(b"PASS " + password, f"PASS {REDACTED}")
    return response


def _apop(login: Login, timestamp: bytes) -> Dialogue[Response]:
    """RFC 1939 section 7. Returns the response that ends it, whatever it is."""
    name = login.username.encode()
    if b" " in name:
        raise DialogueError(FailureReason.SECRET_UNREADABLE, "the username holds a space, which APOP cannot carry")
    verb = b"APOP " + _argument("APOP", "the username", name)
    digest = _digest(timestamp + login.secret.reveal())
    yield Learn(Facts(auth_mechanism=Mechanism.APOP, auth_success=False))
    return (yield from command(verb + b" " + digest, f"{printable(verb)} {REDACTED}"))


def _digest(octets: bytes) -> bytes:
    # Not for security: see CRAM-MD5.
    return hashlib.md5(octets, usedforsecurity=False).hexdigest().encode()


_COMMANDS: Final[Mapping[Mechanism, Callable[[Login, bytes], Dialogue[Response]]]] = {
    Mechanism.USERPASS: _user_and_pass,
    Mechanism.APOP: _apop,
}
"""The ways to log in that only POP3 has."""


def _argument(keyword: str, what: str, value: bytes) -> bytes:
    """An argument, which POP3 cannot quote: characters that would end the line or string are refused."""
    if any(octet in value for octet in b"\r\n\0"):
        raise DialogueError(
            FailureReason.SECRET_UNREADABLE, f"{what} holds a line break or a NUL octet, which {keyword} cannot carry"
        )
    return value


def _response(line: bytes) -> Response:
    found = _STATUS.fullmatch(line)
    if found is None:
        raise ProtocolError(f"not a response of POP3: {quoted(line)}")
    return Response(positive=found[1] == b"+OK", text=found[2])


def refusal(permanent: FailureReason, context: str, response: Response) -> DialogueError:
    """The failure that a negative response means."""
    busy = response.has_code(*BUSY) or (not response.code and login_refusals.says_busy(response.text))
    reason = FailureReason.SERVER_BUSY if busy else permanent
    return DialogueError(reason, f"{context} {response}")


def _login_refusal(response: Response, announced: Collection[str]) -> DialogueError:
    verdict = login_refusals.judge(login_refusals.POP3, response.text)
    reason = verdict.reason
    if reason is FailureReason.AUTH_REJECTED and "AUTH-RESP-CODE" in announced and not response.has_code("AUTH"):
        # RFC 3206 section 6: with this capability, every error that is about the credentials has the code.
        reason = FailureReason.AUTH_UNAVAILABLE
    unclear = verdict.unclear or reason is not verdict.reason
    return DialogueError(reason, f"the login is answered with {response}", unclear=unclear)
