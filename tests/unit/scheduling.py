"""Probes that take a known time, and a schedule that is kept for a while."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from exporter.model import Encryption, Endpoint, LongTask, Protocol, SkipReason


def endpoint(name: str, host: str = "", interval: float = 10.0) -> Endpoint:
    return Endpoint(name, Protocol.IMAP, host or f"{name}.example.com", 993, Encryption.TLS, interval=interval)


class Diary:
    """Probes that take a known time, and what the scheduler said of them."""

    def __init__(self, takes: float = 0.0) -> None:
        self.takes = takes
        self.starts: list[tuple[str, float]] = []
        self.delays: list[float] = []
        self.skips: Counter[SkipReason] = Counter()
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.failures: list[LongTask] = []

    async def probe(self, endpoint: Endpoint) -> None:
        self.starts.append((endpoint.name, asyncio.get_running_loop().time()))
        for key in ("all", endpoint.host):
            self.under_way[key] += 1
            self.most[key] = max(self.most[key], self.under_way[key])
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.under_way["all"] -= 1
            self.under_way[endpoint.host] -= 1

    def observe_start_delay(self, seconds: float) -> None:
        self.delays.append(seconds)

    def skipped(self, reason: SkipReason) -> None:
        self.skips[reason] += 1

    def set_in_flight(self, probes: int) -> None:
        self.most["in flight"] = max(self.most["in flight"], probes)

    def task_failed(self, task: LongTask) -> None:
        self.failures.append(task)


def addresses(count: int) -> list[Endpoint]:
    """An endpoint of ten seconds as it is probed at several addresses."""
    return [replace(endpoint("mx"), only_address=f"192.0.2.{number}") for number in range(1, count + 1)]
