"""Log lines. The set-up is the whole process's, so each test has a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import logging, structlog
from exporter import logs

logs.configure(logs.LogLevel(level), logs.LogFormat(form))
log = structlog.get_logger()
log.debug("probed", endpoint="a", reason=None)
log.warning("endpoint down", endpoint="b c", detail='it said "no"')
secret = "hunter2"
try:
    {}[0]
except KeyError:
    log.exception("bug: it broke")
logging.getLogger("aiohttp.server").error("two\\nlines")
"""


def logged(level: str, form: str) -> list[str]:
    script = f"level, form = {level!r}, {form!r}\n{SCRIPT}"
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "" == ended.stdout
    return ended.stderr.splitlines()


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", ["debug", "warn", "error", "error"]), ("warn", ["warn", "error", "error"]), ("error", ["error"] * 2)],
)
def test_what_is_less_important_is_left_out(level: str, expected: list[str]) -> None:
    assert expected == [line.split()[1].removeprefix("level=") for line in logged(level, "logfmt")]


def test_a_line_of_logfmt_begins_with_time_level_and_message() -> None:
    debug, warning, bug, library = (line.split(" ", 1) for line in logged("debug", "logfmt"))

    assert all(line[0].startswith("ts=20") and line[0].endswith("Z") for line in (debug, warning, bug, library))
    assert "level=debug msg=probed endpoint=a reason=" == debug[1]
    assert 'level=warn msg="endpoint down" endpoint="b c" detail="it said \\"no\\""' == warning[1]
    assert bug[1].startswith('level=error msg="bug: it broke" exception="Traceback (most recent call last):\\n')
    assert r"level=error msg=two\nlines" == library[1]


def test_a_line_of_json_has_the_same_in_the_same_order() -> None:
    debug, warning, bug, library = (json.loads(line) for line in logged("debug", "json"))

    assert ["ts", "level", "msg", "endpoint", "reason"] == list(debug)
    assert ["debug", "probed", "a", None] == list(debug.values())[1:]
    assert ("warn", "endpoint down", 'it said "no"') == (warning["level"], warning["msg"], warning["detail"])
    assert bug["exception"].endswith("KeyError: 0")
    assert "two\nlines" == library["msg"]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_traceback_is_in_one_line_and_shows_no_variables(form: str) -> None:
    lines = logged("error", form)

    assert 2 == len(lines)
    assert "KeyError" in lines[0]
    assert "hunter2" not in lines[0]


STALLED = """
import os, sys, time, structlog
from exporter import logs

logs.configure(logs.LogLevel.INFO, logs.LogFormat.LOGFMT)
log = structlog.get_logger()
begun = time.monotonic()
for number in range(20_000):
    log.info("a line that nobody reads", number=number, filler="x" * 100)
print(time.monotonic() - begun, logs.dropped(), flush=True)
"""


BRIEF = STALLED.replace("20_000", "1_000").replace("print", "assert logs._sink.flush(10)\nprint")


def stalled(script: str = STALLED, **options: Any) -> tuple[float, int]:
    """Seconds that logging took, and the lines that it dropped."""
    ended = subprocess.run(
        [sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, text=True, timeout=60, **options
    )
    seconds, dropped = ended.stdout.split()
    return float(seconds), int(dropped)


def test_a_log_that_nobody_reads_stops_nobody_and_is_counted() -> None:
    unread, written = os.pipe()
    with os.fdopen(unread), os.fdopen(written, "w") as stderr:
        seconds, dropped = stalled(stderr=stderr)

    # A pipe takes 64 KiB, and a mebibyte waits.
    assert 5_000 < dropped < 20_000
    assert seconds < 30


def test_a_log_whose_reader_is_gone_stops_nobody_and_is_counted() -> None:
    unread, written = os.pipe()
    os.close(unread)
    with os.fdopen(written, "w") as stderr:
        _, dropped = stalled(BRIEF, stderr=stderr)

    assert 1_000 == dropped


def test_a_log_on_a_full_disk_stops_nobody_and_is_counted() -> None:
    with Path("/dev/full").open("w") as stderr:
        _, dropped = stalled(BRIEF, stderr=stderr)

    assert 1_000 == dropped


CLOSED = """
import socket, structlog
from exporter import logs

logs.configure(logs.LogLevel.INFO, logs.LogFormat.LOGFMT)
ours, theirs = socket.socketpair()
structlog.get_logger().info("a line")
assert logs._sink.flush(10)
print(min(ours.fileno(), theirs.fileno()) > 2, logs.dropped())
"""


def test_a_log_that_was_closed_is_not_sent_to_the_next_connection() -> None:
    shell = f'exec "{sys.executable}" -c "$0" 2>&-'
    ended = subprocess.run(["/bin/sh", "-c", shell, CLOSED], check=True, stdout=subprocess.PIPE, text=True)

    assert "True 0" == ended.stdout.strip()


def test_a_library_that_logs_nonsense_breaks_nothing() -> None:
    script = """
import logging
from exporter import logs

logs.configure(logs.LogLevel.INFO, logs.LogFormat.JSON)
logging.getLogger("library").warning("%d things", "many")
logging.getLogger("watchfiles.main").info("1 change detected")
logging.getLogger("library").warning("fine \\udcff")
print(0.0, logs.dropped())
"""
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert "0.0 1" == ended.stdout.strip()
    assert ["fine \udcff"] == [json.loads(line)["msg"] for line in ended.stderr.splitlines()]
