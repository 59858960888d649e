"""The least that a probe takes: builds floor.c and runs it against the benchmarks' mail server.

What it does and does not do is said in floor.c.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.building import built
from benchmarks.mailserver import MailServer

WARM_UP: Final = 10
"""Probes before those that count."""

_LONGEST_PROBE: Final = 1.0
"""Seconds: with the longest delays that a benchmark has, and room to spare."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What the probes took; seconds.

    Attributes:
        cpu: Of one probe, in the program and in the kernel; means nothing of busy ones.
        phases: The median of each phase that they had, by the names that the exporter has for them.
        total: The median from the first phase to the last.
    """

    cpu: float
    phases: Mapping[str, float]
    total: float


def floor(
    directory: Path, server: MailServer, probes: int, *, starttls: bool = False, dns: bool = False, busy: bool = False
) -> Floor:
    """Builds the program unless that is done, and probes IMAP with a login, one probe at a time.

    Args:
        directory: For the program.
        server: Whom to probe.
        probes: How many.
        starttls: Upgrade from plain and ask for the capabilities, before and after; instead of TLS from the start and
            no such question.
        dns: Look a name up first, both families of addresses.
        busy: Wait without sleeping: how fast a machine wakes up is not in the figures then.

    Raises:
        CannotBuild: There is no compiler or no OpenSSL.
        RuntimeError: A probe failed.
    """
    program = built("floor", ["floor.c"], directory)
    command = [
        *[str(program), f"--port={server.ports['imap' if starttls else 'imaps']}"],
        *[f"--ca-file={server.ca_file}", f"--name={server.name}"],
        *[f"--username={server.username}", f"--password={server.password}"],
        *[f"--probes={probes}", f"--warm-up={WARM_UP}"],
    ]
    command += ["--starttls"] * starttls + [f"--dns-port={server.ports['dns']}"] * dns + ["--busy"] * busy
    within = _LONGEST_PROBE * (probes + WARM_UP)
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=within)
    if done.returncode != 0:
        raise RuntimeError(f"floor ended with {done.returncode}: {done.stderr}")
    told: dict[str, float] = json.loads(done.stdout)
    spent = {name.removesuffix("_ns"): value / 1e9 for name, value in told.items() if name.endswith("_ns")}
    cpu, total = spent.pop("cpu"), spent.pop("total")
    return Floor(cpu, {phase: seconds for phase, seconds in spent.items() if seconds > 0}, total)
