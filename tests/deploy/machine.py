"""A machine that runs systemd, for the units of `deploy/systemd`: this one's systemd, in namespaces of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.privileges import require_mounts
from tests.servers.programs import program, running, unavailable, wait_until

SCRIPT = Path(__file__).with_name("machine.sh")
ROOT = Path(__file__).parents[2]
ANSWERS_WITHIN = 60.0
"""Seconds for a command inside. They take one or two, and starting the daemon some more on a slow machine."""


HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd")
"""Where the script makes control groups, depending on the version of them that this machine uses."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One that is up, with `/opt/mail-exporter/bin/mail-exporter` in it, in the network of this one.

    Attributes:
        process: The number of its process 1, here.
    """

    process: int

    def path(self, inside: str) -> Path:
        """Where a file of the machine is seen from here."""
        return Path(f"/proc/{self.process}/root{inside}")

    def write(self, inside: str, content: str, *, mode: int = 0o644) -> None:
        """Writes a file, which belongs to root."""
        file = self.path(inside)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in the machine, as root."""
        return subprocess.run(
            ["nsenter", f"--target={self.process}", "--all", "--root", "--wd", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=ANSWERS_WITHIN,
            stdin=subprocess.DEVNULL,
        )

    def systemctl(self, *arguments: str) -> str:
        """Runs systemctl.

        Raises:
            RuntimeError: It failed; with what it said, and what the journal holds.
        """
        ended = self.run("systemctl", "--no-pager", *arguments)
        if ended.returncode != 0:
            raise RuntimeError(f"systemctl {' '.join(arguments)}: {ended.stderr}\n{self.journal()}")
        return ended.stdout

    def property(self, unit: str, name: str) -> str:
        """What systemd knows of a unit."""
        return self.systemctl("show", f"--property={name}", "--value", unit).strip()

    def journal(self, unit: str = "*") -> str:
        """What a unit wrote."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout


@contextmanager
def machine(directory: Path) -> Iterator[Machine]:
    """Boots one, and ends it with everything that runs in it.

    Args:
        directory: For its log.
    """
    for name in ("unshare", "nsenter"):
        program(name, package="util-linux")
    if not Path("/lib/systemd/systemd").exists():
        unavailable("systemd is not installed (Debian package: systemd)")
    require_mounts()
    command = [str(SCRIPT), sys.base_prefix, str(ROOT), sysconfig.get_path("purelib")]
    # unshare(1) ignores SIGTERM while it waits for its child, which goes with it whatever ends it.
    with running(command, log=directory / "machine.log", ready=lambda: True, stop=signal.SIGKILL) as parent:
        yield wait_until(lambda: _booted(parent.pid), what="systemd is up")
    wait_until(lambda: _forgotten(parent.pid), what="all of the machine's processes are gone")


def _booted(parent: int) -> Machine | None:
    """The machine, once its process 1, the only child of the script's process, has started what it starts."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    if len(children) != 1 or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
        return None
    booted = Machine(int(children[0]))
    return booted if booted.run("systemctl", "is-system-running").stdout.strip() == "running" else None


def _forgotten(parent: int) -> bool:
    """Removes the control groups that the script made; fails with an `OSError` while there are processes in them."""
    for hierarchy in HIERARCHIES:
        groups = Path(hierarchy, f"mail-exporter-test-{parent}")
        for group, _, _ in os.walk(groups, topdown=False):
            Path(group).rmdir()
    return True
