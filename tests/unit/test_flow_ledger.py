from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.flows.ledger import GRACE, MAX_IN_FLIGHT, MAX_REMEMBERED, InFlight, Ledger, Moment, Standing
from exporter.flows.messages import signature
from exporter.flows.messages.bounces import Bounce
from exporter.flows.messages.message_judging import Copy
from exporter.flows.messages.signature import MessageToken
from exporter.model import Leg, Outcome, Settled
from tests.unit.flow_samples import FLOW, KEY, NOW, arrived, sent

GIVE_UP = FLOW.give_up


def at(seconds: float) -> Moment:
    return Moment(1000.0 + seconds, NOW + seconds)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(FLOW, "", NOW)


def begin(ledger: Ledger, seconds: float = 0.0) -> InFlight:
    token = ledger.next_token(at(seconds))
    return ledger.begin(token, signature.sign(token, KEY), at(seconds))


def handed_in(ledger: Ledger, seconds: float = 0.0, took: float = 0.5) -> InFlight:
    entry = begin(ledger, seconds)
    ledger.submitted(entry, at(seconds + took))
    return entry


def copy(entry: InFlight, mailbox: str = "INBOX") -> Copy:
    return Copy(mailbox, arrived(octets=sent(entry.text)))


def outcome(settled: Settled | None) -> tuple[Outcome, Leg | None, str] | None:
    return None if settled is None else (settled.outcome, settled.leg, settled.reason)


