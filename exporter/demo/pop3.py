"""A POP3 server (RFC 1939) that knows CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034), and gives away no mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from exporter.demo.session import MAX_LINE, Session, decoded
from exporter.demo.site import Greeting, Logins, Site
from exporter.demo.wire import Wire


class Pop3Session(Session):
    """One client's POP3 session.

    Attributes:
        username: What USER said; `None` unless that was the last command.
        logged_in: Whether this is the TRANSACTION state.
    """

    GREETINGS: ClassVar[Mapping[Greeting, bytes]] = MappingProxyType(
        {
            Greeting.WELCOME: b"+OK NAME POP3 ready\r\n",
            Greeting.REFUSE: b"-ERR [SYS/PERM] NAME does not talk to you\r\n",
            Greeting.BUSY: b"-ERR [SYS/TEMP] NAME is busy, come back later\r\n",
        }
    )
    TOO_LONG: ClassVar[bytes] = b"-ERR line too long\r\n"
    INJECTION: ClassVar[bytes] = b"+OK NAME says so in plain\r\nUSER\r\n.\r\n"

    def __init__(self, wire: Wire, site: Site) -> None:
        super().__init__(wire, site)
        self.username: bytes | None = None
        self.logged_in = False

    async def turn(self) -> None:
        """See `Session`."""
        verb, _, argument = (await self.wire.read_line(MAX_LINE)).partition(b" ")
        verb = verb.upper()
        if self.hangs_up_on(verb):
            return
        if verb not in COMMANDS:
            await self.reply(b"-ERR no such command")
            return
        if verb != b"PASS":
            self.username = None
        await COMMANDS[verb](self, argument)

    async def reply(self, line: bytes) -> None:
        """Send a response of one line."""
        await self.wire.send(line + b"\r\n")

    async def judge(self, good: bool) -> None:
        """Answer a login (RFC 3206: AUTH is about the credentials, SYS/TEMP about the server)."""
        if self.site.behaviour.logins is Logins.UNAVAILABLE:
            await self.reply(b"-ERR [SYS/TEMP] passwords cannot be checked just now")
        elif good:
            self.logged_in = True
            await self.reply(b"+OK welcome")
        else:
            await self.reply(b"-ERR [AUTH] wrong name or password")


async def capa(session: Pop3Session, _argument: bytes) -> None:
    """RFC 2449 section 5."""
    lines = [b"+OK", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING"]
    if session.offers_upgrade():
        lines.append(b"STLS")
    if session.offers_login():
        lines += [b"USER", b"SASL PLAIN"]
    await session.wire.send(b"".join(line + b"\r\n" for line in [*lines, b"."]))


async def stls(session: Pop3Session, _argument: bytes) -> None:
    """RFC 2595 section 4."""
    if not session.offers_upgrade() or session.logged_in:
        await session.reply(b"-ERR STLS is not offered")
    elif not session.accepts_upgrade():
        await session.reply(b"-ERR TLS is not available just now")
    else:
        await session.upgrade(b"+OK begin TLS\r\n")


async def auth(session: Pop3Session, argument: bytes) -> None:
    """RFC 5034 section 4."""
    mechanism, _, initial = argument.partition(b" ")
    if session.logged_in:
        await session.reply(b"-ERR not now")
    elif not session.offers_login():
        await session.reply(b"-ERR encryption is required for that")
    elif mechanism.upper() != b"PLAIN":
        await session.reply(b"-ERR that mechanism is not known here")
    else:
        if initial:
            message = decoded(initial)
        else:
            await session.reply(b"+ ")
            message = await session.read_response()
        if message is None:
            await session.reply(b"-ERR cancelled, or not base64")
        else:
            await session.judge(session.site.admits_plain(message))


async def user(session: Pop3Session, argument: bytes) -> None:
    """RFC 1939 section 7. Any name will do: it does not tell which of them exist."""
    if session.logged_in:
        await session.reply(b"-ERR not now")
    elif not session.offers_login():
        await session.reply(b"-ERR encryption is required for that")
    else:
        session.username = argument
        await session.reply(b"+OK and the password?")


async def pass_(session: Pop3Session, argument: bytes) -> None:
    """RFC 1939 section 7."""
    username, session.username = session.username, None
    if username is None:
        await session.reply(b"-ERR USER first")
    else:
        await session.judge(session.site.admits(username, argument))


async def stat(session: Pop3Session, _argument: bytes) -> None:
    """RFC 1939 section 5."""
    if not session.logged_in:
        await session.reply(b"-ERR log in first")
    else:
        inbox = session.site.mailboxes["INBOX"]
        await session.reply(b"+OK %d %d" % (inbox.messages, inbox.size))


async def noop(session: Pop3Session, _argument: bytes) -> None:
    """RFC 1939 section 5."""
    await session.reply(b"+OK" if session.logged_in else b"-ERR log in first")


async def quit_(session: Pop3Session, _argument: bytes) -> None:
    """RFC 1939 sections 4 and 6."""
    session.open = False
    await session.reply(b"+OK bye")


COMMANDS: Final[Mapping[bytes, Callable[[Pop3Session, bytes], Awaitable[None]]]] = {
    b"CAPA": capa,
    b"STLS": stls,
    b"AUTH": auth,
    b"USER": user,
    b"PASS": pass_,
    b"STAT": stat,
    b"NOOP": noop,
    b"QUIT": quit_,
}
