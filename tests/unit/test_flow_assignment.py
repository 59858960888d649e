from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.flows import desk
from exporter.flows.desk import Desk
from exporter.flows.ledger import GRACE, InFlight, Ledger
from exporter.flows.messages import signature
from exporter.flows.messages.message_judging import Copy
from exporter.flows.reading.assignment import INBOX, Assignment
from exporter.flows.reading.watched_mailboxes import WINDOW, WatchedMailbox
from exporter.metrics.flow_state import FlowStates
from exporter.model import Awaited, Expected, Flow, Flows, Outcome, Receiving, Removal, Settled
from tests.unit.flow_samples import FLOW, IMAP, KEY, NOW, arrived

OTHER = replace(FLOW, name="other", interval=60.0)
REPORT = Flow(
    "report", Receiving(IMAP, ("INBOX", "Reports")), None, awaited=Awaited(3600.0, "*@a.test", None), interval=30.0
)


class Diary(FlowStates):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[Settled] = []
        self.newest_at: list[tuple[str, float | None]] = []
        self.troubles: list[tuple[str, str, str]] = []

    def settled(self, settled: Settled) -> None:
        self.outcomes.append(settled)

    def removed(self, flow: str, mx: str, kind: Removal) -> None:
        raise AssertionError((flow, mx, kind))

    def in_flight(self, flow: str, mx: str, count: int) -> None:
        assert count >= 0, (flow, mx)

    def newest(self, flow: str, arrived_at: float | None) -> None:
        self.newest_at.append((flow, arrived_at))

    def forgotten(self, flow: str, mx: str) -> None:
        raise AssertionError((flow, mx))

    def held_up(self, flow: str, mx: str, why: str) -> None:
        self.troubles.append((flow, mx, why))


class Clock:
    """Monotonic and wall clock at once."""

    at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def wall(self) -> float:
        return NOW + self.at - 1000.0


