"""An SMTP server (RFC 5321) that knows STARTTLS (RFC 3207), AUTH (RFC 4954) and SIZE (RFC 1870), and takes no mail."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from exporter.demo.session import MAX_LINE, Session, decoded
from exporter.demo.site import Greeting, Logins, Site
from exporter.demo.wire import Wire

_MAIL: Final = re.compile(rb"FROM: ?<([^<>\s]*)>((?: [!-~]+)*)", re.IGNORECASE)
_RCPT: Final = re.compile(rb"TO: ?<([^<>\s@]+)@([^<>\s@]+)>(?: [!-~]+)*", re.IGNORECASE)
_SIZE: Final = re.compile(rb" SIZE=([0-9]{1,20})(?: |$)", re.IGNORECASE)


class SmtpSession(Session):
    """One client's SMTP session.

    Attributes:
        greeted: Whether the client said EHLO or HELO, since the handshake if there was one.
        logged_in: Whether it authenticated.
        sender: The reverse-path, while a mail transaction is open.
    """

    GREETINGS: ClassVar[Mapping[Greeting, bytes]] = MappingProxyType(
        {
            Greeting.WELCOME: b"220 NAME ESMTP\r\n",
            Greeting.REFUSE: b"554 5.7.1 NAME does not talk to you\r\n",
            Greeting.BUSY: b"421 4.3.2 NAME is busy, come back later\r\n",
        }
    )
    TOO_LONG: ClassVar[bytes] = b"500 5.5.6 Line too long\r\n"
    INJECTION: ClassVar[bytes] = b"250-NAME says so in plain\r\n250 AUTH PLAIN\r\n"

    def __init__(self, wire: Wire, site: Site) -> None:
        super().__init__(wire, site)
        self.greeted = False
        self.logged_in = False
        self.sender: bytes | None = None
        self._refuses_all = False

    async def turn(self) -> None:
        """See `Session`."""
        verb, _, argument = (await self.wire.read_line(MAX_LINE)).partition(b" ")
        verb = verb.upper()
        if self.hangs_up_on(verb):
            return
        if self._refuses_all and verb != b"QUIT":
            await self.reply(b"503 5.5.1 I said no")
        elif verb in COMMANDS:
            await COMMANDS[verb](self, argument.strip())
        else:
            await self.reply(ANSWERS.get(verb, b"500 5.5.2 No such command"))

    async def turned_away(self) -> None:
        """See `Session`."""
        # RFC 5321 3.1: who greets with 554 waits for QUIT all the same; 3.8: who greets with 421 closes at once.
        self._refuses_all = self.site.behaviour.greeting is Greeting.REFUSE
        self.open = self._refuses_all

    async def reply(self, line: bytes) -> None:
        """Send a reply of one line."""
        await self.wire.send(line + b"\r\n")

    async def ask(self, challenge: bytes) -> bytes | None:
        """Send a challenge. Gives the response, or `None` if there was none that makes sense."""
        await self.reply(b"334 " + challenge)
        return await self.read_response()


async def ehlo(session: SmtpSession, argument: bytes) -> None:
    """RFC 5321 4.1.1.1. It ends a mail transaction that is open."""
    if not argument:
        await session.reply(b"501 5.5.4 EHLO who?")
        return
    session.greeted, session.sender = True, None
    lines = [session.site.name.encode(), b"PIPELINING", b"SIZE %d" % session.site.size_limit, b"ENHANCEDSTATUSCODES"]
    if session.offers_upgrade():
        lines.append(b"STARTTLS")
    if session.offers_login():
        lines.append(b"AUTH PLAIN LOGIN")
    await session.wire.send(b"".join(b"250-%s\r\n" % line for line in lines) + b"250 8BITMIME\r\n")


async def helo(session: SmtpSession, argument: bytes) -> None:
    """RFC 5321 4.1.1.1."""
    if not argument:
        await session.reply(b"501 5.5.4 HELO who?")
        return
    session.greeted, session.sender = True, None
    await session.reply(b"250 " + session.site.name.encode())


async def starttls(session: SmtpSession, argument: bytes) -> None:
    """RFC 3207 section 4."""
    if argument:
        await session.reply(b"501 5.5.4 STARTTLS takes no argument")
    elif not session.offers_upgrade():
        await session.reply(b"503 5.5.1 STARTTLS is not offered")
    elif not session.accepts_upgrade():
        await session.reply(b"454 4.7.0 TLS is not available just now")
    else:
        await session.upgrade(b"220 2.0.0 Ready to start TLS\r\n")
        # RFC 3207 section 4.2: the server must discard what it learnt before, such as the name in EHLO.
        session.greeted, session.sender = False, None


async def auth(session: SmtpSession, argument: bytes) -> None:
    """RFC 4954 section 4, with the codes of section 6."""
    mechanism, _, initial = argument.partition(b" ")
    exchange = MECHANISMS.get(mechanism.upper())
    if not session.greeted or session.logged_in or session.sender is not None:
        await session.reply(b"503 5.5.1 Not now")
    elif not session.offers_login():
        await session.reply(b"538 5.7.11 Encryption is required for that")
    elif exchange is None:
        await session.reply(b"504 5.5.4 That mechanism is not known here")
    elif (good := await exchange(session, initial)) is None:
        await session.reply(b"501 5.5.2 Cancelled, or not base64")
    elif session.site.behaviour.logins is Logins.UNAVAILABLE:
        await session.reply(b"454 4.7.0 Passwords cannot be checked just now")
    elif good:
        session.logged_in = True
        await session.reply(b"235 2.7.0 Welcome")
    else:
        await session.reply(b"535 5.7.8 Wrong name or password")


async def auth_plain(session: SmtpSession, initial: bytes) -> bool | None:
    """RFC 4616. See `MECHANISMS`."""
    message = decoded(initial) if initial else await session.ask(b"")
    return None if message is None else session.site.admits_plain(message)


async def auth_login(session: SmtpSession, initial: bytes) -> bool | None:
    """draft-murchison-sasl-login: asks for "Username:" and "Password:". See `MECHANISMS`."""
    username = decoded(initial) if initial else await session.ask(b"VXNlcm5hbWU6")
    password = None if username is None else await session.ask(b"UGFzc3dvcmQ6")
    return None if username is None or password is None else session.site.admits(username, password)


async def mail(session: SmtpSession, argument: bytes) -> None:
    """RFC 5321 4.1.1.2, RFC 1870 section 6."""
    found = _MAIL.fullmatch(argument)
    if not session.greeted or session.sender is not None:
        await session.reply(b"503 5.5.1 Not now")
    elif found is None:
        await session.reply(b"501 5.5.4 MAIL FROM:<whom>?")
    elif (size := _SIZE.search(found[2])) and int(size[1]) > session.site.size_limit:
        await session.reply(b"552 5.3.4 Too large")
    else:
        session.sender = found[1]
        await session.reply(b"250 2.1.0 Ok")


async def rcpt(session: SmtpSession, argument: bytes) -> None:
    """RFC 5321 4.1.1.3."""
    found = _RCPT.fullmatch(argument)
    if session.sender is None:
        await session.reply(b"503 5.5.1 MAIL first")
    elif found is None:
        await session.reply(b"501 5.5.4 RCPT TO:<whom>?")
    elif found[2].lower() == session.site.domain.encode():
        known = found[1] in {recipient.encode() for recipient in session.site.recipients}
        await session.reply(b"250 2.1.5 Ok" if known else b"550 5.1.1 No such user here")
    elif session.logged_in or session.site.behaviour.open_relay:
        await session.reply(b"250 2.1.5 Ok, to be relayed")
    else:
        await session.reply(b"554 5.7.1 Relay access denied")


async def rset(session: SmtpSession, _argument: bytes) -> None:
    """RFC 5321 4.1.1.5."""
    session.sender = None
    await session.reply(b"250 2.0.0 Ok")


async def quit_(session: SmtpSession, _argument: bytes) -> None:
    """RFC 5321 4.1.1.10."""
    session.open = False
    await session.reply(b"221 2.0.0 Bye")


COMMANDS: Final[Mapping[bytes, Callable[[SmtpSession, bytes], Awaitable[None]]]] = {
    b"EHLO": ehlo,
    b"HELO": helo,
    b"STARTTLS": starttls,
    b"AUTH": auth,
    b"MAIL": mail,
    b"RCPT": rcpt,
    b"RSET": rset,
    b"QUIT": quit_,
}

ANSWERS: Final[Mapping[bytes, bytes]] = {
    b"NOOP": b"250 2.0.0 Ok",
    b"VRFY": b"252 2.5.0 Perhaps",
    b"DATA": b"554 5.3.2 No mail is taken here",
}
"""Commands that change nothing."""

MECHANISMS: Final[Mapping[bytes, Callable[[SmtpSession, bytes], Awaitable[bool | None]]]] = {
    b"PLAIN": auth_plain,
    b"LOGIN": auth_login,
}
"""Each gives whether the login is good, or `None` where the exchange was cancelled or makes no sense."""
