"""Configurations that come through a pipe, with or without a name."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.config import files
from exporter.config.files import read_text
from exporter.config.problems import ConfigurationError

TEXT = "endpoints: [{url: imaps://mail.example.com}]\n"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    return path


@contextmanager
def writing(pipe: Path, *pieces: str) -> Iterator[threading.Event]:
    """A program that has opened the pipe. It writes one piece at once, and the others once the event is set."""
    opened, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with pipe.open("w") as file:
            opened.set()
            for piece in pieces:
                file.write(piece)
                file.flush()
                go_on.wait()

    writer = threading.Thread(target=write)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # without a reader, the writer could not open it
    writer.start()
    try:
        opened.wait()
        yield go_on
    finally:
        go_on.set()
        writer.join()
        os.close(reader)


def test_a_named_pipe_that_nobody_writes_to_is_not_waited_for(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    with pytest.raises(ConfigurationError) as raised:
        read_text(pipe)
    expected = f"{pipe}:1: is a named pipe that no program writes to; name a configuration file"
    assert expected == str(raised.value)


def test_a_named_pipe_that_a_program_writes_to_is_read(pipe: Path) -> None:
    with writing(pipe, TEXT) as go_on:
        go_on.set()
        assert TEXT == read_text(pipe)


@pytest.mark.parametrize("pieces", [("", TEXT), (TEXT[:20], TEXT[20:])])
def test_a_program_that_writes_slowly_is_waited_for(
    pieces: tuple[str, str], pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    with writing(pipe, *pieces) as go_on:
        later = threading.Timer(0.3, go_on.set)
        later.start()
        assert TEXT == read_text(pipe)
        later.join()


@pytest.mark.parametrize(
    "command",
    ["{check} <(sleep 0.2; cat {file})", "{check} /dev/stdin < {file}", "cat {file} | {check} /dev/stdin"],
)
def test_pipes_of_a_shell_are_read(command: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(TEXT)
    line = command.format(file=file, check=f"{sys.executable} -m exporter check")
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (0, "", True) == (ended.returncode, ended.stderr, ended.stdout.endswith(": 1 endpoint, no problems\n"))
