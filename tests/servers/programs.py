"""Programs of the system that the tests run: how they are found, started, waited for and stopped.

Knows nothing of any one server. A program that is missing skips its tests with the reason, and fails them where
`MAIL_EXPORTER_REQUIRE_SERVERS` is set, as `.ci/run` does: there a skipped test would be a check that nobody made.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from typing import NoReturn, TypeVar

import pytest

REQUIRE_SERVERS = "MAIL_EXPORTER_REQUIRE_SERVERS"
READY_WITHIN = 30.0
"""Seconds. A server is up in one; the rest is for a machine that does much else."""
STOPPED_WITHIN = 10.0

LOOPBACK = "127.0.0.1"
REMOTE_LOOPBACK = "127.0.0.2"
"""Also this machine, but not the address a connection to it comes from: Dovecot takes such a client for remote."""

# Below the range that outgoing connections take theirs from (net.ipv4.ip_local_port_range starts at 32768).
_PORTS = range(20000, 30000)
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"

T = TypeVar("T")


def unavailable(why: str) -> NoReturn:
    """Ends the test because a server it needs cannot be had here.

    Raises:
        pytest.skip.Exception: Normally.
        pytest.fail.Exception: Where the servers are required.
    """
    if os.environ.get(REQUIRE_SERVERS):
        pytest.fail(f"{why}; {REQUIRE_SERVERS} is set, so this is a failure", pytrace=False)
    pytest.skip(why)


def program(name: str, *, package: str) -> str:
    """The path of a program, also of one that lies where only root's PATH leads."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}")
    if found is None:
        unavailable(f"{name} is not installed (Debian package: {package})")
    return found


def free_ports(count: int) -> tuple[int, ...]:
    """Free ports at both loopback addresses."""
    held: list[socket.socket] = []
    ports: list[int] = []
    try:
        for port in SystemRandom().sample(_PORTS, len(_PORTS)):
            try:
                held.extend(socket.create_server((host, port)) for host in (LOOPBACK, REMOTE_LOOPBACK))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return tuple(ports)
    finally:
        for listener in held:
            listener.close()
    raise OSError(f"fewer than {count} of the ports {_PORTS} are free")


def wait_until(condition: Callable[[], T | None], *, what: str, within: float = READY_WITHIN) -> T:
    """Asks until the answer is true, and returns it.

    Args:
        condition: Asked every few hundredths of a second; an `OSError` counts as "not yet".
        what: What is waited for, for the message.
        within: Seconds.

    Raises:
        TimeoutError: It did not come true; says what the last answer was.
    """
    end = time.monotonic() + within
    while True:
        last: object
        try:
            answer = condition()
        except OSError as error:
            last = error
        else:
            if answer:
                return answer
            last = answer
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {within:g} s, at last: {last!r}")
        time.sleep(0.03)


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory that other users may enter, with a path short enough for UNIX sockets (107 bytes on Linux).

    pytest's own `tmp_path` is neither: Dovecot and Postfix drop to users of their own, and put sockets below it.
    """
    with tempfile.TemporaryDirectory(prefix="mail-exporter-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        closed = [parent for parent in directory.parents if not parent.stat().st_mode & 0o001]
        if closed or len(name) > 70:
            unavailable(f"servers cannot work below {name}: too long, or other users may not enter {closed}")
        yield directory


@contextmanager
def running(
    command: Sequence[str], *, log: Path, ready: Callable[[], bool], stop: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server in the foreground until the block ends.

    Args:
        command: Program and arguments.
        log: Where its output goes; the end of it is in the message of a failure.
        ready: Whether it serves by now; an `OSError` counts as "not yet".
        stop: The signal that ends it in good order.

    Raises:
        RuntimeError: It ended instead of serving.
        TimeoutError: It does not serve in time.
    """

    def up() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{tail(log)}")
        return ready()

    with (
        log.open("ab") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            try:
                wait_until(up, what=f"{command[0]} is ready")
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{tail(log)}") from error
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, stop)  # its children too: Dovecot would wait seconds for its own
            try:
                process.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise


def tail(log: Path, lines: int = 30) -> str:
    """The end of a log, for messages."""
    text = log.read_text(errors="backslashreplace") if log.exists() else ""
    return "\n".join([f"--- {log.name}", *text.splitlines()[-lines:]])
