"""Log lines. The set-up is the whole process's, so each test has a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

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
    assert ended.stdout == ""
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
