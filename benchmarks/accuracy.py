"""How far the figures of phases are from the truth while many probes run, at a server that delays each step.

What a phase took in truth is its delay and what a client in C, alone on the machine, finds network and server to take
beyond that; the client's own work is in neither. blackbox_exporter tells only the total of such a dialogue. Too much is
our own time, and too little is the server's that was taken for ours: they are told apart.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import yaml

from benchmarks import losses
from benchmarks.blackbox import ask_at, blackbox_running, probe_url
from benchmarks.daemon import daemon, installed, logging_in
from benchmarks.dialogues import IMAP
from benchmarks.floor import Floor, floor
from benchmarks.lab import Lab
from benchmarks.mailserver import DOMAIN, Delays, Lateness, MailServer, mail_server
from benchmarks.observed import last_probes
from benchmarks.peers import Peer, find_blackbox
from benchmarks.processes import hogs
from benchmarks.report import OURS, Bound, Report, Row
from exporter.net.dns.dns_query import FIRST_PATIENCE
from tests.servers.exporter import Exporter
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, tail

STEP: Final = 0.020
"""Seconds by which every step is delayed: many probes are under way at once, as with servers that are far away."""

DELAYS: Final = Delays(STEP, STEP, STEP, STEP, STEP, STEP, STEP)

STEPS: Final[Mapping[str, int]] = {"connect": 0, "capability": 2}
"""How many delays there are in a phase, where it is not one: the server is asked before TLS and after it."""

TOTAL: Final = "all but dns together"

BOUNDS: Final[Mapping[str, Bound]] = {"median": Bound(1.0), "99th percentile": Bound(5.0)}
"""Milliseconds too much, of a phase at 200 probes a second."""

TOO_LITTLE: Final = Bound(1.0)
"""Milliseconds, of a phase, always: docs/decisions/009."""

LEAST: Final = 1e-6
"""Seconds that are shown for nothing at all: ratios to nothing mean nothing."""

ONE_IN_ASKS: Final = 5
"""Of so many endpoints one has its name looked up every time, and the others are addresses: with the usual TTL of five
minutes and the usual interval of one, four of five probes find the answer still there."""

REMARKS: Final = (
    f"Every step is delayed by {STEP * 1000:g} ms; what server and network take beyond that, a client in C finds.",
    f"One endpoint in {ONE_IN_ASKS} is a name to be looked up.",
    "blackbox_exporter is given an address, and shares the machine with the one who asks it over HTTP.",
)

_SCRAPED_EVERY: Final = 5.0
_LONGEST_PROBE: Final = 1.0
"""Seconds from the start of a probe to its end, with time to spare."""

_SCRAPED_WITHIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Case:
    """How the daemon is kept busy.

    Attributes:
        rate: Probes a second.
        interval: Of every endpoint, in seconds; there are as many endpoints as that takes.
        warm_up: Seconds before the probes that count.
        scraped: Whether somebody reads `/metrics` all the while.
        bounded: Whether it is held to not saying too much.
        hogs: Processes besides that take all the time that they can get.
        dead_nameserver: Whether the first nameserver never answers.
    """

    rate: int
    interval: int
    warm_up: float
    scraped: bool = False
    bounded: bool = False
    hogs: int = 0
    dead_nameserver: bool = False

    @property
    def endpoints(self) -> int:
        """How many there are."""
        return self.rate * self.interval

    def __str__(self) -> str:
        scraped = f", {self.endpoints:,} endpoints scraped every {_SCRAPED_EVERY:g} s" if self.scraped else ""
        hogs = f", beside {self.hogs} CPU hogs" if self.hogs else ""
        dead = ", the first nameserver dead" if self.dead_nameserver else ""
        return f"{self.rate} probes a second{scraped}{hogs}{dead}"


THOROUGH: Final = (
    Case(rate=50, interval=20, warm_up=5.0),
    Case(rate=200, interval=20, warm_up=5.0, bounded=True),
    Case(rate=400, interval=20, warm_up=5.0),
    # The warm-up is an interval: before its end there are not so many endpoints to be scraped.
    Case(rate=200, interval=50, warm_up=50.0, scraped=True, bounded=True),
    Case(rate=100, interval=20, warm_up=5.0, hogs=2),
    Case(rate=50, interval=20, warm_up=5.0, dead_nameserver=True),
)
QUICK: Final = (
    Case(rate=20, interval=1, warm_up=0.2),
    Case(rate=10, interval=3, warm_up=0.2, hogs=1, dead_nameserver=True),
    Case(rate=20, interval=1, warm_up=0.2, scraped=True, bounded=True),
)

Errors = Mapping[str, Sequence[float]]
"""By phase: by how much each probe is off, in seconds."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a case.

    Attributes:
        errors: By how much the probes that succeeded say too much; less than 0 if they say less than usual.
        missing: By how much they say too little: less than the server's delays, which no probe can have got around.
        failed: How many did not.
        lateness: Of the server.
    """

    errors: Errors
    missing: Errors
    failed: int
    lateness: Lateness | None

    def remark(self, case: Case, who: str) -> str:
        """What has to be known about it."""
        failed = f", and {self.failed} probes failed or were not done in time" if self.failed else ""
        late = "?" if self.lateness is None else f"{1e3 * self.lateness.percentile_99:.2f}"
        return f"{case}, {who}: the server itself was late, 99th percentile {late} ms{failed}."


def measure(lab: Lab) -> Report:
    """The error of each phase's figure at several rates, and of the total beside blackbox_exporter's."""
    peer = find_blackbox(newest=not lab.quick)
    rows: list[Row] = []
    remarks = list(REMARKS)
    if peer is None:
        remarks.append("blackbox_exporter is not there: its figures are left out.")
    with installed():
        with mail_server(lab.directory, DELAYS) as server:
            probes = lab.amount(thorough=100, quick=3)
            truth = floor(lab.directory, server, probes, starttls=True, dns=True, busy=True)
        for case in lab.amount(THOROUGH, QUICK):
            ours = _ours(lab.directory, case, truth)
            remarks.append(ours.remark(case, OURS))
            theirs: dict[str, Errors] = {}
            if peer is not None and not (case.scraped or case.hogs or case.dead_nameserver):
                found = _theirs(lab.directory, case, truth, peer)
                remarks.append(found.remark(case, peer.name))
                theirs[peer.name] = found.errors
            rows += _rows(str(case), ours, theirs, bounded=case.bounded)
    lost = losses.errors(lab.directory, lab.amount(5, 2), quick=lab.quick)
    if lost is None:
        remarks.append("There are no network namespaces here: losses are left out.")
    else:
        remarks.append(losses.REMARK)
        less = {phase: [-error for error in errors] for phase, errors in lost.items()}
        rows += _rows(losses.CASE, Found(lost, less, 0, None), {})
    return Report("accuracy", "error of what a probe is said to take", rows, remarks)


def _ours(directory: Path, case: Case, truth: Floor) -> Found:
    """One interval's probes, one of each endpoint."""
    with mail_server(directory, DELAYS) as server, ExitStack() as silent:
        dead = [silent.enter_context(_dead_nameserver())] if case.dead_nameserver else []
        configuration = _configuration(directory, case, server, dead)
        with hogs(case.hogs), daemon(directory / "accuracy.yaml", configuration) as exporter:
            counts_from = time.time() + case.warm_up
            _let_run(exporter, case.warm_up + case.interval + _LONGEST_PROBE, scraped=case.scraped)
            # Nobody reads it before, unless that is the case: what it takes to be written is a load of its own.
            exposition = _scrape(exporter)
    good = [probe for probe in last_probes(exposition).values() if probe.success and probe.ended_at >= counts_from]
    # An address is looked up in no time, which is right and no merit.
    asking = [probe for probe in good if probe.phases["dns"] > STEP / 2]
    if len(asking) < 2:  # noqa: PLR2004 - there are no percentiles of one
        raise RuntimeError(f"only {len(good)} of {case.endpoints} probes succeeded\n{tail(exporter.log)}")
    phases = dict(truth.phases)
    least = {phase: STEP * STEPS.get(phase, 1) for phase in phases}
    if case.dead_nameserver:
        phases["dns"] += FIRST_PATIENCE
        least["dns"] += FIRST_PATIENCE
    errors = {
        phase: [probe.phases[phase] - seconds for probe in (asking if phase == "dns" else good)]
        for phase, seconds in phases.items()
    }
    missing = {phase: [least[phase] - phases[phase] - error for error in errors[phase]] for phase in errors}
    errors[TOTAL] = [probe.duration - probe.phases["dns"] - _without_dns(truth) for probe in good]
    return Found(errors, missing, case.endpoints - len(good), server.lateness)


