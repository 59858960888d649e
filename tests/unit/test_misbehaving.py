"""The fake servers do what their names say, and write down what they are told: the tests built on them rely on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from exporter.model import Protocol
from tests.servers.authority import Authority
from tests.servers.dialects import DIALECTS
from tests.servers.misbehaving import (
    IN_ANY_PROTOCOL,
    answers_late,
    behaves_well,
    closes_before_greeting,
    closes_mid_greeting,
    closes_mid_reply,
    closes_on,
    drips,
    greets_byte_by_byte,
    never_answers,
    never_greets,
    resets_before_greeting,
    resets_mid_reply,
    resets_on,
    says_goodbye_on,
    splits_replies,
)
from tests.servers.raw_client import connected
from tests.servers.scripted import Script, scripted, server_context
from tests.unit.misbehaviour import (
    ACCEPTED,
    ASK,
    CHALLENGE,
    LAST,
    LOGIN,
    LOGIN_IN_TWO_STEPS,
    OFFER_BEFORE_TLS,
    OFFER_UNDER_TLS,
    PLAIN,
    QUIT,
    every_protocol,
    greeting,
    last_words,
    upgrade,
)

# What is written down.


@every_protocol
async def test_what_a_client_sends_is_written_down_before_and_under_tls(
    protocol: Protocol, authority: Authority
) -> None:
    tls = server_context(authority.issue("fake", names=["127.0.0.1"]))
    async with scripted(behaves_well(protocol), tls=tls) as server:
        async with connected(server.port) as client:
            assert greeting(protocol) == await client.line()
            assert OFFER_BEFORE_TLS[protocol] == await client.ask_all(ASK[protocol], LAST[protocol])
            await client.ask(upgrade(protocol))
            await client.start_tls()
            assert OFFER_UNDER_TLS[protocol] == await client.ask_all(ASK[protocol], LAST[protocol])
            assert ACCEPTED[protocol] == await client.ask(LOGIN[protocol])
            await client.send(QUIT[protocol] + b"\r\n")
            await client.rest()
        await server.all_gone()
    [visit] = server.visits
    assert ASK[protocol] + b"\r\n" + upgrade(protocol) + b"\r\n" == bytes(visit.plain)
    assert b"\r\n".join([ASK[protocol], LOGIN[protocol], QUIT[protocol], b""]) == bytes(visit.encrypted)
    assert b"password" not in server.received_in_plain
    assert server.received == bytes(visit.plain + visit.encrypted)


async def test_what_nobody_reads_is_written_down_too() -> None:
    async with scripted(closes_before_greeting()) as server:
        for word in (b"one", b"two"):
            async with connected(server.port) as client:
                assert b"" == await client.rest()
                await client.send(word + b" after the end")
        await server.all_gone()
    assert [b"one after the end", b"two after the end"] == [bytes(visit.plain) for visit in server.visits]


@every_protocol
async def test_the_well_behaved_server_speaks_tls_from_the_start(protocol: Protocol, authority: Authority) -> None:
    tls = server_context(authority.issue("fake", names=["127.0.0.1"]))
    async with scripted(behaves_well(protocol), tls=tls, implicit=True) as server:
        async with connected(server.port, tls=True) as client:
            assert greeting(protocol) == await client.line()
            assert CHALLENGE[protocol] == await client.ask(LOGIN_IN_TWO_STEPS[protocol])
            assert ACCEPTED[protocol] == await client.ask(PLAIN)
        await server.all_gone()
    assert b"" == server.received_in_plain
    assert PLAIN in server.received


@pytest.mark.parametrize(
    ("protocol", "turns"),
    [
        (Protocol.SMTP, [(b"MAIL FROM:<>", b"250"), (b"RCPT TO:<a@b>", b"250"), (b"RSET", b"250"), (b"X", b"500")]),
        (Protocol.SMTP, [(b"HELO me", b"250"), (b"", b"500")]),
        (Protocol.IMAP, [(b"a LOGIN me word", b"a OK"), (b"b NOOP", b"b OK"), (b"c X", b"c BAD"), (b"", b" BAD")]),
        (Protocol.IMAP, [(b"a EXAMINE INBOX", b"* 3 EXISTS")]),
        (Protocol.IMAP, [(b"a STATUS INBOX (SIZE)", b"* STATUS INBOX (MESSAGES 3 UNSEEN 1 SIZE 300)")]),
        (Protocol.IMAP, [(b"a GETQUOTAROOT INBOX", b'* QUOTAROOT INBOX ""')]),
        (Protocol.POP3, [(b"USER me", b"+OK"), (b"PASS word", b"+OK"), (b"STAT", b"+OK 3 300"), (b"X", b"-ERR")]),
    ],
)
async def test_the_well_behaved_server_has_an_answer_to_everything(
    protocol: Protocol, turns: list[tuple[bytes, bytes]]
) -> None:
    async with scripted(behaves_well(protocol)) as server, connected(server.port) as client:
        await client.line()
        for command, beginning in turns:
            answer = await client.ask(command)
            assert beginning == answer[: len(beginning)], command


# Breaking off.


async def test_one_closes_before_the_greeting() -> None:
    assert b"" == await last_words(closes_before_greeting())


@every_protocol
async def test_one_closes_mid_greeting(protocol: Protocol) -> None:
    assert greeting(protocol)[:5] == await last_words(closes_mid_greeting(protocol))


@every_protocol
async def test_one_closes_mid_reply(protocol: Protocol) -> None:
    whole = b"\r\n".join([*OFFER_BEFORE_TLS[protocol], b""])
    said = await last_words(closes_mid_reply(protocol), ASK[protocol])
    assert whole.startswith(said)
    assert 0 < len(said) < len(whole)


@every_protocol
async def test_one_closes_on_a_command(protocol: Protocol) -> None:
    assert b"" == await last_words(closes_on(protocol, DIALECTS[protocol].quit), QUIT[protocol])


async def test_one_resets_before_the_greeting() -> None:
    with pytest.raises(ConnectionResetError):
        await last_words(resets_before_greeting())


@every_protocol
async def test_one_resets_mid_reply(protocol: Protocol) -> None:
    async with scripted(resets_mid_reply(protocol)) as server, connected(server.port) as client:
        await client.line()
        await client.send(ASK[protocol] + b"\r\n")
        assert b"\r\n".join(OFFER_BEFORE_TLS[protocol]).startswith(await client.some())
        with pytest.raises(ConnectionResetError):
            await client.rest()


@every_protocol
async def test_one_resets_on_a_command(protocol: Protocol) -> None:
    with pytest.raises(ConnectionResetError):
        await last_words(resets_on(protocol, DIALECTS[protocol].quit), QUIT[protocol])


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (Protocol.SMTP, b"421 4.3.2 going down\r\n"),
        (Protocol.IMAP, b"* BYE going down\r\n"),
        (Protocol.POP3, b"-ERR [SYS/TEMP] going down\r\n"),
    ],
)
async def test_one_says_goodbye_when_it_likes(protocol: Protocol, words: bytes) -> None:
    assert words == await last_words(says_goodbye_on(protocol, DIALECTS[protocol].asks_offer), ASK[protocol])


# Stalling.


async def test_one_never_greets() -> None:
    async with scripted(never_greets()) as server, connected(server.port) as client:
        assert await client.is_silent()


@every_protocol
async def test_one_never_answers_a_command(protocol: Protocol) -> None:
    async with (
        scripted(never_answers(protocol, DIALECTS[protocol].quit)) as server,
        connected(server.port) as client,
    ):
        await client.line()
        await client.ask_all(ASK[protocol], LAST[protocol])
        await client.send(QUIT[protocol] + b"\r\n")
        assert await client.is_silent()


@every_protocol
async def test_one_answers_a_command_late(protocol: Protocol) -> None:
    delay = 0.05
    loop = asyncio.get_running_loop()
    script = answers_late(protocol, DIALECTS[protocol].asks_offer, delay)
    async with scripted(script) as server, connected(server.port) as client:
        await client.line()
        began = loop.time()
        assert OFFER_BEFORE_TLS[protocol] == await client.ask_all(ASK[protocol], LAST[protocol])
        # The loop's clock may be a little coarser than its timers.
        assert delay - 0.01 <= loop.time() - began


@every_protocol
async def test_one_greets_byte_by_byte_and_then_behaves_well(protocol: Protocol) -> None:
    async with scripted(greets_byte_by_byte(protocol, 0.001)) as server, connected(server.port) as client:
        pieces = [await client.some()]
        while not pieces[-1].endswith(b"\n"):
            pieces.append(await client.some())
        assert greeting(protocol) + b"\r\n" == b"".join(pieces)
        assert len(pieces) > 1
        assert OFFER_BEFORE_TLS[protocol] == await client.ask_all(ASK[protocol], LAST[protocol])


@every_protocol
async def test_one_splits_its_replies_wherever_it_is_told(protocol: Protocol) -> None:
    for at in (0, 1, 7, len(greeting(protocol)) + 1, 1000):
        async with scripted(splits_replies(protocol, at)) as server, connected(server.port) as client:
            expected = greeting(protocol) + b"\r\n"
            assert (expected[:at] or expected) == await client.some()
            if 0 < at < len(expected):
                assert expected[at:] == await client.some()
            assert OFFER_BEFORE_TLS[protocol] == await client.ask_all(ASK[protocol], LAST[protocol])


async def test_one_drips() -> None:
    async with scripted(drips(Protocol.SMTP, b"250-\r\n", 0.001)) as server, connected(server.port) as client:
        await client.line()
        await client.send(b"EHLO me\r\n")
        assert [b"250-"] * 5 == [await client.line() for _ in range(5)]


# All of them.


@every_protocol
@pytest.mark.parametrize("make", IN_ANY_PROTOCOL.values(), ids=IN_ANY_PROTOCOL.keys())
async def test_each_lets_go_of_a_client_that_leaves(make: Callable[[Protocol], Script], protocol: Protocol) -> None:
    async with scripted(make(protocol)) as server:
        async with connected(server.port) as client:
            client.vanish()
        await server.all_gone()
    assert 1 == len(server.visits)
