"""The post office of the demo: the mailboxes with their messages, and the delivery of mail.

The servers of all protocols share one, so what SMTP takes is what IMAP and POP3 show. It keeps everything in memory,
within limits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from typing import Final

MAX_MESSAGE: Final = 65_536
"""Octets of a message: more than a flow sends, and not enough to fill the memory with."""

MAX_LETTERS: Final = 200
"""Messages in a mailbox. The oldest gives way to a new one."""

SPECIAL_USES: Final[Mapping[str, str]] = {"INBOX": "", "Junk": "\\Junk", "Trash": "\\Trash"}
"""The mailboxes that everybody has, and their special uses (RFC 6154)."""

SPAM: Final = "X-Spam-Status: Yes, score=8.1 required=5.0 tests=DEMO"
HAM: Final = "X-Spam-Status: No, score=0.3 required=5.0 tests=DEMO"


@dataclass(slots=True)
class Letter:
    """A message in a mailbox.

    Attributes:
        octets: All of it, with CRLF.
        arrived: As a Unix timestamp.
        flags: As IMAP writes them.
    """

    uid: int
    octets: bytes
    arrived: float
    flags: set[bytes] = field(default_factory=set)


class Folder:
    r"""A mailbox.

    Attributes:
        use: Its special use, such as `\Junk`; empty if it has none.
        uid_validity: As IMAP calls it.
        uid_next: Likewise.
        letters: By UID, the oldest first.
        watchers: Are called when a message comes or goes.
    """

    def __init__(self, use: str = "", uid_validity: int = 1) -> None:
        self.use = use
        self.uid_validity = uid_validity
        self.uid_next = 1
        self.letters: dict[int, Letter] = {}
        self.watchers: set[Callable[[], None]] = set()

    def add(self, octets: bytes, flags: Iterable[bytes] = ()) -> Letter:
        letter = self.letters[self.uid_next] = Letter(self.uid_next, octets, time.time(), set(flags))
        self.uid_next += 1
        if len(self.letters) > MAX_LETTERS:
            del self.letters[next(iter(self.letters))]
        self._tell()
        return letter

    def remove(self, uids: Iterable[int]) -> None:
        """Take messages out; messages that are gone already are ignored."""
        for uid in uids:
            self.letters.pop(uid, None)
        self._tell()

    @property
    def unseen(self) -> int:
        """How many messages nobody has read."""
        return sum(b"\\Seen" not in letter.flags for letter in self.letters.values())

    @property
    def size(self) -> int:
        return sum(len(letter.octets) for letter in self.letters.values())

    def _tell(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()


@dataclass(frozen=True, slots=True)
class Route:
    """The delivery of mail for an address.

    Attributes:
        account: The user that gets it; `None` if it is lost.
        folder: Which one.
        delay: Seconds on the way.
        bounces: Whether it is returned to its sender instead.
    """

    account: str | None
    folder: str = "INBOX"
    delay: float = 0.0
    bounces: bool = False


class PostOffice:
    """Takes mail and delivers it."""

    def __init__(
        self, name: str, domain: str, accounts: Iterable[str], routes: Mapping[str, Route] | None = None
    ) -> None:
        """Open it.

        Args:
            name: The server's name, for Received.
            domain: The part of addresses behind the `@`.
            accounts: Who has mailboxes; each is an address too.
            routes: What becomes of mail for further addresses, by what stands before the `@`.
        """
        self.domain = domain
        self._name = name
        self._accounts = {account: _mailboxes() for account in accounts}
        own = {account.partition("@")[0]: Route(account) for account in self._accounts}
        self._routes = own | dict(routes or {})
        self._numbers = count(1)

    def mailboxes(self, account: str) -> Mapping[str, Folder]:
        """Somebody's mailboxes by name."""
        return self._accounts[account]

    def route(self, local_part: str) -> Route | None:
        """What becomes of mail for an address of the domain; `None` if there is no such address."""
        return self._routes.get(local_part)

    def take(self, sender: str, recipients: Sequence[str], octets: bytes, helo: str) -> str:
        """Take a message, and deliver it once its time has come; gives its number, for the reply.

        Args:
            sender: The reverse-path; empty for a notification.
            recipients: Addresses; those that are not in the domain are taken and go nowhere.
            octets: The message, with CRLF.
            helo: What the client calls itself.
        """
        number = f"{next(self._numbers):08X}"
        received = f"Received: from {helo} by {self._name} with ESMTPS id {number}; {formatdate()}\r\n"
        for recipient in recipients:
            local_part, _, domain = recipient.rpartition("@")
            route = self.route(local_part) if domain.lower() == self.domain else None
            if route is not None:
                self._deliver(route, sender, recipient, received.encode() + octets)
        return number

    def _deliver(self, route: Route, sender: str, recipient: str, octets: bytes) -> None:
        if route.bounces:
            if sender:
                self.take("", [sender], _notification(self._name, sender, recipient, octets), self._name)
            return
        if route.account is None:
            return
        fields = (
            f"Return-Path: <{sender}>",
            # RFC 8601: what a receiving server says. Nothing is checked here: who may submit is one of us.
            f"Authentication-Results: {self._name}; spf=pass smtp.mailfrom={sender}; dkim=none; dmarc=pass",
            SPAM if route.folder == "Junk" else HAM,
        )
        whole = "".join(f"{each}\r\n" for each in fields).encode() + octets
        folder = self._accounts[route.account][route.folder]
        if route.delay:
            asyncio.get_running_loop().call_later(route.delay, folder.add, whole)
        else:
            folder.add(whole)


def _mailboxes() -> dict[str, Folder]:
    started = int(time.time())
    return {name: Folder(use, started) for name, use in SPECIAL_USES.items()}


def _notification(name: str, sender: str, recipient: str, octets: bytes) -> bytes:
    """A delivery status notification (RFC 3464) with the header of what is returned (RFC 6522)."""
    header = octets.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    boundary = "=_returned"
    return "\r\n".join(
        [
            f"From: Mail Delivery System <postmaster@{name}>",
            f"To: <{sender}>",
            "Subject: Undelivered mail returned to sender",
            f"Date: {formatdate()}",
            "Auto-Submitted: auto-replied",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
            "",
            f"--{boundary}",
            "Content-Type: text/plain; charset=us-ascii",
            "",
            f"Your message could not be delivered to {recipient}.",
            "",
            f"--{boundary}",
            "Content-Type: message/delivery-status",
            "",
            f"Reporting-MTA: dns; {name}",
            "",
            f"Final-Recipient: rfc822; {recipient}",
            "Action: failed",
            "Status: 5.1.1",
            f"Remote-MTA: dns; {name}",
            f"Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: this address always bounces",
            "",
            f"--{boundary}",
            "Content-Type: text/rfc822-headers",
            "",
            header,
            "",
            f"--{boundary}--",
            "",
        ]
    ).encode()
