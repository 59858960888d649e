"""Detects whether a file has changed since it was read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

FileVersion: TypeAlias = tuple[int, ...]


def file_version(path: Path) -> FileVersion:
    """A value that changes whenever the file is written or replaced. It follows symlinks, as mounted files need.

    For a directory it tells when files come and go, not when one is overwritten.

    Raises:
        OSError: The file does not exist or is not accessible.
    """
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
