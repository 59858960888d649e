"""What a scrape of `/metrics` costs, and for how long it stops everything else, beside prometheus_client's.

Ours are the figures of the whole web interface, in a process of its own that is asked over HTTP. Of the peer it is the
function that writes the text, which is given samples that are there already, and whose answer has to be the same.
"""

from __future__ import annotations

import gc
import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from prometheus_client import generate_latest

from benchmarks.children import child
from benchmarks.client_library import PEER, hold_equal, registry_of
from benchmarks.lab import Lab
from benchmarks.processes import cpu_seconds
from benchmarks.report import Bound, Report, Row
from benchmarks.scraped import Stalls

LARGE: Final = 10_000
"""Endpoints: as many as the bound on the CPU time is about."""

CPU_BOUND: Final = Bound(300.0)
STALL_BOUND: Final = Bound(10.0)

ENCODINGS: Final = {"plain": "identity", "gzip": "gzip"}

_SETTLED_AFTER: Final = 0.02
"""Seconds: what a process does after the last octet of its answer belongs to the scrape too."""

_ANSWERS_WITHIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer took, in seconds."""

    cpu: float
    elapsed: float


@dataclass(frozen=True, slots=True)
class Scraped:
    """A process that is scraped.

    Attributes:
        connection: To it, kept open from one scrape to the next, as Prometheus does.
    """

    connection: HTTPConnection
    pid: int

    def ask(self, path: str, *, method: str = "GET", encoding: str = "identity") -> bytes:
        """The body of an answer, as it came."""
        self.connection.request(method, path, headers={"Accept-Encoding": encoding})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {answer.status}")
        return body

    def cost(self, encoding: str) -> Cost:
        """Scrapes once, and tells what it took: of CPU there, of time here."""
        cpu, began = cpu_seconds(self.pid), time.perf_counter()
        self.ask("/metrics", encoding=encoding)
        elapsed = time.perf_counter() - began
        time.sleep(_SETTLED_AFTER)
        return Cost(cpu_seconds(self.pid) - cpu, elapsed)

    def stalls(self, encoding: str) -> Stalls:
        """Scrapes once, and tells for how long the loop stood still."""
        self.ask("/watch/begin", method="POST")
        self.ask("/metrics", encoding=encoding)
        return Stalls(**json.loads(self.ask("/watch/end", method="POST")))


def measure(lab: Lab) -> Report:
    """Scrapes 10, 1,000 and 10,000 endpoints."""
    rows: list[Row] = []
    seen = 0.0
    for count in lab.amount((10, 1_000, LARGE), (4, 40)):
        with _scraped(count) as process:
            text = process.ask("/metrics").decode()
            costs = {name: [process.cost(asked) for _ in range(lab.amount(20, 2))] for name, asked in ENCODINGS.items()}
            stalls = {
                name: [process.stalls(asked) for _ in range(lab.amount(50, 2))] for name, asked in ENCODINGS.items()
            }
        peers = _peers(text, lab.amount(3, 1))
        for name in ENCODINGS:
            rows += _rows(count, name, _median(costs[name]), peers[name], [each.held for each in stalls[name]])
            seen = max(seen, *(each.seen for each in stalls[name]))
    remarks = (
        (
            f"{PEER}: generate_latest, then gzip.compress, as its own server calls them. All of it is a stall. Its "
            "samples are the same as ours, and are there already."
        ),
        (
            "A stall may seem longer than it was by a millisecond. It does not count the time for which the kernel let "
            f"other threads run in place of the loop's; with that, the longest of all was {1e3 * seen:.1f} ms."
        ),
    )
    return Report("scrape", "/metrics, when every endpoint has been probed", rows, remarks)


def _rows(count: int, encoding: str, ours: Cost, peer: Cost, stalls: Sequence[float]) -> Iterator[Row]:
    case = f"{count:,} endpoints, {encoding}"
    cpu_bounds = (CPU_BOUND,) if (count, encoding) == (LARGE, "plain") else ()
    whole = {PEER: 1e3 * peer.elapsed}
    yield Row(case, "CPU, median", "ms", 1e3 * ours.cpu, {PEER: 1e3 * peer.cpu}, cpu_bounds)
    yield Row(case, "time to the last octet, median", "ms", 1e3 * ours.elapsed, whole)
    yield Row(case, "longest stall of a scrape, median", "ms", 1e3 * median(stalls), whole)
    yield Row(case, f"longest stall of {len(stalls)} scrapes", "ms", 1e3 * max(stalls), bounds=(STALL_BOUND,))


@contextmanager
def _scraped(count: int) -> Iterator[Scraped]:
    with child("scraped", str(count)) as process:
        (url,) = process.said
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=_ANSWERS_WITHIN)) as connection:
            yield Scraped(connection, process.pid)


def _peers(text: str, times: int) -> Mapping[str, Cost]:
    """What the peer takes for the same answer, in either encoding, the median of so many times."""
    registry = registry_of(text)
    hold_equal(text, generate_latest(registry).decode())
    gc.collect()
    # The samples are not the peer's to look through for garbage: it would make them again each time.
    gc.freeze()
    try:
        return {
            "plain": _median([_timed(lambda: generate_latest(registry)) for _ in range(times)]),
            "gzip": _median([_timed(lambda: gzip.compress(generate_latest(registry))) for _ in range(times)]),
        }
    finally:
        gc.unfreeze()


def _timed(work: Callable[[], object]) -> Cost:
    cpu, began = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - began)


def _median(costs: list[Cost]) -> Cost:
    return Cost(median(each.cpu for each in costs), median(each.elapsed for each in costs))
