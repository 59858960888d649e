"""Servers that do what real ones will not do on request: break off, stall, talk nonsense, and lie. Named after that.

Each function gives a script for `scripted`:

    async with scripted(closes_mid_reply(Protocol.IMAP)) as server:
        result = await probe(endpoint_at(server.port))
        await server.all_gone()
    assert b"the password" not in server.received

Those that take a protocol talk like it, and behave well up to the point that their name tells; with a certificate
(`scripted(..., tls=server_context(identity))`) they take STARTTLS, and TLS from the start with `implicit=True`. What an
attacker does about STARTTLS is in starttls_attacks.py.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain, repeat
from typing import Final

from exporter.model import Protocol
from tests.servers.dialects import DIALECTS, Act, Command, Server, answer
from tests.servers.scripted import Peer, Script

A_MOMENT: Final = 0.01
"""Seconds between two segments that must not be taken for one."""

ENDLESS: Final = 64 * 1024 * 1024
"""The most octets of an endless answer, in case nothing else stops it."""


# Nothing out of the ordinary.


def behaves_well(protocol: Protocol) -> Script:
    """Does nothing wrong: what the others are measured against."""

    async def script(peer: Peer) -> None:
        await Server(protocol, peer).converse()

    return script


# Breaking off.


def closes_before_greeting() -> Script:
    """Takes the connection and closes it."""
    return Peer.close


def closes_mid_greeting(protocol: Protocol) -> Script:
    """Closes the connection in the middle of the greeting's line."""

    async def script(peer: Peer) -> None:
        await peer.say(DIALECTS[protocol].greeting[:5])
        await peer.close()

    return script


