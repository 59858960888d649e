"""The fake attackers do what their names say: the tests that prove a probe safe rely on it."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import pytest

from exporter.model import Protocol
from tests.servers.authority import Authority
from tests.servers.dialects import DIALECTS
from tests.servers.raw_client import RawClient, connected, trusting
from tests.servers.scripted import Script, scripted, server_context
from tests.servers.starttls_attacks import (
    HANDSHAKE_FAILURE,
    alerts_in_plain,
    answers_the_handshake_in_plain,
    answers_the_handshake_with_an_alert,
    changes_capabilities_under_tls,
    closes_in_the_handshake,
    consents_and_closes,
    consents_and_goes_on_in_plain,
    consents_and_stalls,
    greets_with_preauth,
    hides_starttls,
    injects_after_starttls,
    injects_into_the_handshake,
    refuses_starttls,
    stalls_in_the_handshake,
)
from tests.unit.misbehaviour import ASK, LAST, every_protocol, upgrade

CONSENT: Final = {Protocol.SMTP: b"220 go ahead", Protocol.IMAP: b"a OK go ahead", Protocol.POP3: b"+OK go ahead"}

HANDSHAKE_RECORD: Final = 22
"""RFC 8446 section 5.1."""


@pytest.fixture
def tls(authority: Authority) -> ssl.SSLContext:
    """The fake servers' certificate and key."""
    return server_context(authority.issue("fake", names=["127.0.0.1"]))


async def offer(client: RawClient, protocol: Protocol) -> list[bytes]:
    """What the server announces."""
    return await client.ask_all(ASK[protocol], LAST[protocol])


async def handshake_after(script: Script, protocol: Protocol, tls: ssl.SSLContext | None = None) -> None:
    """STARTTLS, and the handshake."""
    async with scripted(script, tls=tls) as server, connected(server.port) as client:
        await client.line()
        assert CONSENT[protocol] == await client.ask(upgrade(protocol))
        await client.start_tls()


async def handshake_with(script: Script) -> None:
    """The handshake of a client that begins with it."""
    async with scripted(script) as server, connected(server.port, tls=True):
        pass


@every_protocol
async def test_one_hides_starttls_and_asks_for_the_password(protocol: Protocol) -> None:
    async with scripted(hides_starttls(protocol)) as server, connected(server.port) as client:
        await client.line()
        announced = b" ".join(await offer(client, protocol))
        assert DIALECTS[protocol].upgrade not in announced
        assert b"PLAIN" in announced


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (Protocol.SMTP, b"454 4.7.0 not now"),
        (Protocol.IMAP, b"a NO not now"),
        (Protocol.POP3, b"-ERR not now"),
    ],
)
async def test_one_announces_starttls_and_refuses_it(protocol: Protocol, words: bytes) -> None:
    async with scripted(refuses_starttls(protocol)) as server, connected(server.port) as client:
        await client.line()
        assert DIALECTS[protocol].upgrade in b" ".join(await offer(client, protocol))
        assert words == await client.ask(upgrade(protocol))


@every_protocol
@pytest.mark.parametrize("injection", [None, b"anything"])
async def test_one_injects_behind_the_consent_in_the_same_segment(
    protocol: Protocol, injection: bytes | None, tls: ssl.SSLContext
) -> None:
    script = injects_after_starttls(protocol, injection)
    async with scripted(script, tls=tls) as server, connected(server.port) as client:
        await client.line()
        await client.send(upgrade(protocol) + b"\r\n")
        assert CONSENT[protocol] + b"\r\n" + (injection or DIALECTS[protocol].injection) == await client.some()


async def test_one_that_injects_does_the_handshake_with_the_careless(tls: ssl.SSLContext) -> None:
    script = injects_after_starttls(Protocol.SMTP, b"250 fine\r\n")
    async with scripted(script, tls=tls) as server, connected(server.port) as client:
        await client.line()
        await client.send(b"STARTTLS\r\n")
        assert b"220 go ahead\r\n250 fine\r\n" == await client.exactly(24)
        await client.start_tls()
        assert b"250-fake.example" == await client.ask(b"EHLO me")


@every_protocol
async def test_one_injects_where_the_answer_to_the_handshake_should_be(protocol: Protocol) -> None:
    with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        await handshake_after(injects_into_the_handshake(protocol), protocol)


