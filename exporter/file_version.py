"""Detects whether a file has changed since it was read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

FileVersion: TypeAlias = tuple[int, ...]


def file_version(path: Path) -> FileVersion:
    """A value that changes when the file is written or replaced.

    Symlinks are followed, because Kubernetes replaces mounted files by changing a symlink.
    For a directory, the value changes when files are added or removed, but not when one is overwritten.

    Raises:
        OSError: The file does not exist or is not accessible.
    """
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
