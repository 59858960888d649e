from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.metrics.endpoint_state import EndpointState, Health
from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.history import ATTEMPTS_KEPT
from exporter.metrics.record import unfold
from exporter.metrics.store import Store
from exporter.model import Encryption, Endpoint, FailureReason, Phase, ProbeResult, Protocol, RosterChange, SkipReason
from tests.unit.results import NOON, endpoint, failure, success

NAME = "imaps://mail.example.com"


@pytest.fixture
def store() -> Store:
    made = Store(BuildInfo(version="1.2.3", python_version="3.11.7", openssl_version="3.5.4"))
    made.configure([endpoint(NAME)])
    return made


def state_of(store: Store, name: str = NAME) -> EndpointState:
    (state,) = store.states(name)
    return state


def rejected(at: float = NOON) -> ProbeResult:
    return failure(FailureReason.AUTH_REJECTED, Phase.AUTH, NAME, started_at=at)


def test_an_endpoint_is_waiting_until_it_was_probed(store: Store) -> None:
    state = state_of(store)

    assert Health.WAITING is state.health
    assert 0 == state.probes
    assert state.latest is None
    assert state.last_success_at is None
    assert () == state.attempts


def test_a_success_is_the_latest_result_and_counted(store: Store) -> None:
    result = success(NAME)

    store.record(result)

    state = state_of(store)
    assert Health.UP is state.health
    assert state.latest is not None
    assert result == unfold(state.latest, NAME)
    assert result.ended_at == state.last_success_at
    assert 1 == state.probes
    assert 1 == state.durations.count
    assert not state.failures


def test_a_failure_is_counted_by_its_reason_and_phase(store: Store) -> None:
    for result in (rejected(), rejected(), failure(FailureReason.TIMEOUT, Phase.GREETING, NAME)):
        store.record(result)

    state = state_of(store)
    assert Health.FAILING is state.health
    assert 3 == state.probes
    assert {
        (FailureReason.AUTH_REJECTED, Phase.AUTH): 2,
        (FailureReason.TIMEOUT, Phase.GREETING): 1,
    } == dict(state.failures)


def test_the_last_failure_outlasts_the_successes_after_it(store: Store) -> None:
    result = rejected()
    store.record(result)

    store.record(success(NAME, started_at=NOON + 60))

    state = state_of(store)
    assert Health.UP is state.health
    assert state.last_failed is not None
    assert result == state.last_failed.result(NAME)


def test_the_time_of_the_last_success_outlasts_the_failures_after_it(store: Store) -> None:
    result = success(NAME)
    store.record(result)

    store.record(rejected(at=NOON + 60))

    assert result.ended_at == state_of(store).last_success_at


def test_the_history_is_bounded(store: Store) -> None:
    for number in range(ATTEMPTS_KEPT + 10):
        store.record(success(NAME, started_at=NOON + number))

    assert ATTEMPTS_KEPT == len(state_of(store).attempts)


def test_a_result_of_an_endpoint_that_is_not_configured_is_ignored(store: Store) -> None:
    store.record(success("imaps://removed.example.com"))

    assert () == store.states("imaps://removed.example.com")
    assert (NAME,) == tuple(state.endpoint.name for state in store.snapshot().endpoints)


def test_a_reload_keeps_what_is_known_of_an_unchanged_endpoint(store: Store) -> None:
    store.record(rejected())
    store.record(success(NAME))
    before = state_of(store)

    store.configure([endpoint("imaps://new.example.com"), endpoint(NAME)])

    assert before == state_of(store)


def test_a_reload_keeps_what_is_known_where_only_the_manner_of_probing_changed(store: Store) -> None:
    store.record(success(NAME))

    store.configure([endpoint(NAME, interval=5.0, labels={"team": "mail"})])

    state = state_of(store)
    assert 1 == state.probes
    assert 5.0 == state.endpoint.interval
    assert f'endpoint="{NAME}",protocol="imap",team="mail"' == state.labels


