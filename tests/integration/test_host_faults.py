"""What the machine can do to the daemon: no descriptors, a log that nobody reads, a full disk, a standstill."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pytest

from tests.servers.exporter import COMMAND, STOPS_WITHIN, Metrics
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, wait_until

ENDPOINTS = 10
PATIENCE = 1.5
"""Seconds after which the mail server hangs up on a client that says nothing. The daemon is stopped for three times
that, which is more than a probe may take, and than what counts as a standstill; a minute is no other matter."""


class Pop3(socketserver.StreamRequestHandler):
    """A mailbox that takes a moment for every answer, and does not wait for long."""

    timeout = PATIENCE

    def handle(self) -> None:
        self.wfile.write(b"+OK ready\r\n")
        try:
            while line := self.rfile.readline():
                time.sleep(0.05)
                self.wfile.write(b"+OK\r\nUSER\r\n.\r\n" if line.startswith(b"CAPA") else b"+OK\r\n")
        except OSError:
            return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


@pytest.fixture(scope="module")
def pop3() -> Iterator[int]:
    """The port of a healthy server."""
    with Server((LOOPBACK, 0), Pop3) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class Daemon:
    """The daemon beside ten healthy endpoints."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self.url = url

    def metrics(self) -> Metrics:
        return Metrics.parse(fetch(f"{self.url}/metrics").body.decode())

    def probes(self) -> float:
        metrics = self.metrics()
        return sum(metrics.value("mail_probes_total", **labels) for labels in metrics.find("mail_probes_total"))

    def under_way(self) -> float:
        return self.metrics().value("mail_exporter_probes_in_flight")

    def failures(self) -> list[dict[str, str]]:
        return self.metrics().find("mail_probe_failures_total")

    def probes_more(self, count: int) -> None:
        """Until so many more are done."""
        before = self.probes()
        wait_until(lambda: self.probes() >= before + count or None, what=f"{count} more probes", within=60)

    def reload(self) -> int:
        """What a reload is answered with."""
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)) as connection:
            connection.request("POST", "/-/reload")
            return connection.getresponse().status

    def stop(self) -> float:
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert 0 == self.process.wait(4 * STOPS_WITHIN)
        return time.monotonic() - begun


@contextmanager
def running(directory: Path, pop3: int, stderr: BinaryIO | int, command: Sequence[str] = COMMAND) -> Iterator[Daemon]:
    file = directory / "mail-exporter.yaml"
    entries = [f"- {{name: e{n}, url: 'pop3://{LOOPBACK}:{pop3}', encryption: none}}" for n in range(ENDPOINTS)]
    # A probe takes 0.2 s. There is time enough on a machine that does much else: of a failure, the test has to be sure.
    head = "defaults: {interval: 3s}\nlimits: {connections_per_host: 100}\nendpoints:\n"
    file.write_text(head + "\n".join(entries) + "\n")
    (port,) = free_ports(1)
    flags = ["--log.level=debug", "--web.enable-lifecycle", f"--web.listen-address={LOOPBACK}:{port}"]
    with subprocess.Popen([*command, "run", f"--config.file={file}", *flags], stderr=stderr) as process:
        daemon = Daemon(process, f"http://{LOOPBACK}:{port}")
        try:
            wait_until(lambda: fetch(f"{daemon.url}/-/ready").status == 200 or None, what="it is ready", within=60)
            daemon.probes_more(3)
            yield daemon
        finally:
            process.kill()


