"""Servers that repeat to a client the secrets that they hear, in every form."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote_from_bytes, unquote_plus

from exporter.model import Mechanism, Protocol
from tests.servers.authorisation import Answer, Request
from tests.servers.dialects import Command, Server
from tests.servers.scripted import Peer, Script

OFFERS: Mapping[Protocol, Callable[[str], tuple[bytes, ...]]] = {
    Protocol.SMTP: lambda mechanism: (f"AUTH {mechanism}".encode(), b"SIZE 1000"),
    Protocol.IMAP: lambda mechanism: (f"AUTH={mechanism}".encode(), b"SASL-IR"),
    Protocol.POP3: lambda mechanism: (f"SASL {mechanism}".encode(), b"USER", b"RESP-CODES"),
}


def forms(secret: bytes) -> Iterator[bytes]:
    """How a server may repeat a secret."""
    yield secret
    for before in range(3):
        yield b64encode(b"." * before + secret + b"...")
        yield urlsafe_b64encode(b"." * before + secret + b"...")
    yield quote_from_bytes(secret, safe="").encode()
    yield quote_from_bytes(secret, safe="").lower().encode()


def decoded(line: bytes) -> Iterator[bytes]:
    """What may be in a line of a login: itself, and the parts that its mechanism separates by control characters."""
    yield line
    try:
        message = b64decode(line, validate=True)
    except ValueError:
        return
    for part in message.replace(b"\1", b"\0").split(b"\0"):
        yield part
        yield part.removeprefix(b"auth=Bearer ")


def repeats(protocol: Protocol, mechanism: Mechanism, *, takes: bool) -> Script:
    """Repeats all of every login in every form: in the answer, whether it takes the login or not, and after it."""

    async def act(server: Server, command: Command) -> None:
        heard = list(await server.whole_login(command))
        if mechanism is Mechanism.LOGIN:
            await server.peer.say(server.dialect.challenge)
            heard.append(await server.peer.line())
        said = b" ".join(form for line in heard for part in decoded(line) if part for form in forms(part))
        words = server.dialect.accepted if takes else server.dialect.rejected
        end = words.rindex(b"\r\n")
        await server.reply(command, words[:end] + b" " + said.replace(b"\r", b"")[:7000] + words[end:])

    async def script(peer: Peer) -> None:
        server = Server(protocol, peer)
        server.dialect = replace(server.dialect, tls_offer=OFFERS[protocol](mechanism.value))
        await server.converse(dict.fromkeys(server.dialect.login, act))

    return script


def repeats_in_a_challenge(protocol: Protocol) -> Script:
    """Explains a refused token as XOAUTH2 does, in a challenge, with the token in it; then refuses."""

    async def act(server: Server, command: Command) -> None:
        heard = await server.whole_login(command)
        error = json.dumps({"status": "400", "token": b64decode(heard[-1]).decode(), "encoded": heard[-1].decode()})
        challenge = b64encode(error.encode())
        await server.peer.say(server.dialect.challenge.replace(b"\r\n", challenge + b"\r\n"))
        await server.peer.line()
        await server.reply(command, server.dialect.rejected)

    async def script(peer: Peer) -> None:
        server = Server(protocol, peer)
        server.dialect = replace(server.dialect, tls_offer=OFFERS[protocol](Mechanism.XOAUTH2.value))
        await server.converse(dict.fromkeys(server.dialect.login, act))

    return script


def repeats_the_request(request: Request) -> Answer:
    """A token endpoint that answers with all that it was told."""
    pair = b64decode((request.authorization or "").partition(" ")[2]).decode()
    # The most telling first, for what follows is cut off.
    told = [unquote_plus(pair.partition(":")[2]), pair, *reversed(list(request.form.values()))]
    said = " ".join(form.decode("utf-8", "replace") for text in told for form in forms(text.encode()))
    return Answer(401, json.dumps({"error": "invalid_client", "error_description": f"AADSTS7: {said}"}).encode())
