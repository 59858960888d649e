from __future__ import annotations

from dataclasses import replace

from exporter.metrics.record import (
    PLAIN_TRANSCRIPT,
    Shared,
    fold,
    unfold,
)
from exporter.model import Direction, FailureReason, Phase, TranscriptLine
from tests.unit.results import NOON, certificate, conversation, failure, success, tls


def test_a_success_comes_back_as_it_was() -> None:
    result = success()

    assert result == unfold(fold(result, None, Shared()), result.endpoint)


def test_a_failure_before_anything_was_learnt_comes_back_as_it_was() -> None:
    result = failure(FailureReason.DNS_NOT_FOUND, Phase.DNS, capabilities=None)

    assert result == unfold(fold(result, None, Shared()), result.endpoint)


def test_no_capabilities_and_none_announced_are_told_apart() -> None:
    result = success(capabilities=())

    assert () == unfold(fold(result, None, Shared()), result.endpoint).facts.capabilities


def test_a_long_transcript_comes_back_as_it_was_and_takes_less_room() -> None:
    lines = conversation(*[(Direction.SERVER, f"* LIST (\\HasNoChildren) . folder{number}") for number in range(200)])
    result = success(transcript=lines)

    record = fold(result, None, Shared())

    assert lines == unfold(record, result.endpoint).transcript
    assert isinstance(record.packed_transcript, bytes)
    assert len(record.packed_transcript) < PLAIN_TRANSCRIPT


def test_a_line_that_looks_like_the_packing_comes_back_as_it_was() -> None:
    lines = (TranscriptLine(0.5, Direction.NOTE, "-1.000000 > <"), TranscriptLine(0.75, Direction.CLIENT, ""))

    assert lines == unfold(fold(success(transcript=lines), None, Shared()), "name").transcript


def test_a_phase_with_several_stretches_is_added_up() -> None:
    record = fold(success(), None, Shared())

    assert 'phase="capability"} 0.037635\n' in record.phase_lines
    assert 1 == record.phase_lines.count("capability")


def test_values_that_did_not_change_since_the_last_probe_are_kept_once() -> None:
    first = fold(success(address="192.0.2." + str(25)), None, Shared(octets=1))

    second = fold(success(address="192.0.2." + str(25), tls=tls()), first, Shared(octets=1))

    assert first.facts.address is second.facts.address
    assert first.facts.tls is second.facts.tls
    assert first.facts.capabilities is second.facts.capabilities
    assert first.facts.reply_codes is second.facts.reply_codes


def test_values_that_are_the_same_for_several_endpoints_are_kept_once() -> None:
    shared = Shared()

    one, other = (fold(success(name, tls=tls()), None, shared) for name in ("one", "other"))

    assert one.facts.tls is other.facts.tls
    assert one.facts.capabilities is other.facts.capabilities


def test_what_is_no_longer_known_is_not_taken_from_the_probe_before() -> None:
    before = fold(success(), None, Shared())

    record = fold(failure(FailureReason.CONNECT_REFUSED, Phase.CONNECT), before, Shared())

    assert record.facts.tls is None
    assert record.facts.address is None
    assert record.facts.capabilities is None


def test_a_server_that_makes_up_new_values_cannot_fill_the_memory() -> None:
    shared = Shared(octets=50_000)

    for number in range(1000):
        shared(f"value {number}")
        shared(tls(leaf=certificate(f"CN={number}")))

    assert 0 < len(shared._values) <= 50


def test_a_value_that_is_too_large_is_not_remembered() -> None:
    shared = Shared(octets=1000)

    assert shared("x" * 2000) == "x" * 2000
    assert 0 == len(shared._values)


def test_the_first_expiry_of_the_presented_chain_is_found() -> None:
    facts = tls()
    early = replace(facts.chain[1], not_after=NOON)

    record = fold(success(tls=replace(facts, chain=(facts.chain[0], early))), None, Shared())

    assert record.expiry == NOON


def test_no_chain_has_no_expiry() -> None:
    assert fold(success(tls=None), None, Shared()).expiry is None
    assert fold(success(tls=replace(tls(), chain=())), None, Shared()).expiry is None