@contextmanager
def stalled_reader() -> Iterator[int]:
    """A pipe that is full, and that nobody reads."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, bytes(4096))
    except BlockingIOError:
        pass
    os.set_blocking(write, True)
    try:
        yield write
    finally:
        os.close(read)
        os.close(write)


@contextmanager
def reader_gone() -> Iterator[int]:
    """A pipe without a reader."""
    read, write = os.pipe()
    os.close(read)
    try:
        yield write
    finally:
        os.close(write)


@contextmanager
def full_disk() -> Iterator[int]:
    """A file for which there is no room."""
    with Path("/dev/full").open("wb") as file:
        yield file.fileno()


CLOSED = ("sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh")
"""Without standard input, output and error."""


def test_without_standard_descriptors_no_connection_takes_their_place(pop3: int, tmp_path: Path) -> None:
    with running(tmp_path, pop3, subprocess.DEVNULL, [*CLOSED, *COMMAND]) as daemon:
        daemon.probes_more(ENDPOINTS)
        places = [str(Path(f"/proc/{daemon.process.pid}/fd/{descriptor}").readlink()) for descriptor in range(3)]
        reloaded = daemon.reload()
        failures = daemon.failures()
        daemon.stop()

    # A library may have taken one for a file of its own before we could.
    assert [] == [place for place in places if place.startswith("socket:")]
    assert (200, []) == (reloaded, failures)


@pytest.mark.parametrize("stderr", [stalled_reader, reader_gone, full_disk])
def test_a_log_that_cannot_be_written_stops_neither_probes_nor_scrapes_nor_reloads_nor_the_end(
    stderr: Callable[[], AbstractContextManager[int]], pop3: int, tmp_path: Path
) -> None:
    with stderr() as descriptor, running(tmp_path, pop3, descriptor) as daemon:
        daemon.probes_more(ENDPOINTS)
        reloaded = daemon.reload()
        dropped = daemon.metrics().value("mail_exporter_log_lines_dropped_total")
        failures = daemon.failures()
        took = daemon.stop()

    assert (200, []) == (reloaded, failures)
    # What waits for a reader that stalls is not yet dropped.
    assert stderr is stalled_reader or dropped > 0
    assert took < 2 * STOPS_WITHIN


def test_without_descriptors_the_daemon_lives_and_says_why_probes_fail(pop3: int, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log, running(tmp_path, pop3, log) as daemon:
        process = daemon.process.pid
        before = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (8, before[1]))
        written = tmp_path / "log"
        wait_until(lambda: b"Too many open files" in written.read_bytes() or None, what="a probe fails", within=60)
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)
        wait_until(lambda: daemon.probes() or None, what="it answers again", within=60)
        failed = {labels["reason"] for labels in daemon.failures()}

        def all_succeed() -> bool:
            metrics = daemon.metrics()
            return all(metrics.get("mail_probe_success", endpoint=f"e{number}") for number in range(ENDPOINTS))

        wait_until(all_succeed, what="all succeed again", within=60)
        reloaded = daemon.reload()
        daemon.stop()

    assert failed <= {"connect_failed", "dns_failed"}
    assert failed
    assert 200 == reloaded


def test_after_a_stop_nothing_that_was_under_way_is_judged(pop3: int, tmp_path: Path) -> None:
    """The server hangs up on those that say nothing for long: each would be a failure that nobody but we have made."""
    with (tmp_path / "log").open("wb") as log, running(tmp_path, pop3, log) as daemon:
        for _ in range(2):
            wait_until(lambda: daemon.under_way() or None, what="probes are under way", within=60)
            daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(3 * PATIENCE)
            daemon.process.send_signal(signal.SIGCONT)
            daemon.probes_more(ENDPOINTS)
        failures = daemon.failures()
        late = daemon.metrics().value("mail_exporter_probes_skipped_total", reason="late")
        daemon.stop()

    assert [] == failures
    assert late >= ENDPOINTS
    assert "this process stood still" in (tmp_path / "log").read_text()


STEPPED = """
import sys, time
from pathlib import Path
right, step = time.time, Path(sys.argv.pop(1))
time.time = lambda: right() + float(step.read_text())
from exporter.cli import main
main()
"""
"""The daemon with a clock that is by as much ahead as a file says."""


def ran_at(daemon: Daemon, ahead: float) -> bool | None:
    """Whether the last probe of each endpoint began within a minute, by a clock that is by so much ahead."""
    metrics, now = daemon.metrics(), time.time() + ahead
    began = [metrics.get("mail_probe_last_run_timestamp_seconds", endpoint=f"e{n}") or 0.0 for n in range(ENDPOINTS)]
    return all(abs(at - now) < 60 for at in began) or None


def test_a_clock_that_is_stepped_makes_no_burst_no_gap_and_no_wrong_duration(pop3: int, tmp_path: Path) -> None:
    step = tmp_path / "step"
    step.write_text("0")
    command = [sys.executable, "-c", STEPPED, str(step)]
    with running(tmp_path, pop3, subprocess.DEVNULL, command) as daemon:
        for ahead in (3600.0, -3600.0):
            step.write_text(f"{ahead}")
            before, begun = daemon.probes(), time.monotonic()

            # A probe that began before the step, and ends after it, says when it began by the clock of then.
            wait_until(partial(ran_at, daemon, ahead), what="each endpoint was probed by the new clock", within=60)
            metrics, passed = daemon.metrics(), time.monotonic() - begun
            done = daemon.probes() - before
            took = [metrics.value("mail_probe_last_duration_seconds", endpoint=f"e{n}") for n in range(ENDPOINTS)]

            # Each endpoint once in three seconds, one that was due and one that is done meanwhile.
            assert done <= (passed / 3 + 2) * ENDPOINTS
            assert [] == [seconds for seconds in took if not 0 < seconds <= 3]
            assert 200 == fetch(f"{daemon.url}/-/healthy").status
        failures = daemon.failures()
        daemon.stop()

    assert [] == failures
