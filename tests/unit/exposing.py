"""What the exposition is tested with."""

from __future__ import annotations

import pytest

from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.exposition import Format
from exporter.metrics.store import Snapshot, Store
from exporter.model import (
    Credentials,
    Endpoint,
    ProbeResult,
)
from tests.unit.results import endpoint
from tests.unit.scraping import Samples, exposed, samples

NAME = "imaps://mail.example.com"


BUILD = BuildInfo(version="1.2.3", python_version="3.11.7", openssl_version="3.5.4")


FORMATS = pytest.mark.parametrize("form", Format, ids=lambda form: form.name.lower())


MONITOR = Credentials("monitor", "monitor@example.com")


def snapshot_of(*results: ProbeResult, of: Endpoint | None = None) -> Snapshot:
    store = Store(BUILD)
    store.configure([of or endpoint(NAME)])
    for result in results:
        store.record(result)
    return store.snapshot()


def scraped(*results: ProbeResult, of: Endpoint | None = None) -> Samples:
    return samples(exposed(snapshot_of(*results, of=of)))
