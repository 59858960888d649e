"""The words of a well-behaved server in each protocol, for scripts that bend one of them and keep the rest.

A server made of these takes every login and knows one mailbox. It is as simple as can be: for something that checks
passwords and minds the order of commands there is exporter.demo.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from exporter.model import Protocol
from tests.servers.scripted import Peer


@dataclass(frozen=True, slots=True)
class Command:
    """A line from the client.

    Attributes:
        verb: In capitals.
        tag: IMAP's; empty in the other protocols.
        arguments: The words behind the verb.
    """

    verb: bytes
    tag: bytes
    arguments: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one protocol calls things. In all replies `TAG` stands for the tag of the command.

    Attributes:
        asks_offer: The command that asks for capabilities.
        offer: The lines of the answer to it, where `OFFER` stands for each capability on a line of its own or for all.
        plain_offer: The capabilities announced before TLS.
        tls_offer: The capabilities announced under TLS.
        upgrade: The command that asks for TLS.
        consent: The answer that grants it.
        refusal: The answer that does not.
        injection: What an attacker would add to the consent, for a client that takes it for said under TLS.
        login: The commands that begin a login.
        challenge: What asks for the response of a SASL mechanism.
        accepted: The answer to a good login.
        rejected: The answer to a bad one.
        going_down: What is said before hanging up, at any time.
        quit: The command that says goodbye.
        answers: What else a probe may say, and what is said to it.
    """

    greeting: bytes
    asks_offer: bytes
    offer: Callable[[tuple[bytes, ...]], bytes]
    plain_offer: tuple[bytes, ...]
    tls_offer: tuple[bytes, ...]
    upgrade: bytes
    consent: bytes
    refusal: bytes
    injection: bytes
    login: frozenset[bytes]
    challenge: bytes
    accepted: bytes
    rejected: bytes
    going_down: bytes
    quit: bytes
    answers: Mapping[bytes, bytes]


def _ehlo_reply(offer: tuple[bytes, ...]) -> bytes:
    lines = [b"fake.example", *offer]
    return b"".join(b"250-%s\r\n" % line for line in lines[:-1]) + b"250 %s\r\n" % lines[-1]


def _capability_reply(offer: tuple[bytes, ...]) -> bytes:
    return b"* CAPABILITY %s\r\nTAG OK done\r\n" % b" ".join((b"IMAP4rev1", *offer))


def _capa_reply(offer: tuple[bytes, ...]) -> bytes:
    return b"".join(line + b"\r\n" for line in (b"+OK", *offer, b"."))


DIALECTS: Final[Mapping[Protocol, Dialect]] = {
    Protocol.SMTP: Dialect(
        greeting=b"220 fake.example ESMTP\r\n",
        asks_offer=b"EHLO",
        offer=_ehlo_reply,
        plain_offer=(b"SIZE 1000000", b"STARTTLS"),
        tls_offer=(b"SIZE 1000000", b"AUTH PLAIN LOGIN"),
        upgrade=b"STARTTLS",
        consent=b"220 go ahead\r\n",
        refusal=b"454 4.7.0 not now\r\n",
        injection=b"250-fake.example\r\n250 AUTH PLAIN LOGIN\r\n",
        login=frozenset({b"AUTH"}),
        challenge=b"334 \r\n",
        accepted=b"235 2.7.0 welcome\r\n",
        rejected=b"535 5.7.8 wrong\r\n",
        going_down=b"421 4.3.2 going down\r\n",
        quit=b"QUIT",
        answers=MappingProxyType(
            {
                b"HELO": b"250 fake.example\r\n",
                b"MAIL": b"250 2.1.0 fine\r\n",
                b"RCPT": b"250 2.1.5 fine\r\n",
                b"RSET": b"250 2.0.0 fine\r\n",
                b"QUIT": b"221 2.0.0 bye\r\n",
            }
        ),
    ),
    Protocol.IMAP: Dialect(
        greeting=b"* OK fake.example ready\r\n",
        asks_offer=b"CAPABILITY",
        offer=_capability_reply,
        plain_offer=(b"STARTTLS", b"LOGINDISABLED"),
        tls_offer=(b"SASL-IR", b"AUTH=PLAIN", b"QUOTA", b"STATUS=SIZE"),
        upgrade=b"STARTTLS",
        consent=b"TAG OK go ahead\r\n",
        refusal=b"TAG NO not now\r\n",
        injection=b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n",
        login=frozenset({b"AUTHENTICATE", b"LOGIN"}),
        challenge=b"+ \r\n",
        accepted=b"TAG OK welcome\r\n",
        rejected=b"TAG NO [AUTHENTICATIONFAILED] wrong\r\n",
        going_down=b"* BYE going down\r\n",
        quit=b"LOGOUT",
        answers=MappingProxyType(
            {
                b"NOOP": b"TAG OK done\r\n",
                b"EXAMINE": b"* 3 EXISTS\r\nTAG OK [READ-ONLY] done\r\n",
                b"STATUS": b"* STATUS INBOX (MESSAGES 3 UNSEEN 1 SIZE 300)\r\nTAG OK done\r\n",
                b"GETQUOTAROOT": b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 1 10)\r\nTAG OK done\r\n',
                b"LOGOUT": b"* BYE bye\r\nTAG OK done\r\n",
            }
        ),
    ),
    Protocol.POP3: Dialect(
        greeting=b"+OK fake.example ready\r\n",
        asks_offer=b"CAPA",
        offer=_capa_reply,
        plain_offer=(b"RESP-CODES", b"STLS"),
        tls_offer=(b"RESP-CODES", b"USER", b"SASL PLAIN"),
        upgrade=b"STLS",
        consent=b"+OK go ahead\r\n",
        refusal=b"-ERR not now\r\n",
        injection=b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
        login=frozenset({b"AUTH", b"PASS"}),
        challenge=b"+ \r\n",
        accepted=b"+OK welcome\r\n",
        rejected=b"-ERR [AUTH] wrong\r\n",
        going_down=b"-ERR [SYS/TEMP] going down\r\n",
        quit=b"QUIT",
        answers=MappingProxyType(
            {
                b"USER": b"+OK and the password?\r\n",
                b"STAT": b"+OK 3 300\r\n",
                b"QUIT": b"+OK bye\r\n",
            }
        ),
    ),
}

