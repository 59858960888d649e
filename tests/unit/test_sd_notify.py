"""systemd is told what the daemon does, if it asked; and nothing depends on whether it listens."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter import sd_notify


@pytest.fixture(params=["a file", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of the socket, by either kind of name that it may give."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        if request.param == "a file":
            listener.bind(str(tmp_path / "notify"))
            name = str(tmp_path / "notify")
        else:
            listener.bind("")  # unix(7): autobind takes an abstract name
            name = f"@{listener.getsockname()[1:].decode()}"
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


def test_being_ready_is_told_in_one_message_with_its_status(manager: socket.socket) -> None:
    sd_notify.ready("Probing 3 endpoints")

    assert b"READY=1\nSTATUS=Probing 3 endpoints" == manager.recv(4096)


def test_a_reload_is_told_with_the_time_it_began(manager: socket.socket) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    sd_notify.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    state, _, began = manager.recv(4096).decode().partition("\nMONOTONIC_USEC=")
    assert "RELOADING=1" == state
    assert before <= int(began) <= after


def test_stopping_is_told(manager: socket.socket) -> None:
    sd_notify.stopping()

    assert b"STOPPING=1" == manager.recv(4096)


def test_a_status_cannot_smuggle_in_another_assignment(manager: socket.socket) -> None:
    sd_notify.ready("fine\nMAINPID=1")

    assert b"READY=1\nSTATUS=fine MAINPID=1" == manager.recv(4096)


@pytest.mark.parametrize("value", [None, ""])
def test_without_systemd_nothing_happens(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", value)

    with capture_logs() as logged:
        sd_notify.ready("Probing")

    assert [] == logged


def test_a_socket_that_is_gone_is_logged_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))

    with capture_logs() as logged:
        sd_notify.ready("Probing")

    assert [("warning", "READY=1")] == [(entry["log_level"], entry["state"]) for entry in logged]


def test_a_manager_that_does_not_read_is_not_waited_for(manager: socket.socket) -> None:
    with capture_logs() as logged:
        for _ in range(10_000):  # more than any queue of datagrams holds (net.unix.max_dgram_qlen)
            sd_notify.stopping()
            if logged:
                break

    assert "STOPPING=1" == logged[0]["state"]
    assert b"STOPPING=1" == manager.recv(4096)


async def test_a_watchdog_hears_twice_within_its_time_that_the_loop_runs(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    manager.setblocking(True)
    manager.settimeout(10)
    barking = asyncio.create_task(sd_notify.keep_alive())
    heard = [await asyncio.to_thread(manager.recv, 4096) for _ in range(3)]
    barking.cancel()

    assert [b"WATCHDOG=1"] * 3 == heard


@pytest.mark.parametrize(("microseconds", "process"), [("", ""), ("nonsense", ""), ("1000", "1")])
async def test_nobody_else_s_watchdog_is_fed(
    microseconds: str, process: str, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", process)
    await asyncio.wait_for(sd_notify.keep_alive(), 10)

    with pytest.raises(BlockingIOError):
        manager.recv(4096)
