from __future__ import annotations

from pathlib import Path

import pytest

from exporter.app import Daemon, Prepared
from exporter.config.configuration import Configuration
from exporter.config.load import parse
from exporter.sharding import Shard
from tests.authority import pem
from tests.certificates import world

BOTH = """
defaults: {interval: 1h}
credentials: {monitor: {username: u, password: secret}}
endpoints:
  - {name: a, url: 'imaps://a.example.com', credentials: monitor}
  - {name: b, url: 'imaps://b.example.com', credentials: monitor}
"""


def configuration(text: str = BOTH) -> Configuration:
    return parse(text, "mail-exporter.yaml")


async def reloaded(daemon: Daemon, text: str) -> Prepared:
    prepared = daemon.prepare(configuration(text))
    daemon.configure(prepared)
    return prepared


async def test_endpoints_that_a_reload_leaves_as_they_are_stay_the_same_objects() -> None:
    daemon = Daemon(configuration(), Shard())
    first = await reloaded(daemon, BOTH)
    second = await reloaded(daemon, BOTH.replace("b.example.com", "c.example.com"))
    third = await reloaded(daemon, BOTH.replace("secret", "another").replace("b.example.com", "c.example.com"))
    await daemon.stop()

    assert first.endpoints[0] is second.endpoints[0]
    assert first.endpoints[1] != second.endpoints[1]
    assert all(before is not after for before, after in zip(second.endpoints, third.endpoints, strict=True))


async def test_what_is_prepared_is_this_shard_s() -> None:
    shares = [Daemon(configuration(), Shard(number, 2)).prepare(configuration()) for number in range(2)]

    assert {"a", "b"} == shares[0].names | shares[1].names
    assert not shares[0].names & shares[1].names
    assert [share.names for share in shares] == [{each.name for each in share.endpoints} for share in shares]


@pytest.fixture
def bereft(tmp_path: Path) -> Configuration:
    """A configuration whose file of authorities went away after it had been loaded."""
    file = tmp_path / "authorities.pem"
    file.write_bytes(pem(world().root.certificate))
    loaded = configuration(f"endpoints: [{{name: c, url: 'imaps://c.example.com', tls: {{ca_file: {file}}}}}]")
    file.unlink()
    return loaded


async def test_authorities_that_cannot_be_read_keep_no_configuration_from_being_put_in_force(
    bereft: Configuration,
) -> None:
    assert {"c"} == Daemon(configuration(), Shard()).prepare(bereft).names
