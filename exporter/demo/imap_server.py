"""An IMAP server (RFC 9051, RFC 3501) with IDLE, UIDPLUS, MOVE, special uses and quota."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from exporter.demo.imap_commands import Command, TooMuchError, UnreadableCommandError, read_command
from exporter.demo.imap_mailbox import NotUnderstoodError, OpenMailbox
from exporter.demo.post import Folder
from exporter.demo.server_session import MAX_LINE, ServerSession, decoded
from exporter.demo.site import Greeting, LoginService, Site
from exporter.demo.wire import Wire


class ImapSession(ServerSession):
    """One client's IMAP session.

    Attributes:
        account: Who is logged in; `None` before.
        opened: The mailbox that is open, in the selected state; `None` in all others.
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
        self.account: str | None = None
        self.opened: OpenMailbox | None = None

    async def turn(self) -> None:
        try:
            command = await read_command(self.wire)
        except UnreadableCommandError as error:
            await self.wire.send(b"%s BAD %s\r\n" % (error.tag, error.problem))
            return
        except TooMuchError:
            self.open = False
            await self.wire.send(b"* BYE that is too much\r\n")
            return
        if self.hangs_up_on(command.verb):
            return
        act = COMMANDS.get(command.verb)
        if act is None or (command.verb in self.site.behaviour.withholds):
            await self.finish(command, b"BAD no such command")
        elif command.verb in MAIL_COMMANDS and self.account is None:
            await self.finish(command, b"BAD log in first")
        elif command.verb in MESSAGE_COMMANDS and self.opened is None:
            await self.finish(command, b"BAD open a mailbox first")
        else:
            await act(self, command)

    async def finish(self, command: Command, result: bytes, untagged: bytes = b"") -> None:
        """Send the untagged responses, if any, and the tagged one that ends the command."""
        await self.wire.send(b"%s%s %s\r\n" % (untagged, command.tag, result))

    async def judge(self, command: Command, who: str | None) -> None:
        """Answer a login (RFC 5530 section 3 for the codes)."""
        if self.site.behaviour.logins is LoginService.UNAVAILABLE:
            await self.finish(command, b"NO [UNAVAILABLE] passwords cannot be checked just now")
        elif who is not None:
            self.account = who
            await self.finish(command, b"OK [CAPABILITY %s] welcome" % self.capabilities())
        else:
            await self.finish(command, b"NO [AUTHENTICATIONFAILED] wrong name or password")

    def greeting(self) -> bytes:
        return super().greeting().replace(b"CAPABILITIES", self.capabilities())

    def capabilities(self) -> bytes:
        """The commands that are allowed in the session's state."""
        items = [b"IMAP4rev1", b"LITERAL+"]
        if self.offers_upgrade():
            items.append(b"STARTTLS")
        if self.account is not None:
            items += [b"QUOTA", b"QUOTA=RES-STORAGE", b"STATUS=SIZE"]
            items += [each for each in EXTENSIONS if each not in self.site.behaviour.withholds]
        elif self.offers_login():
            items += [b"SASL-IR", b"AUTH=PLAIN"]
        else:
            items.append(b"LOGINDISABLED")
        return b" ".join(items)

    def mailboxes(self) -> Mapping[str, Folder]:
        """Those of the user who is logged in."""
        return {} if self.account is None else self.site.post.mailboxes(self.account)

    def mailbox(self, name: bytes) -> Folder | None:
        """The mailbox of that name, if there is one."""
        # RFC 9051 section 5.1: INBOX is INBOX in any case of letters, and other names are what they are.
        wanted = name.upper() if name.upper() == b"INBOX" else name
        return self.mailboxes().get(wanted.decode("ascii", "replace"))


