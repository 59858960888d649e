"""IMAP as a client speaks it (RFC 9051, RFC 3501), with QUOTA (RFC 9208), STATUS=SIZE (RFC 8438), LITERAL+ (RFC 7888).

This module has the commands and their order. imap_command.py writes their arguments, imap_response.py parses the
server's responses, and imap_refusal.py says what refusals mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter import __version__
from exporter.model import Endpoint, Facts, FailureReason, Login, Mechanism
from exporter.protocol import imap_command, sasl
from exporter.protocol.dialogue import (
    MAX_LINE,
    MAX_REPLY_LINES,
    Dialogue,
    DialogueError,
    Learn,
    ProtocolError,
    ResponseTooLargeError,
    Send,
    ShowUnread,
    announcement,
    quoted,
)
from exporter.protocol.imap_refusal import login_refusal, refusal
from exporter.protocol.imap_response import UNTAGGED, Condition, Continuation, Data, ImapResponse, Status, read_response
from exporter.protocol.sasl.sasl_exchange import REDACTED, Exchange


@dataclass(frozen=True, slots=True)
class CommandResult:
    """All that answers one command.

    Attributes:
        end: The tagged response, or BYE: after that no tagged one is sure to come.
        data: What came before it.
        notices: Untagged status responses among it, which inform and warn (RFC 9051 7.1).
    """

    end: Status
    data: tuple[Data, ...]
    notices: tuple[Status, ...] = ()

    def named(self, name: str) -> list[Data]:
        return [data for data in self.data if data.name == name]


class Imap:
    """The client's side of one IMAP connection; see `exporter.protocol.session.Client` for the methods.

    Attributes:
        messages: How many messages the open mailbox has, by all that the server has said.
    """

    farewell: Final = re.compile(rb"\* BYE\b[^\r\n]*\r?\n", re.IGNORECASE)
    last_words: bytes = b""

    def __init__(self, endpoint: Endpoint, client_name: str) -> None:  # noqa: ARG002 - IMAP clients give no name
        self.capabilities: tuple[str, ...] | None = None
        self.messages = 0
        self._endpoint = endpoint
        self._preauthenticated = False
        self._capabilities_are_old = False
        """Whether the server may have more to announce since the login."""
        self._capabilities_are_short = False
        """Whether they came unasked, in a status."""
        self._introduced = False
        self._commands = 0
        self._unanswered: set[bytes] = set()
        self._exchange_is_open = False
        """Whether the server waits for a response in a SASL exchange that was given up."""

    def greet(self) -> Dialogue[None]:
        greeting = yield from read_response()
        if not isinstance(greeting, Status) or greeting.tag != UNTAGGED:
            seen = greeting.line if isinstance(greeting, Status) else greeting
            raise ProtocolError(f"not an IMAP greeting: {seen}")
        # RFC 9051 7.1.5: BYE turns the client away. Some servers use NO or BAD, which have no place in a greeting.
        if greeting.condition not in {Condition.OK, Condition.PREAUTH}:
            raise refusal(
                FailureReason.SERVER_REFUSED, "the greeting is", greeting, farewell=FailureReason.SERVER_REFUSED
            )
        self._preauthenticated = greeting.condition is Condition.PREAUTH
        self._take_capabilities(greeting)

    def ask_capabilities(self) -> Dialogue[None]:
        if self.capabilities is None:
            yield from self._ask_capabilities()

    def offers_starttls(self) -> bool:
        return "STARTTLS" in self.announced()

    def starttls(self) -> Dialogue[None]:
        reply = yield from self.command(b"STARTTLS")
        if reply.end.condition is not Condition.OK:
            raise DialogueError(FailureReason.STARTTLS_REFUSED, f"STARTTLS is answered with {reply.end}")
        # RFC 9051 6.2.1: also those that came with this very answer.
        self.capabilities = None

    def logged_in_already(self) -> bool:
        return self._preauthenticated

    def log_in(self, login: Login, *, encrypted: bool) -> Dialogue[None]:
        offered = self._mechanisms()
        # RFC 9051 6.2.3: the LOGIN command is there unless the server says that it is not.
        disabled = "LOGINDISABLED" in self.announced()
        mechanism = sasl.choose(
            login,
            offered,
            () if disabled else (Mechanism.LOGIN,),
            encrypted=encrypted,
            remark="; LOGINDISABLED rules out the LOGIN command" if disabled else "",
        )
        self._capabilities_are_old = True
        if mechanism is Mechanism.LOGIN and mechanism not in offered:
            end = yield from self._log_in_by_command(login)
            if end.condition is not Condition.OK:
                raise login_refusal(end)
        else:
            exchange = sasl.exchange(mechanism, login, self._endpoint)
            end = yield from self._authenticate(exchange)
            if end.condition is not Condition.OK:
                raise exchange.explained(login_refusal(end))
        yield Learn(Facts(auth_success=True))
        if self.capabilities is not None and not self._capabilities_are_old:
            yield Learn(Facts(capabilities=self.capabilities))

    def introduce(self) -> Dialogue[None]:
        """Send ID once, to a server that supports it (RFC 2971).

        NetEase opens no mailbox without it. The server's answer is not used.
        """
        if "ID" in self.announced() and not self._introduced:
            self._introduced = True
            yield from self.ask(f'ID ("name" "mail-exporter" "version" "{__version__}")'.encode())

    def refresh_capabilities(self, *, all_of_them: bool = False) -> Dialogue[None]:
        # RFC 9051 7.1: the list in a status is the initial one. Cyrus and iCloud leave out of it what they like.
        if self._capabilities_are_old or (all_of_them and self._capabilities_are_short):
            yield from self._ask_capabilities()
            yield Learn(Facts(capabilities=self.capabilities or ()))

    def look_for_capabilities(self) -> Dialogue[None]:
        """As `refresh_capabilities`, of a server that need not tell: then those count that it announced before."""
        if self._capabilities_are_old:
            yield from self.ask(b"CAPABILITY")
            yield Learn(Facts(capabilities=self.capabilities))

    def quit(self) -> Dialogue[None]:
        if self._exchange_is_open:
            # RFC 9051 6.2.2: "*" cancels; anything else said now would be taken for the response.
            yield Send(b"*")
        tag = self.new_tag()
        yield Send(tag + b" LOGOUT")
        reply = yield from self.read(tag)
        # RFC 9051 6.1.3: BYE, and then the tagged response.
        if isinstance(reply, CommandResult) and reply.end.condition is Condition.BYE:
            yield from self.read(tag)

    def announced(self) -> frozenset[str]:
        """The capabilities in upper case."""
        return frozenset(self._capitals())

    def _mechanisms(self) -> tuple[str, ...]:
        return tuple([item.removeprefix("AUTH=") for item in self._capitals() if item.startswith("AUTH=")])

    def _capitals(self) -> list[str]:
        """The capabilities; letter case means nothing in them (RFC 9051 9), and there are no spaces within one."""
        return " ".join(self.capabilities or ()).upper().split()

    def heed(self, response: ImapResponse) -> None:
        """Note what a server may tell at any time: its capabilities, and messages that come and go."""
        self._take_capabilities(response)
        match response:
            case Data(name="EXISTS", number=int(number)):
                self.messages = number
            case Data(name="EXPUNGE"):
                # RFC 9051 7.5.1: the count is one less, and the server need not say so.
                self.messages = max(self.messages - 1, 0)

    def _take_capabilities(self, response: ImapResponse) -> None:
        """RFC 9051 7.1, 7.2.2: they come as data or as the code of a status, asked for or not."""
        match response:
            case Data(name="CAPABILITY"):
                words = response.fragments[0]
            case Status(code="CAPABILITY"):
                words = response.argument
            case _:
                return
        self.capabilities = tuple(" ".join(announcement((words,))).split())
        self._capabilities_are_old, self._capabilities_are_short = False, isinstance(response, Status)

    def _ask_capabilities(self) -> Dialogue[None]:
        reply = yield from self.command(b"CAPABILITY")
        if reply.end.condition is not Condition.OK:
            raise refusal(FailureReason.COMMAND_REFUSED, "CAPABILITY is answered with", reply.end)
        # RFC 9051 6.1.1: the server MUST tell before it says OK.
        if not reply.named("CAPABILITY") and reply.end.code != "CAPABILITY":
            raise ProtocolError(f"CAPABILITY is answered with {reply.end} and no capabilities")

    def _authenticate(self, exchange: Exchange) -> Dialogue[Status]:
        """RFC 9051 6.2.2. Returns the response that ends the exchange, whatever it says."""
        yield from self._expect_silence()
        tag = self.new_tag()
        # RFC 4959 section 3; RFC 9051 appendix E: SASL-IR is part of IMAP4rev2.
        takes_initial_response = not self.announced().isdisjoint({"SASL-IR", "IMAP4REV2"})
        # A response that would make the line too long is sent when the server asks for it.
        yield from exchange.begin(f"{tag.decode()} AUTHENTICATE", MAX_LINE if takes_initial_response else 0)
        while isinstance(answer := (yield from self.read(tag)), Continuation):
            try:
                yield from exchange.respond(answer.text)
            except DialogueError as error:
                self._exchange_is_open, error.in_step = True, True
                raise
        if answer.end.condition is Condition.OK:
            exchange.finish()
        return answer.end

    def _log_in_by_command(self, login: Login) -> Dialogue[Status]:
        """RFC 9051 6.2.3. Returns the response that ends the command, whatever it says."""
        arguments = login.username.encode(), login.secret.reveal()
        # RFC 9051 section 9: neither kind of string holds a NUL.
        if any(b"\0" in argument for argument in arguments):
            raise DialogueError(
                FailureReason.SECRET_UNREADABLE, "the login holds a NUL octet, which LOGIN cannot carry"
            )
        yield from self._expect_silence()
        tag = self.new_tag()
        verb = tag + b" LOGIN"
        lines, waits = imap_command.lines(verb, arguments, unasked=self._largest_unasked_literal())
        yield Learn(Facts(auth_mechanism=Mechanism.LOGIN, auth_success=False))
        yield Send(lines[0], f"{verb.decode()} {REDACTED}")
        for line in lines[1:]:
            if waits and isinstance(answer := (yield from self.read(tag)), CommandResult):
                if answer.end.condition is Condition.OK:
                    raise ProtocolError(f"the login is taken before it was sent, with {answer.end}")
                return answer.end
            yield Send(line, REDACTED)
        return (yield from self.read_reply(tag)).end

    def _largest_unasked_literal(self) -> int:
        """RFC 7888; IMAP4rev2 has LITERAL- built in (RFC 9051 appendix E)."""
        announced = self.announced()
        if "LITERAL+" in announced:
            return MAX_LINE
        return 0 if announced.isdisjoint({"LITERAL-", "IMAP4REV2"}) else imap_command.MAX_SHORT_LITERAL

    def mailbox(self, name: str) -> bytes:
        """A mailbox name as this server wants it written."""
        announced = self.announced()
        return imap_command.mailbox(name, in_utf8="IMAP4REV1" not in announced and "IMAP4REV2" in announced)

    def new_tag(self) -> bytes:
        """The tag for the next command (RFC 9051 2.2.1)."""
        self._commands += 1
        tag = b"a%d" % self._commands
        self._unanswered.add(tag)
        return tag

    def command(self, line: bytes) -> Dialogue[CommandResult]:
        """Send a command and read its answer, in a state in which the server should not hang up."""
        yield from self._expect_silence()
        tag = self.new_tag()
        yield Send(tag + b" " + line)
        reply = yield from self.read_reply(tag)
        if reply.end.condition is Condition.BYE:
            raise refusal(FailureReason.CONNECTION_CLOSED, "the server ends the session with", reply.end)
        return reply

    def ask(self, line: bytes) -> Dialogue[CommandResult | None]:
        """As `command`, for optional commands: returns nothing if the answer is malformed.

        What is left of that, answers a command that was given up.
        """
        try:
            return (yield from self.command(line))
        except ProtocolError:
            return None

    def _expect_silence(self) -> Dialogue[None]:
        """Make sure that no data is there that would be mistaken for the answer to the next command.

        RFC 9051 7: data may come unasked, and waits for the next answer to be read.

        Raises:
            DialogueError: There is such data, or the server said goodbye.
        """
        unread = yield ShowUnread()
        if not unread:
            return
        if any(self.farewell.match(line) for line in unread.splitlines(keepends=True)):
            while (
                not isinstance(response := (yield from read_response()), Status)
                or response.tag != UNTAGGED
                or (response.condition is not Condition.BYE)
            ):
                pass
            raise refusal(FailureReason.CONNECTION_CLOSED, "the server ends the session with", response)
        too_early = any(line.startswith(b"a%d " % (self._commands + 1)) for line in unread.splitlines())
        if too_early or (not unread.startswith(UNTAGGED) and unread.split(b" ", 1)[0] not in self._unanswered):
            raise ProtocolError(f"the server says what nobody asked for: {quoted(unread.rstrip())}")

    def read_reply(self, tag: bytes) -> Dialogue[CommandResult]:
        """Read until the command ends. Nothing more is sent for it."""
        reply = yield from self.read(tag)
        if isinstance(reply, Continuation):
            raise ProtocolError(f"the server asks to go on where nothing is left to say: {reply}")
        return reply

    def read(self, tag: bytes) -> Dialogue[CommandResult | Continuation]:
        """Read until the command ends, or the server asks for its next part."""
        data: list[Data] = []
        notices: list[Status] = []
        for _ in range(MAX_REPLY_LINES):
            response = yield from read_response()
            self.heed(response)
            if isinstance(response, Continuation):
                return response
            if isinstance(response, Data):
                data.append(response)
            elif response.tag == tag or (
                response.condition is Condition.BYE and not (yield ShowUnread()).startswith(tag + b" ")
            ):
                self._unanswered.discard(tag)
                return CommandResult(response, tuple(data), tuple(notices))
            elif response.tag in self._unanswered:
                # The late answer to an abandoned command.
                self._unanswered.remove(response.tag)
            elif response.tag == UNTAGGED and response.condition in {Condition.NO, Condition.BAD, Condition.BYE}:
                # RFC 9051 7.1: they warn. Some servers (nginx) say so why they hang up.
                self.last_words = response.words
            # RFC 9051 7.1: an untagged OK informs.
            elif response.tag != UNTAGGED or response.condition is Condition.PREAUTH:
                raise ProtocolError(f"not an answer to {tag.decode()}: {response.line}")
            else:
                notices.append(response)
        raise ResponseTooLargeError(f"more than {MAX_REPLY_LINES} responses to one command")
