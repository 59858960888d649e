"""Files that change as a rotation changes them."""

from __future__ import annotations

from pathlib import Path


def replace(file: Path, content: bytes) -> None:
    """As a rotation does it: another file in its place."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(file)
