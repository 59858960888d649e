"""What a killed process or a reload leaves of messages in flight: nothing is left behind, and nothing counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from exporter.demo.post import Route
from exporter.model import Outcome, Protocol, Sending
from tests.servers.flow_bench import Bench, flow_bench, straight, until

ME = "me@bench.example"


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    routes = {"late": Route(ME, delay=0.4), "junk": Route(ME, folder="Junk"), "bounced": Route(None, bounces=True)}
    async with flow_bench(monkeypatch, routes) as made:
        yield made


STEPS = {
    "EHLO": (Protocol.SMTP, b"EHLO"),
    "AUTH": (Protocol.SMTP, b"AUTH"),
    "MAIL": (Protocol.SMTP, b"MAIL"),
    "RCPT": (Protocol.SMTP, b"RCPT"),
    "DATA": (Protocol.SMTP, b"DATA"),
    "accepted": (Protocol.SMTP, b"."),
    "QUIT": (Protocol.SMTP, b"QUIT"),
    "asked": (Protocol.IMAP, b" NOOP"),
    "searched": (Protocol.IMAP, b" UID SEARCH"),
    "found": (Protocol.IMAP, b"HEADER.FIELDS"),
    "fetched": (Protocol.IMAP, b"BODY.PEEK[]"),
    "looked elsewhere": (Protocol.IMAP, b"SELECT"),
    "marked": (Protocol.IMAP, b" STORE "),
    "removed": (Protocol.IMAP, b" EXPUNGE "),
}
"""Each step of a flow, by what the client says in it."""


@pytest.mark.parametrize(
    ("step", "name"),
    [(step, "here") for step in STEPS]
    + [("removed", "junk"), ("fetched", "bounced"), ("marked", "bounced"), ("removed", "bounced")],
)
async def test_a_process_that_is_killed_after_a_step_leaves_nothing_that_the_next_does_not_settle_once(
    step: str, name: str, bench: Bench
) -> None:
    protocol, said = STEPS[step]
    killed = asyncio.Event()
    waiting = bool(said.strip() in {b"NOOP", b"UID SEARCH", b"SELECT"})

    def dies(line: bytes, answer: bytes) -> bytes | None:
        # The server has done what it was told to, and the process that told it to will never know.
        if said in line and (not waiting or bench.folder().letters) and (said != b"." or line == b"."):
            killed.set()
        return None if killed.is_set() else answer

    # Nobody who hangs comes back while this lasts.
    bench.timeout = 60.0
    flow = bench.flow(name, bounces=True)
    first, heard_first = bench.begin(flow)
    await until(lambda: any(b" IDLE" in line for line in bench.commands(Protocol.IMAP)), "somebody reads")
    bench.bends[protocol] = dies
    sending = asyncio.create_task(first.run(flow))
    # Some steps do not come in every flow.
    await until(lambda: killed.is_set() or heard_first.all, f"{step} has come")
    for wire in [wire for wires in bench.wires.values() for wire in wires]:
        wire.bend = _hangs
    bench.bends = dict.fromkeys(Protocol, straight)
    counted = len(heard_first.all)
    _, heard = bench.begin(flow)
    await until(lambda: _quiet(bench, heard.state(name).in_flight), "nothing of ours is left")
    settled = [each.token for each in (*heard_first.all[:counted], *heard.all)]
    assert len(set(settled)) == len(settled) <= 1
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


def _hangs(_line: bytes, _answer: bytes) -> None:
    """Whoever asks gets no answer any more."""


def _quiet(bench: Bench, in_flight: int) -> bool:
    """Whether nothing is left, and the reader has looked for it."""
    looked = bench.wires[Protocol.IMAP][-1].heard
    return (
        not in_flight
        and not bench.folder().letters
        and not bench.folder("Junk").letters
        and any(b" IDLE" in line for line in looked)
    )


async def test_a_message_to_an_mx_host_is_found_after_a_restart_that_has_not_looked_the_host_up_yet(
    bench: Bench,
) -> None:
    flow = bench.flow("late")
    assert flow.sending is not None
    to_hosts = Sending(ME, flow.sending.recipient, replace(flow.sending.endpoint, credentials=None), mx="bench.example")
    flow = replace(flow, sending=to_hosts)
    hosts = {"bench.example": ["127.0.0.1"]}
    first, _ = bench.begin(flow, hosts=hosts)
    await first.run(flow)
    await first.stop(0.0)
    second, told = bench.begin(flow, hosts=hosts)
    await until(lambda: bench.folder().uid_next > 1, "it has arrived")
    seen = len(bench.commands(Protocol.IMAP))
    await until(lambda: any(b"BODY.PEEK" in line for line in bench.commands(Protocol.IMAP)[seen - 20 :]), "it is seen")
    await second.run(flow)
    await until(lambda: len(told.all) == 2, "both messages are settled")
    assert [("127.0.0.1", Outcome.DELIVERED)] * 2 == [(each.mx, each.outcome) for each in told.all]


async def test_mx_hosts_are_handed_a_message_each_and_have_series_of_their_own(bench: Bench) -> None:
    flow = bench.flow()
    assert flow.sending is not None
    port_25 = replace(flow.sending.endpoint, credentials=None)
    flow = replace(flow, sending=Sending(ME, flow.sending.recipient, port_25, mx="bench.example"))
    begun, told = bench.begin(flow, hosts={"bench.example": ["127.0.0.1", "localhost"]})
    await begun.run(flow)
    await until(lambda: len(told.all) == 2, "both are settled")
    assert {("127.0.0.1", Outcome.DELIVERED), ("localhost", Outcome.DELIVERED)} == {
        (each.mx, each.outcome) for each in told.all
    }
    assert not any(line.startswith(b"AUTH") for line in bench.commands(Protocol.SMTP))


async def test_series_of_mx_hosts_end_with_the_hosts_and_those_of_a_failed_look_up_with_the_next(bench: Bench) -> None:
    flow = bench.flow()
    assert flow.sending is not None
    port_25 = replace(flow.sending.endpoint, credentials=None)
    flow = replace(flow, sending=Sending(ME, flow.sending.recipient, port_25, mx="bench.example"))
    hosts: dict[str, list[str] | OSError] = {}
    begun, told = bench.begin(flow, hosts=hosts)
    seen = []
    for found in (OSError("the nameserver is silent"), ["127.0.0.1", "localhost"], ["localhost"], ["localhost"]):
        hosts["bench.example"] = found
        await begun.run(flow)
        await until(lambda: told.all and not any(state.in_flight for state in told.of("here")))
        seen.append([(state.mx, state.latest is not None) for state in told.of("here")])
    assert [
        [("", True)],
        [("127.0.0.1", True), ("localhost", True)],
        [("localhost", True)],
        [("localhost", True)],
    ] == seen


async def test_a_flow_that_is_changed_keeps_its_message_in_flight(bench: Bench) -> None:
    flow = bench.flow("late")
    begun, told = bench.begin(flow)
    await begun.run(flow)
    bench.configure(begun, told, replace(flow, interval=7200.0, labels={"team": "mail"}))
    await until(lambda: told.all)
    assert [Outcome.DELIVERED] == [each.outcome for each in told.all]
    assert 0 == told.state("late").in_flight


async def test_a_flow_that_is_to_give_up_sooner_does(bench: Bench) -> None:
    flow = bench.flow("lost")
    begun, told = bench.begin(flow)
    await begun.run(flow)
    bench.configure(begun, told, replace(flow, give_up=0.2))
    await until(lambda: told.all)
    assert [Outcome.LOST] == [each.outcome for each in told.all]


async def test_a_flow_that_reads_elsewhere_now_finds_its_message_there(bench: Bench) -> None:
    flow = bench.flow("late")
    begun, told = bench.begin(flow)
    await begun.run(flow)
    bench.configure(begun, told, bench.flow("late", by=Protocol.POP3))
    await until(lambda: told.all)
    assert [Outcome.DELIVERED] == [each.outcome for each in told.all]
    await until(lambda: not bench.folder().letters)


async def test_a_flow_that_is_added_disturbs_none_in_flight(bench: Bench) -> None:
    flow, other = bench.flow("late"), bench.flow("here")
    begun, told = bench.begin(flow)
    await begun.run(flow)
    bench.configure(begun, told, flow, other)
    await begun.run(other)
    await until(lambda: len(told.all) == 2, "both are settled")
    assert {("late", Outcome.DELIVERED), ("here", Outcome.DELIVERED)} == {(one.flow, one.outcome) for one in told.all}
    assert 1 == len(bench.wires[Protocol.IMAP])


async def test_the_message_of_a_flow_that_is_removed_is_removed_uncounted(bench: Bench) -> None:
    flow, other = bench.flow("late"), bench.flow("here")
    begun, told = bench.begin(flow, other)
    await begun.run(flow)
    bench.configure(begun, told, other)
    await until(lambda: bench.folder().uid_next > 1, "it arrives")
    await begun.run(other)
    await until(lambda: told.all and not bench.folder().letters, "it is removed")
    assert ["here"] == [each.flow for each in told.all]


async def test_a_flow_that_is_removed_and_added_again_counts_its_message_at_most_once(bench: Bench) -> None:
    flow = bench.flow("late")
    begun, told = bench.begin(flow)
    await begun.run(flow)
    bench.configure(begun, told, bench.flow("here"))
    bench.configure(begun, told, flow)
    await until(lambda: bench.folder().uid_next > 1, "it arrives")
    await begun.run(flow)
    await until(lambda: told.all and not bench.folder().letters, "it is removed")
    tokens = [each.token for each in told.all]
    assert len(set(tokens)) == len(tokens)
