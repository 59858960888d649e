"""A POP3 server (RFC 1939) that knows CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from exporter.demo.post import Folder, Letter
from exporter.demo.server_session import MAX_LINE, ServerSession, decoded
from exporter.demo.site import Greeting, LoginService, Site
from exporter.demo.wire import Wire

MAX_DIGITS: Final = 9
"""The most that the number of a message has."""


class Pop3Session(ServerSession):
    """One client's POP3 session.

    Attributes:
        username: What USER said; `None` unless that was the last command.
        drop: The messages by number, from 1 on, as they were when the session began; `None` before the login.
        doomed: Numbers of those that are to be gone at the end.
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
        self.drop: dict[int, Letter] | None = None
        self.doomed: set[int] = set()
        self._inbox: Folder | None = None

    async def turn(self) -> None:
        verb, _, argument = (await self.wire.read_line(MAX_LINE)).partition(b" ")
        verb = verb.upper()
        if self.hangs_up_on(verb):
            return
        if verb not in COMMANDS:
            await self.reply(b"-ERR no such command")
            return
        if verb != b"PASS":
            self.username = None
        if verb in MAIL_COMMANDS and self.drop is None:
            await self.reply(b"-ERR log in first")
            return
        await COMMANDS[verb](self, argument)

    async def reply(self, line: bytes) -> None:
        """Send a response of one line."""
        await self.wire.send(line + b"\r\n")

    async def judge(self, who: str | None) -> None:
        """Answer a login (RFC 3206: AUTH is about the credentials, SYS/TEMP about the server)."""
        if self.site.behaviour.logins is LoginService.UNAVAILABLE:
            await self.reply(b"-ERR [SYS/TEMP] passwords cannot be checked just now")
        elif who is not None:
            self._inbox = self.site.post.mailboxes(who)["INBOX"]
            self.drop = dict(enumerate(self._inbox.letters.values(), start=1))
            await self.reply(b"+OK welcome")
        else:
            await self.reply(b"-ERR [AUTH] wrong name or password")

    def there(self) -> dict[int, Letter]:
        """The messages that are not to be gone."""
        return {number: letter for number, letter in (self.drop or {}).items() if number not in self.doomed}

    def asked_for(self, argument: bytes) -> tuple[int, Letter] | None:
        """The message of a number; `None` if there is none."""
        number = int(argument) if argument.isdigit() and len(argument) <= MAX_DIGITS else 0
        letter = self.there().get(number)
        return None if letter is None else (number, letter)

    async def several(self, argument: bytes, line: Callable[[int, Letter], bytes]) -> None:
        """Answer what is asked of one message in a line, or of all in a list."""
        if not argument:
            lines = [line(number, letter) for number, letter in self.there().items()]
            await self.wire.send(b"".join(each + b"\r\n" for each in (b"+OK", *lines, b".")))
        elif (found := self.asked_for(argument)) is None:
            await self.reply(b"-ERR no such message")
        else:
            await self.reply(b"+OK " + line(*found))

    async def content(self, octets: bytes) -> None:
        """Send a message, or a part of one (RFC 1939 section 3: dots are stuffed)."""
        text = octets if octets.endswith(b"\r\n") else octets + b"\r\n"
        stuffed = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]
        await self.wire.send(b"+OK it follows\r\n" + stuffed + b".\r\n")

    def leave(self) -> None:
        """RFC 1939 section 6: what was to be gone goes when the session ends in good order."""
        self.open = False
        if self._inbox is not None:
            self._inbox.remove((self.drop or {})[number].uid for number in self.doomed)


async def capa(session: Pop3Session, _argument: bytes) -> None:
    """RFC 2449 section 5."""
    lines = [b"+OK", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"TOP", b"UIDL"]
    if session.offers_upgrade():
        lines.append(b"STLS")
    if session.offers_login():
        lines += [b"USER", b"SASL PLAIN"]
    await session.wire.send(b"".join(line + b"\r\n" for line in [*lines, b"."]))


async def stls(session: Pop3Session, _argument: bytes) -> None:
    """RFC 2595 section 4."""
    if not session.offers_upgrade() or session.drop is not None:
        await session.reply(b"-ERR STLS is not offered")
    elif not session.accepts_upgrade():
        await session.reply(b"-ERR TLS is not available just now")
    else:
        await session.upgrade(b"+OK begin TLS\r\n")


async def auth(session: Pop3Session, argument: bytes) -> None:
    """RFC 5034 section 4."""
    mechanism, _, initial = argument.partition(b" ")
    if session.drop is not None:
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
    if session.drop is not None:
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
    there = session.there().values()
    await session.reply(b"+OK %d %d" % (len(there), sum(len(letter.octets) for letter in there)))


async def list_(session: Pop3Session, argument: bytes) -> None:
    """RFC 1939 section 5."""
    await session.several(argument, lambda number, letter: b"%d %d" % (number, len(letter.octets)))


async def uidl(session: Pop3Session, argument: bytes) -> None:
    """RFC 1939 section 7."""
    await session.several(argument, lambda number, letter: b"%d demo%d" % (number, letter.uid))


async def retr(session: Pop3Session, argument: bytes) -> None:
    """RFC 1939 section 5."""
    found = session.asked_for(argument)
    if found is None:
        await session.reply(b"-ERR no such message")
    else:
        await session.content(found[1].octets)


async def top(session: Pop3Session, argument: bytes) -> None:
    """RFC 1939 section 7."""
    number, _, lines = argument.partition(b" ")
    found = session.asked_for(number)
    if found is None or not lines.isdigit() or len(lines) > MAX_DIGITS:
        await session.reply(b"-ERR no such message")
        return
    head, _, body = found[1].octets.partition(b"\r\n\r\n")
    shown = b"".join(line + b"\r\n" for line in body.split(b"\r\n")[: int(lines)])
    await session.content(head + b"\r\n\r\n" + shown)


async def dele(session: Pop3Session, argument: bytes) -> None:
    """RFC 1939 section 5."""
    found = session.asked_for(argument)
    if found is None:
        await session.reply(b"-ERR no such message")
    else:
        session.doomed.add(found[0])
        await session.reply(b"+OK it goes when you do")


async def rset(session: Pop3Session, _argument: bytes) -> None:
    """RFC 1939 section 5."""
    session.doomed.clear()
    await session.reply(b"+OK")


async def noop(session: Pop3Session, _argument: bytes) -> None:
    """RFC 1939 section 5."""
    await session.reply(b"+OK")


async def quit_(session: Pop3Session, _argument: bytes) -> None:
    """RFC 1939 sections 4 and 6."""
    session.leave()
    await session.reply(b"+OK bye")


MAIL_COMMANDS: Final[Mapping[bytes, Callable[[Pop3Session, bytes], Awaitable[None]]]] = {
    b"STAT": stat,
    b"LIST": list_,
    b"UIDL": uidl,
    b"TOP": top,
    b"RETR": retr,
    b"DELE": dele,
    b"RSET": rset,
    b"NOOP": noop,
}
"""Those of the TRANSACTION state."""

COMMANDS: Final[Mapping[bytes, Callable[[Pop3Session, bytes], Awaitable[None]]]] = {
    b"CAPA": capa,
    b"STLS": stls,
    b"AUTH": auth,
    b"USER": user,
    b"PASS": pass_,
    **MAIL_COMMANDS,
    b"QUIT": quit_,
}