async def capability(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.1.1."""
    await session.finish(command, b"OK that is all", b"* CAPABILITY %s\r\n" % session.capabilities())


async def noop(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.1.2."""
    await session.finish(command, b"OK that is all", b"" if session.opened is None else session.opened.news())


async def starttls(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.2.1."""
    if not session.offers_upgrade() or session.account is not None:
        await session.finish(command, b"BAD STARTTLS is not offered")
    elif not session.accepts_upgrade():
        await session.finish(command, b"NO TLS is not available just now")
    else:
        await session.upgrade(command.tag + b" OK begin TLS\r\n")


async def authenticate(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.2.2, RFC 4959 for the initial response."""
    if session.account is not None or not 1 <= len(command.texts) <= 2:  # noqa: PLR2004 - a mechanism, and perhaps a response
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
    if session.account is not None or len(command.texts) != 2:  # noqa: PLR2004 - a name and a password
        await session.finish(command, b"BAD not now, or not so")
    elif not session.offers_login():
        await session.finish(command, b"NO [PRIVACYREQUIRED] encryption is required for that")
    else:
        await session.judge(command, session.site.admits(*command.texts))


async def examine(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.3.3."""
    await _open(session, command, read_only=True)


async def select(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.3.2."""
    await _open(session, command, read_only=False)


async def _open(session: ImapSession, command: Command, *, read_only: bool) -> None:
    session.opened = None
    folder = session.mailbox(command.texts[0]) if len(command.texts) == 1 else None
    if len(command.texts) != 1:
        await session.finish(command, b"BAD which mailbox?")
        return
    if folder is None:
        await session.finish(command, b"NO [NONEXISTENT] no such mailbox")
        return
    session.opened = OpenMailbox(folder, read_only=read_only)
    flags = b"" if read_only else rb"\Answered \Flagged \Deleted \Seen \Draft"
    await session.finish(
        command,
        b"OK [READ-ONLY] look and do not touch" if read_only else b"OK [READ-WRITE] it is open",
        b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
        b"* OK [PERMANENTFLAGS (%s)] can be changed\r\n"
        b"* %d EXISTS\r\n"
        b"* 0 RECENT\r\n"
        b"* OK [UIDVALIDITY %d] valid\r\n"
        b"* OK [UIDNEXT %d] the next\r\n" % (flags, len(session.opened), folder.uid_validity, folder.uid_next),
    )


async def list_(session: ImapSession, command: Command) -> None:
    """RFC 9051 6.3.9, RFC 6154: all mailboxes, or those with a special use, whatever the pattern."""
    special = command.rest.upper().startswith(b"(SPECIAL-USE)")
    lines = [
        b'* LIST (\\HasNoChildren%s) "/" %s\r\n'
        % (b" " + folder.use.encode() if folder.use else b"", _quoted(name.encode()))
        for name, folder in session.mailboxes().items()
        if folder.use or not special
    ]
    await session.finish(command, b"OK that is all", b"".join(lines))


async def idle(session: ImapSession, command: Command) -> None:
    """RFC 2177: tell what comes and goes until the client says DONE."""
    opened, wire = session.opened, session.wire
    if opened is None:
        raise RuntimeError("IDLE is for an open mailbox")
    await wire.send(b"+ idling\r\n")
    opened.folder.watchers.add(wire.wake)
    try:
        while (line := await wire.read_line_or_wake(MAX_LINE)) is None:
            news = opened.news()
            if news:
                await wire.send(news)
    finally:
        opened.folder.watchers.discard(wire.wake)
    good = line.upper() == b"DONE"
    await session.finish(command, b"OK that was it" if good else b"BAD only DONE ends IDLE", opened.news())


async def messages(session: ImapSession, command: Command) -> None:
    """FETCH, SEARCH, STORE, EXPUNGE and MOVE, each also with UID before it (RFC 9051 6.4)."""
    verb, arguments = command.verb, command.rest
    by_uid = verb == b"UID"
    if by_uid:
        verb, _, arguments = arguments.partition(b" ")
        verb = verb.upper()
    try:
        told = _done(session, verb, arguments, by_uid=by_uid)
    except NotUnderstoodError:
        await session.finish(command, b"BAD that makes no sense")
        return
    if told is None:
        await session.finish(command, b"NO that cannot be done here")
    else:
        await session.finish(command, b"OK done", told)


def _done(session: ImapSession, verb: bytes, arguments: bytes, *, by_uid: bool) -> bytes | None:
    opened, withheld = session.opened, session.site.behaviour.withholds
    if opened is None or verb in withheld:
        return None
    if verb == b"FETCH":
        return opened.fetch(arguments, by_uid=by_uid)
    if verb == b"SEARCH":
        return opened.search(arguments, by_uid=by_uid)
    if opened.read_only:
        return None
    if verb == b"STORE":
        return opened.store(arguments, by_uid=by_uid)
    if verb == b"MOVE":
        return opened.move(arguments, session.mailboxes(), by_uid=by_uid)
    if verb == b"EXPUNGE" and not (by_uid and b"UIDPLUS" in withheld):
        return opened.expunge(arguments if by_uid else None)
    raise NotUnderstoodError


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
        b"MESSAGES": len(mailbox.letters),
        b"UNSEEN": mailbox.unseen,
        b"SIZE": mailbox.size,
        b"UIDNEXT": mailbox.uid_next,
        b"UIDVALIDITY": mailbox.uid_validity,
        b"RECENT": 0,
        b"DELETED": sum(b"\\Deleted" in letter.flags for letter in mailbox.letters.values()),
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


EXTENSIONS: Final = (b"IDLE", b"UIDPLUS", b"MOVE", b"SPECIAL-USE")

COMMANDS: Final[Mapping[bytes, Callable[[ImapSession, Command], Awaitable[None]]]] = {
    b"CAPABILITY": capability,
    b"NOOP": noop,
    b"STARTTLS": starttls,
    b"AUTHENTICATE": authenticate,
    b"LOGIN": login,
    b"SELECT": select,
    b"EXAMINE": examine,
    b"LIST": list_,
    b"STATUS": status,
    b"GETQUOTAROOT": getquotaroot,
    b"IDLE": idle,
    **dict.fromkeys((b"UID", b"FETCH", b"SEARCH", b"STORE", b"EXPUNGE"), messages),
    b"LOGOUT": logout,
}

MAIL_COMMANDS: Final = frozenset({b"SELECT", b"EXAMINE", b"LIST", b"STATUS", b"GETQUOTAROOT"})
"""Those of the authenticated state (RFC 9051 section 6.3)."""

MESSAGE_COMMANDS: Final = frozenset({b"IDLE", b"UID", b"FETCH", b"SEARCH", b"STORE", b"EXPUNGE"})
"""Those of the selected state (RFC 9051 section 6.4), and IDLE, which is of use there."""