def test_a_message_that_arrives_is_settled_with_its_legs(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    ledger.found(entry, copy(entry), seen=at(3).at, retrieved=0.25)
    assert not ledger.ripe(entry, at(3))
    assert ledger.ripe(entry, at(3 + GRACE))
    settled = ledger.arrived(entry, at(6), removing=0.125)
    assert (Outcome.DELIVERED, None, "") == outcome(settled)
    assert {Leg.SUBMIT: 0.5, Leg.TRANSIT: 2.5, Leg.RETRIEVE: 0.25, Leg.REMOVE: 0.125} == settled.legs
    assert (3.0, NOW, NOW + 6) == (settled.took, settled.sent_at, settled.settled_at)
    assert 0 == len(ledger)


def test_a_message_found_before_its_submission_ended_waits_for_that(ledger: Ledger) -> None:
    entry = begin(ledger)
    ledger.found(entry, copy(entry), seen=at(1).at, retrieved=0)
    assert not ledger.ripe(entry, at(100))
    ledger.submitted(entry, at(2))
    assert ledger.ripe(entry, at(100))
    assert 0.0 == ledger.arrived(entry, at(100), None).legs[Leg.TRANSIT]


def test_a_second_copy_in_time_makes_a_duplicate(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    ledger.found(entry, copy(entry), seen=at(3).at, retrieved=0)
    ledger.found(entry, copy(entry), seen=at(4).at, retrieved=0)
    settled = ledger.arrived(entry, at(6), None)
    assert (Outcome.DUPLICATE, Leg.TRANSIT, "") == outcome(settled)
    assert 3.0 == settled.took


def test_a_copy_that_comes_later_makes_a_duplicate_too(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    ledger.found(entry, copy(entry), seen=at(3).at, retrieved=0)
    ledger.arrived(entry, at(6), 0.25)
    assert (Standing.COPY, None) == ledger.standing(entry.token, entry.text, at(300))
    settled = ledger.copied(entry.token, entry.text, "INBOX", at(300))
    assert (Outcome.DUPLICATE, Leg.TRANSIT, "") == outcome(settled)
    assert "another copy arrived in INBOX, 300 s after the message was sent" == settled.detail


def test_a_message_that_could_not_be_removed_is_no_duplicate_when_it_is_seen_again(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    ledger.found(entry, copy(entry), seen=at(3).at, retrieved=0)
    ledger.arrived(entry, at(6), None)
    assert (Standing.LEFTOVER, None) == ledger.standing(entry.token, entry.text, at(300))


def test_what_the_server_does_not_take_is_settled_at_once(ledger: Ledger) -> None:
    entry = begin(ledger)
    settled = ledger.not_submitted(entry, Outcome.REFUSED, reason="5.1.1", detail="550 no", now=at(1))
    assert (Outcome.REFUSED, Leg.SUBMIT, "5.1.1") == outcome(settled)
    assert {Leg.SUBMIT: 1.0} == settled.legs
    assert Standing.LEFTOVER is ledger.standing(entry.token, entry.text, at(2))[0]


def test_what_is_not_found_is_lost_where_the_mailbox_can_be_read(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    assert not ledger.overdue(at(GIVE_UP - 1))
    assert [] == ledger.give_up(at(GIVE_UP - 1), None)
    younger = handed_in(ledger, 60)
    assert ledger.overdue(at(GIVE_UP))
    (lost,) = ledger.give_up(at(GIVE_UP), None)
    assert (Outcome.LOST, Leg.TRANSIT, "") == outcome(lost)
    assert {Leg.SUBMIT: 0.5} == lost.legs
    assert Standing.LEFTOVER is ledger.standing(entry.token, entry.text, at(GIVE_UP + 1))[0]
    assert [younger] == list(ledger)


def test_what_is_not_found_is_receive_failed_where_it_cannot_be_read(ledger: Ledger) -> None:
    handed_in(ledger)
    assert [] == ledger.give_up(at(GIVE_UP - 1), ("connect_refused", "refused"))
    settled = ledger.give_up(at(GIVE_UP), ("connect_refused", "refused"))
    assert [(Outcome.RECEIVE_FAILED, Leg.RETRIEVE, "connect_refused")] == [outcome(each) for each in settled]


def test_a_failing_visit_before_that_settles_nothing_and_the_message_may_still_arrive(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    assert [] == ledger.give_up(at(60), ("timeout", "no reply"))
    ledger.found(entry, copy(entry), seen=at(90).at, retrieved=0)
    assert Outcome.DELIVERED is ledger.arrived(entry, at(95), None).outcome


def test_what_was_found_is_not_lost(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    ledger.found(entry, copy(entry), seen=at(3).at, retrieved=0)
    assert [] == ledger.give_up(at(GIVE_UP), None)


def test_a_notification_of_failure_settles_a_message(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    assert None is ledger.bounced(Bounce(entry.token, "delayed", "4.4.1", "later"), entry.text, at(5))
    assert 1 == len(ledger)
    settled = ledger.bounced(Bounce(entry.token, "failed", "5.1.1", "550 no"), entry.text, at(9))
    assert settled is not None
    assert (Outcome.BOUNCED, Leg.TRANSIT, "5.1.1", "550 no") == (*(outcome(settled) or ()), settled.detail)
    assert {Leg.SUBMIT: 0.5} == settled.legs
    assert None is ledger.bounced(Bounce(entry.token, "failed", "5.1.1", "550 no"), entry.text, at(9))


def test_of_a_message_of_an_earlier_run_the_submission_is_unknown(ledger: Ledger) -> None:
    token = earlier(60)
    settled = ledger.bounced(Bounce(token, "failed", "5.1.1", "550 no"), signature.sign(token, KEY), at(0))
    assert settled is not None
    assert {} == settled.legs
    assert ledger.bounced(Bounce(token, "failed", "5.1.1", "550 no"), settled.token, at(0)) is None
    token = earlier(59)
    ledger.standing(token, signature.sign(token, KEY), at(1))
    (lost,) = ledger.give_up(at(GIVE_UP), None)
    assert {} == lost.legs


def earlier(seconds: float) -> MessageToken:
    return MessageToken(signature.mark(FLOW.name), 5, NOW - seconds)


@pytest.mark.parametrize(
    ("last", "took"),
    [
        (b"22:13:24 +0000", 64.0),
        (b"22:12:20 +0000", 0.0),
        (b"22:13:24 +0100", 70.0),
        (b"22:13:24 -0100", 70.0),
        (b"nonsense", 70.0),
    ],
)
def test_a_message_of_an_earlier_run_counts_by_the_last_servers_clock_if_that_can_be_right(
    last: bytes, took: float, ledger: Ledger
) -> None:
    """It may have arrived while the exporter was not running."""
    token = earlier(60)
    text = signature.sign(token, KEY)
    standing, entry = ledger.standing(token, text, at(10))
    assert Standing.AWAITED is standing
    assert entry is not None
    octets = arrived(octets=sent(text)).replace(b"22:13:24 +0000", last)
    ledger.found(entry, Copy("INBOX", octets), seen=at(10).at, retrieved=0)
    assert ledger.ripe(entry, at(20))
    settled = ledger.arrived(entry, at(20), 0.0)
    assert (Outcome.DELIVERED, took) == (settled.outcome, settled.took)
    assert Leg.TRANSIT not in settled.legs
    assert Standing.COPY is ledger.standing(token, text, at(30))[0]


def test_a_clock_that_is_set_back_does_not_make_an_own_message_one_of_an_earlier_run(ledger: Ledger) -> None:
    token = ledger.next_token(Moment(1001.0, NOW - 600))
    entry = ledger.begin(token, signature.sign(token, KEY), Moment(1001.0, NOW - 600))
    ledger.not_submitted(entry, Outcome.REFUSED, reason="5.0.0", detail="", now=at(2))
    assert Standing.LEFTOVER is ledger.standing(token, entry.text, Moment(1003.0, NOW - 598))[0]


def test_what_an_earlier_run_gave_up_is_a_leftover(ledger: Ledger) -> None:
    for token, standing in ((earlier(GIVE_UP), Standing.AWAITED), (earlier(GIVE_UP + 1), Standing.LEFTOVER)):
        assert standing is ledger.standing(token, signature.sign(token, KEY), at(0))[0]


def test_numbers_go_on_after_a_restart() -> None:
    first, second = Ledger(FLOW, "", NOW), Ledger(FLOW, "", NOW + 60)
    tokens = [first.next_token(at(number)) for number in range(60)]
    assert second.next_token(at(60)).sequence > max(token.sequence for token in tokens)
    assert 60 == len(set(tokens))


def test_sending_stops_while_more_than_ten_are_in_flight(ledger: Ledger) -> None:
    entries = [handed_in(ledger, number) for number in range(MAX_IN_FLIGHT)]
    seen = [ledger.may_send]
    handed_in(ledger, 11)
    seen.append(ledger.may_send)
    ledger.bounced(Bounce(entries[0].token, "failed", "5.1.1", ""), entries[0].text, at(20))
    seen.append(ledger.may_send)
    assert [True, False, True] == seen


def test_memory_is_bounded(ledger: Ledger) -> None:
    for number in range(MAX_REMEMBERED + 10):
        entry = handed_in(ledger, number)
        ledger.found(entry, copy(entry), seen=at(number).at, retrieved=0)
        ledger.arrived(entry, at(number), None)
    assert MAX_REMEMBERED == len(ledger._ended)


def test_a_flow_may_change_while_its_messages_are_in_flight(ledger: Ledger) -> None:
    entry = handed_in(ledger)
    ledger.flow = replace(FLOW, give_up=60.0)
    assert ledger.overdue(at(60))
    assert [entry] == list(ledger)
