from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from exporter.metrics.history import (
    ATTEMPTS_KEPT,
    FAILURES_KEPT,
    MAX_KEPT_TRANSCRIPT,
    NO_HISTORY,
    TURNS_KEPT,
    History,
    PastProbe,
    Turn,
    failure_id,
)
from exporter.metrics.history.changes import KEPT, Change, Fact, changed_since
from exporter.metrics.history.timeline import Slot, slot_number
from exporter.metrics.record import Record, Shared, fold
from exporter.model import Direction, FailureReason, Phase, ProbeResult
from tests.unit.results import (
    ALL_PHASES,
    NOON,
    SMTP_CONVERSATION,
    certificate,
    conversation,
    failure,
    spans,
    success,
    tls,
)

MINUTE = 60.0
REJECTED = (FailureReason.AUTH_REJECTED, Phase.AUTH)


def folded(result: ProbeResult) -> Record:
    return fold(result, None, Shared())


def past(results: Iterable[ProbeResult]) -> History:
    history = NO_HISTORY
    for result in results:
        history = history.after(folded(result))
    return history


def up(minute: float, **changes: object) -> ProbeResult:
    return success(**{"started_at": NOON + minute * MINUTE, "duration": 0.25, **changes})  # type: ignore[arg-type]  # the fields, as the caller names them


def down(minute: float, reason: FailureReason = FailureReason.TIMEOUT, **changes: object) -> ProbeResult:
    fields: dict[str, object] = {"started_at": NOON + minute * MINUTE, "duration": 0.25, **changes}
    return failure(reason, Phase.GREETING, **fields)  # type: ignore[arg-type]  # the fields, as the caller names them


def rejected(minute: float, **changes: object) -> ProbeResult:
    values = {"spans": ALL_PHASES[:8], "transcript": SMTP_CONVERSATION, "auth_success": False, **changes}
    return down(minute, FailureReason.AUTH_REJECTED, **values)


def paused(minute: float) -> ProbeResult:
    """The login was not tried: no phase `auth`, although that is where it fails."""
    return replace(rejected(minute), spans=ALL_PHASES[:7], transcript=SMTP_CONVERSATION[:5])


def to_the_microsecond(result: ProbeResult) -> ProbeResult:
    rounded = [replace(span, start=round(span.start, 6), duration=round(span.duration, 6)) for span in result.spans]
    return replace(result, spans=tuple(rounded))


def test_a_history_tells_when_how_long_and_why() -> None:
    history = past([up(0), failure(*REJECTED, started_at=NOON, duration=0.5)])

    assert (PastProbe(NOON + 0.25, 0.25, None, None), PastProbe(NOON + 0.5, 0.5, *REJECTED)) == history.attempts


def test_a_history_forgets_the_oldest_probes() -> None:
    history = past(up(number, duration=0.0) for number in range(ATTEMPTS_KEPT + 5))

    assert [NOON + number * MINUTE for number in range(5, ATTEMPTS_KEPT + 5)] == [
        each.ended_at for each in history.attempts
    ]


@pytest.mark.parametrize("reason", FailureReason)
def test_every_reason_finds_its_way_through_a_history(reason: FailureReason) -> None:
    history = past([failure(reason, Phase.CHECK)])

    assert [(reason, Phase.CHECK)] == [(each.reason, each.phase) for each in history.attempts]
    assert [(reason, Phase.CHECK)] == [(each.reason, each.phase) for each in history.turns]


def test_a_run_begins_with_its_first_probe_and_is_counted() -> None:
    history = past([up(0), up(1), down(2), down(3), down(4, FailureReason.CONNECT_REFUSED)])

    assert (NOON + 2 * MINUTE + 0.25, 3) == (history.since, history.streak)


def test_changes_of_state_are_listed_also_from_one_reason_to_another() -> None:
    history = past([up(0), up(1), down(2), down(3), down(4, FailureReason.CONNECT_REFUSED), up(5)])

    assert (
        Turn(NOON + 0.25, None, None),
        Turn(NOON + 2 * MINUTE + 0.25, FailureReason.TIMEOUT, Phase.GREETING),
        Turn(NOON + 4 * MINUTE + 0.25, FailureReason.CONNECT_REFUSED, Phase.GREETING),
        Turn(NOON + 5 * MINUTE + 0.25, None, None),
    ) == history.turns
    assert 2 == history.flips


def test_changes_of_state_are_bounded() -> None:
    history = past(down(number) if number % 2 else up(number) for number in range(TURNS_KEPT + 10))

    assert TURNS_KEPT == len(history.turns)


def test_failures_are_kept_whole_and_only_the_last_of_them() -> None:
    results = [rejected(number) for number in range(FAILURES_KEPT + 3)]

    history = past([up(-1), *results, up(99)])

    assert [to_the_microsecond(result) for result in results[3:]] == [
        kept.result(results[0].endpoint) for kept in history.failures
    ]
    assert all(kept is history.failure(kept.id) for kept in history.failures)
    assert history.failure("20200101T000000.000Z") is None


