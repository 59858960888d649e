"""An IMAP server (RFC 9051, RFC 3501) that lets people log in and look at mailboxes and their quota (RFC 9208)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from exporter.demo.imap_commands import Command, TooMuchError, UnreadableError, read_command
from exporter.demo.session import Session, decoded
from exporter.demo.site import Greeting, Logins, Mailbox, Site
from exporter.demo.wire import Wire


class ImapSession(Session):
    """One client's IMAP session.

    Attributes:
        logged_in: Whether this is the authenticated state, or beyond.
    """

    GREETINGS: ClassVar[Mapping[Greeting, bytes]] = MappingProxyType(
        {
            Greeting.WELCOME: b"* OK [CAPABILITY CAPABILITIES] NAME ready\r\n",
            Greeting.REFUSE: b"* BYE NAME does not talk to you\r\n",
            Greeting.BUSY: b"* BYE [UNAVAILABLE] NAME is busy, come back later\r\n",
        }
    )
    TOO_LONG: ClassVar[bytes] = b"* BYE line too long\r\n"
    INJECTION: ClassVar[bytes] = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"

    def __init__(self, wire: Wire, site: Site) -> None:
        super().__init__(wire, site)
        self.logged_in = False

    async def turn(self) -> None:
        """See `Session`."""
        try:
            command = await read_command(self.wire)
        except UnreadableError as error:
            await self.wire.send(b"%s BAD %s\r\n" % (error.tag, error.problem))
            return
        except TooMuchError:
            self.open = False
            await self.wire.send(b"* BYE that is too much\r\n")
            return
        if self.hangs_up_on(command.verb):
            return
        if command.verb not in COMMANDS:
            await self.finish(command, b"BAD no such command")
        elif command.verb in MAIL_COMMANDS and not self.logged_in:
            await self.finish(command, b"BAD log in first")
        else:
            await COMMANDS[command.verb](self, command)

    async def finish(self, command: Command, result: bytes, untagged: bytes = b"") -> None:
        """Send the untagged responses, if any, and the tagged one that ends the command."""
        await self.wire.send(b"%s%s %s\r\n" % (untagged, command.tag, result))

    async def judge(self, command: Command, good: bool) -> None:
        """Answer a login (RFC 5530 section 3 for the codes)."""
        if self.site.behaviour.logins is Logins.UNAVAILABLE:
            await self.finish(command, b"NO [UNAVAILABLE] passwords cannot be checked just now")
        elif good:
            self.logged_in = True
            await self.finish(command, b"OK [CAPABILITY %s] welcome" % self.capabilities())
        else:
            await self.finish(command, b"NO [AUTHENTICATIONFAILED] wrong name or password")

    def greeting(self) -> bytes:
        """See `Session`."""
        return super().greeting().replace(b"CAPABILITIES", self.capabilities())

    def capabilities(self) -> bytes:
        """What can be done in the state the session is in."""
        items = [b"IMAP4rev1", b"LITERAL+"]
        if self.offers_upgrade():
            items.append(b"STARTTLS")
        if self.logged_in:
            items += [b"QUOTA", b"QUOTA=RES-STORAGE", b"STATUS=SIZE"]
        elif self.offers_login():
            items += [b"SASL-IR", b"AUTH=PLAIN"]
        else:
            items.append(b"LOGINDISABLED")
        return b" ".join(items)

    def mailbox(self, name: bytes) -> Mailbox | None:
        """The mailbox of that name, if there is one."""
        # RFC 9051 section 5.1: INBOX is INBOX in any case of letters, and other names are what they are.
        wanted = name.upper() if name.upper() == b"INBOX" else name
        return self.site.mailboxes.get(wanted.decode("ascii", "replace"))


async def capability(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.1.1."""
    await session.finish(command, b"OK that is all", b"* CAPABILITY %s\r\n" % session.capabilities())


