"""The POP3 server of the demo, seen by Python's own client and by one that says whatever it likes."""

from __future__ import annotations

import asyncio
import poplib
import ssl
from base64 import b64encode

import pytest

from exporter.demo.scene import Scene
from exporter.demo.scenes import SERVER_NAME
from exporter.demo.server_session import MAX_LINE
from exporter.demo.site import Behaviour, Greeting, LoginService, Upgrade
from exporter.demo.stage import PASSWORD as SECRET
from exporter.demo.stage import RIGHT, demo_servers
from exporter.model import Encryption, Protocol
from tests.servers.raw_client import connected

USERNAME = RIGHT.username
PASSWORD = SECRET.reveal().decode()
PLAIN = b64encode(f"\0{USERNAME}\0{PASSWORD}".encode())

HEALTHY = Behaviour()


def scene(encryption: Encryption = Encryption.NONE, behaviour: Behaviour = HEALTHY) -> Scene:
    return Scene("pop3", "a server", Protocol.POP3, encryption, behaviour=behaviour)


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_a_mail_client_logs_in_and_counts_the_mail(encryption: Encryption) -> None:
    async with demo_servers([scene(encryption)]) as [staged]:
        context = ssl.create_default_context(cafile=staged.endpoint.tls.ca_file)

        def visit() -> tuple[int, int]:
            host, port = staged.endpoint.host, staged.endpoint.port
            if encryption is Encryption.TLS:
                client: poplib.POP3 = poplib.POP3_SSL(host, port, timeout=5, context=context)
            else:
                client = poplib.POP3(host, port, timeout=5)
                client.stls(context)
            client.user(USERNAME)
            client.pass_(PASSWORD)
            figures = client.stat()
            client.quit()
            return figures

        assert (12, 1095) == await asyncio.to_thread(visit)


@pytest.mark.parametrize(
    ("behaviour", "encryption", "offered"),
    [
        (HEALTHY, Encryption.STARTTLS, [b"STLS"]),
        (Behaviour(upgrade=Upgrade.HIDDEN), Encryption.STARTTLS, [b"USER", b"SASL PLAIN"]),
        (HEALTHY, Encryption.NONE, [b"USER", b"SASL PLAIN"]),
    ],
)
async def test_capa_tells_what_can_be_done_before_tls(
    behaviour: Behaviour, encryption: Encryption, offered: list[bytes]
) -> None:
    async with demo_servers([scene(encryption, behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        assert f"+OK {SERVER_NAME} POP3 ready".encode() == await client.line()
        expected = [b"+OK", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"TOP", b"UIDL", *offered, b"."]
        assert expected == await client.ask_all(b"CAPA", b".")


@pytest.mark.parametrize(
    "turns",
    [
        [(b"", b"-ERR"), (b"WHAT", b"-ERR"), (b"NOOP", b"-ERR"), (b"STAT", b"-ERR"), (b"STLS", b"-ERR")],
        [(b"PASS word", b"-ERR"), (b"USER me", b"+OK"), (b"PASS word", b"-ERR [AUTH]"), (b"PASS word", b"-ERR USER")],
        [(b"USER me", b"+OK"), (b"NOOP", b"-ERR"), (b"PASS word", b"-ERR USER")],
        [
            (b"user " + USERNAME.encode(), b"+OK"),
            (b"pass " + PASSWORD.encode(), b"+OK"),
            (b"USER me", b"-ERR"),
            (b"AUTH PLAIN " + PLAIN, b"-ERR"),
            (b"NOOP", b"+OK"),
            (b"STAT", b"+OK 12 1095"),
        ],
        [(b"AUTH PLAIN " + PLAIN, b"+OK"), (b"STLS", b"-ERR")],
        [(b"auth plain", b"+ "), (PLAIN, b"+OK")],
        [(b"AUTH PLAIN =", b"-ERR [AUTH]"), (b"AUTH PLAIN %%", b"-ERR cancelled"), (b"AUTH SCRAM-SHA-1", b"-ERR")],
        [(b"AUTH PLAIN", b"+ "), (b"*", b"-ERR cancelled"), (b"AUTH", b"-ERR")],
        [(b"QUIT", b"+OK")],
    ],
)
async def test_every_command_has_its_answer(turns: list[tuple[bytes, bytes]]) -> None:
    async with demo_servers([scene()]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        for command, beginning in turns:
            answer = await client.ask(command)
            assert beginning == answer[: len(beginning)], command


@pytest.mark.parametrize("command", [b"USER me", b"AUTH PLAIN " + PLAIN])
async def test_logins_are_refused_in_plain_where_tls_can_be_had(command: bytes) -> None:
    async with demo_servers([scene(Encryption.STARTTLS)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        assert b"-ERR encryption is required for that" == await client.ask(command)


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (Greeting.REFUSE, "-ERR [SYS/PERM] {} does not talk to you\r\n"),
        (Greeting.BUSY, "-ERR [SYS/TEMP] {} is busy, come back later\r\n"),
    ],
)
async def test_a_greeting_that_turns_away_ends_the_connection(greeting: Greeting, words: str) -> None:
    behaviour = Behaviour(greeting=greeting)
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        assert words.format(SERVER_NAME).encode() == await client.rest()


async def test_stls_can_be_announced_and_refused() -> None:
    behaviour = Behaviour(upgrade=Upgrade.REFUSED)
    staging = demo_servers([scene(Encryption.STARTTLS, behaviour)])
    async with staging as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        assert b"STLS" in await client.ask_all(b"CAPA", b".")
        assert b"-ERR TLS is not available just now" == await client.ask(b"STLS")


async def test_words_can_be_injected_behind_the_consent_to_stls() -> None:
    behaviour = Behaviour(upgrade=Upgrade.INJECTED)
    staging = demo_servers([scene(Encryption.STARTTLS, behaviour)])
    async with staging as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.send(b"STLS\r\n")
        expected = f"+OK begin TLS\r\n+OK {SERVER_NAME} says so in plain\r\nUSER\r\n.\r\n".encode()
        assert expected == await client.some()


async def test_logins_can_be_unavailable() -> None:
    behaviour = Behaviour(logins=LoginService.UNAVAILABLE)
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        expected = b"-ERR [SYS/TEMP] passwords cannot be checked just now"
        assert expected == await client.ask(b"AUTH PLAIN " + PLAIN)


async def test_the_server_can_hang_up_on_a_command() -> None:
    behaviour = Behaviour(hangs_up_on=b"PASS")
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.ask(b"USER me")
        await client.send(b"pass word\r\n")
        assert b"" == await client.rest()


async def test_a_line_without_end_is_not_read_to_its_end() -> None:
    async with demo_servers([scene()]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.send(b"x" * (MAX_LINE + 1))
        assert b"-ERR line too long" == await client.line()
