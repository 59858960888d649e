"""Whether a file is still what it was when it was last read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

FileVersion: TypeAlias = tuple[int, ...]


def file_version(path: Path) -> FileVersion:
    """Another value whenever the file was written to or replaced. Through symlinks, as mounted files are replaced.

    For a directory it tells when files come and go, not when one is overwritten.

    Raises:
        OSError: There is no such file, or it cannot be looked at.
    """
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