def test_failures_of_different_kinds_come_back_as_they_were() -> None:
    results = [rejected(0), down(1), down(2, FailureReason.CONNECT_REFUSED, spans=()), rejected(3)]

    assert [to_the_microsecond(result) for result in results] == [
        kept.result(results[0].endpoint) for kept in past(results).failures
    ]


def test_equal_failures_are_kept_in_little_room() -> None:
    history = past(rejected(number) for number in range(FAILURES_KEPT))

    assert 1 == len({id(kept.common) for kept in history.failures})
    assert 1 == len({id(kept.base) for kept in history.failures})
    assert all(len(kept.packed) < len(kept.base) / 4 for kept in history.failures)


def test_a_failure_keeps_the_beginning_and_the_end_of_a_very_long_conversation() -> None:
    lines = conversation(*[(Direction.SERVER, f"* {number} " + "x" * 90) for number in range(1000)])

    (kept,) = past([replace(down(0), transcript=lines)]).failures
    shown = kept.result("name").transcript

    assert sum(len(line.text) for line in shown) < MAX_KEPT_TRANSCRIPT
    (gap,) = [number for number, line in enumerate(shown) if line.direction is Direction.NOTE]
    assert f"{1000 - len(shown) + 1} lines are not kept" == shown[gap].text
    assert lines[:gap] == shown[:gap]
    assert lines[gap + 1 - len(shown) :] == shown[gap + 1 :]


def test_a_paused_login_does_not_replace_the_failure_that_was_tried() -> None:
    history = past([up(0), rejected(1), paused(2), paused(3)])

    assert [to_the_microsecond(rejected(1))] == [kept.result(rejected(1).endpoint) for kept in history.failures]
    assert 3 == history.streak


def test_a_paused_login_is_kept_where_there_is_no_other_failure_of_its_run() -> None:
    history = past([rejected(0), up(1), paused(2), paused(3)])

    assert [0, 2] == [round((kept.started_at - NOON) / MINUTE) for kept in history.failures]


def test_an_id_tells_the_time_and_can_stand_in_a_url() -> None:
    assert "20260921T141320.123Z" == failure_id(NOON + 0.123)
    assert "at100000000000000000000" == failure_id(1e20)


def test_a_new_certificate_is_a_change_also_when_it_makes_the_probe_fail() -> None:
    new = replace(certificate(), fingerprint_sha256="0123456789abcdef" * 4, not_after=NOON)
    history = past([up(0), up(1), down(2, tls=tls(leaf=new)), down(3, tls=tls(leaf=new))])

    assert (
        Change(
            NOON + 2 * MINUTE + 0.25,
            Fact.CERTIFICATE,
            "CN=mail.example.com, expires 2026-11-20, SHA-256 9f86d081884c7d65",
            "CN=mail.example.com, expires 2026-09-21, SHA-256 0123456789abcdef",
        ),
    ) == history.changes


def test_what_a_server_announces_is_compared_by_what_is_gone_and_what_is_new() -> None:
    history = past([up(0, capabilities=("SIZE 1", "DSN", "AUTH PLAIN")), up(1, capabilities=("DSN", "SIZE 2"))])

    assert [(Fact.CAPABILITIES, "SIZE 1, AUTH PLAIN", "SIZE 2")] == [
        (each.fact, each.before, each.after) for each in history.changes
    ]


def test_a_host_that_is_reached_at_several_addresses_in_turn_is_one_change() -> None:
    history = past(up(number, address=f"192.0.2.{number % 2}") for number in range(10))

    assert [("192.0.2.0", "192.0.2.1")] == [(each.before, each.after) for each in history.changes]


def test_changes_of_a_fact_are_bounded_and_leave_the_others_alone() -> None:
    other = [up(0), up(1, tls=tls(group="X25519MLKEM768"))]
    history = past([*other, *(up(2 + number, address=f"192.0.2.{number}") for number in range(10))])

    assert KEPT == sum(each.fact is Fact.ADDRESS for each in history.changes)
    assert 2 == sum(each.fact is Fact.GROUP for each in history.changes)


def test_a_failing_probe_is_compared_with_the_last_good_one() -> None:
    good = up(0)
    other = {"address": "192.0.2.99", "tls": tls(group="X25519MLKEM768"), "capabilities": ("DSN",)}
    bad = rejected(1, reply_codes=good.facts.reply_codes, **other)
    history = past([good, bad])

    found = {each.fact: (each.before, each.after) for each in changed_since(history.good, folded(bad))}

    assert ("192.0.2.25", "192.0.2.99") == found[Fact.ADDRESS]
    assert ("x25519", "X25519MLKEM768") == found[Fact.GROUP]
    assert "DSN" not in found[Fact.CAPABILITIES][0]
    assert "PIPELINING" in found[Fact.CAPABILITIES][0]


def test_capabilities_before_starttls_are_not_compared_with_those_after_it() -> None:
    early = down(1, capabilities=("STARTTLS",), spans=spans((Phase.CAPABILITY, 0.1), (Phase.STARTTLS, 0.1)))

    assert [] == changed_since(folded(up(0)), folded(early))


def test_the_timeline_notes_every_probe() -> None:
    history = past([up(0), down(1), up(31)])

    assert [Slot.MIXED, Slot.GOOD] == history.timeline.slots(slot_number(NOON + 31 * MINUTE), 2)
