"""Servers that fail at one step of a flow, and what is counted and left behind then."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from exporter.demo import imap_mailbox
from exporter.demo.post import Route
from exporter.flows.messages import message, signature
from exporter.flows.messages.signature import MessageToken
from exporter.model import Awaited, Flow, Outcome, Protocol, Receiving
from tests.servers.flow_bench import KEY, Bench, flow_bench, until

ME = "me@bench.example"
FOREIGN = b"From: a@b.example\r\nSubject: hello\r\n\r\nbody\r\n"


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    async with flow_bench(monkeypatch, {"bounced": Route(None, bounces=True)}) as made:
        yield made


@pytest.mark.parametrize(
    ("begins", "answer", "outcome", "reason"),
    [
        (b"220", b"554 5.7.1 blocked\r\n", Outcome.REFUSED, "5.7.1"),
        (b"220", b"554 no service here\r\n", Outcome.REFUSED, "5.0.0"),
        (b"220", b"421 4.7.0 later\r\n", Outcome.DEFERRED, "4.7.0"),
        (b"220", b"250 hello\r\n", Outcome.SEND_FAILED, "protocol_error"),
        (b"250-", b"550 5.7.25 no reverse DNS\r\n", Outcome.REFUSED, "5.7.25"),
    ],
)
async def test_a_server_may_turn_away_before_the_login(
    begins: bytes, answer: bytes, outcome: Outcome, reason: str, bench: Bench
) -> None:
    def turns_away(line: bytes, usual: bytes) -> bytes:
        return answer if usual.startswith(begins) or line.startswith(b"HELO") else usual

    bench.bends[Protocol.SMTP] = turns_away
    begun, told = bench.begin(flow := bench.flow())
    await begun.run(flow)
    assert [(outcome, reason)] == [(each.outcome, each.reason) for each in told.all]


@pytest.mark.parametrize("by", [Protocol.IMAP, Protocol.POP3])
async def test_a_message_whose_submission_was_not_confirmed_is_removed_when_it_arrives(
    by: Protocol, bench: Bench
) -> None:
    """The connection is lost behind the last dot, and the server has taken the message."""
    bench.timeout = 1.0
    bench.bends[Protocol.SMTP] = lambda _, answer: None if b"queued as" in answer else answer
    begun, told = bench.begin(flow := bench.flow(by=by))
    await begun.run(flow)
    await until(lambda: told.gone, "it is removed")
    assert ([Outcome.SEND_FAILED], [("here", "leftover")]) == ([each.outcome for each in told.all], told.gone)
    assert not bench.folder().letters


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"NO [NOPERM] not yours", 'check: SELECT is answered with "NO [NOPERM] not yours"'),
        (b"NO [NONEXISTENT] gone", "check: there is no mailbox INBOX"),
    ],
)
async def test_a_mailbox_that_cannot_be_opened_is_told_with_the_phase(answer: bytes, detail: str, bench: Bench) -> None:
    def refuses(line: bytes, usual: bytes) -> bytes:
        return line.split()[0] + b" " + answer + b"\r\n" if b" SELECT " in line else usual

    bench.bends[Protocol.IMAP] = refuses
    begun, told = bench.begin(flow := bench.flow(give_up=0.5))
    await begun.run(flow)
    await until(lambda: told.all)
    assert (Outcome.RECEIVE_FAILED, "mailbox_unavailable") == (told.all[0].outcome, told.all[0].reason)
    assert detail == told.all[0].detail


async def test_a_server_that_searches_no_unusual_fields_shows_an_earlier_runs_message_by_its_subject(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yahoo's header search finds nothing, and does not say so."""
    every = imap_mailbox._fields
    monkeypatch.setattr(
        imap_mailbox, "_fields", lambda letter: [f for f in every(letter) if not f[0].startswith(b"X-")]
    )
    sent_at = time.time() - 5.0
    token = signature.sign(MessageToken(signature.mark("here"), 7, sent_at), KEY)
    bench.folder().add(message.build(token, "here", ME, "here@bench.example", sent_at))
    bench.folder().add(FOREIGN)
    _, told = bench.begin(bench.flow())
    await until(lambda: told.all)
    assert ([Outcome.DELIVERED], [("here", "own")]) == ([each.outcome for each in told.all], told.gone)
    assert [FOREIGN] == [letter.octets for letter in bench.folder().letters.values()]


