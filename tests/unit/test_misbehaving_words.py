"""The fake servers that flood, talk nonsense or misuse logins do what their names say."""

from __future__ import annotations

import pytest

from exporter.model import Protocol
from tests.servers.misbehaving import (
    ENDLESS,
    announces_a_literal,
    answers_with,
    answers_with_the_wrong_tag,
    answers_without_end,
    challenges_without_end,
    echoes_the_password,
    ends_lines_with_bare_lf,
    greets_in_two_parts,
    greets_with_an_endless_line,
    greets_with_binary_garbage,
    greets_with_nuls,
    mixes_reply_codes,
    rejects_logins,
    talks_in_between,
)
from tests.servers.raw_client import RawClient, connected
from tests.servers.scripted import scripted
from tests.unit.misbehaviour import (
    ASK,
    CHALLENGE,
    LOGIN,
    LOGIN_IN_TWO_STEPS,
    OFFER_BEFORE_TLS,
    PLAIN,
    QUIT,
    every_protocol,
    greeting,
)

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
