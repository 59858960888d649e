"""Reading a configuration in a process of its own, which ends with what it took.

The libraries that read a file, find all that is wrong with it and say where take 12 MiB that nobody needs any more once
that is done; and while a file of ten thousand endpoints is read, for a second or two, the interpreter would be taken
from the event loop again and again. So the daemon has it done elsewhere, and gets what comes of it through a pipe.

What a file says is the matter of `load`, here as everywhere.
"""

from __future__ import annotations

import copyreg
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final

from exporter.config.configuration import Configuration
from exporter.config.problems import WHOLE_FILE, ConfigurationError, Problem
from exporter.config.reader_process import start_reader
from exporter.model import Endpoint, Secret

ENDPOINTS_AT_ONCE: Final = 128
"""Endpoints that are passed on in one piece: a millisecond's work for the reader, after which other
threads may run."""


def load_in_subprocess(*patterns: str | Path, standard_input: bytes = b"") -> Configuration:
    """As `load.load`, by another process, which is told what came from standard input.

    Raises:
        ConfigurationError: As there; or that process came to an end before it was done.
    """
    return finish(start_reader(*patterns), str(patterns[0]), standard_input)


def finish(started: subprocess.Popen[bytes], file: str, standard_input: bytes) -> Configuration:
    """What comes of a reader that was started.

    Args:
        started: The process.
        file: What to call the file if it says nothing.
        standard_input: What came from there.

    Raises:
        ConfigurationError: See `load_in_subprocess`.
    """
    with started as process:
        try:
            _hand_over(standard_input, process.stdin)
            found, endpoints = _taken(process.stdout)
        except (EOFError, pickle.UnpicklingError):
            found, endpoints = None, ()
    # Only now, when the pipe is closed: a process that still wants to write would be waited for without end.
    if found is None:
        message = f"the process that reads it ended with {process.returncode} before it was done; see what it logged"
        raise ConfigurationError([Problem(file, WHOLE_FILE, message)])
    if isinstance(found, Configuration):
        return replace(found, endpoints=endpoints)
    raise ConfigurationError(found)


def answer() -> None:
    """What that process does: reads the files that its arguments name, and passes on what comes of it."""
    # If the program ended, nobody waits for an answer.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    from exporter.config.load import load  # noqa: PLC0415 - this is what the other process is spared

    # Whatever else might write there must not get in between.
    output, sys.stdout = sys.stdout.buffer, sys.stderr
    pickler = pickle.Pickler(output)
    pickler.dispatch_table = {
        **copyreg.dispatch_table,
        MappingProxyType: lambda mapping: (_frozen, (dict(mapping),)),
        # The one exception from the rule that secrets are not pickled: these go nowhere but through the pipe.
        Secret: lambda secret: (Secret, (secret.reveal(),)),
    }
    try:
        configuration = load(*sys.argv[1:])
    except ConfigurationError as error:
        pickler.dump(error.problems)
    else:
        pickler.dump(replace(configuration, endpoints=()))
        for start in range(0, len(configuration.endpoints), ENDPOINTS_AT_ONCE):
            pickler.dump(configuration.endpoints[start : start + ENDPOINTS_AT_ONCE])
    pickler.dump(())
    output.flush()


def _hand_over(content: bytes, pipe: IO[bytes] | None) -> None:
    """The other process reads all of it before it answers, or none of it."""
    if pipe is None:
        raise RuntimeError("a pipe was asked for")
    with suppress(BrokenPipeError), pipe:
        pipe.write(content)


def _taken(pipe: IO[bytes] | None) -> tuple[Any, tuple[Endpoint, ...]]:
    """What comes through the pipe: a configuration without its endpoints, or problems; and then the endpoints."""
    if pipe is None:
        raise RuntimeError("a pipe was asked for")
    # One for all pieces, like the pickler: what endpoints share in one piece, they share in all.
    pieces = pickle.Unpickler(pipe)  # noqa: S301 - they come from a process of our own
    found = pieces.load()
    return found, tuple(endpoint for piece in iter(pieces.load, ()) for endpoint in piece)


def _frozen(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)
