"""Whole probes inside a test: the real prober over the network, and proof of what did not leave the machine.

The servers are others' matter; see tests/servers.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from structlog.testing import capture_logs

from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.exposition import Format, expose
from exporter.metrics.store import Store
from exporter.model import DnsSettings, Encryption, Endpoint, Login, ProbeResult, Protocol, Secret, Withheld
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from tests.servers.exporter import Metrics
from tests.visits import visitor

USERNAME = "monitor-4711@example.com"
PASSWORD = "a-password-that-must-not-leave"
LOGIN = Login(USERNAME, Secret(PASSWORD.encode()))


async def probe(endpoint: Endpoint, login: Login | Withheld | None = LOGIN) -> ProbeResult:
    """Probe once with everything real, and hold the probe to its promise that nothing of ours breaks."""
    with capture_logs() as logs:
        result = await visitor(World(Resolver(DnsSettings()), TlsContexts()), login).probe(endpoint)
    assert [] == logs
    return result


def at(port: int, protocol: Protocol, encryption: Encryption, **fields: object) -> Endpoint:
    """An endpoint on loopback, to which a test gives what else it needs."""
    values: dict[str, object] = {"timeout": 20.0, **fields}
    host = str(values.pop("host", "127.0.0.1"))
    return Endpoint("test", protocol, host, port, encryption, **values)  # type: ignore[arg-type]  # names and types are the caller's


def exposed(endpoint: Endpoint, result: ProbeResult) -> Metrics:
    """What `/metrics` says once a result is in."""
    store = Store(BuildInfo("0", "0", "0"))
    store.configure([endpoint])
    store.record(result)
    return Metrics.parse(b"".join(expose(store.snapshot(), Format.TEXT)).decode())


def encodings(text: str) -> Iterator[bytes]:
    """A text as it may be on a wire: as it is, and as base64 has it wherever in a message it stands."""
    octets = text.encode()
    yield octets
    for before in range(3):
        encoded = b64encode(bytes(before) + octets).rstrip(b"=")
        # What the octets before and after have a share in is left out.
        first = (before * 8 + 5) // 6
        last = (before + len(octets)) * 8 // 6
        yield encoded[first:last]


def credentials_in(octets: bytes, texts: Collection[str] = (USERNAME, PASSWORD)) -> set[bytes]:
    """Which of the credentials can be read there, in any encoding that a login may use."""
    return {encoded for text in texts for encoded in encodings(text) if encoded in octets}


@asynccontextmanager
async def nothing_left_behind() -> AsyncIterator[None]:
    """Hold what happens in the block to ending the tasks that it starts, and closing the files that it opens."""
    tasks, descriptors = asyncio.all_tasks(), _descriptors()
    yield
    assert asyncio.all_tasks() - {asyncio.current_task()} <= tasks
    assert _descriptors() <= descriptors


def _descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def printable_throughout(result: ProbeResult) -> bool:
    """Whether everything that people and logs see of a probe is ASCII of one line each, without the password."""
    texts = [line.text for line in result.transcript]
    if result.failure is not None:
        texts.append(result.failure.detail)
    return all(text.isascii() and (text.isprintable() or not text) for text in texts) and not credentials_in(
        "\n".join(texts).encode(), (PASSWORD,)
    )
