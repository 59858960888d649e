"""What a process used, as the kernel counts it, and what this machine is."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROCESS_CPU_CLOCK = 2
"""CPUCLOCK_SCHED of the kernel's `include/linux/posix-timers.h`: nanoseconds, where /proc counts in hundredths."""


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads and in the kernel, but without its children."""
    return time.clock_gettime(~pid << 3 | _PROCESS_CPU_CLOCK)


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """While this lasts, so many processes take all the time that they can get."""
    command = ["nice", sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for hog in running:
            hog.kill()
            hog.wait()


def resident_bytes(pid: int) -> int:
    """What a process has in memory, as `process_resident_memory_bytes` of its metrics."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": found[1] if found else platform.machine(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
