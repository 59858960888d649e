"""The IMAP server of the demo, seen by Python's own client and by one that says whatever it likes."""

from __future__ import annotations

import asyncio
import imaplib
import ssl
from base64 import b64encode

import pytest

from exporter.demo.imap_commands import MAX_LITERAL, MAX_LITERALS
from exporter.demo.scene import Scene
from exporter.demo.scenes import SERVER_NAME
from exporter.demo.server_session import MAX_LINE
from exporter.demo.site import Behaviour, Greeting, LoginService, Upgrade
from exporter.demo.stage import PASSWORD as SECRET
from exporter.demo.stage import RIGHT, demo_servers
from exporter.model import Encryption, Protocol
from tests.servers.raw_client import connected

USERNAME = RIGHT.username.encode()
PASSWORD = SECRET.reveal()
PLAIN = b64encode(b"\0" + USERNAME + b"\0" + PASSWORD)
LOGIN = b'a LOGIN %s "%s"' % (USERNAME, PASSWORD)

HEALTHY = Behaviour()


def scene(encryption: Encryption = Encryption.NONE, behaviour: Behaviour = HEALTHY) -> Scene:
    return Scene("imap", "a server", Protocol.IMAP, encryption, behaviour=behaviour)


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_a_mail_client_logs_in_and_looks_at_a_mailbox(encryption: Encryption) -> None:
    async with demo_servers([scene(encryption)]) as [staged]:
        context = ssl.create_default_context(cafile=staged.endpoint.tls.ca_file)

        def visit() -> list[object]:
            host, port = staged.endpoint.host, staged.endpoint.port
            if encryption is Encryption.TLS:
                client: imaplib.IMAP4 = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=5)
            else:
                client = imaplib.IMAP4(host, port, timeout=5)
                client.starttls(context)
            with client:
                client.login(USERNAME.decode(), PASSWORD.decode())
                return [
                    client.select("inbox", readonly=True),
                    client.status("INBOX", "(MESSAGES UNSEEN SIZE)"),
                    client.getquotaroot("INBOX"),
                ]

        assert [
            ("OK", [b"12"]),
            ("OK", [b'"INBOX" (MESSAGES 12 UNSEEN 3 SIZE 1095)']),
            ("OK", [[b'"INBOX" "User quota"'], [b'"User quota" (STORAGE 812340 1048576)']]),
        ] == await asyncio.to_thread(visit)


