from __future__ import annotations

from collections.abc import Sequence

import pytest

from exporter.metrics.history import PastProbe
from exporter.model import FailureReason, Leg, Phase, ProbeResult, Span
from exporter.web.pages.charts import HISTORY_HEIGHT, LOWEST, SCALE, columns, stack, strip, waterfall, way
from tests.unit.results import ALL_PHASES, NOON, failure, spans, success


def probe(stretches: Sequence[Span], duration: float) -> ProbeResult:
    return success(spans=tuple(stretches), duration=duration)


def test_stacked_stretches_fill_the_bar_in_their_order() -> None:
    bars = stack(spans((Phase.DNS, 0.1), (Phase.CONNECT, 0.3)))

    assert [(Phase.DNS, 0.0, 250.0), (Phase.CONNECT, 250.0, 750.0)] == [(bar.phase, bar.x, bar.width) for bar in bars]
    assert ["dns 100 ms", "connect 300 ms"] == [bar.text for bar in bars]


def test_the_stretches_of_a_real_probe_add_up_to_the_whole_bar() -> None:
    assert pytest.approx(SCALE, abs=0.1) == sum(bar.width for bar in stack(ALL_PHASES))


def test_a_probe_that_took_no_time_is_drawn_without_width() -> None:
    assert [0.0] == [bar.width for bar in stack([Span(Phase.DNS, 0.0, 0.0)])]
    assert [0.0] == [bar.width for bar in waterfall(probe([Span(Phase.DNS, 0.0, 0.0)], 0.0))]


def test_a_probe_without_stretches_is_drawn_empty() -> None:
    assert [] == stack(())
    assert [] == waterfall(probe((), 0.0))


def test_a_waterfall_shows_when_each_stretch_was() -> None:
    bars = waterfall(probe([Span(Phase.DNS, 0.0, 0.1), Span(Phase.CONNECT, 0.2, 0.2)], 0.5))

    assert [(0.0, 200.0), (400.0, 400.0)] == [(bar.x, bar.width) for bar in bars]


def test_a_stretch_never_leaves_the_waterfall() -> None:
    (bar,) = waterfall(probe([Span(Phase.CONNECT, 1.0, 1.0)], 0.5))

    assert SCALE == bar.x + bar.width


def test_the_stretch_that_failed_is_marked_also_when_a_goodbye_follows() -> None:
    stretches = spans((Phase.CAPABILITY, 0.1), (Phase.TLS, 0.1), (Phase.CAPABILITY, 0.1), (Phase.QUIT, 0.1))

    failed = failure(FailureReason.PROTOCOL_ERROR, Phase.CAPABILITY, spans=stretches, duration=0.4)

    assert [False, False, True, False] == [bar.failed for bar in waterfall(failed)]
    assert not any(bar.failed for bar in waterfall(probe(stretches, 0.4)))


def test_a_strip_has_one_piece_for_each_run_of_probes() -> None:
    drawn = strip([False, False, True, False], places=6)

    assert "M2 0h2v10h-2zM5 0h1v10h-1z" == drawn.good
    assert "M4 0h1v10h-1z" == drawn.bad
    assert "1 failure in the last 4 probes" == drawn.text


def test_the_legs_of_a_message_follow_each_other_in_their_order() -> None:
    drawn = way({Leg.REMOVE: 1.0, Leg.SUBMIT: 2.0, Leg.TRANSIT: 5.0})

    assert [(Leg.SUBMIT, 0.0, 250.0), (Leg.TRANSIT, 250.0, 625.0), (Leg.REMOVE, 875.0, 125.0)] == [
        (bar.leg, bar.x, bar.width) for bar in drawn
    ]
    assert [0.0] == [bar.width for bar in way({Leg.SUBMIT: 0.0})]
    assert [] == way({})


def test_the_slowest_success_and_every_failure_take_the_whole_height() -> None:
    attempts = [
        PastProbe(NOON, 0.2, None, None),
        PastProbe(NOON + 60, 0.1, None, None),
        PastProbe(NOON + 120, 0.001, FailureReason.CONNECT_REFUSED, Phase.CONNECT),
    ]

    drawn = columns(attempts, places=5)

    assert [2, 3, 4] == [column.x for column in drawn]
    assert [HISTORY_HEIGHT, HISTORY_HEIGHT / 2, HISTORY_HEIGHT] == [column.height for column in drawn]
    assert all(column.y + column.height == HISTORY_HEIGHT for column in drawn)
    assert [False, False, True] == [column.failed for column in drawn]
    assert drawn[2].text == "2026-09-21 14:15:20 UTC: connect_refused in connect after 1.00 ms"


def test_a_probe_that_took_next_to_nothing_can_still_be_seen() -> None:
    drawn = columns([PastProbe(NOON, 10.0, None, None), PastProbe(NOON, 0.0, None, None)], places=2)

    assert LOWEST == drawn[1].height
