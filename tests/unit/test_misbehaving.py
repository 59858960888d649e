"""The fake servers do what their names say, and write down what they are told: the tests built on them rely on it."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from typing import Final

import pytest

from exporter.model import Protocol
from tests.servers.authority import Authority
from tests.servers.dialects import DIALECTS
from tests.servers.misbehaving import (
    ENDLESS,
    IN_ANY_PROTOCOL,
    announces_a_literal,
    answers_late,
    answers_with,
    answers_with_the_wrong_tag,
    answers_without_end,
    behaves_well,
    challenges_without_end,
    closes_before_greeting,
    closes_mid_greeting,
    closes_mid_reply,
    closes_on,
    drips,
    echoes_the_password,
    ends_lines_with_bare_lf,
    greets_byte_by_byte,
    greets_in_two_parts,
    greets_with_an_endless_line,
    greets_with_binary_garbage,
    greets_with_nuls,
    mixes_reply_codes,
    never_answers,
    never_greets,
    rejects_logins,
    resets_before_greeting,
    resets_mid_reply,
    resets_on,
    says_goodbye_on,
    splits_replies,
    talks_in_between,
)
from tests.servers.raw_client import RawClient, connected
from tests.servers.scripted import Script, scripted, server_context

every_protocol = pytest.mark.parametrize("protocol", list(Protocol))

ASK: Final = {Protocol.SMTP: b"EHLO me", Protocol.IMAP: b"a CAPABILITY", Protocol.POP3: b"CAPA"}
LAST: Final = {Protocol.SMTP: b"250 ", Protocol.IMAP: b"a ", Protocol.POP3: b"."}
QUIT: Final = {Protocol.SMTP: b"QUIT", Protocol.IMAP: b"a LOGOUT", Protocol.POP3: b"QUIT"}
PLAIN: Final = b64encode(b"\0me\0the password")
LOGIN: Final = {
    Protocol.SMTP: b"AUTH PLAIN " + PLAIN,
    Protocol.IMAP: b"a AUTHENTICATE PLAIN " + PLAIN,
    Protocol.POP3: b"AUTH PLAIN " + PLAIN,
}
LOGIN_IN_TWO_STEPS: Final = {protocol: line.removesuffix(b" " + PLAIN) for protocol, line in LOGIN.items()}
OFFER_BEFORE_TLS: Final = {
    Protocol.SMTP: [b"250-fake.example", b"250-SIZE 1000000", b"250 STARTTLS"],
    Protocol.IMAP: [b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED", b"a OK done"],
    Protocol.POP3: [b"+OK", b"RESP-CODES", b"STLS", b"."],
}
OFFER_UNDER_TLS: Final = {
    Protocol.SMTP: [b"250-fake.example", b"250-SIZE 1000000", b"250 AUTH PLAIN LOGIN"],
    Protocol.IMAP: [b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN QUOTA STATUS=SIZE", b"a OK done"],
    Protocol.POP3: [b"+OK", b"RESP-CODES", b"USER", b"SASL PLAIN", b"."],
}
ACCEPTED: Final = {
    Protocol.SMTP: b"235 2.7.0 welcome",
    Protocol.IMAP: b"a OK welcome",
    Protocol.POP3: b"+OK welcome",
}
CHALLENGE: Final = {Protocol.SMTP: b"334 ", Protocol.IMAP: b"+ ", Protocol.POP3: b"+ "}


def upgrade(protocol: Protocol) -> bytes:
    return b"a STARTTLS" if protocol is Protocol.IMAP else DIALECTS[protocol].upgrade


def greeting(protocol: Protocol) -> bytes:
    return DIALECTS[protocol].greeting.removesuffix(b"\r\n")


async def last_words(script: Script, question: bytes | None = None) -> bytes:
    """What the server says before it closes the connection; behind the greeting, to a client that asks something."""
    async with scripted(script) as server, connected(server.port) as client:
        if question is not None:
            await client.line()
            await client.send(question + b"\r\n")
        return await client.rest()


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


# Too much.


async def read_much(client: RawClient) -> bytes:
    """A million octets, which stand for a line or reply without end."""
    return await client.exactly(1_000_000)


async def test_one_greets_with_an_endless_line() -> None:
    async with scripted(greets_with_an_endless_line()) as server, connected(server.port) as client:
        assert b"x" * 1_000_000 == await read_much(client)
    assert ENDLESS > 10 * 1_000_000


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        (Protocol.SMTP, b"250-AND MORE"),
        (Protocol.IMAP, b"* CAPABILITY IMAP4rev1 AND MORE"),
        (Protocol.POP3, b"AND-MORE"),
    ],
)
async def test_one_answers_without_end(protocol: Protocol, line: bytes) -> None:
    async with scripted(answers_without_end(protocol)) as server, connected(server.port) as client:
        await client.line()
        await client.send(ASK[protocol] + b"\r\n")
        first, *middle, _ = (await read_much(client)).split(b"\r\n")
        assert {line} == set(middle)
        assert first in {line, b"+OK"}


async def test_one_lies_about_the_size_of_a_literal() -> None:
    async with scripted(announces_a_literal(1000, b"short")) as server, connected(server.port) as client:
        await client.line()
        assert [b"* STATUS {1000}", b"short (MESSAGES 3 UNSEEN 1)", b"a OK done"] == await client.ask_all(
            b"a STATUS INBOX (MESSAGES)", b"a "
        )


# Nonsense.


async def test_one_greets_with_binary_garbage() -> None:
    async with scripted(greets_with_binary_garbage()) as server, connected(server.port) as client:
        assert {*range(256)} == set(await client.exactly(258))


@every_protocol
async def test_one_greets_with_a_nul(protocol: Protocol) -> None:
    async with scripted(greets_with_nuls(protocol)) as server, connected(server.port) as client:
        said = await client.line()
        assert 1 == said.count(b"\0")
        assert greeting(protocol) == said.replace(b"\0", b"")


async def test_one_answers_with_any_words() -> None:
    script = answers_with(Protocol.IMAP, b"NOOP", b"TAG MAYBE\r\n")
    async with scripted(script) as server, connected(server.port) as client:
        await client.line()
        assert b"a7 MAYBE" == await client.ask(b"a7 NOOP")


async def test_one_answers_with_the_wrong_tag() -> None:
    async with scripted(answers_with_the_wrong_tag()) as server, connected(server.port) as client:
        await client.line()
        assert [OFFER_BEFORE_TLS[Protocol.IMAP][0], b"zzza OK done"] == await client.ask_all(b"a CAPABILITY", b"zzza ")


async def test_one_mixes_reply_codes() -> None:
    async with scripted(mixes_reply_codes()) as server, connected(server.port) as client:
        await client.line()
        answer = await client.ask_all(b"EHLO me", b"250 ")
        assert [b"250", b"220", b"250"] == [line[:3] for line in answer]


@every_protocol
async def test_one_ends_its_lines_with_bare_lf(protocol: Protocol) -> None:
    async with scripted(ends_lines_with_bare_lf(protocol)) as server, connected(server.port) as client:
        await client.send(ASK[protocol] + b"\r\n" + QUIT[protocol] + b"\r\n")
        said = await client.rest()
        assert said.startswith(greeting(protocol) + b"\n" + b"\n".join(OFFER_BEFORE_TLS[protocol]))
        assert b"\r" not in said


async def test_one_talks_in_between() -> None:
    async with scripted(talks_in_between()) as server, connected(server.port) as client:
        await client.line()
        answer = await client.ask_all(b"a STATUS INBOX (MESSAGES)", b"a ")
        assert b"* 4 EXISTS" == answer[0]
        assert [b"* STATUS INBOX (MESSAGES 3 UNSEEN 1 SIZE 300)", b"a OK done"] == answer[-2:]


async def test_one_greets_in_two_parts_and_behaves_well_to_the_patient() -> None:
    async with scripted(greets_in_two_parts(0.02)) as server, connected(server.port) as client:
        assert b"220-fake.example ESMTP" == await client.line()
        assert b"220 fake.example ESMTP" == await client.line()
        assert OFFER_BEFORE_TLS[Protocol.SMTP] == await client.ask_all(b"EHLO me", b"250 ")
        assert [False] == [visit.spoke_early for visit in server.visits]


async def test_one_greets_in_two_parts_and_catches_the_impatient() -> None:
    async with scripted(greets_in_two_parts(5)) as server, connected(server.port) as client:
        assert b"220-fake.example ESMTP" == await client.line()
        assert b"521 5.5.1 Protocol error" == await client.ask(b"EHLO me")
        assert [True] == [visit.spoke_early for visit in server.visits]


# Logins.


@every_protocol
@pytest.mark.parametrize("steps", [1, 2])
async def test_one_echoes_the_password(protocol: Protocol, steps: int) -> None:
    async with scripted(echoes_the_password(protocol)) as server, connected(server.port) as client:
        await client.line()
        if steps == 1:
            answer = await client.ask(LOGIN[protocol])
        else:
            assert CHALLENGE[protocol] == await client.ask(LOGIN_IN_TWO_STEPS[protocol])
            answer = await client.ask(PLAIN)
        assert answer.endswith(b"wrong: PLAIN " + PLAIN + b"  me the password")


async def test_one_echoes_the_password_of_a_login_without_sasl() -> None:
    async with scripted(echoes_the_password(Protocol.IMAP)) as server, connected(server.port) as client:
        await client.line()
        assert b"a NO [AUTHENTICATIONFAILED] wrong: me my-word" == await client.ask(b"a LOGIN me my-word")


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (Protocol.SMTP, b"535 5.7.8 wrong"),
        (Protocol.IMAP, b"a NO [AUTHENTICATIONFAILED] wrong"),
        (Protocol.POP3, b"-ERR [AUTH] wrong"),
    ],
)
async def test_one_rejects_logins(protocol: Protocol, words: bytes) -> None:
    async with scripted(rejects_logins(protocol)) as server, connected(server.port) as client:
        await client.line()
        assert words == await client.ask(LOGIN[protocol])


async def test_one_rejects_logins_in_words_of_the_tests_own() -> None:
    script = rejects_logins(Protocol.IMAP, b"TAG NO [UNAVAILABLE] later\r\n")
    async with scripted(script) as server, connected(server.port) as client:
        await client.line()
        assert b"a NO [UNAVAILABLE] later" == await client.ask(LOGIN[Protocol.IMAP])


@every_protocol
async def test_one_challenges_without_end(protocol: Protocol) -> None:
    async with scripted(challenges_without_end(protocol)) as server, connected(server.port) as client:
        await client.line()
        await client.ask(LOGIN[protocol])
        for _ in range(5):
            assert CHALLENGE[protocol] + b"bW9yZQ==" == await client.ask(PLAIN)


# All of them.


@every_protocol
@pytest.mark.parametrize("make", IN_ANY_PROTOCOL.values(), ids=IN_ANY_PROTOCOL.keys())
async def test_each_lets_go_of_a_client_that_leaves(make: Callable[[Protocol], Script], protocol: Protocol) -> None:
    async with scripted(make(protocol)) as server:
        async with connected(server.port) as client:
            client.vanish()
        await server.all_gone()
    assert 1 == len(server.visits)
