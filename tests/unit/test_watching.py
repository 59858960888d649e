from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

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
    watcher = Watcher(path)

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

    assert seen.count == 1


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

    assert seen.count == 3


async def test_a_file_behind_a_symlink_elsewhere_is_noticed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "real.yaml"
    target.parent.mkdir()
    target.write_text("one")
    path = tmp_path / "mail.yaml"
    path.symlink_to(target)

    async with watched(path) as seen:
        await asyncio.to_thread(target.write_text, "two")
        await seen.one_more()

    assert seen.count == 1


async def test_a_file_that_is_written_with_the_same_content_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "mail.yaml"
    path.write_text("one")

    async with watched(path) as seen:
        await asyncio.to_thread(path.write_text, "one")
        await asyncio.to_thread((tmp_path / "other.yaml").write_text, "two")
        await asyncio.to_thread(path.write_text, "two")
        await seen.one_more()

    assert seen.count == 1


async def test_a_file_that_goes_and_comes_back_changed_is_noticed_once(tmp_path: Path) -> None:
    path = tmp_path / "mail.yaml"
    path.write_text("one")

    async with watched(path) as seen:
        await asyncio.to_thread(path.unlink)
        await asyncio.to_thread(path.write_text, "two")
        await seen.one_more()

    assert seen.count == 1
