"""What somebody between client and server can do about STARTTLS, and what broken servers do.

The cases are those of "Why TLS is better without STARTTLS" (USENIX Security 2021), as far as a client sees them. In
none of them may a password leave. Each function gives a script for `scripted`, as in misbehaving.py; those that say so
need a certificate.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from exporter.model import Protocol
from tests.servers.dialects import DIALECTS, UNKNOWN, Act, Command, Server
from tests.servers.scripted import Peer, Script

HANDSHAKE_FAILURE: Final = bytes([21, 3, 3, 0, 2, 2, 40])
"""A TLS record with a fatal alert (RFC 8446 sections 5.1 and 6.2): handshake_failure."""


def hides_starttls(protocol: Protocol) -> Script:
    """Does not announce STARTTLS, and announces instead the logins that belong under TLS: stripping."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, server.dialect.offer(server.dialect.tls_offer))

    return _with(protocol, {DIALECTS[protocol].asks_offer: act})


def refuses_starttls(protocol: Protocol) -> Script:
    """Announces STARTTLS, and refuses it."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, server.dialect.refusal)

    return _with(protocol, {DIALECTS[protocol].upgrade: act})


def injects_after_starttls(protocol: Protocol, injection: bytes | None = None) -> Script:
    """Adds words to the consent, in the same segment, then does the handshake. Needs a certificate.

    Args:
        protocol: What it speaks.
        injection: The words; by default capabilities that a careless client takes for announced under TLS.
    """

    async def act(server: Server, command: Command) -> None:
        dialect = server.dialect
        words = dialect.injection if injection is None else injection
        await server.reply(command, dialect.consent + words)
        await server.peer.start_tls()

    return _with(protocol, {DIALECTS[protocol].upgrade: act})


def injects_into_the_handshake(protocol: Protocol) -> Script:
    """Adds words in plain once the client has begun the handshake, where its answer should be."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, server.dialect.consent)
        await server.peer.octets()
        await server.peer.say(server.dialect.injection)
        await _listens(server.peer)

    return _with(protocol, {DIALECTS[protocol].upgrade: act})


def consents_and_goes_on_in_plain(protocol: Protocol) -> Script:
    """Says yes to STARTTLS, and goes on in plain: what comes first is an unknown command, and the rest is obeyed."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, server.dialect.consent)
        await server.peer.octets()
        await server.reply(replace(command, tag=b"*"), UNKNOWN[protocol])
        await server.obey()

    return _with(protocol, {DIALECTS[protocol].upgrade: act})


def consents_and_closes(protocol: Protocol) -> Script:
    """Says yes to STARTTLS, and closes the connection."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, server.dialect.consent)
        await server.peer.close()

    return _with(protocol, {DIALECTS[protocol].upgrade: act})


def consents_and_stalls(protocol: Protocol) -> Script:
    """Says yes to STARTTLS, and never answers the handshake."""

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, server.dialect.consent)
        await _listens(server.peer)

    return _with(protocol, {DIALECTS[protocol].upgrade: act})


def greets_with_preauth(*, announced: bool = True) -> Script:
    """IMAP: greets as if the client were logged in, which rules STARTTLS out (RFC 9051 6.2.1).

    Args:
        announced: Whether STARTTLS is announced all the same.
    """

    async def script(peer: Peer) -> None:
        offer = b"IMAP4rev1 STARTTLS" if announced else b"IMAP4rev1"
        await peer.say(b"* PREAUTH [CAPABILITY %s] welcome back\r\n" % offer)
        await Server(Protocol.IMAP, peer).obey()

    return script


def changes_capabilities_under_tls(protocol: Protocol, tls_offer: tuple[bytes, ...] | None = None) -> Script:
    """Announces logins in plain, and something else under TLS: what was said in plain is not to be remembered.

    Needs a certificate.

    Args:
        protocol: What it speaks.
        tls_offer: The capabilities under TLS; by default such that there is no way to log in.
    """
    if tls_offer is None:
        tls_offer = (b"LOGINDISABLED",) if protocol is Protocol.IMAP else ()

    async def act(server: Server, command: Command) -> None:
        dialect = server.dialect
        plain_offer = (*dialect.tls_offer, *(item for item in dialect.plain_offer if item == dialect.upgrade))
        await server.reply(command, dialect.offer(tls_offer if server.peer.encrypted else plain_offer))

    return _with(protocol, {DIALECTS[protocol].asks_offer: act})


def alerts_in_plain() -> Script:
    """IMAP: has an ALERT and a login referral (RFC 2221) for the client before TLS. Needs a certificate."""

    async def script(peer: Peer) -> None:
        await peer.say(b"* OK [ALERT] TLS is down, log in at http://evil.example\r\n")
        await Server(Protocol.IMAP, peer).obey({b"STARTTLS": refer})

    async def refer(server: Server, command: Command) -> None:
        await server.reply(command, b"TAG NO [REFERRAL imap://evil.example/] go elsewhere\r\n")

    return script


# The handshake itself, by STARTTLS or from the start.


def answers_the_handshake_with_an_alert(protocol: Protocol | None = None) -> Script:
    """Answers the client's first flight with the alert handshake_failure; after STARTTLS, or with `None` at once."""

    async def alert(peer: Peer) -> None:
        await peer.octets()
        await peer.say(HANDSHAKE_FAILURE)
        await peer.close()

    return _in_the_handshake(protocol, alert)


def stalls_in_the_handshake(tls: ssl.SSLContext, protocol: Protocol | None = None) -> Script:
    """Says half of its own first flight, and no more; after STARTTLS, or with `None` at once.

    Args:
        tls: Certificate and key, which the handshake needs to get that far.
        protocol: What it speaks before.
    """

    async def half(peer: Peer) -> None:
        flight = await _first_flight(peer, tls)
        await peer.say(flight[: len(flight) // 2])
        await _listens(peer)

    return _in_the_handshake(protocol, half)


def closes_in_the_handshake(tls: ssl.SSLContext, protocol: Protocol | None = None) -> Script:
    """Says half of its own first flight, and closes the connection; otherwise as `stalls_in_the_handshake`."""

    async def half(peer: Peer) -> None:
        flight = await _first_flight(peer, tls)
        await peer.say(flight[: len(flight) // 2])
        await peer.close()

    return _in_the_handshake(protocol, half)


def answers_the_handshake_in_plain(protocol: Protocol) -> Script:
    """Says its greeting in plain to a client that begins with TLS: the port is another one's."""

    async def script(peer: Peer) -> None:
        await peer.say(DIALECTS[protocol].greeting)

    return script


async def _first_flight(peer: Peer, tls: ssl.SSLContext) -> bytes:
    """What a server with that certificate answers to the client's first flight."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = tls.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        incoming.write(await peer.octets())
        try:
            handshake.do_handshake()
        except ssl.SSLWantReadError:
            if flight := outgoing.read():
                return flight


def _in_the_handshake(protocol: Protocol | None, handshake: Script) -> Script:
    if protocol is None:
        return handshake

    async def act(server: Server, command: Command) -> None:
        await server.reply(command, server.dialect.consent)
        await handshake(server.peer)

    return _with(protocol, {DIALECTS[protocol].upgrade: act})


async def _listens(peer: Peer) -> None:
    while True:
        await peer.octets()


def _with(protocol: Protocol, instead: Mapping[bytes, Act]) -> Script:
    async def script(peer: Peer) -> None:
        await Server(protocol, peer).converse(instead)

    return script
