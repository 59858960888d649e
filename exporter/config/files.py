"""Finds the files of a configuration and reads them as text, within bounds."""

from __future__ import annotations

import glob
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from exporter.config.problems import WHOLE_FILE, ConfigurationError, Problem

MAX_FILE_BYTES = 32 * 1024 * 1024
"""The largest file, in octets. 10,000 endpoints are 2 MB, so a larger file was probably named by mistake."""

MAX_FILES: Final = 4096
"""The most files that a pattern may match. A pattern that matches more was not meant for configuration files."""

PATIENCE: Final = 5.0
"""Seconds to wait until a program opens a named pipe to write to it, as `psub --fifo` of fish does."""

STANDARD_INPUT: Final = "-"

STANDARD_INPUT_SHOWN: Final = "<stdin>"
"""Its name in messages."""


def find_files(patterns: Iterable[str | Path]) -> tuple[list[str], list[Problem]]:
    """The names of the files that the patterns match, sorted and each once, and the problems of the patterns.

    Args:
        patterns: Names, `-` for standard input, or patterns with `*`, `?` and `[...]`, each of which stands for the
            files that match it now.
    """
    found: set[str] = set()
    problems = []
    for pattern in map(str, patterns):
        if not pattern:
            problems.append(Problem('""', WHOLE_FILE, "the name of the file is empty; name a configuration file"))
            continue
        matching = {pattern} if not is_pattern(pattern) else _matching(pattern)
        if not matching:
            problems.append(Problem(pattern, WHOLE_FILE, "no file matches this pattern; name a configuration file"))
        if len(matching) > MAX_FILES:
            many = f"matches more than {MAX_FILES} files; write a narrower pattern"
            problems.append(Problem(pattern, WHOLE_FILE, many))
        else:
            found |= matching
    return sorted(found), problems


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern: it contains `*`, `?` or `[`, and no file has this name."""
    return name != STANDARD_INPUT and glob.has_magic(name) and not os.path.lexists(name)


def _matching(pattern: str) -> set[str]:
    names = glob.glob(pattern)  # noqa: PTH207 - Path.glob begins at a directory; a pattern is absolute or relative
    return {name for name in names if not Path(name).is_dir()}


def read_text(path: Path) -> str:
    """The content of a file.

    Raises:
        ConfigurationError: It cannot be read, is too large, or is not UTF-8.
    """
    return decoded(_content(path), str(path))


def read_standard_input() -> bytes:
    """The content of standard input. If it is too large, only the beginning, one octet more than allowed."""
    return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)


def read_named(name: str, standard_input: Callable[[], bytes]) -> tuple[str, str]:
    """The name of a configuration file in messages, and its content.

    Raises:
        ConfigurationError: As `read_text`.
    """
    if name == STANDARD_INPUT:
        return STANDARD_INPUT_SHOWN, decoded(standard_input(), STANDARD_INPUT_SHOWN)
    return name, read_text(Path(name))


def _content(path: Path) -> bytes:
    try:
        if _is_named_pipe(path):
            return _from_pipe(path)
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except ConfigurationError:
        raise
    except FileNotFoundError:
        raise _unreadable(str(path), "there is no such file; name a configuration file") from None
    except IsADirectoryError:
        raise _unreadable(str(path), "is a directory; name a file in it") from None
    except (OSError, ValueError) as error:  # ValueError: the path holds NUL
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(str(path), f"cannot be read ({reason}); name a file that this user may read") from None


def _is_named_pipe(path: Path) -> bool:
    """Whether it is a pipe with a name of its own. `<(command)` of a shell is not: /dev/fd/63 leads to none."""
    try:
        return stat.S_ISFIFO(os.lstat(os.path.realpath(path)).st_mode)
    except OSError:
        return False


def _from_pipe(path: Path) -> bytes:
    """The content of a named pipe. To open it as a file would wait for a writer, which may never come."""
    deadline = time.monotonic() + PATIENCE
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        # Without a writer it is at its end. With one it has octets, or `None` as long as that has written nothing.
        while (begin := pipe.read(MAX_FILE_BYTES + 1)) == b"":
            if time.monotonic() > deadline:
                raise _unreadable(str(path), "is a named pipe that no program writes to; name a configuration file")
            time.sleep(0.02)
        os.set_blocking(descriptor, True)
        content = begin or b""
        with os.fdopen(descriptor, "rb", closefd=False) as rest:
            return content + rest.read(MAX_FILE_BYTES + 1 - len(content))


def _unreadable(name: str, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(name, WHOLE_FILE, message)])


def decoded(content: bytes, name: str) -> str:
    """The content of a file as text.

    Raises:
        ConfigurationError: It is too large, or not UTF-8.
    """
    if len(content) > MAX_FILE_BYTES:
        raise _unreadable(name, f"is larger than {MAX_FILE_BYTES} bytes; name a configuration file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        octet = f"0x{content[error.start]:02x}"
        raise ConfigurationError(
            [Problem(name, line, f"the octet {octet} is not UTF-8; save the file as UTF-8 text")]
        ) from None