UNKNOWN: Final[Mapping[Protocol, bytes]] = {
    Protocol.SMTP: b"500 5.5.2 unknown\r\n",
    Protocol.IMAP: b"TAG BAD unknown\r\n",
    Protocol.POP3: b"-ERR unknown\r\n",
}
"""What is said to a command that is not known."""


class Server:
    """A well-behaved server for one client; scripts bend it by what they put in the place of single answers."""

    def __init__(self, protocol: Protocol, peer: Peer) -> None:
        self.dialect = DIALECTS[protocol]
        self.peer = peer
        self._protocol = protocol

    async def converse(self, instead: Mapping[bytes, Act] | None = None) -> None:
        """Greet, and obey until the goodbye.

        Args:
            instead: What to do about single commands in place of the answer, by verb.
        """
        await self.peer.say(self.dialect.greeting)
        await self.obey(instead)

    async def obey(self, instead: Mapping[bytes, Act] | None = None) -> None:
        """The part of `converse` that comes after the greeting."""
        acts = instead or {}
        while self.peer.open:
            command = await self.command()
            await acts.get(command.verb, answer)(self, command)
            if command.verb == self.dialect.quit and self.peer.open:
                await self.peer.close()

    async def command(self) -> Command:
        """The client's next line."""
        words = (await self.peer.line()).split()
        tag = words.pop(0) if self._protocol is Protocol.IMAP and words else b""
        verb = words.pop(0).upper() if words else b""
        return Command(verb, tag, tuple(words))

    async def reply(self, command: Command, words: bytes) -> None:
        """Say these words, with the command's tag where they have `TAG`."""
        await self.peer.say(words.replace(b"TAG", command.tag))

    async def whole_login(self, command: Command) -> tuple[bytes, ...]:
        """The arguments of a login, and the response of a SASL mechanism if the client waits to be asked for it."""
        if command.verb == b"PASS" or len(command.arguments) != 1:
            return command.arguments
        await self.peer.say(self.dialect.challenge)
        return (*command.arguments, await self.peer.line())

    def proper_words(self, command: Command) -> bytes:
        """What a well-behaved server says to a command that is not STARTTLS, its tag yet to be filled in."""
        dialect = self.dialect
        if command.verb == dialect.asks_offer:
            return dialect.offer(dialect.tls_offer if self.peer.encrypted else dialect.plain_offer)
        if command.verb in dialect.login:
            return dialect.accepted
        return dialect.answers.get(command.verb, UNKNOWN[self._protocol])


Act = Callable[[Server, Command], Awaitable[None]]


async def answer(server: Server, command: Command) -> None:
    """What a well-behaved server does about a command."""
    dialect = server.dialect
    if command.verb == dialect.upgrade:
        await server.reply(command, dialect.consent)
        await server.peer.start_tls()
        return
    if command.verb in dialect.login:
        await server.whole_login(command)
    await server.reply(command, server.proper_words(command))
