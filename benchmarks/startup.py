"""How long it takes from starting the daemon until it probes, and how long to check a file of ten thousand endpoints.

The peer has no endpoints. It is given as many modules, each with a login of its own.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import Final

import yaml

from benchmarks.daemon import installed
from benchmarks.lab import Lab
from benchmarks.peers import Peer, find_blackbox
from benchmarks.populations import DEAD_URL, configuration, login_modules
from benchmarks.report import OURS, Bound, Report, Row
from tests.servers.exporter import COMMAND
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, tail

LARGE: Final = 10_000
READY_BOUND: Final = Bound(5.0)

_SECTIONS: Final = {
    "credentials": {"monitor": {"username": "monitor", "password": "correct-horse"}},
    "defaults": {"credentials": "monitor"},
}
_OK: Final = 200
_LOOKS_EVERY: Final = 0.005
_WITHIN: Final = 60.0
_STOPS_WITHIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Program:
    """Ours or a peer's, with so many endpoints.

    Attributes:
        run: The command that serves, at `address`.
        ready: The path that answers 200 once it does.
        check: The command that reads the configuration and ends.
    """

    address: str
    run: Sequence[str]
    ready: str
    check: Sequence[str]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took until it ended, in seconds."""

    elapsed: float
    cpu: float


def measure(lab: Lab) -> Report:
    """Starts with 10 and with 10,000 endpoints, and checks the larger file."""
    peer = find_blackbox()
    times = range(lab.amount(5, 1))
    rows = []
    with installed():
        for count in lab.amount((10, LARGE), (3, 30)):
            programs = _programs(lab.directory, count, peer)
            case = f"{count:,} endpoints"
            ready = {name: median(_until_ready(each, lab.directory) for _ in times) for name, each in programs.items()}
            checks = {name: [_cost(each.check) for _ in times] for name, each in programs.items()}
            elapsed = {name: median(each.elapsed for each in costs) for name, costs in checks.items()}
            cpu = {name: median(each.cpu for each in costs) for name, costs in checks.items()}
            rows += [
                _row(case, "from exec to ready, median", ready, READY_BOUND),
                _row(case, "time to check the file, median", elapsed),
                _row(case, "CPU to check the file, median", cpu),
            ]
    return Report("startup", "from the start to the first probe", rows, _remarks(peer))


def _row(case: str, figure: str, seconds: Mapping[str, float], *bounds: Bound) -> Row:
    return Row(
        case, figure, "s", seconds[OURS], {name: value for name, value in seconds.items() if name != OURS}, bounds
    )


def _remarks(peer: Peer | None) -> tuple[str, ...]:
    return (
        "Every endpoint has a login, and its server refuses connections. Modules of Python were compiled before.",
        "blackbox_exporter is not here."
        if peer is None
        else f"{peer.name} has as many modules as ours has endpoints, each with a dialogue and a login of its own.",
    )


def _programs(directory: Path, count: int, peer: Peer | None) -> dict[str, Program]:
    ours, theirs = (directory / f"{name}-{count}.yaml" for name in ("startup", "modules"))
    ours.write_text(configuration(count, DEAD_URL, _SECTIONS))
    here, there = (f"{LOOPBACK}:{port}" for port in free_ports(2))
    run = [*COMMAND, "run", f"--config.file={ours}", f"--web.listen-address={here}"]
    programs = {OURS: Program(here, run, "/-/ready", [*COMMAND, "check", str(ours)])}
    if peer is not None:
        theirs.write_text(yaml.dump({"modules": login_modules(count)}, Dumper=yaml.CSafeDumper))
        command = [str(peer.program), f"--config.file={theirs}"]
        run = [*command, f"--web.listen-address={there}"]
        programs[peer.name] = Program(there, run, "/-/healthy", [*command, "--config.check"])
    return programs


def _until_ready(program: Program, directory: Path) -> float:
    """Seconds from the start of a program until it says that it is ready."""
    log = directory / "startup.log"
    begun = time.perf_counter()
    with log.open("wb") as output, subprocess.Popen(program.run, stdout=output, stderr=output) as process:
        try:
            while not _is_ready(program):
                if process.poll() is not None or time.perf_counter() - begun > _WITHIN:
                    raise RuntimeError(f"{program.run[0]} does not serve\n{tail(log)}")
                time.sleep(_LOOKS_EVERY)
            return time.perf_counter() - begun
        finally:
            process.terminate()
            try:
                process.wait(_STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _is_ready(program: Program) -> bool:
    try:
        return fetch(f"http://{program.address}{program.ready}").status == _OK
    except OSError:
        return False


def _cost(command: Sequence[str]) -> Cost:
    before, begun = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=_WITHIN)
    elapsed, after = time.perf_counter() - begun, getrusage(RUSAGE_CHILDREN)
    return Cost(elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