@contextmanager
def _dead_nameserver() -> Iterator[str]:
    """`host:port` where questions are heard and never answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        yield f"{LOOPBACK}:{silent.getsockname()[1]}"


def _theirs(directory: Path, case: Case, truth: Floor, peer: Peer) -> Found:
    """As many probes."""
    with (
        mail_server(directory, DELAYS) as server,
        blackbox_running(directory, peer, {"imap": IMAP.module(server)}) as address,
    ):
        url = probe_url(address, "imap", server.address("imap"))
        asked = ask_at(case.rate, url, seconds=case.interval, warm_up=case.warm_up)
    errors = {TOTAL: [duration - _without_dns(truth) for duration in asked.durations]}
    return Found(errors, {}, asked.failed, server.lateness)


def _without_dns(truth: Floor) -> float:
    return truth.total - truth.phases["dns"]


def _configuration(directory: Path, case: Case, server: MailServer, dead: Sequence[str]) -> str:
    """Those that ask have a name of their own each, for a question is shared by all who wait for its answer."""
    sections = {**logging_in(directory, server, case.interval), "dns": {"nameservers": [*dead, server.address("dns")]}}
    hosts = (LOOPBACK if number % ONE_IN_ASKS else f"asking{number}.{DOMAIN}" for number in range(case.endpoints))
    port = server.ports["imap"]
    endpoints = (f"- {{name: e{number}, url: 'imap://{host}:{port}'}}\n" for number, host in enumerate(hosts))
    return f"{yaml.safe_dump(sections)}endpoints:\n{''.join(endpoints)}"


def _let_run(exporter: Exporter, seconds: float, *, scraped: bool) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _SCRAPED_EVERY))
        if scraped:
            _scrape(exporter)


def _scrape(exporter: Exporter) -> bytes:
    """Without compression, which would take the daemon's time from its other threads."""
    return fetch(f"{exporter.url}/metrics", timeout=_SCRAPED_WITHIN).body


def _rows(case: str, ours: Found, theirs: Mapping[str, Errors], *, bounded: bool = False) -> Iterator[Row]:
    for phase, values in ours.errors.items():
        for part, bound in BOUNDS.items():
            yield Row(
                case,
                f"too much of {phase}, {part}",
                "ms",
                _part(part, values),
                peers={peer: _part(part, errors[phase]) for peer, errors in theirs.items() if phase in errors},
                bounds=[bound] if bounded and phase != TOTAL else [],
            )
    for phase, values in ours.missing.items():
        yield Row(case, f"too little of {phase}, worst", "ms", 1e3 * max(*values, LEAST), bounds=[TOO_LITTLE])


def _part(part: str, errors: Sequence[float]) -> float:
    """In milliseconds; what says too little says nothing too much."""
    over = [max(error, LEAST) for error in errors]
    return 1e3 * (median(over) if part == "median" else quantiles(over, n=100, method="inclusive")[-1])
