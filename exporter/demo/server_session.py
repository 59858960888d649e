"""What the sessions of all three protocols have in common: greeting, obeying line by line, becoming TLS, hanging up.

The faults that do not depend on the protocol are here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import ClassVar, Final

from exporter.demo.site import Greeting, Site, Upgrade
from exporter.demo.wire import LineTooLongError, Wire
from exporter.model import Encryption

MAX_LINE: Final = 12_288
"""Octets of a line: what RFC 4954 section 4 asks for in a SASL exchange, and more than any command needs."""

ANOTHER_SERVICE: Final = b"SSH-2.0-OpenSSH_10.0\r\n"
"""The greeting of a server of another kind."""


class ServerSession(ABC):
    """One client's conversation with one server.

    Attributes:
        open: Whether it goes on.
    """

    GREETINGS: ClassVar[Mapping[Greeting, bytes]]
    """The protocol's words, with `NAME` for the server's name."""
    TOO_LONG: ClassVar[bytes]
    """The last words to a client whose lines have no end."""
    INJECTION: ClassVar[bytes]
    """What an attacker would append to the answer to STARTTLS; `NAME` likewise."""

    def __init__(self, wire: Wire, site: Site) -> None:
        self.wire = wire
        self.site = site
        self.open = True

    async def run(self) -> None:
        """Greet and obey, until the client leaves or the server has had enough.

        Raises:
            ClientGoneError: The client left without a word.
        """
        if self.site.encryption is Encryption.TLS:
            await self.wire.start_tls(self.site.tls)
        try:
            await self._greet()
            while self.open:
                await self.turn()
        except LineTooLongError:
            await self.wire.send(self.TOO_LONG)

    @abstractmethod
    async def turn(self) -> None:
        """Read one command and answer it."""

    def greeting(self) -> bytes:
        """The greeting for the client."""
        return self._named(self.GREETINGS[self.site.behaviour.greeting])

    async def turned_away(self) -> None:
        """The greeting was not a welcome. Most protocols leave it at that."""
        self.open = False

    def hangs_up_on(self, verb: bytes) -> bool:
        """Whether the server closes the connection at this command."""
        if verb == self.site.behaviour.hangs_up_on:
            self.open = False
        return not self.open

    def offers_upgrade(self) -> bool:
        """Whether STARTTLS is announced."""
        return (
            self.site.encryption is Encryption.STARTTLS
            and not self.wire.encrypted
            and self.site.behaviour.upgrade is not Upgrade.HIDDEN
        )

    def accepts_upgrade(self) -> bool:
        """Whether STARTTLS is granted."""
        return self.offers_upgrade() and self.site.behaviour.upgrade is not Upgrade.REFUSED

    def offers_login(self) -> bool:
        """Whether logins are accepted: not without TLS, if the server supports it."""
        return self.wire.encrypted or not self.offers_upgrade()

    async def upgrade(self, consent: bytes) -> None:
        """Say the consent, and become TLS."""
        injected = self._named(self.INJECTION) if self.site.behaviour.upgrade is Upgrade.INJECTED else b""
        await self.wire.send(consent + injected)
        await self.wire.start_tls(self.site.tls)

    async def read_response(self) -> bytes | None:
        """The client's next SASL message; `None` if it is a cancellation or not base64."""
        return decoded(await self.wire.read_line(MAX_LINE))

    def _named(self, words: bytes) -> bytes:
        return words.replace(b"NAME", self.site.name.encode())

    async def _greet(self) -> None:
        greeting = self.site.behaviour.greeting
        if greeting in {Greeting.SILENCE, Greeting.GARBAGE}:
            if greeting is Greeting.GARBAGE:
                await self.wire.send(ANOTHER_SERVICE)
            await self.wire.until_gone()
            self.open = False
            return
        await self.wire.send(self.greeting())
        if greeting is not Greeting.WELCOME:
            await self.turned_away()


def decoded(message: bytes) -> bytes | None:
    """A SASL message from its base64; `=` is an empty one (RFC 4954 section 4), `None` is an invalid one."""
    try:
        return b"" if message == b"=" else b64decode(message, validate=True)
    except Base64Error:
        return None
