"""A flag that is given twice is an error that names both values, unless it is meant to be repeated."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from exporter.cli.run import run

GIVEN = ["--config.file=/nowhere.yaml"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--shard=0", "--shard=1", "--total-shards=2"], "--shard=0 and --shard=1 contradict each other"),
        (["--shard=2", "--total-shards=2"], "--shard: 2 of --total-shards=2: write a number from 0 to 1"),
        (["--log.level", "info", "--log.level=debug"], "--log.level=info and --log.level=debug contradict each other"),
        (["--web.config.file=a", "--web.config.file=b"], "--web.config.file=a and --web.config.file=b contradict"),
        (["--web.listen-address=nowhere"], "'--web.listen-address': cannot listen on 'nowhere'"),
        (["--web.external-url=nowhere"], "'nowhere' is not a URL like"),
        (["--web.route-prefix=/a//b"], "'/a//b' has an empty part"),
    ],
)
def test_what_collides_is_named_with_its_flag(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(run, [*GIVEN, *arguments])

    assert 2 == result.exit_code
    assert says in " ".join(result.output.split())


def test_the_same_value_twice_is_no_contradiction() -> None:
    result = CliRunner().invoke(run, [*GIVEN, "--log.level=error", "--log.level=error"])

    assert 1 == result.exit_code
    assert "/nowhere.yaml:1: there is no such file" in result.output


def test_standard_input_alone_cannot_be_watched() -> None:
    result = CliRunner().invoke(run, ["--config.file=-", "--config.watch"])

    assert 2 == result.exit_code
    assert "--config.watch: standard input cannot change; give --config.file a file to watch" in " ".join(
        result.output.split()
    )