@pytest.mark.parametrize(
    "moved",
    [
        endpoint(NAME, host="other.example.com"),
        endpoint(NAME, port=1993),
        endpoint(NAME, encryption=Encryption.NONE),
        endpoint(NAME, Protocol.POP3),
    ],
)
def test_an_endpoint_that_moved_starts_anew(store: Store, moved: Endpoint) -> None:
    store.record(success(NAME))

    store.configure([moved])

    assert Health.WAITING is state_of(store).health
    assert 0 == state_of(store).probes


def test_a_removed_endpoint_is_forgotten_at_once(store: Store) -> None:
    store.record(success(NAME))

    store.configure([endpoint("imaps://new.example.com")])
    store.configure([endpoint("imaps://new.example.com"), endpoint(NAME)])

    assert Health.WAITING is state_of(store).health


def test_endpoints_keep_the_order_of_the_configuration(store: Store) -> None:
    names = ["c", NAME, "a", "b"]

    store.configure([endpoint(name) for name in names])

    assert names == [state.endpoint.name for state in store.snapshot().endpoints]


@pytest.mark.parametrize("label", ["endpoint", "protocol", "phase", "reason", "le", "address", "mailbox"])
def test_a_label_that_the_series_have_anyway_is_refused(store: Store, label: str) -> None:
    with pytest.raises(ValueError, match=f"cannot have a label '{label}'"):
        store.configure([endpoint(NAME, labels={label: "x"})])


def test_labels_are_in_order_of_their_names_and_escaped(store: Store) -> None:
    store.configure([endpoint("a", labels={"zone": 'the "far" one', "building": "C:\\4"})])

    assert r'endpoint="a",protocol="imap",building="C:\\4",zone="the \"far\" one"' == state_of(store, "a").labels


def test_a_snapshot_does_not_change_any_more(store: Store) -> None:
    before = store.snapshot()

    store.record(success(NAME))
    store.exporter.skipped(SkipReason.OVERLAP)
    store.configure([])

    assert 0 == before.endpoints[0].probes
    assert 0 == before.exporter.skipped[SkipReason.OVERLAP]
    assert 1 == before.exporter.endpoints[Protocol.IMAP]


def test_endpoints_are_counted_by_protocol(store: Store) -> None:
    store.configure([endpoint("a"), endpoint("b"), endpoint("c", Protocol.SMTP)])

    counts = store.snapshot().exporter.endpoints
    assert {Protocol.SMTP: 1, Protocol.IMAP: 2, Protocol.POP3: 0} == dict(counts)


ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1")


def each(*addresses: str) -> list[Endpoint]:
    """The endpoint as it is probed at several addresses."""
    return [replace(endpoint(NAME), only_address=address) for address in addresses]


def spread(store: Store, these: list[Endpoint]) -> None:
    """From now on the endpoint is probed as these."""
    before = {state.endpoint.series: state.endpoint for state in store.states(NAME)}
    after = {each.series: each for each in these}
    gone = tuple(each for series, each in before.items() if series not in after)
    come = tuple(each for series, each in after.items() if series not in before)
    store.apply(RosterChange(gone, come, tuple(these)))


def at(address: str, result: ProbeResult) -> ProbeResult:
    return replace(result, only_address=address)


def test_each_address_has_a_state_of_its_own(store: Store) -> None:
    spread(store, each(*ADDRESSES))

    store.record(at("192.0.2.1", rejected()))
    store.record(at("2001:db8::1", success(NAME)))

    states = store.states(NAME)
    assert [Health.FAILING, Health.WAITING, Health.UP] == [state.health for state in states]
    assert [f'endpoint="{NAME}",protocol="imap",address="{address}"' for address in ADDRESSES] == [
        state.labels for state in states
    ]


def test_addresses_stand_where_their_endpoint_stood(store: Store) -> None:
    store.configure([endpoint("before"), endpoint(NAME), endpoint("after")])

    spread(store, each(*ADDRESSES))

    assert ["before", NAME, NAME, NAME, "after"] == [state.endpoint.name for state in store.snapshot().endpoints]


