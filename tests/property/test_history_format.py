from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.history.history_format import FORMAT, DamagedHistoryError, read_history, write_history
from exporter.metrics.history.timeline import LENGTH, SLOT_SECONDS, Slot, Timeline, slot_number
from exporter.metrics.store import Store
from exporter.model import FailureReason, Phase
from tests.unit.results import NOON, endpoint, failure, success
from tests.unit.web import store_with

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
KEYS = st.sampled_from(
    ["endpoint", "address", "server", "since", "probes_in_a_row", "last_success_at", "half_hour", "timeline", "states"]
)


@given(st.lists(st.text(max_size=40), max_size=6))
def test_lines_are_read_or_are_damage(lines: list[str]) -> None:
    with suppress(DamagedHistoryError):
        read_history(lines)


@given(st.dictionaries(KEYS, JSON))
def test_a_document_is_read_or_is_damage(changes: dict[str, object]) -> None:
    first, line, last = _written(store_with([endpoint("a")], [success("a")]))
    with suppress(DamagedHistoryError):
        read_history([first, json.dumps(json.loads(line) | changes), last])
    assert FORMAT in first


def _written(store: Store) -> list[str]:
    return list(write_history(store.to_remember(NOON).items()))


@given(st.lists(st.tuples(st.floats(0, 100 * 86400), st.booleans()), min_size=1, max_size=30), st.text(min_size=1))
def test_every_past_comes_back(probes: list[tuple[float, bool]], name: str) -> None:
    results = [
        (
            failure(FailureReason.TIMEOUT, Phase.GREETING, name, started_at=NOON + at)
            if failed
            else success(name, started_at=NOON + at)
        )
        for at, failed in probes
    ]
    store = store_with([endpoint(name)], results)
    (state,) = store.states(name)

    (remembered,) = read_history(_written(store)).values()

    assert state.history.timeline == remembered.history.timeline
    assert state.history.turns == remembered.history.turns
    assert (state.history.since, state.history.streak) == (remembered.history.since, remembered.history.streak)


@given(st.lists(st.tuples(st.integers(-LENGTH, 2 * LENGTH), st.booleans()), max_size=40))
def test_a_timeline_says_what_a_plain_list_would(probes: list[tuple[int, bool]]) -> None:
    now = slot_number(NOON)
    timeline, plain, newest = Timeline(), dict[int, int](), None
    for slot, failed in probes:
        timeline = timeline.noted((now + slot) * SLOT_SECONDS, failed=failed)
        newest = slot if newest is None else max(newest, slot)
        plain[slot] = plain.get(slot, 0) | (Slot.BAD if failed else Slot.GOOD)
        plain = {each: bits for each, bits in plain.items() if each > newest - LENGTH}

    end = newest or 0
    assert [plain.get(end - place, 0) for place in range(LENGTH)] == timeline.slots(now + end, LENGTH)[::-1]
    assert timeline == Timeline.parse(str(timeline), timeline.newest)