def closes_mid_reply(protocol: Protocol) -> Script:
    """Closes the connection when the answer about capabilities is half said."""

    async def act(server: Server, command: Command) -> None:
        words = server.proper_words(command)
        await server.reply(command, words[: len(words) // 2])
        await server.peer.close()

    return _at(protocol, DIALECTS[protocol].asks_offer, act)


def closes_on(protocol: Protocol, verb: bytes) -> Script:
    """Closes the connection when it hears this command."""

    async def act(server: Server, _command: Command) -> None:
        await server.peer.close()

    return _at(protocol, verb, act)


def resets_before_greeting() -> Script:
    """Takes the connection and resets it."""
    return Peer.reset


def resets_mid_reply(protocol: Protocol) -> Script:
    """Resets the connection when the answer about capabilities is half said, and heard."""

    async def act(server: Server, command: Command) -> None:
        words = server.proper_words(command)
        await server.reply(command, words[: len(words) // 2])
        # A reset overtakes what was sent before it.
        await asyncio.sleep(A_MOMENT)
        await server.peer.reset()

    return _at(protocol, DIALECTS[protocol].asks_offer, act)


def resets_on(protocol: Protocol, verb: bytes) -> Script:
    """Resets the connection when it hears this command."""

    async def act(server: Server, _command: Command) -> None:
        await server.peer.reset()

    return _at(protocol, verb, act)


def says_goodbye_on(protocol: Protocol, verb: bytes) -> Script:
    """Answers this command with 421, BYE or -ERR and closes the connection: servers may, at any time."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, server.dialect.going_down)
        await server.peer.close()

    return _at(protocol, verb, act)


# Stalling.


def never_greets() -> Script:
    """Accepts the connection and sends nothing."""

    async def script(_peer: Peer) -> None:
        """Nothing: the connection stays open until the client leaves."""

    return script


def never_answers(protocol: Protocol, verb: bytes) -> Script:
    """Behaves well, and is silent from this command on; with the goodbye as the command, it is slow to quit."""

    async def act(server: Server, _command: Command) -> None:
        while True:
            await server.peer.octets()

    return _at(protocol, verb, act)


def answers_late(protocol: Protocol, verb: bytes, delay: float) -> Script:
    """Behaves well, and thinks for so many seconds before it answers this command."""

    async def act(server: Server, command: Command) -> None:
        await asyncio.sleep(delay)
        await answer(server, command)

    return _at(protocol, verb, act)


def greets_byte_by_byte(protocol: Protocol, pause: float = 0.0) -> Script:
    """Says its greeting one octet at a time, then behaves well.

    Args:
        protocol: Whose greeting.
        pause: Seconds after each octet; without one the octets leave in segments of their own all the same.
    """

    async def script(peer: Peer) -> None:
        server = Server(protocol, peer)
        for octet in server.dialect.greeting:
            await peer.say(bytes([octet]))
            await asyncio.sleep(pause)
        await server.obey()

    return script


def splits_replies(protocol: Protocol, at: int) -> Script:
    """Says everything in two segments, the first of them so many octets long, and otherwise behaves well."""

    async def script(peer: Peer) -> None:
        await Server(protocol, _Splitting(peer, at)).converse()

    return script


def drips(protocol: Protocol, line: bytes, pause: float) -> Script:
    """Never comes to the point: answers the question about capabilities with this line, again and again, slowly.

    Args:
        protocol: What it speaks.
        line: With its ending.
        pause: Seconds after each line.
    """

    async def act(server: Server, _command: Command) -> None:
        while True:
            await server.peer.say(line)
            await asyncio.sleep(pause)

    return _at(protocol, DIALECTS[protocol].asks_offer, act)


# Too much.


def greets_with_an_endless_line() -> Script:
    """Begins a line, and does not end it."""

    async def script(peer: Peer) -> None:
        for block in repeat(b"x" * 65_536, ENDLESS // 65_536):
            await peer.say(block)

    return script


MORE: Final = {
    Protocol.SMTP: b"250-AND MORE\r\n",
    Protocol.IMAP: b"* CAPABILITY IMAP4rev1 AND MORE\r\n",
    Protocol.POP3: b"AND-MORE\r\n",
}
"""A line of capabilities that is not the last."""


def answers_without_end(protocol: Protocol) -> Script:
    """Answers the question about capabilities with more and more lines, each of them in order."""
    line = MORE[protocol]

    async def act(server: Server, _command: Command) -> None:
        if protocol is Protocol.POP3:
            await server.peer.say(b"+OK\r\n")
        for block in repeat(line * 1000, ENDLESS // len(line * 1000)):
            await server.peer.say(block)

    return _at(protocol, DIALECTS[protocol].asks_offer, act)


def announces_a_literal(size: int, content: bytes) -> Script:
    """IMAP: answers STATUS with a literal of that size, and sends this in its place, then the rest of the answer.

    A huge size with no content announces more than anybody would want; a size that is not the content's is a lie.
    """

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, b"* STATUS {%d}\r\n" % size)
        await server.peer.say(content + b" (MESSAGES 3 UNSEEN 1)\r\n")
        await server.reply(command, b"TAG OK done\r\n")

    return _at(Protocol.IMAP, b"STATUS", act)


# Nonsense.


def greets_with(words: bytes) -> Script:
    """Greets with these octets, whatever they are, and listens."""

    async def script(peer: Peer) -> None:
        await peer.say(words)

    return script


def greets_with_binary_garbage() -> Script:
    """Greets with every octet there is, and a line ending."""
    return greets_with(bytes(range(255, -1, -1)) + b"\r\n")


def greets_with_nuls(protocol: Protocol) -> Script:
    """Has a NUL in the middle of its greeting, and otherwise behaves well."""

    async def script(peer: Peer) -> None:
        server = Server(protocol, peer)
        greeting = server.dialect.greeting
        await peer.say(greeting[:8] + b"\0" + greeting[8:])
        await server.obey()

    return script


def answers_with(protocol: Protocol, verb: bytes, words: bytes) -> Script:
    """Answers this command with these words, where `TAG` stands for its tag, and otherwise behaves well."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, words)

    return _at(protocol, verb, act)


def answers_with_the_wrong_tag() -> Script:
    """IMAP: answers CAPABILITY properly, but for the tag."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(replace(command, tag=b"zzz" + command.tag), server.proper_words(command))

    return _at(Protocol.IMAP, b"CAPABILITY", act)


def mixes_reply_codes() -> Script:
    """SMTP: answers EHLO with a reply whose lines have different codes."""
    return answers_with(Protocol.SMTP, b"EHLO", b"250-fake.example\r\n220-SIZE 1000\r\n250 STARTTLS\r\n")


def ends_lines_with_bare_lf(protocol: Protocol) -> Script:
    """Ends all its lines with LF alone, and otherwise behaves well."""

    async def script(peer: Peer) -> None:
        await Server(protocol, _BareLf(peer)).converse()

    return script


def talks_in_between() -> Script:
    """IMAP: says before each answer what it may say at any time without being asked, and otherwise behaves well."""
    chatter = b"* 4 EXISTS\r\n* 1 RECENT\r\n* OK still here\r\n* 2 FETCH (FLAGS (\\Seen))\r\n* 1 EXPUNGE\r\n"

    async def act(server: Server, command: Command) -> None:
        await server.peer.say(chatter)
        await answer(server, command)

    return _everywhere(Protocol.IMAP, act)


def greets_in_two_parts(pause: float) -> Script:
    """SMTP: says the first line of its greeting, then waits, then the last: postscreen's way to find spam robots.

    `Visit.spoke_early` tells whether the client said something before the last line; it then hears 521, as from
    postscreen.
    """

    async def script(peer: Peer) -> None:
        await peer.say(b"220-fake.example ESMTP\r\n")
        if await peer.speaks_within(pause):
            peer.visit.spoke_early = True
            await peer.say(b"521 5.5.1 Protocol error\r\n")
            await peer.close()
            return
        await peer.say(b"220 fake.example ESMTP\r\n")
        await Server(Protocol.SMTP, peer).obey()

    return script


# Logins.


def echoes_the_password(protocol: Protocol) -> Script:
    """Refuses the login, and quotes in the refusal all that came with it, as it was sent and decoded."""

    async def act(server: Server, command: Command) -> None:
        secrets = list(await server.whole_login(command))
        with suppress(Base64Error):
            secrets += b64decode(secrets[-1], validate=True).split(b"\0")
        await server.reply(command, server.dialect.rejected.replace(b"wrong", b"wrong: " + b" ".join(secrets)))

    return _on_login(protocol, act)


def rejects_logins(protocol: Protocol, words: bytes | None = None) -> Script:
    """Answers every login with these words, or the protocol's own for a wrong password."""

    async def act(server: Server, command: Command) -> None:
        await server.whole_login(command)
        await server.reply(command, server.dialect.rejected if words is None else words)

    return _on_login(protocol, act)


def challenges_without_end(protocol: Protocol, challenge: bytes = b"bW9yZQ==") -> Script:
    """Answers every response of the login with this challenge, so that it never ends."""

    async def act(server: Server, _command: Command) -> None:
        prompt = server.dialect.challenge.replace(b"\r\n", challenge + b"\r\n")
        while True:
            await server.peer.say(prompt)
            await server.peer.line()

    return _on_login(protocol, act)


# How the scripts are made.


def _at(protocol: Protocol, verb: bytes, act: Act) -> Script:
    """Behave well, but for one command."""
    return _with(protocol, {verb: act})


def _on_login(protocol: Protocol, act: Act) -> Script:
    return _with(protocol, dict.fromkeys(DIALECTS[protocol].login, act))


def _everywhere(protocol: Protocol, act: Act) -> Script:
    dialect = DIALECTS[protocol]
    return _with(protocol, dict.fromkeys(chain(dialect.answers, dialect.login, [dialect.asks_offer]), act))


def _with(protocol: Protocol, instead: Mapping[bytes, Act]) -> Script:
    async def script(peer: Peer) -> None:
        await Server(protocol, peer).converse(instead)

    return script


class _Splitting(Peer):
    """Says everything in two segments."""

    def __init__(self, peer: Peer, at: int) -> None:
        super().__init__(peer.wire, peer.tls)
        self._at = at

    async def say(self, data: bytes) -> None:
        head, tail = data[: self._at], data[self._at :]
        if head:
            await super().say(head)
            await asyncio.sleep(A_MOMENT)
        if tail:
            await super().say(tail)


class _BareLf(Peer):
    """Ends all lines with LF alone."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer.wire, peer.tls)

    async def say(self, data: bytes) -> None:
        await super().say(data.replace(b"\r\n", b"\n"))


IN_ANY_PROTOCOL: Final[Mapping[str, Callable[[Protocol], Script]]] = {
    "closes before the greeting": lambda _: closes_before_greeting(),
    "closes mid-greeting": closes_mid_greeting,
    "closes mid-reply": closes_mid_reply,
    "resets before the greeting": lambda _: resets_before_greeting(),
    "resets mid-reply": resets_mid_reply,
    "never greets": lambda _: never_greets(),
    "greets with an endless line": lambda _: greets_with_an_endless_line(),
    "answers without end": answers_without_end,
    "greets with binary garbage": lambda _: greets_with_binary_garbage(),
    "echoes the password": echoes_the_password,
    "challenges without end": challenges_without_end,
}
"""Misbehaviour that every protocol can suffer and that no probe survives, for tests that go through all of it."""