def test_an_address_that_leaves_is_forgotten_and_those_that_stay_are_not(store: Store) -> None:
    spread(store, each("192.0.2.1", "192.0.2.2"))
    for address in ADDRESSES:
        store.record(at(address, success(NAME)))

    spread(store, each("192.0.2.2", "2001:db8::1"))

    assert [("192.0.2.2", 1), ("2001:db8::1", 0)] == [
        (state.endpoint.only_address, state.probes) for state in store.states(NAME)
    ]


def test_an_endpoint_whose_addresses_all_leave_is_whole_again(store: Store) -> None:
    spread(store, each(*ADDRESSES))

    spread(store, [endpoint(NAME)])
    store.record(rejected())

    assert Health.FAILING is state_of(store).health
    assert f'endpoint="{NAME}",protocol="imap"' == state_of(store).labels


def test_a_result_of_an_address_that_left_is_ignored(store: Store) -> None:
    spread(store, each("192.0.2.1"))

    store.record(at("192.0.2.2", success(NAME)))
    store.record(success(NAME))

    assert [0] == [state.probes for state in store.states(NAME)]


def test_a_reload_keeps_what_is_known_of_each_address(store: Store) -> None:
    spread(store, each("192.0.2.1", "192.0.2.2"))
    store.record(at("192.0.2.2", success(NAME)))

    store.configure([endpoint("new"), *each("192.0.2.1", "192.0.2.2")])

    assert [0, 1] == [state.probes for state in store.states(NAME)]


def test_an_endpoint_of_several_addresses_is_counted_once(store: Store) -> None:
    store.configure([endpoint("a"), *each(*ADDRESSES)])

    assert 2 == store.snapshot().exporter.endpoints[Protocol.IMAP]


def test_skipped_probes_are_counted_by_reason_from_zero(store: Store) -> None:
    store.exporter.skipped(SkipReason.HOST)
    store.exporter.skipped(SkipReason.HOST)

    counts = store.snapshot().exporter.skipped
    assert {**dict.fromkeys(SkipReason, 0), SkipReason.HOST: 2} == dict(counts)


def test_the_exporter_is_observed(store: Store) -> None:
    store.exporter.observe_start_delay(0.002)
    store.exporter.observe_lag(0.001)
    store.exporter.observe_lag(0.003)
    store.exporter.observe_scrape(0.2)
    store.exporter.set_in_flight(7)
    store.exporter.set_shard(1, 3)

    exporter = store.snapshot().exporter
    assert (1, 2, 1) == (exporter.start_delay.count, exporter.lag.count, exporter.scrapes.count)
    assert 7 == exporter.probes_in_flight
    assert (1, 3) == (exporter.shard, exporter.total_shards)


def test_nothing_is_known_of_reloads_before_the_first(store: Store) -> None:
    exporter = store.snapshot().exporter

    assert exporter.reload_successful is None
    assert exporter.reloaded_at is None


def test_a_failed_reload_leaves_the_time_of_the_last_good_one(store: Store) -> None:
    store.exporter.reloaded(successful=True, at=NOON)

    store.exporter.reloaded(successful=False, at=NOON + 60)

    exporter = store.snapshot().exporter
    assert exporter.reload_successful is False
    assert exporter.reloaded_at == NOON


def test_endpoints_that_are_found_later_stand_behind_the_others_and_are_counted(store: Store) -> None:
    found = endpoint("found", Protocol.SMTP)

    store.apply(RosterChange((), (found,), (found,)))
    assert [NAME, "found"] == [state.endpoint.name for state in store.snapshot().endpoints]
    assert 1 == store.snapshot().exporter.endpoints[Protocol.SMTP]

    store.apply(RosterChange((found,), (), ()))
    assert [NAME] == [state.endpoint.name for state in store.snapshot().endpoints]
    assert 0 == store.snapshot().exporter.endpoints[Protocol.SMTP]


def test_an_endpoint_that_comes_otherwise_keeps_what_is_known_while_it_is_the_same_server(store: Store) -> None:
    store.record(success(NAME))
    same, moved = endpoint(NAME, interval=5.0), endpoint(NAME, host="elsewhere.example.com")

    store.apply(RosterChange((), (same,), (same,)))
    assert 1 == state_of(store).probes

    store.apply(RosterChange((), (moved,), (moved,)))
    assert 0 == state_of(store).probes
