"""The SMTP server of the demo, seen by Python's own client and by one that says whatever it likes."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from base64 import b64encode

import pytest

from exporter.demo.scene import Scene
from exporter.demo.scenes import DOMAIN, FOREIGN_RECIPIENT, RECIPIENT, SERVER_NAME, UNKNOWN_RECIPIENT
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
    return Scene("smtp", "a server", Protocol.SMTP, encryption, behaviour=behaviour)


@pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.STARTTLS])
async def test_a_mail_client_logs_in_and_asks_about_recipients(encryption: Encryption) -> None:
    async with demo_servers([scene(encryption)]) as [staged]:
        context = ssl.create_default_context(cafile=staged.endpoint.tls.ca_file)

        def visit() -> list[int]:
            host, port = staged.endpoint.host, staged.endpoint.port
            if encryption is Encryption.TLS:
                client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=5, context=context)
            else:
                client = smtplib.SMTP(host, port, timeout=5)
            with client:
                if encryption is Encryption.STARTTLS:
                    client.starttls(context=context)
                codes = [client.ehlo()[0], client.login(USERNAME, PASSWORD)[0], client.mail(f"me@{DOMAIN}")[0]]
                codes += [client.rcpt(address)[0] for address in (RECIPIENT, UNKNOWN_RECIPIENT, FOREIGN_RECIPIENT)]
                return [*codes, client.docmd("DATA")[0], client.docmd(".")[0], client.rset()[0]]

        assert [250, 235, 250, 250, 550, 250, 354, 250, 250] == await asyncio.to_thread(visit)


@pytest.mark.parametrize(
    ("behaviour", "encryption", "offered"),
    [
        (HEALTHY, Encryption.STARTTLS, b"STARTTLS"),
        (Behaviour(upgrade=Upgrade.HIDDEN), Encryption.STARTTLS, b"AUTH PLAIN LOGIN"),
        (HEALTHY, Encryption.NONE, b"AUTH PLAIN LOGIN"),
    ],
)
async def test_ehlo_tells_what_can_be_done_before_tls(
    behaviour: Behaviour, encryption: Encryption, offered: bytes
) -> None:
    async with demo_servers([scene(encryption, behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        assert f"220 {SERVER_NAME} ESMTP".encode() == await client.line()
        assert [
            f"250-{SERVER_NAME}".encode(),
            b"250-PIPELINING",
            b"250-SIZE 65536",
            b"250-ENHANCEDSTATUSCODES",
            b"250-" + offered,
            b"250 8BITMIME",
        ] == await client.ask_all(b"EHLO me", b"250 ")


@pytest.mark.parametrize(
    "turns",
    [
        [(b"EHLO", b"501"), (b"HELO", b"501"), (b"helo me", b"250")],
        [(b"", b"500"), (b"WHAT", b"500"), (b"NOOP", b"250"), (b"VRFY me", b"252"), (b"DATA", b"503")],
        [(b"MAIL FROM:<>", b"503"), (b"HELO me", b"250"), (b"RCPT TO:<a@b>", b"503"), (b"MAIL FROM:<>", b"250")],
        [(b"HELO me", b"250"), (b"MAIL me", b"501"), (b"MAIL FROM:<> SIZE=65537", b"552")],
        [(b"HELO me", b"250"), (b"mail from: <a@b> SIZE=5 BODY=8BITMIME", b"250"), (b"MAIL FROM:<>", b"503")],
        [(b"HELO me", b"250"), (b"MAIL FROM:<>", b"250"), (b"RCPT me", b"501"), (b"RCPT TO:<a@b>", b"554")],
        [(b"HELO me", b"250"), (b"MAIL FROM:<>", b"250"), (b"RCPT TO:<postmaster@DEMO.example>", b"250")],
        [(b"HELO me", b"250"), (b"MAIL FROM:<>", b"250"), (b"RSET", b"250"), (b"RCPT TO:<a@b>", b"503")],
        [(b"HELO me", b"250"), (b"MAIL FROM:<>", b"250"), (b"HELO me", b"250"), (b"RCPT TO:<a@b>", b"503")],
        [(b"AUTH PLAIN " + PLAIN, b"503"), (b"HELO me", b"250"), (b"AUTH CRAM-MD5", b"504"), (b"AUTH", b"504")],
        [(b"HELO me", b"250"), (b"AUTH PLAIN " + PLAIN, b"235"), (b"AUTH PLAIN " + PLAIN, b"503")],
        [(b"HELO me", b"250"), (b"auth plain", b"334"), (PLAIN, b"235")],
        [(b"HELO me", b"250"), (b"AUTH PLAIN =", b"535"), (b"AUTH PLAIN %%", b"501"), (b"NOOP", b"250")],
        [(b"HELO me", b"250"), (b"AUTH PLAIN", b"334"), (b"*", b"501"), (b"NOOP", b"250")],
        [(b"HELO me", b"250"), (b"AUTH LOGIN", b"334"), (b"*", b"501"), (b"AUTH LOGIN bWU=", b"334"), (b"*", b"501")],
        [(b"HELO me", b"250"), (b"AUTH LOGIN bWU=", b"334"), (b"bWU=", b"535")],
        [
            (b"HELO me", b"250"),
            (b"AUTH LOGIN", b"334 VXNlcm5hbWU6"),
            (b64encode(USERNAME.encode()), b"334 UGFzc3dvcmQ6"),
            (b64encode(PASSWORD.encode()), b"235"),
        ],
        [(b"STARTTLS", b"503"), (b"STARTTLS now", b"501")],
        [(b"QUIT", b"221")],
    ],
)
async def test_every_command_has_its_answer(turns: list[tuple[bytes, bytes]]) -> None:
    async with demo_servers([scene()]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        for command, code in turns:
            answer = await client.ask(command)
            assert code == answer[: len(code)], command


async def test_logins_are_refused_in_plain_where_tls_can_be_had() -> None:
    async with demo_servers([scene(Encryption.STARTTLS)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.ask(b"HELO me")
        assert b"538 5.7.11 Encryption is required for that" == await client.ask(b"AUTH PLAIN " + PLAIN)


async def test_the_handshake_makes_the_server_forget_the_client() -> None:
    async with demo_servers([scene(Encryption.STARTTLS)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.ask(b"HELO me")
        assert b"220 2.0.0 Ready to start TLS" == await client.ask(b"STARTTLS")
        await client.start_tls()
        assert b"503 5.5.1 Not now" == await client.ask(b"MAIL FROM:<>")
        assert b"503 5.5.1 STARTTLS is not offered" == await client.ask(b"STARTTLS")


async def test_a_greeting_of_554_is_followed_by_patience_until_quit() -> None:
    behaviour = Behaviour(greeting=Greeting.REFUSE)
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        assert f"554 5.7.1 {SERVER_NAME} does not talk to you".encode() == await client.line()
        assert b"503 5.5.1 I said no" == await client.ask(b"EHLO me")
        assert b"221 2.0.0 Bye" == await client.ask(b"QUIT")
        assert b"" == await client.rest()


async def test_a_greeting_of_421_ends_the_connection() -> None:
    behaviour = Behaviour(greeting=Greeting.BUSY)
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        assert f"421 4.3.2 {SERVER_NAME} is busy, come back later\r\n".encode() == await client.rest()


async def test_starttls_can_be_announced_and_refused() -> None:
    behaviour = Behaviour(upgrade=Upgrade.REFUSED)
    staging = demo_servers([scene(Encryption.STARTTLS, behaviour)])
    async with staging as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        assert b"250-STARTTLS" in await client.ask_all(b"EHLO me", b"250 ")
        assert b"454 4.7.0 TLS is not available just now" == await client.ask(b"STARTTLS")


async def test_words_can_be_injected_behind_the_consent_to_starttls() -> None:
    behaviour = Behaviour(upgrade=Upgrade.INJECTED)
    staging = demo_servers([scene(Encryption.STARTTLS, behaviour)])
    async with staging as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.send(b"STARTTLS\r\n")
        expected = f"220 2.0.0 Ready to start TLS\r\n250-{SERVER_NAME} says so in plain\r\n250 AUTH PLAIN\r\n".encode()
        assert expected == await client.some()


async def test_logins_can_be_unavailable() -> None:
    behaviour = Behaviour(logins=LoginService.UNAVAILABLE)
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.ask(b"HELO me")
        assert b"454 4.7.0 Temporary authentication failure" == await client.ask(b"AUTH PLAIN " + PLAIN)


async def test_the_server_can_hang_up_on_a_command() -> None:
    behaviour = Behaviour(hangs_up_on=b"AUTH")
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.ask(b"HELO me")
        await client.send(b"auth plain\r\n")
        assert b"" == await client.rest()


async def test_an_open_relay_takes_mail_for_anybody() -> None:
    behaviour = Behaviour(open_relay=True)
    async with demo_servers([scene(behaviour=behaviour)]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.ask(b"HELO me")
        await client.ask(b"MAIL FROM:<>")
        assert b"250 2.1.5 Ok, to be relayed" == await client.ask(f"RCPT TO:<{FOREIGN_RECIPIENT}>".encode())


async def test_a_line_without_end_is_not_read_to_its_end() -> None:
    async with demo_servers([scene()]) as [staged], connected(staged.endpoint.port) as client:
        await client.line()
        await client.send(b"x" * (MAX_LINE + 1))
        assert b"500 5.5.6 Line too long" == await client.line()
