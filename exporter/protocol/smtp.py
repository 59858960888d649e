"""SMTP as a client speaks it (RFC 5321), with STARTTLS (RFC 3207), AUTH (RFC 4954) and SIZE (RFC 1870)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter.model import Endpoint, Facts, FailureReason, Login
from exporter.protocol import sasl
from exporter.protocol.dialogue import (
    BLANK,
    MAX_REPLY_LINES,
    Dialogue,
    DialogueError,
    Forget,
    Learn,
    ProtocolError,
    ReadLine,
    Replied,
    ResponseTooLargeError,
    Send,
    ShowUnread,
    announcement,
    keywords,
    quoted,
)
from exporter.protocol.refusals import login_refusals
from exporter.protocol.sasl.sasl_exchange import Exchange

MAX_COMMAND: Final = 512
"""Octets of a command line with its CRLF (RFC 5321 4.5.3.1.4)."""

GOODBYE: Final = b"421"
"""RFC 5321 3.8: the answer to any command, or to none, of a server that closes the connection after it."""

_AUTH: Final = re.compile("^AUTH=", re.IGNORECASE)
# RFC 5321 4.2 has printable ASCII, RFC 6531 3.7.4 adds UTF-8, and servers add what they like. It decides nothing.
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ \t-])(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply (RFC 5321 4.2): the code and the text of each line."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def words(self) -> bytes:
        """The reply as one line, with the code once."""
        return b" ".join((str(self.code).encode(), *self.lines))

    def __str__(self) -> str:
        return quoted(self.words)


class GoodbyeError(DialogueError):
    """The server closes the connection with this reply.

    Attributes:
        reply: Its code is 421.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(FailureReason.SERVER_BUSY, f"the server closes the connection with {reply}", in_step=False)
        self.reply = reply


class Smtp:
    """The client's side of one SMTP connection; see `exporter.protocol.session.Client` for the methods."""

    farewell: Final = re.compile(rb"[45][0-9]{2} [^\r\n]*\r?\n")
    last_words: bytes = b""

    def __init__(self, endpoint: Endpoint, client_name: str) -> None:
        self.capabilities: tuple[str, ...] | None = None
        self._keywords: dict[str, list[str]] = {}
        """The capabilities, taken apart."""
        self._endpoint = endpoint
        self._client_name = (endpoint.helo or client_name).encode()
        self.left_open: bytes | None = None
        """The command that aborts an unfinished exchange or transaction."""

    def greet(self) -> Dialogue[None]:
        # RFC 5321 4.3.1: the client waits for the whole greeting. Servers take impatient clients for spammers.
        reply = yield from read_reply()
        if reply.code != 220:
            raise refusal(FailureReason.SERVER_REFUSED, "the greeting is", reply)

    def ask_capabilities(self) -> Dialogue[None]:
        verbs = "EHLO is"
        reply = yield from command(b"EHLO " + self._client_name)
        if reply.code == 250:
            self.capabilities = announcement(reply.lines[1:])
            # `AUTH=PLAIN` is from before RFC 2554, and some still write it beside `AUTH PLAIN`.
            self._keywords = keywords([_AUTH.sub("AUTH ", item) for item in self.capabilities])
        elif reply.code >= 500:
            # RFC 5321 3.2: a server that does not know EHLO may still know HELO; a temporary refusal means this client.
            verbs = "EHLO and HELO are"
            reply = yield from command(b"HELO " + self._client_name)
        if reply.code != 250:
            raise refusal(FailureReason.COMMAND_REFUSED, f"{verbs} answered with", reply)
        limit = _size_limit(self._keywords.get("SIZE"))
        # Without one, the limit announced before the handshake is not used any more.
        yield Forget("size_limit") if limit is None else Learn(Facts(size_limit=limit))

    def offers_starttls(self) -> bool:
        return "STARTTLS" in self._keywords

    def starttls(self) -> Dialogue[None]:
        reply = yield from command(b"STARTTLS")
        if reply.code != 220:
            # RFC 3207 section 4: 454 is a refusal too; for a client that insists on TLS the session ends either way.
            raise DialogueError(FailureReason.STARTTLS_REFUSED, f"STARTTLS is answered with {reply}")
        self.capabilities, self._keywords = None, {}

    def logged_in_already(self) -> bool:
        return False

    def log_in(self, login: Login, *, encrypted: bool) -> Dialogue[None]:
        offered = self._keywords.get("AUTH", ())
        mechanism = sasl.choose(login, offered, encrypted=encrypted)
        exchange = sasl.exchange(mechanism, login, self._endpoint)
        yield from expect_silence()
        try:
            reply = yield from self._authenticate(exchange)
        except GoodbyeError as goodbye:
            raise exchange.explained(_login_goodbye(goodbye)) from None
        if reply.code != 235:
            raise exchange.explained(_login_refusal(reply))
        yield Learn(Facts(auth_success=True))

    def refresh_capabilities(self, *, all_of_them: bool = False) -> Dialogue[None]:  # noqa: ARG002 - it is told in one
        # RFC 4954 section 4: nothing that EHLO told is void after a login without a security layer.
        yield from ()

    def quit(self) -> Dialogue[None]:
        # Whatever else the server has said by now does not keep us from saying goodbye.
        for line in (self.left_open, b"QUIT"):
            if line is not None:
                yield Send(line)
                yield from read_reply()

    def _authenticate(self, exchange: Exchange) -> Dialogue[Reply]:
        """RFC 4954 section 4. Returns the reply that ends the exchange, whatever its code."""
        # An initial response that would make the line too long is sent when the server asks for it.
        yield from exchange.begin("AUTH", MAX_COMMAND)
        reply = yield from read_reply()
        while reply.code == 334:
            try:
                yield from exchange.respond(reply.lines[0])
            except DialogueError as error:
                # RFC 4954 section 4: "*" cancels; whatever else is said now would be taken for the response.
                self.left_open, error.in_step = b"*", True
                raise
            reply = yield from read_reply()
        if reply.code == 235:
            exchange.finish()
        return reply


