from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.history_file import HistoryFile
from exporter.metrics.history.history_format import DamagedHistoryError, read_history, write_history
from exporter.metrics.history.remembering import Remembered
from exporter.metrics.store import Store
from exporter.model import FailureReason, Phase, Protocol, Series
from tests.unit.results import DAY, NOON, endpoint, failure, success
from tests.unit.web import store_with

NAME = "imaps://mail.example.com"


def told() -> Store:
    """A store with a past: up, then failing for two probes."""
    results = [
        success(NAME),
        failure(FailureReason.TIMEOUT, Phase.GREETING, NAME, started_at=NOON + 60),
        failure(FailureReason.TIMEOUT, Phase.GREETING, NAME, started_at=NOON + 120),
    ]
    return store_with([endpoint(NAME)], results)


def lines(store: Store) -> list[str]:
    return list(write_history(store.to_remember(NOON).items()))


def again(remembered: Mapping[Series, Remembered], **changes: Any) -> Store:
    """A later process with the same endpoint."""
    store = store_with([])
    store.recall(remembered)
    store.configure([endpoint(NAME, **changes)])
    return store


def test_what_is_written_is_read_again_and_gone_on_with() -> None:
    before = told()

    store = again(read_history(lines(before)))
    (state,), (known,) = store.states(NAME), before.states(NAME)
    store.record(failure(FailureReason.TIMEOUT, Phase.GREETING, NAME, started_at=NOON + 300))
    (later,) = store.states(NAME)

    assert (known.history.since, known.history.streak) == (state.history.since, state.history.streak)
    assert known.history.timeline == state.history.timeline
    assert known.history.turns == state.history.turns
    assert known.last_success_at == state.last_success_at
    assert (known.history.since, 3) == (later.history.since, later.history.streak)
    assert known.history.turns == later.history.turns


@pytest.mark.parametrize("changes", [{"host": "other.example.com"}, {"port": 1993}, {"protocol": Protocol.POP3}])
def test_another_server_of_the_same_name_has_another_past(changes: dict[str, object]) -> None:
    (state,) = again(read_history(lines(told())), **changes).states(NAME)

    assert state.history.since is None


def test_an_endpoint_that_does_not_come_back_is_remembered_for_ninety_days() -> None:
    store = store_with([])
    store.recall(read_history(lines(told())))

    assert {(NAME, "")} == set(store.to_remember(NOON + 89 * DAY))
    assert not store.to_remember(NOON + 91 * DAY)


def test_what_another_version_knows_is_left_out() -> None:
    _, line, _ = lines(told())
    document = json.loads(line)
    document["states"].append([NOON + 500, "a_new_reason", "greeting"])
    document["changes"].append([NOON + 500, "a new fact", "a", "b"])
    written = _signed([json.dumps(document) + "\n"])

    (remembered,) = read_history(written).values()

    assert 2 == len(remembered.history.turns)
    assert () == remembered.history.changes