class Bench:
    """The assignment of a reader, and what it tells."""

    def __init__(self) -> None:
        self.diary, self.clock = Diary(), Clock()
        self.desk = Desk(self.diary, clock=self.clock.monotonic, wall_clock=self.clock.wall)
        self.work = Assignment(IMAP, self.desk)

    def give(self, *flows: Flow, bouncing: tuple[Flow, ...] = ()) -> None:
        every = {flow.name: flow for flow in (*flows, *bouncing)}
        self.desk.configure(Flows(tuple(every.values())))
        self.work.configure(IMAP, flows, bouncing)

    def ledger(self, flow: Flow = FLOW) -> Ledger:
        return self.desk.ledger(flow, "")

    def sent(self, flow: Flow = FLOW) -> InFlight:
        ledger, now = self.ledger(flow), self.desk.now()
        token = ledger.next_token(now)
        entry = ledger.begin(token, signature.sign(token, KEY), now)
        ledger.submitted(entry, now)
        return entry

    def found(self, entry: InFlight, mailbox: str = INBOX) -> None:
        self.ledger().found(entry, Copy(mailbox, arrived()), seen=self.clock.at, retrieved=0.0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestConfigure:
    def test_before_it_there_is_nothing_to_do(self, bench: Bench) -> None:
        assert (False, False, False) == (bench.work.changed, bench.work.reads_bounces, bench.work.removes)

    def test_reads_the_mailboxes_of_all_flows_and_that_of_notifications(self, bench: Bench) -> None:
        bench.give(FLOW, REPORT)
        assert (["INBOX", "\\Junk", "Reports"], False) == ([*bench.work.places], bench.work.reads_bounces)
        bench.give(replace(REPORT, receiving=Receiving(IMAP, ("Reports",))), bouncing=(FLOW,))
        assert (["Reports", "INBOX"], True) == ([*bench.work.places], bench.work.reads_bounces)

    def test_of_the_same_again_changes_nothing(self, bench: Bench) -> None:
        bench.give(FLOW)
        bench.work.changed, before = False, dict(bench.work.places)
        bench.give(FLOW)
        assert not bench.work.changed
        assert all(before[name] is place for name, place in bench.work.places.items())

    def test_of_another_mailbox_keeps_what_is_known_of_the_rest(self, bench: Bench) -> None:
        bench.give(FLOW)
        bench.work.changed, inbox = False, bench.work.places[INBOX]
        bench.give(FLOW, REPORT)
        assert bench.work.changed
        assert inbox is bench.work.places[INBOX]

    def test_of_another_place_to_visit_forgets_the_mailboxes(self, bench: Bench) -> None:
        bench.give(FLOW)
        bench.work.changed, before = False, dict(bench.work.places)
        elsewhere = replace(IMAP, host="imap.example.org")
        bench.work.configure(elsewhere, (FLOW,), ())
        assert (True, elsewhere) == (bench.work.changed, bench.work.endpoint)
        assert before.keys() == bench.work.places.keys()
        assert not any(before[name] is place for name, place in bench.work.places.items())

    def test_leaves_a_change_that_is_not_yet_taken_in(self, bench: Bench) -> None:
        bench.give(FLOW)
        assert bench.work.changed
        bench.give(FLOW)
        assert bench.work.changed


class TestStanding:
    def test_a_connection_is_kept_for_messages_that_have_to_be_removed(self, bench: Bench) -> None:
        bench.give(REPORT)
        reports_only = bench.work.removes
        bench.give(REPORT, bouncing=(FLOW,))
        bounces = bench.work.removes
        bench.give(FLOW, REPORT)
        assert (False, True, True) == (reports_only, bounces, bench.work.removes)

    def test_each_flow_is_named_once(self, bench: Bench) -> None:
        bench.give(FLOW, REPORT, bouncing=(FLOW, OTHER))
        assert ["there", "report", "other"] == [flow.name for flow in bench.work.flows()]

    def test_mail_is_expected_in_the_first_flows_mailbox(self, bench: Bench) -> None:
        assert bench.work.primary() is None
        bench.give(REPORT)
        assert "INBOX" == self.name_of(bench.work.primary())
        bench.give(REPORT, replace(FLOW, expected=Expected(mailbox="\\Junk")))
        assert "\\Junk" == self.name_of(bench.work.primary())
        bench.give(replace(FLOW, expected=Expected(mailbox="Gone")))
        assert "INBOX" == self.name_of(bench.work.primary())

    def test_others_messages_are_looked_for_as_often_as_the_most_impatient_flow_asks(self, bench: Bench) -> None:
        bench.give(FLOW)
        assert float("inf") == bench.work.rhythm()
        bench.give(FLOW, REPORT, replace(REPORT, name="rarely", interval=90.0))
        assert 30.0 == bench.work.rhythm()

    def test_leftovers_are_searched_for_in_mailboxes_that_are_there(self, bench: Bench) -> None:
        bench.give(FLOW)
        bench.work.places[INBOX].to_sweep = 1
        assert not bench.work.is_sweeping()
        bench.work.places[INBOX].written = b"INBOX"
        assert bench.work.is_sweeping()
        bench.work.places[INBOX].to_sweep = 0
        assert not bench.work.is_sweeping()

    @staticmethod
    def name_of(place: WatchedMailbox | None) -> str | None:
        return None if place is None else place.name


class TestInFlight:
    def test_the_youngest_message_tells_how_urgent_a_look_is(self, bench: Bench) -> None:
        bench.give(FLOW, REPORT, bouncing=(OTHER,))
        assert (False, None) == (bench.work.has_in_flight(), bench.work.age_of_youngest(5000.0))
        bench.sent(OTHER)
        bench.clock.at += 100
        bench.sent()
        assert (True, 20.0) == (bench.work.has_in_flight(), bench.work.age_of_youngest(1120.0))
        assert 0.0 == bench.work.age_of_youngest(1000.0)

    def test_what_is_found_is_judged_after_a_grace_and_what_is_not_is_given_up(self, bench: Bench) -> None:
        bench.give(FLOW)
        lost, seen = bench.sent(), bench.sent()
        bench.ledger().begin(replace(lost.token, sequence=1), "", bench.desk.now())  # not handed in yet
        bench.clock.at += 10
        bench.found(seen)
        assert [1000.0 + FLOW.give_up, 1010.0 + 3.0] == bench.work.deadlines(3.0)

    def test_every_mailbox_is_looked_at_where_a_message_is_to_be_judged_or_given_up(self, bench: Bench) -> None:
        bench.give(FLOW, OTHER)
        entry, _ = bench.sent(), bench.sent()
        assert not bench.work.needs_full_look(bench.desk.now())
        bench.found(entry)
        assert not bench.work.needs_full_look(bench.desk.now())
        bench.clock.at += GRACE
        assert bench.work.needs_full_look(bench.desk.now())

    def test_every_mailbox_is_looked_at_before_a_message_is_called_lost(self, bench: Bench) -> None:
        bench.give(FLOW, OTHER)
        bench.sent()
        bench.clock.at += FLOW.give_up
        assert bench.work.needs_full_look(bench.desk.now())

    def test_what_was_found_by_uids_that_are_void_is_found_again(self, bench: Bench) -> None:
        bench.give(FLOW)
        twice, once = bench.sent(), bench.sent()
        for entry, mailbox in ((twice, INBOX), (twice, "\\Junk"), (once, INBOX)):
            bench.found(entry, mailbox)
        bench.work.forget_copies(WatchedMailbox(INBOX))
        assert (["\\Junk"], 1000.0) == ([copy.mailbox for copy in twice.copies], twice.seen)
        assert ([], None) == (once.copies, once.seen)

    def test_a_visit_that_fails_settles_what_is_overdue_with_its_reason(self, bench: Bench) -> None:
        bench.give(FLOW)
        bench.sent()
        bench.work.failed("auth_rejected", "no")
        assert [] == bench.diary.outcomes
        bench.clock.at += FLOW.give_up
        bench.work.failed("auth_rejected", "no")
        (settled,) = bench.diary.outcomes
        assert (Outcome.RECEIVE_FAILED, "auth_rejected", "no") == (settled.outcome, settled.reason, settled.detail)


class TestAwaited:
    """Messages that somebody else sends: searched for from the newest on, and only as far as needed."""

    def look(self, bench: Bench, exists: int, most: int = 1) -> list[tuple[int, int]]:
        place = bench.work.places[INBOX]
        place.exists = exists
        return list(bench.work.windows(REPORT, place, most))

    def test_are_sought_in_their_flows_mailboxes(self, bench: Bench) -> None:
        bench.give(FLOW, REPORT)
        assert [[REPORT], [REPORT], []] == [bench.work.awaiting(name) for name in ("INBOX", "Reports", "\\Junk")]

    def test_are_sought_window_by_window_until_none_is_left(self, bench: Bench) -> None:
        bench.give(REPORT)
        exists = 2 * WINDOW + 5
        assert [(WINDOW + 6, exists)] == self.look(bench, exists)
        assert [REPORT] == bench.work.awaiting(INBOX)
        assert [(6, WINDOW + 5), (1, 5)] == self.look(bench, exists, most=5)
        assert [("report", None)] == bench.diary.newest_at
        assert ([], [REPORT]) == (bench.work.awaiting(INBOX), bench.work.awaiting(INBOX, found_too=True))
        assert [] == self.look(bench, exists)

    def test_are_not_sought_among_older_ones_once_one_was_found(self, bench: Bench) -> None:
        bench.give(REPORT)
        place = bench.work.places[INBOX]
        place.exists = 3 * WINDOW
        windows = bench.work.windows(REPORT, place, 5)
        assert (2 * WINDOW + 1, 3 * WINDOW) == next(windows)
        bench.work.found(REPORT, place)
        assert [] == list(windows)
        assert [] == bench.work.awaiting(INBOX)

    def test_of_an_empty_mailbox_there_is_none(self, bench: Bench) -> None:
        bench.give(REPORT)
        assert [] == self.look(bench, 0)
        assert [("report", None)] == bench.diary.newest_at

    def test_count_by_the_newest_whichever_comes_first(self, bench: Bench) -> None:
        bench.give(REPORT)
        for at in (NOW - 7, NOW - 50, NOW, NOW + 7):
            bench.work.newer(REPORT, at)
        assert [("report", at) for at in (NOW - 7, NOW - 7, NOW, NOW)] == bench.diary.newest_at

    def test_begin_anew_where_another_message_is_awaited(self, bench: Bench) -> None:
        bench.give(REPORT)
        bench.work.newer(REPORT, NOW)
        bench.work.found(REPORT, bench.work.places[INBOX])
        changed = replace(REPORT, awaited=Awaited(3600.0, "*@b.test", None))
        bench.give(changed)
        assert [changed] == bench.work.awaiting(INBOX)
        bench.work.newer(changed, NOW - 50)
        assert ("report", NOW - 50) == bench.diary.newest_at[-1]

    def test_are_forgotten_with_their_flow(self, bench: Bench) -> None:
        bench.give(REPORT)
        bench.work.newer(REPORT, NOW)
        bench.give(FLOW)
        bench.give(REPORT)
        bench.work.newer(REPORT, NOW - 50)
        assert ("report", NOW - 50) == bench.diary.newest_at[-1]

    def test_stay_known_while_other_flows_change(self, bench: Bench) -> None:
        bench.give(REPORT)
        bench.work.newer(REPORT, NOW)
        bench.work.found(REPORT, bench.work.places[INBOX])
        bench.give(REPORT, FLOW)
        assert [] == bench.work.awaiting(INBOX)
        bench.work.newer(REPORT, NOW - 50)
        assert ("report", NOW) == bench.diary.newest_at[-1]


def test_a_trouble_is_told_until_it_is_over_and_its_end_once(bench: Bench) -> None:
    bench.give(FLOW)
    for why in ("", "no IDLE", "no IDLE", "", ""):
        bench.work.held_up(why)
    assert ["no IDLE", "no IDLE", ""] == [why for *_, why in bench.diary.troubles]


def test_notifications_are_heard_for_those_flows_that_name_a_reader(bench: Bench) -> None:
    assert FLOW.sending is not None
    named = replace(FLOW.sending, bounces=IMAP)
    flows = [replace(FLOW, name=name, sending=named) for name in ("one", "two", "three")]
    bench.give(bouncing=tuple(flows[:2]))
    assert [True, True, False] == [bench.work.hears_of(bench.ledger(flow)) for flow in flows]
    assert bench.work.hears_of(bench.ledger(FLOW))


def test_a_message_is_awaited_in_a_mailbox_by_every_name_that_it_has() -> None:
    bench = Bench()
    by_use = replace(REPORT, receiving=Receiving(IMAP, ("\\Junk",)))
    by_name = replace(REPORT, name="other", receiving=Receiving(IMAP, ("Junk",)))
    bench.give(by_use, by_name)
    bench.work.places["\\Junk"].also = ("Junk",)

    assert [by_use, by_name] == bench.work.awaiting("\\Junk")
    assert [by_name] == bench.work.awaiting("Junk")
    assert [] == bench.work.awaiting("elsewhere")


def test_only_the_newest_hosts_that_are_gone_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS may name other hosts every time."""
    monkeypatch.setattr(desk, "MAX_FORMER", 2)
    made = Desk(FlowStates())
    tokens = [made.ledger(FLOW, mx).next_token(made.now()) for mx in "abc"]
    made.keep_hosts(FLOW, ())
    assert [True, False, False] == [made.abandoned_in(token) > 0 for token in tokens]
