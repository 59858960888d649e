"""The programs that people would use instead, to be measured in the same run: where they are, and which version.

Debian 12's blackbox_exporter is three years older than Debian's newest, which is faster. The newest is fetched with apt
into a folder of this one, beside the system's packages and without touching them; where that cannot be, the system's
own is measured, and named as what it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FETCHED: Final = Path(__file__).with_name(".peers")
"""Where packages are unpacked; kept from run to run."""

PLUGINS: Final = Path("/usr/lib/nagios/plugins")
"""Where Debian's monitoring-plugins-basic has its programs."""

_FETCH_WITHIN: Final = 180.0
"""Seconds for the index of Debian's newest packages, which is some 10 MiB, and one of them."""

_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True, slots=True)
class Peer:
    """A program to compare with.

    Attributes:
        name: With its version, e.g. "blackbox_exporter 0.28.0".
    """

    name: str
    program: Path


def find_blackbox(*, newest: bool = True) -> Peer | None:
    """Debian's newest blackbox_exporter, else the system's; `None` if there is neither.

    Args:
        newest: Whether to fetch the newest if it is not there yet.
    """
    package = "prometheus-blackbox-exporter"
    unpacked = FETCHED / "usr" / "bin" / package
    if newest and not unpacked.exists():
        _fetch(package)
    installed = shutil.which(package)
    program = unpacked if unpacked.exists() else None if installed is None else Path(installed)
    if program is None:
        return None
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    version = re.search(r"version (\d+\.\d+\.\d+)", told.stdout + told.stderr)
    return Peer(f"blackbox_exporter {version[1] if version else 'of unknown version'}", program)


def find_plugin(name: str) -> Peer | None:
    """One of the monitoring plugins, such as `check_imap`; `None` if they are not installed."""
    program = PLUGINS / name
    return Peer(f"{name} of monitoring-plugins", program) if program.exists() else None


def _fetch(package: str) -> None:
    """Unpacks a package of Debian's newest, if this is a Debian whose mirror has it; else leaves nothing behind."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return
    mirror = _mirror()
    if mirror is None:
        return
    apt = FETCHED / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    sources = apt / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {mirror} sid main\n")
    options = [
        f"-oDir::Etc::SourceList={sources}",
        "-oDir::Etc::SourceParts=-",
        f"-oDir::State::Lists={apt / 'lists'}",
        f"-oDir::Cache={apt / 'cache'}",
        "-oAPT::Sandbox::User=root",  # the folder need not be one that apt's own user may enter
        "-oAcquire::Languages=none",
    ]
    try:
        for command in (["apt-get", "-q", *options, "update"], ["apt-get", "-q", *options, "download", package]):
            subprocess.run(command, check=True, cwd=apt, capture_output=True, timeout=_FETCH_WITHIN)
        for archive in apt.glob(f"{package}_*.deb"):
            subprocess.run(["dpkg", "-x", archive, FETCHED], check=True, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"Debian's newest {package} cannot be had ({error}); the system's is measured instead")
    finally:
        shutil.rmtree(apt)


def _mirror() -> str | None:
    """Where this Debian gets its packages from; `None` if that is not known."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)", "Identifier: Packages"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    found = re.search(r"^Debian Debian main (\S+)$", told.stdout, re.MULTILINE)
    return found[1] if found else None
