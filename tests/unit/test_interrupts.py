"""Ends that are not the command's own: Ctrl-C at any moment, and an output that takes nothing; without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from exporter.cli import COMMANDS, main
from exporter.cli.terminal import output

WAIT = 60.0
SEND = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('still here')"


INTERRUPTED_WITHIN_EXEC = f"""
from exporter.__main__ import main
from exporter.cli import completion
completion.completion.callback = lambda **_: exec({SEND!r})
main()
"""


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Programs that tests start get Ctrl-C, also where the tests themselves run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupted_command_ends_with_130(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    command = main.get_command(click.Context(main), name)
    assert command is not None
    monkeypatch.setattr(command, "callback", interrupted)
    monkeypatch.setattr(command, "params", [])

    result = CliRunner().invoke(main, [name])

    assert (130, "\n") == (result.exit_code, result.output)


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--web.listen-address=127.0.0.1:0"],
        ["check"],
        ["probe", "x"],
    ],
    ids=lambda command: str(command[0]),
)
def test_a_command_that_waits_for_its_configuration_can_be_interrupted(command: list[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    named = str(pipe) if command[0] == "check" else f"--config.file={pipe}"
    program = [sys.executable, "-m", "exporter", *command, named]
    # The pipe opens once the program reads it.
    with (
        subprocess.Popen(program, stderr=subprocess.PIPE, text=True, start_new_session=True) as process,
        pipe.open("w"),
    ):
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=WAIT)

    assert (130, "\n") == (process.returncode, said)


def test_an_interrupt_within_exec_ends_with_130_as_well(tmp_path: Path) -> None:
    """Python itself would end a module that it runs by SIGINT then: dataclasses are made by `exec`, as modules load."""
    (tmp_path / "interrupted.py").write_text(INTERRUPTED_WITHIN_EXEC)
    command = [sys.executable, "-m", "interrupted", "completion", "bash"]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.PIPE, check=False, timeout=WAIT
    )

    assert (130, b"\n") == (ended.returncode, ended.stderr)


def interrupt_early(before: str) -> subprocess.CompletedProcess[str]:
    """The end of a process that gets SIGINT after `leave_on_interrupt`."""
    program = f"{before}; from exporter.interrupts import leave_on_interrupt; leave_on_interrupt(); {SEND}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=WAIT)


def test_an_interrupt_before_the_command_runs_is_as_quiet() -> None:
    ended = interrupt_early("pass")
    assert (130, "", "\n") == (ended.returncode, ended.stdout, ended.stderr)


def test_an_ignored_interrupt_stays_ignored() -> None:
    ended = interrupt_early("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert (0, "still here\n", "") == (ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize(
    "command", [["--help"], ["man"], ["check", "--schema"], ["probe", "imap://127.0.0.1:1"]], ids=" ".join
)
def test_an_output_that_is_full_is_told_in_a_sentence(command: list[str]) -> None:
    program = [sys.executable, "-m", "exporter", *command]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=WAIT)

    assert (1, "mail-exporter: the output cannot be written: No space left on device\n") == (
        ended.returncode,
        ended.stderr,
    )


def test_a_probe_without_an_output_still_has_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    assert output().file is not None