def read_reply() -> Dialogue[Reply]:
    """RFC 5321 4.2.1: lines with one code, a hyphen behind it on all but the last."""
    lines: list[bytes] = []
    first_code: bytes | None = None
    while True:
        line = (yield ReadLine()).rstrip(BLANK)
        found = _LINE.fullmatch(line)
        if found is None:
            raise ProtocolError(f"not a line of an SMTP reply: {quoted(line)}")
        code, separator, text = found.groups()
        first_code = first_code or code
        if code == GOODBYE and code != first_code:
            # A server that shuts down may break off in the middle of a reply.
            lines, first_code = [], code
        if code != first_code:
            raise ProtocolError(f"the reply began with {first_code.decode()} and goes on with {quoted(line)}")
        lines.append(text or b"")
        if separator != b"-":
            yield Replied(int(code))
            reply = Reply(int(code), tuple(lines))
            if code == GOODBYE:
                raise GoodbyeError(reply)
            return reply
        if len(lines) >= MAX_REPLY_LINES:
            raise ResponseTooLargeError(f"a reply of more than {MAX_REPLY_LINES} lines")


def command(line: bytes, shown: str | None = None) -> Dialogue[Reply]:
    """Send a command and read its reply."""
    yield from expect_silence()
    yield Send(line, shown)
    return (yield from read_reply())


def expect_silence() -> Dialogue[None]:
    """Make sure that no data is there that would be mistaken for the reply to the next command.

    Raises:
        DialogueError: There is such data, or the server said goodbye.
    """
    unread = yield ShowUnread()
    if unread.startswith(GOODBYE):
        yield from read_reply()
    if unread:
        raise ProtocolError(f"the server says what nobody asked for: {quoted(unread.rstrip())}")


def _size_limit(parameters: list[str] | None) -> int | None:
    """RFC 1870 section 4: SIZE alone, and SIZE 0, announce no fixed limit."""
    limit = parameters[0] if parameters else ""
    return (int(limit) or None) if re.fullmatch("[0-9]{1,20}", limit) else None


def refusal(permanent: FailureReason, context: str, reply: Reply) -> DialogueError:
    """RFC 5321 4.2.1: 4yz asks to come back later, 5yz is final, and the rest has no place here."""
    if reply.code < 400:
        return ProtocolError(f"{context} {reply}")
    return DialogueError(FailureReason.SERVER_BUSY if reply.code < 500 else permanent, f"{context} {reply}")


def _login_refusal(reply: Reply) -> DialogueError:
    if reply.code < 400:
        return ProtocolError(f"AUTH is answered with {reply}")
    verdict = login_refusals.judge(login_refusals.SMTP, reply.words)
    return DialogueError(verdict.reason, f"AUTH is answered with {reply}", unclear=verdict.unclear)


def _login_goodbye(goodbye: GoodbyeError) -> DialogueError:
    """A server that closes the connection is busy, or it had enough of wrong passwords."""
    refusal_of_login = _login_refusal(goodbye.reply)
    if refusal_of_login.reason is not FailureReason.AUTH_REJECTED and not refusal_of_login.unclear:
        return goodbye
    refusal_of_login.in_step = False
    return refusal_of_login
