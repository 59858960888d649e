"""Builds the benchmarks' programs in C."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent

_FLAGS: Final = ("-std=gnu17", "-O2", "-Wall", "-Wextra", "-Wpedantic")


class CannotBuild(Exception):
    """A program could not be built here. The message says why, and what may have to be installed."""


def built(name: str, sources: Sequence[str], directory: Path) -> Path:
    """The path of a program that uses OpenSSL.

    Args:
        name: What it is called.
        sources: Files of this folder.
        directory: Where to put it; one that is there already is not built again.

    Raises:
        CannotBuild: There is no compiler or no OpenSSL to build with, or the compiler is not content.
    """
    program = directory / name
    if not program.exists():
        libraries = shlex.split(_output(["pkg-config", "--cflags", "--libs", "openssl"]))
        compiler = shlex.split(os.environ.get("CC", "cc"))
        files = [str(SOURCES / source) for source in sources]
        _output([*compiler, *_FLAGS, "-o", str(program), *files, *libraries])
    return program


def _output(command: Sequence[str]) -> str:
    needed = "it takes a C compiler, pkg-config and OpenSSL's headers (Debian packages: gcc pkg-config libssl-dev)"
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except OSError as error:
        raise CannotBuild(f"{command[0]}: {error.strerror}; {needed}") from None
    except subprocess.CalledProcessError as failed:
        raise CannotBuild(f"{shlex.join(command)} failed; {needed}\n{failed.stderr}") from None
    return done.stdout
