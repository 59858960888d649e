"""A server that is missing, silent or gone is told apart, and never taken for one that is there."""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.programs import (
    LOOPBACK,
    REMOTE_LOOPBACK,
    REQUIRE_SERVERS,
    free_ports,
    program,
    running,
    wait_until,
)

NAPPING = [sys.executable, "-c", "print('up', flush=True); import signal; signal.pause()"]


def test_a_missing_program_skips_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRE_SERVERS, raising=False)

    with pytest.raises(pytest.skip.Exception, match=r"no-such-server is not installed .*: some-package"):
        program("no-such-server", package="some-package")


def test_a_missing_program_fails_where_servers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE_SERVERS, "1")

    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed"):
        program("no-such-server", package="some-package")


def test_free_ports_can_be_listened_on_at_both_addresses() -> None:
    ports = free_ports(3)

    assert 3 == len(set(ports))
    for port in ports:
        for host in (LOOPBACK, REMOTE_LOOPBACK):
            with closing(socket.create_server((host, port))) as listener:
                assert (host, port) == listener.getsockname()


def test_a_server_is_ready_when_it_says_so_and_gone_afterwards(tmp_path: Path) -> None:
    log = tmp_path / "log"

    with running(NAPPING, log=log, ready=lambda: log.read_text() == "up\n") as process:
        assert process.poll() is None

    assert -signal.SIGTERM == process.returncode


def test_a_server_that_ends_at_once_fails_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]

    with (
        pytest.raises(RuntimeError, match=r"ended with 1:\n.*\nno such option"),
        running(command, log=tmp_path / "log", ready=lambda: False),
    ):
        pytest.fail("it was taken for ready")


def test_waiting_in_vain_says_what_the_last_answer_was() -> None:
    def refused() -> bool:
        raise ConnectionRefusedError("nobody there")

    with pytest.raises(TimeoutError, match=r"the server is up: not within 0 s, at last: .*nobody there"):
        wait_until(refused, what="the server is up", within=0)
