"""An SMTP server (RFC 5321) that knows STARTTLS (RFC 3207), AUTH (RFC 4954) and SIZE (RFC 1870)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from exporter.demo.post import MAX_MESSAGE
from exporter.demo.server_session import MAX_LINE, ServerSession, decoded
from exporter.demo.site import Greeting, LoginService, Site
from exporter.demo.wire import Wire

_MAIL: Final = re.compile(rb"FROM: ?<([^<>\s]*)>((?: [!-~]+)*)", re.IGNORECASE)
_RCPT: Final = re.compile(rb"TO: ?<([^<>\s@]+)@([^<>\s@]+)>(?: [!-~]+)*", re.IGNORECASE)
MAX_RECIPIENTS: Final = 10

_SIZE: Final = re.compile(rb" SIZE=([0-9]{1,20})(?: |$)", re.IGNORECASE)


class SmtpSession(ServerSession):
    """One client's SMTP session.

    Attributes:
        greeted: What the client called itself in EHLO or HELO since the last handshake; empty if it has not.
        logged_in: Whether it authenticated.
        sender: The reverse-path, while a mail transaction is open.
        recipients: Whom its message is for.
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
        self.greeted = b""
        self.logged_in = False
        self.sender: bytes | None = None
        self.recipients: list[bytes] = []
        self._refuses_all = False

    async def turn(self) -> None:
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
        # RFC 5321 3.1: a server that greets with 554 still waits for QUIT; 3.8: after 421 it closes at once.
        self._refuses_all = self.site.behaviour.greeting is Greeting.REFUSE
        self.open = self._refuses_all

    def begin(self, sender: bytes | None) -> None:
        """Another mail transaction, or none."""
        self.sender, self.recipients = sender, []

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
    session.greeted = argument
    session.begin(None)
    lines = [session.site.name.encode(), b"PIPELINING", b"SIZE %d" % MAX_MESSAGE, b"ENHANCEDSTATUSCODES"]
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
    session.greeted = argument
    session.begin(None)
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
        session.greeted = b""
        session.begin(None)


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
    elif session.site.behaviour.logins is LoginService.UNAVAILABLE:
        await session.reply(b"454 4.7.0 Temporary authentication failure")
    elif good:
        session.logged_in = True
        await session.reply(b"235 2.7.0 Welcome")
    else:
        await session.reply(b"535 5.7.8 Wrong name or password")


async def auth_plain(session: SmtpSession, initial: bytes) -> bool | None:
    """RFC 4616. See `MECHANISMS`."""
    message = decoded(initial) if initial else await session.ask(b"")
    return None if message is None else session.site.admits_plain(message) is not None


async def auth_login(session: SmtpSession, initial: bytes) -> bool | None:
    """draft-murchison-sasl-login: asks for "Username:" and "Password:". See `MECHANISMS`."""
    username = decoded(initial) if initial else await session.ask(b"VXNlcm5hbWU6")
    password = None if username is None else await session.ask(b"UGFzc3dvcmQ6")
    return None if username is None or password is None else session.site.admits(username, password) is not None


async def mail(session: SmtpSession, argument: bytes) -> None:
    """RFC 5321 4.1.1.2, RFC 1870 section 6."""
    found = _MAIL.fullmatch(argument)
    if not session.greeted or session.sender is not None:
        await session.reply(b"503 5.5.1 Not now")
    elif found is None:
        await session.reply(b"501 5.5.4 MAIL FROM:<whom>?")
    elif (size := _SIZE.search(found[2])) and int(size[1]) > MAX_MESSAGE:
        await session.reply(b"552 5.3.4 Too large")
    else:
        session.begin(found[1])
        await session.reply(b"250 2.1.0 Ok")


async def rcpt(session: SmtpSession, argument: bytes) -> None:
    """RFC 5321 4.1.1.3."""
    found = _RCPT.fullmatch(argument)
    if session.sender is None:
        await session.reply(b"503 5.5.1 MAIL first")
    elif found is None:
        await session.reply(b"501 5.5.4 RCPT TO:<whom>?")
    elif len(session.recipients) == MAX_RECIPIENTS:
        await session.reply(b"452 4.5.3 Too many recipients")
    else:
        reply = _about_recipient(session, found[1], found[2])
        if reply.startswith(b"250"):
            session.recipients.append(found[1] + b"@" + found[2])
        await session.reply(reply)


def _about_recipient(session: SmtpSession, local_part: bytes, domain: bytes) -> bytes:
    if domain.lower() == session.site.post.domain.encode():
        route = session.site.post.route(local_part.decode("ascii", "replace"))
        return b"550 5.1.1 No such user here" if route is None else b"250 2.1.5 Ok"
    if session.logged_in or session.site.behaviour.open_relay:
        return b"250 2.1.5 Ok, to be relayed"
    return b"554 5.7.1 Relay access denied"


async def data(session: SmtpSession, _argument: bytes) -> None:
    """RFC 5321 4.1.1.4."""
    if session.sender is None or not session.recipients:
        await session.reply(b"503 5.5.1 MAIL and RCPT first")
        return
    await session.reply(b"354 Go on, and end with a dot")
    message = bytearray()
    while (line := await session.wire.read_line(MAX_LINE)) != b".":
        if len(message) <= MAX_MESSAGE:
            # RFC 5321 4.5.2: a dot before a dot is taken away.
            message += line.removeprefix(b".") + b"\r\n"
    sender = session.sender.decode("ascii", "replace")
    recipients = [each.decode("ascii", "replace") for each in session.recipients]
    session.begin(None)
    if len(message) > MAX_MESSAGE:
        await session.reply(b"552 5.3.4 Too large")
        return
    number = session.site.post.take(sender, recipients, bytes(message), session.greeted.decode("ascii", "replace"))
    await session.reply(f"250 2.0.0 Ok: queued as {number}".encode())


async def rset(session: SmtpSession, _argument: bytes) -> None:
    """RFC 5321 4.1.1.5."""
    session.begin(None)
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
    b"DATA": data,
    b"RSET": rset,
    b"QUIT": quit_,
}

ANSWERS: Final[Mapping[bytes, bytes]] = {
    b"NOOP": b"250 2.0.0 Ok",
    b"VRFY": b"252 2.5.0 Perhaps",
}
"""Commands that change nothing."""

MECHANISMS: Final[Mapping[bytes, Callable[[SmtpSession, bytes], Awaitable[bool | None]]]] = {
    b"PLAIN": auth_plain,
    b"LOGIN": auth_login,
}
"""Each gives whether the login is good, or `None` where the exchange was cancelled or makes no sense."""
