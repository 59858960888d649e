"""Debian packages that cannot be installed beside others, unpacked into a folder.

Courier and Cyrus conflict with Dovecot, so that they are laid over this system's files in a mount namespace of their
own, where nobody else sees them. Needs root, apt and its mirror.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.servers.programs import program, unavailable

TIMEOUT = 120.0
"""Seconds for one command of apt."""


def unpacked(directory: Path, *packages: str) -> Path:
    """A folder with the files of some packages and of what they need that is not installed here."""
    if os.geteuid() != 0:
        unavailable("only root can lay packages over the system's files")
    apt, dpkg_deb = program("apt-get", package="apt"), program("dpkg-deb", package="dpkg")
    archives, root = directory / "archives", directory / "root"
    (archives / "partial").mkdir(parents=True)
    root.mkdir()
    # It only downloads. What they conflict with stays installed.
    download = [apt, "-qq", "-y", "--no-install-recommends", "--download-only", "-o", "APT::Sandbox::User=root"]
    download += ["-o", f"Dir::Cache::archives={archives}", "install", *packages]
    if _failed(download) and (_failed([apt, "-qq", "update"]) or _failed(download)):
        unavailable(f"the packages {', '.join(packages)} cannot be downloaded")
    for archive in archives.glob("*.deb"):
        subprocess.run([dpkg_deb, "-x", archive, root], check=True, timeout=TIMEOUT)
    return root


def _failed(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT).returncode != 0