@every_protocol
@pytest.mark.parametrize("first", [b"\x16\x03\x01\x00\x02\x01\x00", b"NOOP\r\n"])
async def test_one_consents_and_goes_on_in_plain(protocol: Protocol, first: bytes) -> None:
    async with scripted(consents_and_goes_on_in_plain(protocol)) as server, connected(server.port) as client:
        await client.line()
        assert CONSENT[protocol] == await client.ask(upgrade(protocol))
        await client.send(first)
        assert (await client.line()).endswith(b"unknown")
        assert DIALECTS[protocol].upgrade in b" ".join(await offer(client, protocol))


@every_protocol
async def test_one_consents_and_closes(protocol: Protocol) -> None:
    with pytest.raises(ConnectionError):
        await handshake_after(consents_and_closes(protocol), protocol)


@every_protocol
async def test_one_consents_and_stalls(protocol: Protocol) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await handshake_after(consents_and_stalls(protocol), protocol)


@pytest.mark.parametrize("announced", [True, False])
async def test_one_greets_with_preauth(announced: bool) -> None:
    async with scripted(greets_with_preauth(announced=announced)) as server, connected(server.port) as client:
        greeting = await client.line()
        assert greeting.startswith(b"* PREAUTH [CAPABILITY IMAP4rev1")
        assert announced == (b" STARTTLS]" in greeting)
        assert [b"* STATUS INBOX (MESSAGES 3 UNSEEN 1 SIZE 300)", b"a OK done"] == await client.ask_all(
            b"a STATUS INBOX (SIZE)", b"a "
        )


@every_protocol
async def test_one_changes_its_capabilities_under_tls(protocol: Protocol, tls: ssl.SSLContext) -> None:
    script = changes_capabilities_under_tls(protocol)
    async with scripted(script, tls=tls) as server, connected(server.port) as client:
        await client.line()
        in_plain = b" ".join(await offer(client, protocol))
        assert b"PLAIN" in in_plain
        assert DIALECTS[protocol].upgrade in in_plain
        await client.ask(upgrade(protocol))
        await client.start_tls()
        assert b"PLAIN" not in b" ".join(await offer(client, protocol))


async def test_one_alerts_and_refers_in_plain() -> None:
    async with scripted(alerts_in_plain()) as server, connected(server.port) as client:
        assert b"* OK [ALERT] TLS is down, log in at http://evil.example" == await client.line()
        assert b"a NO [REFERRAL imap://evil.example/] go elsewhere" == await client.ask(b"a STARTTLS")


# The handshake itself.


@every_protocol
async def test_one_answers_the_handshake_with_an_alert_after_starttls(protocol: Protocol) -> None:
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        await handshake_after(answers_the_handshake_with_an_alert(protocol), protocol)


async def test_one_answers_the_handshake_with_an_alert_at_once() -> None:
    assert 7 == len(HANDSHAKE_FAILURE)
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        await handshake_with(answers_the_handshake_with_an_alert())


@every_protocol
async def test_one_stalls_in_the_handshake(protocol: Protocol, tls: ssl.SSLContext) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await handshake_after(stalls_in_the_handshake(tls, protocol), protocol)


async def test_one_stalls_after_half_of_its_first_flight(tls: ssl.SSLContext) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = trusting().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()
    async with scripted(stalls_in_the_handshake(tls)) as server, connected(server.port) as client:
        await client.send(outgoing.read())
        flight = await client.some()
        assert HANDSHAKE_RECORD == flight[0]
        incoming.write(flight)
        # It is a proper beginning: OpenSSL has nothing against it, and waits for more.
        with pytest.raises(ssl.SSLWantReadError):
            handshake.do_handshake()
        assert await client.is_silent()


@every_protocol
async def test_one_closes_in_the_handshake(protocol: Protocol, tls: ssl.SSLContext) -> None:
    with pytest.raises((ConnectionError, ssl.SSLEOFError)):
        await handshake_after(closes_in_the_handshake(tls, protocol), protocol)


@every_protocol
async def test_one_answers_the_handshake_in_plain(protocol: Protocol) -> None:
    with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        await handshake_with(answers_the_handshake_in_plain(protocol))