async def test_a_pop3_server_without_top_loses_no_message(bench: Bench) -> None:
    bench.bends[Protocol.POP3] = lambda line, answer: b"-ERR what?\r\n" if line.startswith(b"TOP") else answer
    begun, told = bench.begin(flow := bench.flow(by=Protocol.POP3, give_up=1.0))
    await begun.run(flow)
    await until(lambda: told.all)
    assert (Outcome.RECEIVE_FAILED, "command_refused") == (told.all[0].outcome, told.all[0].reason)
    assert "TOP is answered with" in told.all[0].detail


async def test_a_message_that_a_pop3_server_refuses_to_show_costs_only_itself(bench: Bench) -> None:
    bench.folder().add(FOREIGN)
    bench.folder().add(FOREIGN)
    bench.bends[Protocol.POP3] = lambda line, answer: b"-ERR broken\r\n" if line.startswith(b"TOP 1 ") else answer
    begun, told = bench.begin(flow := bench.flow(by=Protocol.POP3))
    await begun.run(flow)
    await until(lambda: told.all)
    assert Outcome.DELIVERED is told.all[0].outcome
    assert 2 == len(bench.folder().letters)


@pytest.mark.parametrize("instead", [None, b"-ERR gone\r\n"])
async def test_a_message_that_a_pop3_server_does_not_show_again_is_judged_once(
    instead: bytes | None, bench: Bench
) -> None:
    """The first TOP finds the message, and the second confirms that it is still there."""
    shown: list[bytes] = []

    def fails_once(line: bytes, answer: bytes) -> bytes | None:
        if not line.startswith(b"TOP"):
            return answer
        shown.append(line)
        return instead if shown == [line] * 2 else answer

    bench.timeout = 1.0
    bench.bends[Protocol.POP3] = fails_once
    begun, told = bench.begin(flow := bench.flow(by=Protocol.POP3))
    await begun.run(flow)
    await until(lambda: told.all)
    assert [Outcome.DELIVERED] == [each.outcome for each in told.all]


async def test_a_bounce_counts_even_if_the_pop3_connection_breaks_behind_it(bench: Bench) -> None:
    folder = bench.folder()

    def breaks(line: bytes, answer: bytes) -> bytes | None:
        if line == b"CAPA" and len(folder.letters) == 1:
            folder.add(FOREIGN)
        return None if line.startswith(b"TOP 2 ") else answer

    bench.timeout = 0.5
    bench.bends[Protocol.POP3] = breaks
    begun, told = bench.begin(flow := bench.flow("bounced", by=Protocol.POP3, bounces=True))
    await begun.run(flow)
    await until(lambda: told.all)
    assert [Outcome.BOUNCED] == [each.outcome for each in told.all]


async def test_a_timeout_within_a_message_shows_nothing_of_it(bench: Bench) -> None:
    bench.timeout = 0.5
    cut = b"+OK\r\nSubject: priv"
    bench.bends[Protocol.POP3] = lambda line, answer: cut if line.startswith(b"TOP") else answer
    begun, told = bench.begin(flow := bench.flow(by=Protocol.POP3, give_up=0.5))
    await begun.run(flow)
    await until(lambda: told.all)
    assert "check: no reply within 0.5 s, in the middle of a message" == told.all[0].detail


@pytest.mark.parametrize("by", [Protocol.IMAP, Protocol.POP3])
async def test_an_awaited_message_never_arrived_in_the_future(by: Protocol, bench: Bench) -> None:
    """Somebody has copied it there, or a server's clock is wrong."""
    letter = bench.folder(user="you").add(b"Received: by a; Tue, 14 Nov 2090 22:13:24 +0000\r\n" + FOREIGN)
    letter.arrived = 4e9
    flow = Flow("report", Receiving(bench.endpoint(by, "you")), awaited=Awaited(60.0, "a@*", "hel*"))
    _, told = bench.begin(flow)
    await until(lambda: told.state("report").newest_at, "it is found")
    assert (told.state("report").newest_at or 4e9) <= time.time()
