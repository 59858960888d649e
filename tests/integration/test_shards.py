"""Several daemons with one configuration: each endpoint is probed by one of them, also after a reload."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.exporter import Exporter, exporter_running, run_command
from tests.servers.programs import LOOPBACK, free_ports, wait_until

TOTAL = 3


def configuration(endpoints: int) -> str:
    """Endpoints where nobody listens: what counts is who has them."""
    (port,) = free_ports(1)
    lines = [f"  - {{name: mail{n}, url: 'imap://{LOOPBACK}:{port}', interval: 1h}}" for n in range(endpoints)]
    return "\n".join(["endpoints:", *lines, ""])


def names(exporter: Exporter) -> set[str]:
    return {labels["endpoint"] for labels in exporter.metrics().find("mail_endpoint_info")}


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[list[Exporter]]:
    """One daemon for each shard, each with a file of its own that holds the same."""
    files = [tmp_path / f"shard{number}.yaml" for number in range(TOTAL)]
    content = configuration(30)
    with ExitStack() as stack:
        found = []
        for number, file in enumerate(files):
            file.write_text(content)
            arguments = [f"--total-shards={TOTAL}", f"--shard={number}"]
            found.append(stack.enter_context(exporter_running(file, *arguments)))
        yield found


def test_each_endpoint_has_one_shard_and_each_shard_says_which_it_is(shards: list[Exporter]) -> None:
    probed = Counter(name for shard in shards for name in names(shard))

    assert Counter(f"mail{number}" for number in range(30)) == probed
    assert [0, 1, 2] == [shard.metrics().value("mail_exporter_shard") for shard in shards]
    assert [3, 3, 3] == [shard.metrics().value("mail_exporter_total_shards") for shard in shards]


def test_a_reload_keeps_to_the_shard(shards: list[Exporter]) -> None:
    before = [names(shard) for shard in shards]
    content = configuration(60)
    for shard in shards:
        shard.log.with_suffix(".yaml").write_text(content)
        shard.process.send_signal(signal.SIGHUP)
    wait_until(lambda: 60 == sum(len(names(shard)) for shard in shards), what="all shards have reloaded")

    after = [names(shard) for shard in shards]
    assert {f"mail{number}" for number in range(60)} == set().union(*after)
    assert all(old <= new for old, new in zip(before, after, strict=True))


def test_a_pod_of_a_stateful_set_finds_its_shard_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: list[Exporter]
) -> None:
    monkeypatch.setenv("POD_NAME", "mail-exporter-1")
    file = tmp_path / "pod.yaml"
    file.write_text(configuration(30))

    with exporter_running(file, f"--total-shards={TOTAL}") as pod:
        assert names(shards[1]) == names(pod)
        assert 1 == pod.metrics().value("mail_exporter_shard")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--total-shards=3", "--shard=3"], "write a number from 0 to 2"),
        (["--total-shards=0"], "not in the range"),
        (["--total-shards=3"], "'laptop' has no number at its end"),
    ],
)
def test_a_shard_that_there_is_not_is_wrong_usage(tmp_path: Path, arguments: list[str], says: str) -> None:
    file = tmp_path / "mail-exporter.yaml"
    file.write_text(configuration(1))

    ended = run_command("run", f"--config.file={file}", *arguments, environment={**os.environ, "POD_NAME": "laptop"})

    assert 2 == ended.returncode
    assert says in " ".join(ended.stderr.split())
