"""Where the tests keep what is slow to make or to fetch, from one run to the next."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """A directory of the user's cache; to delete it costs time and nothing else."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(home) / "mail-exporter-tests"
    directory.mkdir(parents=True, exist_ok=True)
    return directory
