"""docs/tutorial.md as a reader follows it: its files are written, its commands run, and each output is as shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, program, running, wait_until

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
STEP = re.compile(
    r"```yaml\n# (?P<file>\S+)\n(?P<content>.*?)```"
    r"|<!-- run(?P<background>: background)? -->\n```console\n(?P<typed>.*?)```",
    re.DOTALL,
)
WITHIN = 60.0
"""Seconds: the page says half a minute, and a machine in CI may be busy."""


@dataclass(frozen=True, slots=True)
class Command:
    typed: str
    output: str

    def shows(self, said: str) -> bool:
        """Whether that is the output that the page has, where `[...]` stands for anything."""
        pattern = ".*".join(re.escape(part) for part in self.output.strip("\n").split("[...]"))
        return re.fullmatch(pattern, said.strip("\n"), re.DOTALL) is not None


def commands(console: str) -> Iterator[Command]:
    for typed, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE):
        yield Command(typed, output)


@pytest.mark.timeout(240)
def test_every_command_of_the_tutorial_says_what_the_page_shows(tmp_path: Path) -> None:
    for name, package in (("prometheus", "prometheus"), ("promtool", "prometheus"), ("curl", "curl")):
        program(name, package=package)
    exporter, prometheus = free_ports(2)
    page = PAGE.read_text().replace(":9925", f":{exporter}").replace(":9091", f":{prometheus}")
    page = page.replace("mail-exporter demo", f"mail-exporter demo --web.listen-address={LOOPBACK}:{exporter}")
    ready = {"mail-exporter": exporter, "prometheus": prometheus}
    ran = 0
    with ExitStack() as stack:
        for step in STEP.finditer(page):
            if step["file"]:
                (tmp_path / step["file"]).write_text(step["content"])
                continue
            for command in commands(step["typed"]):
                ran += 1
                if step["background"]:
                    stack.enter_context(stays(command, tmp_path, ready[command.typed.split()[0]]))
                else:
                    says(command, tmp_path)

    assert page.count("\n$ ") == ran
    assert len(ready) < ran


def shell(command: str, directory: Path) -> list[str]:
    path = f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}"
    return ["env", "-C", str(directory), path, "COLUMNS=200", "bash", "-c", command]


@contextmanager
def stays(command: Command, directory: Path, port: int) -> Iterator[None]:
    """Runs it as in a terminal of its own."""
    log = directory / f"{port}.log"
    up = f"http://{LOOPBACK}:{port}/-/ready"
    with running(shell(f"exec {command.typed}", directory), log=log, ready=lambda: fetch(up).status == 200):
        wait_until(lambda: command.shows(log.read_text()), what=command.typed)
        yield


def says(command: Command, directory: Path) -> None:
    """Runs it until it says what the page shows: the page counts on the time that reading takes."""

    def shown() -> bool:
        ended = subprocess.run(shell(command.typed, directory), check=False, capture_output=True, text=True)
        if command.shows(ended.stdout):
            return True
        raise OSError(f"{ended.stdout}{ended.stderr}")

    wait_until(shown, what=command.typed, within=WITHIN)