async def noop(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.1.2."""
    await session.finish(command, b"OK nothing new")


async def starttls(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.2.1."""
    if not session.offers_upgrade() or session.logged_in:
        await session.finish(command, b"BAD STARTTLS is not offered")
    elif not session.accepts_upgrade():
        await session.finish(command, b"NO TLS is not available just now")
    else:
        await session.upgrade(command.tag + b" OK begin TLS\r\n")


async def authenticate(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.2.2, RFC 4959 for the initial response."""
    if session.logged_in or not 1 <= len(command.texts) <= 2:  # noqa: PLR2004 - a mechanism, and perhaps a response
        await session.finish(command, b"BAD not now, or not so")
        return
    mechanism, *initial = command.texts
    if not session.offers_login():
        await session.finish(command, b"NO [PRIVACYREQUIRED] encryption is required for that")
    elif mechanism.upper() != b"PLAIN":
        await session.finish(command, b"NO that mechanism is not known here")
    else:
        if initial:
            message = decoded(initial[0])
        else:
            await session.wire.send(b"+ \r\n")
            message = await session.read_response()
        if message is None:
            await session.finish(command, b"BAD cancelled, or not base64")
        else:
            await session.judge(command, session.site.admits_plain(message))


async def login(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.2.3."""
    if session.logged_in or len(command.texts) != 2:  # noqa: PLR2004 - a name and a password
        await session.finish(command, b"BAD not now, or not so")
    elif not session.offers_login():
        await session.finish(command, b"NO [PRIVACYREQUIRED] encryption is required for that")
    else:
        await session.judge(command, session.site.admits(*command.texts))


async def examine(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.3.3."""
    if len(command.texts) != 1:
        await session.finish(command, b"BAD which mailbox?")
        return
    mailbox = session.mailbox(command.texts[0])
    if mailbox is None:
        await session.finish(command, b"NO [NONEXISTENT] no such mailbox")
        return
    await session.finish(
        command,
        b"OK [READ-ONLY] look and do not touch",
        b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
        b"* OK [PERMANENTFLAGS ()] none can be changed\r\n"
        b"* %d EXISTS\r\n"
        b"* 0 RECENT\r\n"
        b"* OK [UIDVALIDITY %d] valid\r\n"
        b"* OK [UIDNEXT %d] the next\r\n" % (mailbox.messages, mailbox.uid_validity, mailbox.uid_next),
    )


async def status(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.3.11; SIZE is RFC 8438's."""
    if len(command.texts) != 1 or not command.items:
        await session.finish(command, b"BAD which mailbox, and what about it?")
        return
    mailbox = session.mailbox(command.texts[0])
    if mailbox is None:
        await session.finish(command, b"NO [NONEXISTENT] no such mailbox")
        return
    known = {
        b"MESSAGES": mailbox.messages,
        b"UNSEEN": mailbox.unseen,
        b"SIZE": mailbox.size,
        b"UIDNEXT": mailbox.uid_next,
        b"UIDVALIDITY": mailbox.uid_validity,
        b"RECENT": 0,
        b"DELETED": 0,
    }
    if not known.keys() >= set(command.items):
        await session.finish(command, b"BAD not all of that is known here")
        return
    figures = b" ".join(b"%s %d" % (item, known[item]) for item in command.items)
    await session.finish(command, b"OK that is all", b"* STATUS %s (%s)\r\n" % (_quoted(command.texts[0]), figures))


async def getquotaroot(session: ImapSession, command: Command) -> None:
    """RFC 9208 4.1.2."""
    if len(command.texts) != 1:
        await session.finish(command, b"BAD which mailbox?")
    elif session.mailbox(command.texts[0]) is None:
        await session.finish(command, b"NO [NONEXISTENT] no such mailbox")
    else:
        quota = session.site.quota
        root = _quoted(quota.root.encode())
        await session.finish(
            command,
            b"OK that is all",
            b"* QUOTAROOT %s %s\r\n* QUOTA %s (STORAGE %d %d)\r\n"
            % (_quoted(command.texts[0]), root, root, quota.used, quota.limit),
        )


async def logout(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.1.3."""
    session.open = False
    await session.finish(command, b"OK gone", b"* BYE until next time\r\n")


def _quoted(text: bytes) -> bytes:
    """RFC 9051 section 9, `quoted`. The text is a name of ours, so it has no line ends."""
    return b'"%s"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


COMMANDS: Final[Mapping[bytes, Callable[[ImapSession, Command], Awaitable[None]]]] = {
    b"CAPABILITY": capability,
    b"NOOP": noop,
    b"STARTTLS": starttls,
    b"AUTHENTICATE": authenticate,
    b"LOGIN": login,
    b"EXAMINE": examine,
    b"STATUS": status,
    b"GETQUOTAROOT": getquotaroot,
    b"LOGOUT": logout,
}

MAIL_COMMANDS: Final = frozenset({b"EXAMINE", b"STATUS", b"GETQUOTAROOT"})
"""Those of the authenticated state (RFC 9051 section 6.3)."""