@pytest.mark.parametrize(
    ("behaviour", "encryption", "offered"),
    [
        (HEALTHY, Encryption.STARTTLS, "STARTTLS LOGINDISABLED"),
        (Behaviour(upgrade=Upgrade.HIDDEN), Encryption.STARTTLS, "SASL-IR AUTH=PLAIN"),
        (HEALTHY, Encryption.NONE, "SASL-IR AUTH=PLAIN"),
    ],
)
async def test_the_greeting_and_capability_tell_what_can_be_done_before_tls(
    behaviour: Behaviour, encryption: Encryption, offered: str
) -> None:
    async with demo_servers([scene(encryption, behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        greeting = f"* OK [CAPABILITY IMAP4rev1 LITERAL+ {offered}] {SERVER_NAME} ready"
        assert greeting.encode() == await client.line()
        expected = [f"* CAPABILITY IMAP4rev1 LITERAL+ {offered}".encode(), b"a OK that is all"]
        assert expected == await client.ask_all(b"a CAPABILITY", b"a ")


@pytest.mark.parametrize(
    "turns",
    [
        [(b"", b"* BAD"), (b"%", b"* BAD"), (b"a", b"a BAD"), (b"a1 ", b"a1 BAD"), (b"a WHAT", b"a BAD no such")],
        [(b"a EXAMINE INBOX", b"a BAD log in"), (b"a noop", b"a OK"), (b"a STARTTLS", b"a BAD")],
        [(b"a LOGIN me", b"a BAD"), (b'a LOGIN me "my', b"a BAD the arg"), (b"a LOGIN me  word", b"a BAD the arg")],
        [(b"a login me word", b"a NO [AUTHENTICATIONFAILED]"), (LOGIN, b"a OK"), (LOGIN, b"a BAD")],
        [(b'a LOGIN "m\\"e" "\\\\"', b"a NO"), (b'a LOGIN "m\\e" word', b"a BAD the arguments")],
        [
            (b"a LOGIN {%d}" % len(USERNAME), b"+ go on"),
            (USERNAME + b" {%d}" % len(PASSWORD), b"+ go on"),
            (PASSWORD, b"a OK"),
        ],
        [(b"a LOGIN {%d+}\r\n%s {%d+}\r\n%s" % (len(USERNAME), USERNAME, len(PASSWORD), PASSWORD), b"a OK")],
        [(b"a LOGIN {%d}" % (MAX_LITERAL + 1), b"a BAD that literal is too large"), (b"b NOOP", b"b OK")],
        [(b"a LOGIN" + b" {0+}\r\n" * (MAX_LITERALS + 1), b"a BAD too many"), (b"b NOOP", b"b OK")],
        [(b"a AUTHENTICATE PLAIN " + PLAIN, b"a OK [CAPABILITY IMAP4rev1 LITERAL+ QUOTA QUOTA=RES-STORAGE STATUS=S")],
        [(b"a authenticate plain", b"+ "), (PLAIN, b"a OK"), (b"a AUTHENTICATE PLAIN", b"a BAD")],
        [(b"a AUTHENTICATE PLAIN", b"+ "), (b"*", b"a BAD cancelled"), (b"b NOOP", b"b OK")],
        [(b"a AUTHENTICATE PLAIN =", b"a NO [AUTH"), (b"a AUTHENTICATE", b"a BAD"), (b"a AUTHENTICATE X", b"a NO")],
        [(LOGIN, b"a OK"), (b"b EXAMINE Other", b"b NO [NONEXISTENT]"), (b"b EXAMINE", b"b BAD")],
        [(LOGIN, b"a OK"), (b"b STATUS Other (SIZE)", b"b NO [NONEXISTENT]"), (b"b STATUS INBOX", b"b BAD which")],
        [(LOGIN, b"a OK"), (b"b STATUS INBOX (SIZE MOOD)", b"b BAD not all"), (b"b STATUS INBOX ()", b"b BAD the arg")],
        [(LOGIN, b"a OK"), (b"b GETQUOTAROOT Other", b"b NO [NONEXISTENT]"), (b"b GETQUOTAROOT", b"b BAD")],
        [(b"a LOGOUT", b"* BYE")],
    ],
)
async def test_every_command_has_its_answer(turns: list[tuple[bytes, bytes]]) -> None:
    async with demo_servers([scene()]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        for command, beginning in turns:
            answer = await client.ask(command)
            assert beginning == answer[: len(beginning)], command


async def test_a_mailbox_is_examined_and_stays_read_only() -> None:
    async with demo_servers([scene()]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.ask(LOGIN)
        answer = await client.ask_all(b"b EXAMINE {5+}\r\ninbox", b"b ")
        assert b"* 12 EXISTS" in answer
        assert b"b OK [READ-ONLY] look and do not touch" == answer[-1]


@pytest.mark.parametrize("command", [b"a LOGIN me word", b"a AUTHENTICATE PLAIN " + PLAIN])
async def test_logins_are_refused_in_plain_where_tls_can_be_had(command: bytes) -> None:
    async with demo_servers([scene(Encryption.STARTTLS)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        assert b"a NO [PRIVACYREQUIRED] encryption is required for that" == await client.ask(command)


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (Greeting.REFUSE, "* BYE {} does not talk to you\r\n"),
        (Greeting.BUSY, "* BYE [UNAVAILABLE] {} is busy, come back later\r\n"),
    ],
)
async def test_a_greeting_that_turns_away_ends_the_connection(greeting: Greeting, words: str) -> None:
    behaviour = Behaviour(greeting=greeting)
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        assert words.format(SERVER_NAME).encode() == await client.rest()


async def test_starttls_can_be_announced_and_refused() -> None:
    behaviour = Behaviour(upgrade=Upgrade.REFUSED)
    staging = demo_servers([scene(Encryption.STARTTLS, behaviour)])
    async with staging as [staged], connected(staged.endpoint.port) as client:
        assert b" STARTTLS " in await client.line()
        assert b"a NO TLS is not available just now" == await client.ask(b"a STARTTLS")


async def test_words_can_be_injected_behind_the_consent_to_starttls() -> None:
    behaviour = Behaviour(upgrade=Upgrade.INJECTED)
    staging = demo_servers([scene(Encryption.STARTTLS, behaviour)])
    async with staging as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.send(b"a STARTTLS\r\n")
        assert b"a OK begin TLS\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" == await client.some()


async def test_logins_can_be_unavailable() -> None:
    behaviour = Behaviour(logins=LoginService.UNAVAILABLE)
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        assert b"a NO [UNAVAILABLE] passwords cannot be checked just now" == await client.ask(LOGIN)


async def test_the_server_can_hang_up_on_a_command() -> None:
    behaviour = Behaviour(hangs_up_on=b"LOGIN")
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.send(LOGIN + b"\r\n")
        assert b"" == await client.rest()


@pytest.mark.parametrize(
    ("flood", "words"),
    [
        (b"x" * (MAX_LINE + 1), b"* BYE line too long"),
        (b"a LOGIN {%d+}\r\n" % (MAX_LITERAL + 1), b"* BYE that is too much"),
    ],
)
async def test_what_has_no_end_is_not_read_to_its_end(flood: bytes, words: bytes) -> None:
    async with demo_servers([scene()]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.send(flood)
        assert words == await client.line()
