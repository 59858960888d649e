from __future__ import annotations

from collections import Counter

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import shards
from exporter.cli.shards import chosen_shard
from exporter.model import Encryption, Endpoint, Protocol
from exporter.schedule.timetable import fraction
from exporter.sharding import ALONE, Shard, ordinal, shard_of

NAMES = [f"imaps://mail{number}.example.com" for number in range(10_000)]


def endpoint(name: str, host: str = "mail.example.com") -> Endpoint:
    return Endpoint(name, Protocol.IMAP, host, 993, Encryption.TLS)


@given(st.lists(st.text(), unique=True), st.integers(1, 50))
def test_the_shards_cover_all_endpoints_exactly_once(names: list[str], total: int) -> None:
    endpoints = [endpoint(name) for name in names]
    shares = [Shard(number, total).share(endpoints) for number in range(total)]

    assert Counter(names) == Counter(one.name for share in shares for one in share)


@given(st.text(), st.integers(1, 200))
def test_when_a_shard_joins_an_endpoint_stays_or_moves_to_the_new_one(name: str, total: int) -> None:
    assert shard_of(name, total + 1) in {shard_of(name, total), total}


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7, 10, 32])
def test_a_shard_that_joins_takes_its_part_and_no_more(total: int) -> None:
    moved = sum(shard_of(name, total) != shard_of(name, total + 1) for name in NAMES)

    assert pytest.approx(len(NAMES) / (total + 1), rel=0.15) == moved


@pytest.mark.parametrize("total", [2, 3, 4, 7, 10, 32])
def test_the_shards_are_about_equally_large(total: int) -> None:
    sizes = Counter(shard_of(name, total) for name in NAMES)

    assert set(range(total)) == set(sizes)
    assert min(sizes.values()) > 0.8 * len(NAMES) / total
    assert max(sizes.values()) < 1.2 * len(NAMES) / total


def test_the_endpoints_of_one_shard_start_spread_over_the_whole_interval() -> None:
    ours = [fraction(name) for name in NAMES if Shard(1, 4).holds(name)]
    tenths = Counter(int(10 * start) for start in ours)

    assert set(range(10)) == set(tenths)
    assert max(tenths.values()) < 1.3 * len(ours) / 10


def test_where_an_endpoint_belongs_never_changes_from_release_to_release() -> None:
    names = ("a", "imaps://mail.example.com", "smtp://mx.example.org")

    assert {
        "a": [0, 0, 9, 84],
        "imaps://mail.example.com": [0, 0, 3, 52],
        "smtp://mx.example.org": [1, 1, 3, 51],
    } == {name: [shard_of(name, total) for total in (2, 3, 10, 100)] for name in names}


def test_only_the_name_counts() -> None:
    before, after = endpoint("a", "old.example.com"), endpoint("a", "new.example.com")

    assert all(len(Shard(number, 5).share([before, after])) in {0, 2} for number in range(5))


def test_one_that_is_alone_has_everything_in_order() -> None:
    endpoints = tuple(endpoint(name) for name in NAMES[:100])

    assert endpoints == ALONE.share(endpoints)


@pytest.mark.parametrize(("number", "total"), [(1, 1), (3, 3), (-1, 2), (0, 0)])
def test_there_is_no_shard_beyond_the_last(number: int, total: int) -> None:
    with pytest.raises(ValueError, match=f"no shard {number} of {total}"):
        Shard(number, total)


@pytest.mark.parametrize(
    ("pod", "number"),
    [
        ("mail-exporter-0", 0),
        ("mail-exporter-12", 12),
        ("mail-2-exporter-7", 7),
        ("mail-exporter", None),
        ("mail-exporter-", None),
        ("mailexporter3", None),
        ("mail-exporter-01", None),
        ("mail-exporter-7d9c5b6f4-x2x5q", None),
        ("mail-exporter-٣", None),
        ("mail-exporter-1.example.com", None),
        ("", None),
    ],
)
def test_a_pod_of_a_stateful_set_is_told_by_the_number_at_its_end(pod: str, number: int | None) -> None:
    assert number == ordinal(pod)


class TestOptions:
    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        monkeypatch.delenv(shards.POD_NAME, raising=False)
        monkeypatch.setattr("socket.gethostname", lambda: "mail-exporter-2")
        return monkeypatch

    def test_without_any_a_process_has_everything(self) -> None:
        assert ALONE == chosen_shard(None, 1)

    def test_the_number_that_is_given_counts_whatever_the_host_is_called(self) -> None:
        assert Shard(1, 4) == chosen_shard(1, 4)

    def test_the_host_name_of_a_pod_tells_its_number(self) -> None:
        assert Shard(2, 4) == chosen_shard(None, 4)

    def test_a_pod_that_has_its_node_s_network_is_told_its_name(self, machine: pytest.MonkeyPatch) -> None:
        machine.setenv(shards.POD_NAME, "mail-exporter-3")

        assert Shard(3, 4) == chosen_shard(None, 4)

    def test_a_shard_beyond_the_last_is_refused(self) -> None:
        with pytest.raises(click.UsageError, match="--total-shards=4: write a number from 0 to 3"):
            chosen_shard(4, 4)

    def test_a_shard_without_a_total_is_refused(self) -> None:
        with pytest.raises(click.UsageError, match="--total-shards=1"):
            chosen_shard(1, 1)

    @pytest.mark.parametrize(
        ("pod", "says"),
        [
            ("laptop", "'laptop' has no number at its end"),
            ("mail-exporter-4", "ends with 4, and shards count from 0"),
            ("mail-exporter-01", "ends with 01, and the pods of a StatefulSet count 0, 1, 2, without zeros in front"),
        ],
    )
    def test_a_name_that_does_not_tell_is_refused(self, machine: pytest.MonkeyPatch, pod: str, says: str) -> None:
        machine.setenv(shards.POD_NAME, pod)

        with pytest.raises(click.UsageError, match=says):
            chosen_shard(None, 4)
