"""Messages that are sent, found, judged and removed, by servers that can more or less, or answer as they like."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from functools import partial

import pytest
from structlog.testing import capture_logs

from exporter.demo.post import Folder, Letter, Route
from exporter.demo.site import Behaviour
from exporter.flows import desk
from exporter.flows.reading.watched_mailboxes import WINDOW
from exporter.model import Awaited, Expected, Flow, Flows, Outcome, Protocol, Receiving, Secret
from tests.servers.flow_bench import KEY, Bench, Bend, Told, flow_bench, straight, until

ME = "me@bench.example"
FOREIGN = b"From: a@b.example\r\nSubject: hello\r\n\r\nbody\r\n"


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    junk = Route(ME, folder="Junk")
    routes = {"junk": junk, "spam": junk, "late": Route(ME, delay=0.5), "bounced": Route(None, bounces=True)}
    async with flow_bench(monkeypatch, routes) as made:
        yield made


async def round_trip(bench: Bench, flow: Flow) -> Outcome:
    """One message, from before it is sent until it is settled."""
    begun, told = bench.begin(flow)
    await begun.run(flow)
    await until(lambda: told.all, f"{flow.name} is settled; {told.state(flow.name).held_up}")
    return told.all[0].outcome


@pytest.mark.parametrize("by", [Protocol.IMAP, Protocol.POP3])
async def test_a_message_makes_its_way_and_nothing_is_left(by: Protocol, bench: Bench) -> None:
    bench.folder().add(FOREIGN)
    assert Outcome.DELIVERED is await round_trip(bench, bench.flow(by=by))
    assert [FOREIGN] == [letter.octets for letter in bench.folder().letters.values()]
    assert set() == bench.folder().letters[1].flags


@pytest.mark.parametrize(
    ("name", "more", "outcome"),
    [
        ("junk", {}, Outcome.JUNK),
        ("late", {"expected": Expected(within=0.2)}, Outcome.LATE),
        ("lost", {"give_up": 0.3}, Outcome.LOST),
        ("bounced", {"bounces": True}, Outcome.BOUNCED),
    ],
)
async def test_what_becomes_of_a_message_is_told(
    name: str, more: dict[str, object], outcome: Outcome, bench: Bench
) -> None:
    assert outcome is await round_trip(bench, bench.flow(name, **more))  # type: ignore[arg-type] # of `flow`
    assert not bench.folder().letters
    assert not bench.folder("Junk").letters


async def test_a_lost_message_is_told_with_the_words_that_it_was_taken_with(bench: Bench) -> None:
    flow = bench.flow("lost", give_up=0.3)
    begun, told = bench.begin(flow)
    await begun.run(flow)
    await until(lambda: told.all)
    assert '"250 2.0.0 Ok: queued as 00000001"' in told.all[0].detail


def without(*capabilities: bytes) -> Behaviour:
    return Behaviour(withholds=frozenset(capabilities))


@pytest.mark.parametrize(
    "behaviour",
    [
        without(b"IDLE"),
        without(b"UIDPLUS"),
        without(b"MOVE"),
        without(b"UIDPLUS", b"MOVE"),
        without(b"SPECIAL-USE"),
        without(b"SEARCH"),
        without(b"SEARCH", b"IDLE", b"UIDPLUS", b"MOVE", b"SPECIAL-USE"),
    ],
    ids=lambda behaviour: b" ".join(sorted(behaviour.withholds)).decode(),
)
async def test_a_server_may_lack_what_is_not_in_the_base_protocol(
    behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with flow_bench(monkeypatch, behaviours={Protocol.IMAP: behaviour}) as bench:
        foreign = bench.folder().add(FOREIGN, [b"\\Deleted"])
        assert Outcome.DELIVERED is await round_trip(bench, bench.flow())
        left = [letter for letter in bench.folder().letters.values() if letter is not foreign]
        # Without any way to remove it alone it stays marked, because somebody else's is marked as well.
        stuck = {b"UIDPLUS", b"MOVE"} <= behaviour.withholds
        if b"SEARCH" in behaviour.withholds and stuck:
            assert [{b"\\Deleted"}] == [letter.flags for letter in left]
        assert stuck == bool(left)
        assert foreign.uid in bench.folder().letters


CHATTER = (
    b"* VANISHED 1:5,9\r\n* VANISHED (EARLIER) 41,43:116\r\n* OK [ALERT] going down for cleaning\r\n* 0 RECENT\r\n"
    b"* FLAGS (\\Seen $Junk)\r\n* OK [HIGHESTMODSEQ 715194045007] x\r\n* 1 FETCH (FLAGS (\\Seen) MODSEQ (7))\r\n"
    b'* STATUS INBOX (MESSAGES 3)\r\n* METADATA "" /shared/comment\r\n* XLIST (\\Inbox) "/" Inbox\r\n'
)


def chats(line: bytes, answer: bytes) -> bytes:
    """Says much that nobody has asked for."""
    return CHATTER + answer if line.split()[1:2] not in ([b"CAPABILITY"], []) and answer[:1] != b"+" else answer


def never_idles(line: bytes, answer: bytes) -> bytes | None:
    """Offers IDLE, and does not answer it."""
    return None if line.endswith(b" IDLE") else answer


def hangs_in_idle(line: bytes, answer: bytes) -> bytes | None:
    """Begins to idle, and does not answer DONE."""
    return None if line == b"DONE" else answer


def refuses_idle(line: bytes, answer: bytes) -> bytes:
    """Offers IDLE, and refuses it."""
    return line.split()[0] + b" NO [UNAVAILABLE] not now\r\n" if line.endswith(b" IDLE") else answer


@pytest.mark.parametrize("bend", [straight, chats, never_idles, hangs_in_idle, refuses_idle])
async def test_a_server_may_say_more_or_less_than_it_should(bend: Bend, bench: Bench) -> None:
    bench.bends[Protocol.IMAP] = bend
    bench.timeout = 0.5
    assert Outcome.DELIVERED is await round_trip(bench, bench.flow("late"))


async def test_a_server_that_does_not_answer_idle_is_left_and_said_so(bench: Bench) -> None:
    bench.bends[Protocol.IMAP] = never_idles
    bench.timeout = 0.3
    _, told = bench.begin(bench.flow())
    held_up = await until(lambda: told.state("here").held_up, "the reader gives up")
    assert "timeout" in held_up
    assert "no reply to IDLE within 0.3 s" in held_up


async def test_one_that_removes_nothing_has_its_refusal_shown_and_the_message_counts(bench: Bench) -> None:
    def refuses(line: bytes, answer: bytes) -> bytes:
        return line.split()[0] + b" NO [CANNOT] read only\r\n" if b" STORE " in line else answer

    bench.bends[Protocol.IMAP] = refuses
    flow = bench.flow()
    begun, told = bench.begin(flow)
    await begun.run(flow)
    await until(lambda: told.all)
    assert (Outcome.DELIVERED, True) == (told.all[0].outcome, "cannot be removed" in told.state("here").held_up)
    assert 1 == len(bench.folder().letters)


async def test_two_readers_of_one_mailbox_do_not_make_a_duplicate(bench: Bench) -> None:
    by_imap, by_pop3 = bench.flow("here"), bench.flow("there", by=Protocol.POP3)
    begun, told = bench.begin(by_imap, by_pop3)
    await begun.run(by_imap)
    await begun.run(by_pop3)
    await until(lambda: len(told.all) == 2, "both are settled")
    assert {"here": Outcome.DELIVERED, "there": Outcome.DELIVERED} == {each.flow: each.outcome for each in told.all}
    await until(lambda: not bench.folder().letters, "both are removed")
    assert [("here", "own"), ("there", "own")] == sorted(told.gone)


async def test_more_mail_than_one_search_looks_at_may_come_after_ours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.demo.post.MAX_LETTERS", 1000)
    bench.timeout = 0.5
    flow = bench.flow()
    begun, told = bench.begin(flow)
    await until(lambda: any(b" IDLE" in line for line in bench.commands(Protocol.IMAP)), "somebody reads")

    def down(_line: bytes, _answer: bytes) -> None:
        """While nobody can read, mail comes."""

    bench.bends[Protocol.IMAP] = down
    await begun.run(flow)
    folder = bench.folder()
    for _ in range(WINDOW + 50):
        folder.add(FOREIGN)
    bench.bends[Protocol.IMAP] = straight
    await until(lambda: told.all, "it is found all the same")
    assert Outcome.DELIVERED is told.all[0].outcome


async def test_a_message_of_a_single_run_that_nobody_waits_for_is_removed_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "UNKNOWN_AFTER", 3.0)
    flow = bench.flow(give_up=0.5)
    _, told = bench.begin(flow)
    single, _ = bench.begin(bench.flow("there"), run="a single run")
    begun = asyncio.create_task(single.run(bench.flow("there")))
    await until(lambda: bench.folder().uid_next > 1, "it has arrived")
    await single.stop(0.0)
    await begun
    arrived = len(bench.folder().letters)
    await until(lambda: not bench.folder().letters, "it is removed")
    assert (1, []) == (arrived, told.all)


async def test_a_flow_that_sends_nothing_needs_no_key(bench: Bench) -> None:
    bench.folder().add(FOREIGN)
    receiving = Receiving(bench.endpoint(Protocol.IMAP))
    flow = Flow("report", receiving, awaited=Awaited(60.0, "a@*", "hel*"))
    begun, told = bench.begin()
    told.configure((flow,))
    begun.configure(Flows((flow,)))
    await until(lambda: told.state("report").newest_at, f"it is found; {told.state('report').held_up}")
    assert not any(b"SELECT" in line for line in bench.commands(Protocol.IMAP))


def _found(told: Told) -> bool:
    return told.state("report").newest_at is not None


@pytest.mark.parametrize("by", [Protocol.IMAP, Protocol.POP3])
async def test_a_full_mailbox_costs_a_receive_only_flow_no_more_than_an_empty_one(
    by: Protocol, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def costs(messages: int) -> Callable[[], int]:
        folder = bench.folder(user="you")
        folder.letters.clear()
        monkeypatch.setattr("exporter.demo.post.MAX_LETTERS", messages + 1)
        for _ in range(messages):
            folder.add(FOREIGN)
        before = len(bench.commands(by))
        return lambda: len(bench.commands(by)) - before

    spent = []
    for messages in (50, 10_000):
        cost = costs(messages)
        flow = Flow("report", Receiving(bench.endpoint(by, "you")), awaited=Awaited(60.0, "a@*", "hel*"))
        begun, told = bench.begin(flow)
        await until(partial(_found, told), "it is found")
        await begun.stop(60.0)
        spent.append(cost())
    assert spent[0] == spent[1]


async def test_a_change_of_what_becomes_of_messages_is_logged_and_nothing_while_it_stays(bench: Bench) -> None:
    flow = bench.flow("junk")
    begun, told = bench.begin(flow)
    with capture_logs() as logged:
        for number in range(1, 3):
            await begun.run(flow)
            await until(partial(_so_many, told, number), "it is settled")
    lines = [line for line in logged if line["event"].startswith("flow ")]
    assert [("flow fails", "warning", "junk", "junk", "transit")] == [
        (line["event"], line["log_level"], line["flow"], line["outcome"], line["leg"]) for line in lines
    ]


def _so_many(told: Told, number: int) -> bool:
    return len(told.all) == number


async def test_a_mailbox_with_two_names_counts_once_and_each_flow_has_its_own_name_for_it(bench: Bench) -> None:
    one, other = bench.flow("junk"), bench.flow("spam")
    one = replace(one, receiving=replace(one.receiving, mailboxes=("INBOX", "\\Junk", "Junk")))
    expected = Expected(mailbox="Junk")
    other = replace(other, receiving=replace(other.receiving, mailboxes=("INBOX", "Junk")), expected=expected)
    begun, told = bench.begin(one, other)
    await begun.run(one)
    await begun.run(other)
    await until(lambda: len(told.all) == 2, "both are settled")
    found = {each.flow: [fault.outcome for fault in each.faults] for each in told.all}
    assert {"junk": [Outcome.JUNK], "spam": []} == found


@pytest.mark.parametrize("by", [Protocol.IMAP, Protocol.POP3])
async def test_a_message_that_lost_its_header_fields_is_found_by_its_text_and_removed(
    by: Protocol, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Folder.add

    def strips(folder: Folder, octets: bytes, flags: Iterable[bytes] = ()) -> Letter:
        return keep(folder, re.sub(rb"(?im)^(?:X-|Message-ID)[^\r\n]*\r\n", b"", octets), flags)

    monkeypatch.setattr(Folder, "add", strips)
    assert Outcome.ALTERED is await round_trip(bench, bench.flow(by=by))
    assert not bench.folder().letters


class Hanging:
    """A key on a file system that hangs."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def read(self) -> Secret:
        self.over.wait()
        return KEY

    def __str__(self) -> str:
        return "the secret file"


async def test_a_key_that_cannot_be_read_in_time_is_said_and_nothing_is_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "KEY_WITHIN", 0.1)
    flow, key = bench.flow(), Hanging()
    begun, told = bench.begin()
    told.configure((flow,))
    begun.configure(Flows((flow,), key))
    await begun.run(flow)
    key.over.set()
    assert [(Outcome.SEND_FAILED, "secret_unreadable", "the secret file cannot be read within 0.1 s")] == [
        (each.outcome, each.reason, each.detail) for each in told.all
    ]
    assert [] == bench.commands(Protocol.SMTP)
