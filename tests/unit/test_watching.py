from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import watchfiles
from structlog.testing import capture_logs

from exporter import watching
from exporter.watching import Watcher

pytestmark = pytest.mark.timeout(20)


class Seen:
    """Counts what was noticed."""

    def __init__(self) -> None:
        self.count = 0
        self.more = asyncio.Event()

    async def one_more(self) -> None:
        async with asyncio.timeout(10):
            await self.more.wait()
        self.more.clear()


@asynccontextmanager
async def watched(path: Path) -> AsyncIterator[Seen]:
    seen = Seen()
    watcher = Watcher([path])

    async def watch() -> None:
        async for _ in watcher.changes():
            seen.count += 1
            seen.more.set()

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    # What happens before the watch stands is found by the regular look, which users can wait for and tests need not.
    monkeypatch.setattr(watching, "LOOK_EVERY", 100)
    monkeypatch.setattr(watching, "RETRY", 0.2)


def write(path: Path) -> None:
    path.write_text("two")


def replace(path: Path) -> None:
    beside = path.with_suffix(".new")
    beside.write_text("two")
    beside.replace(path)


@pytest.mark.parametrize("change", [write, replace])
async def test_a_changed_file_is_noticed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "mail.yaml"
    path.write_text("one")

    async with watched(path) as seen:
        await asyncio.to_thread(change, path)
        await seen.one_more()

    assert 1 == seen.count


async def test_the_swapped_symlink_of_a_mounted_configmap_is_noticed_again_and_again(tmp_path: Path) -> None:
    def publish(version: str) -> None:
        """As the kubelet does: a new directory, and one symlink renamed over the old."""
        directory = tmp_path / f"..{version}"
        directory.mkdir()
        (directory / "mail.yaml").write_text(version)
        (tmp_path / "..data_tmp").symlink_to(directory.name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    publish("one")
    path = tmp_path / "mail.yaml"
    path.symlink_to(Path("..data") / "mail.yaml")

    async with watched(path) as seen:
        for version in ("two", "three", "four"):
            await asyncio.to_thread(publish, version)
            await seen.one_more()

    assert 3 == seen.count


async def test_a_file_behind_a_symlink_elsewhere_is_noticed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "real.yaml"
    target.parent.mkdir()
    target.write_text("one")
    path = tmp_path / "mail.yaml"
    path.symlink_to(target)

    async with watched(path) as seen:
        await asyncio.to_thread(target.write_text, "two")
        await seen.one_more()

    assert 1 == seen.count


async def test_a_file_that_is_written_with_the_same_content_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "mail.yaml"
    path.write_text("one")

    async with watched(path) as seen:
        await asyncio.to_thread(path.write_text, "one")
        await asyncio.to_thread((tmp_path / "other.yaml").write_text, "two")
        await asyncio.to_thread(path.write_text, "two")
        await seen.one_more()

    assert 1 == seen.count


async def test_a_file_that_goes_and_comes_back_changed_is_noticed_once(tmp_path: Path) -> None:
    path = tmp_path / "mail.yaml"
    path.write_text("one")

    async with watched(path) as seen:
        await asyncio.to_thread(path.unlink)
        await asyncio.to_thread(path.write_text, "two")
        await seen.one_more()

    assert 1 == seen.count


async def test_a_file_that_goes_is_noticed_and_so_is_that_it_is_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "mail.yaml"
    path.write_text("one")

    async with watched(path) as seen:
        await asyncio.to_thread(path.unlink)
        await seen.one_more()
        await asyncio.to_thread(path.write_text, "one")
        await seen.one_more()

    assert 2 == seen.count


async def test_a_symlink_that_dangles_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("one")
    path = tmp_path / "mail.yaml"
    path.symlink_to("real.yaml")

    async with watched(path) as seen:
        await asyncio.to_thread((tmp_path / "real.yaml").rename, tmp_path / "elsewhere.yaml")
        await seen.one_more()

    assert 1 == seen.count


async def test_a_pipe_in_the_place_of_the_file_is_noticed_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "mail.yaml"
    path.write_text("one")

    async with watched(path) as seen:
        await asyncio.to_thread(path.unlink)
        await asyncio.to_thread(os.mkfifo, path)
        await seen.one_more()

    assert 1 == seen.count


async def test_a_file_more_and_a_file_less_that_match_a_pattern_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("one")

    async with watched(tmp_path / "*.yaml") as seen:
        await asyncio.to_thread((tmp_path / "b.yaml").write_text, "two")
        await seen.one_more()
        await asyncio.to_thread((tmp_path / "a.yaml").unlink)
        await seen.one_more()

    assert 2 == seen.count


async def test_a_directory_that_is_gone_is_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "conf" / "mail.yaml"
    path.parent.mkdir()
    path.write_text("one")

    async with watched(path) as seen:
        await asyncio.to_thread(path.parent.rename, tmp_path / "old")
        await seen.one_more()
        await asyncio.to_thread((tmp_path / "old").rename, path.parent)
        await seen.one_more()

    assert 2 == seen.count


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENOSPC, "No space")])
async def test_what_cannot_be_watched_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def awatch(*_: object, **__: object) -> AsyncIterator[None]:
        raise error

    monkeypatch.setattr(watchfiles, "awatch", awatch)
    path = tmp_path / "mail.yaml"
    path.write_text("one")

    with capture_logs() as logs:
        async with watched(path) as seen:
            for content in ("two", "three"):
                await asyncio.to_thread(path.write_text, content)
                await seen.one_more()

    assert 2 == seen.count
    assert [str(error)] == [line["problem"] for line in logs]
