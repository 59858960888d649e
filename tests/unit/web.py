"""The HTTP interface served to tests, over a store with made-up results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.exposition import process_collectors
from exporter.metrics.store import Store
from exporter.model import Endpoint, ProbeResult
from exporter.web.application import create_application
from tests.unit.results import NOON

Client = TestClient[web.Request, web.Application]


def store_with(endpoints: Sequence[Endpoint], results: Sequence[ProbeResult] = ()) -> Store:
    store = Store(BuildInfo(version="1.2.3", python_version="3.11.7", openssl_version="3.5.4"))
    store.configure(endpoints)
    for result in results:
        store.record(result)
    return store


@dataclass
class Surroundings:
    """What the interface is told by the rest of the program."""

    ready: bool = True
    now: float = NOON + 10
    configuration: str = field(default="endpoints: []\n")


@asynccontextmanager
async def served(store: Store, surroundings: Surroundings | None = None) -> AsyncIterator[Client]:
    told = surroundings or Surroundings()
    application = create_application(
        store=store,
        ready=lambda: told.ready,
        configuration=lambda: iter(told.configuration.splitlines(keepends=True)),
        process=process_collectors(),
        clock=lambda: told.now,
    )
    async with TestClient(TestServer(application)) as client:
        yield client