def _signed(middle: list[str]) -> Iterator[str]:
    import hashlib  # noqa: PLC0415 - as the writer does it

    first, *_ = lines(store_with([]))
    yield first
    yield from middle
    yield json.dumps({"endpoints": len(middle), "sha256": hashlib.sha256("".join(middle).encode()).hexdigest()}) + "\n"


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda text: text[: len(text) // 2],
        lambda text: "".join(text.splitlines(keepends=True)[:-1]),
        lambda text: "".join(text.splitlines(keepends=True)[:1] + text.splitlines(keepends=True)[2:]),
        lambda text: text + text,
        lambda text: text.replace("timeout", "timeouT"),
        lambda text: text.replace("mail-exporter history 1", "mail-exporter history 2"),
        lambda _: "\0" * 4096,
        lambda _: "[" * 100_000,
        lambda _: "{}\n",
        lambda _: '"a"\n',
    ],
)
def test_a_damaged_file_is_set_aside_with_a_word(damage: Callable[[str], str], tmp_path: Path) -> None:
    file = tmp_path / "history"
    damaged = damage("".join(lines(told())))
    file.write_text(damaged)

    with capture_logs() as logs:
        found = HistoryFile(file).load()

    assert {} == found
    assert ["the history file is damaged; a new one begins"] == [entry["event"] for entry in logs]
    assert damaged == (tmp_path / "history.damaged").read_text()
    assert not file.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"timeline": "9999+"},
        {"timeline": 5},
        {"since": "yesterday"},
        {"since": float("nan")},
        {"probes_in_a_row": -1},
        {"states": [[1]]},
        {"states": 7},
        {"changes": [[NOON, "certificate", 1, 2]]},
        {"endpoint": None},
        {"half_hour": 1.5},
    ],
)
def test_a_line_that_makes_no_sense_is_damage(changed: dict[str, object]) -> None:
    document = json.loads(lines(told())[1]) | changed

    with pytest.raises(DamagedHistoryError, match="line 2 makes no sense"):
        read_history(_signed([json.dumps(document) + "\n"]))


async def kept(file: HistoryFile, store: Store) -> None:
    file.start(store.to_remember)
    await file.close()


async def test_it_is_written_at_the_end_and_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("the old one")

    await kept(HistoryFile(path), told())

    assert "".join(lines(told())) == path.read_text()
    assert ["history"] == [each.name for each in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))]
    assert 0o640 & ~_umask() == path.stat().st_mode & 0o777


def _umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


async def test_what_is_remembered_of_domains_stands_beside_the_endpoints(tmp_path: Path) -> None:
    store, memory = told(), {"example.com": {"policies": {"1": "digest"}}}
    file = HistoryFile(tmp_path / "history")
    file.start(store.to_remember, of_domains=lambda: memory)
    await file.close()

    after = HistoryFile(tmp_path / "history")
    assert after.load()
    assert memory == after.domains
    # An earlier version reads past it.
    text = (tmp_path / "history").read_text().splitlines(keepends=True)
    assert read_history(text) == read_history(['{"format": "mail-exporter history 1"}\n', *text[1:]])


async def test_it_is_written_now_and_then(tmp_path: Path) -> None:
    path = tmp_path / "history"
    file = HistoryFile(path, every=0.001)
    store, asked = told(), asyncio.Event()

    def histories(now: float) -> Mapping[Series, Remembered]:
        asked.set()
        return store.to_remember(now)

    file.start(histories)
    await asked.wait()
    await file.close()

    assert read_history(path.read_text().splitlines(keepends=True))


async def test_a_file_that_cannot_be_written_is_said_once_and_nothing_else_happens(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "missing" / "history")
    with capture_logs() as logs:
        await kept(file, told())
        await kept(file, told())
        (tmp_path / "missing").mkdir()
        await kept(file, told())

    assert [
        "the history file cannot be written; it stays as it was",
        "the history file is written again",
    ] == [entry["event"] for entry in logs]


def test_a_place_that_cannot_be_written_to_is_said_at_the_start(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert {} == HistoryFile(tmp_path / "missing" / "history").load()

    assert [
        ("the history file cannot be written; histories end with this process", "its directory does not exist")
    ] == [(entry["event"], entry["error"]) for entry in logs]


@pytest.mark.parametrize("made", [Path.mkdir, os.mkfifo])
async def test_a_file_that_cannot_be_read_is_not_replaced(made: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "history"
    made(path)
    file = HistoryFile(path)
    with capture_logs() as logs:
        assert {} == file.load()
        await kept(file, told())

    assert ["the history file cannot be read; histories are not kept"] == [entry["event"] for entry in logs]
    assert not path.is_file()


async def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "history").symlink_to(tmp_path / "elsewhere")

    await kept(HistoryFile(tmp_path / "history"), told())

    assert (tmp_path / "history").is_symlink()
    assert (tmp_path / "elsewhere").is_file()
