from __future__ import annotations

from dataclasses import replace
from typing import Any

from structlog.testing import capture_logs

from exporter.model import Encryption, Endpoint, Failure, FailureReason, Phase, ProbeResult, Protocol
from exporter.schedule.state_log import StateLog

IMAP = ("imap", "")
ENDPOINT = Endpoint("imap", Protocol.IMAP, "imap.example.com", 993, Encryption.TLS)
REFUSED = Failure(FailureReason.CONNECT_REFUSED, Phase.CONNECT, "127.0.0.1 port 993: Connection refused")
REJECTED = Failure(FailureReason.AUTH_REJECTED, Phase.AUTH, "no")


def result(failure: Failure | None, at: float, name: str = "imap") -> ProbeResult:
    return ProbeResult(name, started_at=at, duration=0.5, spans=(), failure=failure)


def lines(*results: ProbeResult) -> list[dict[str, Any]]:
    """What is logged above debug."""
    now = 0.0
    state_log = StateLog(lambda: now)
    with capture_logs() as logs:
        for each in results:
            now = each.ended_at
            state_log.write(each)
    return [dict(line) for line in logs if line["log_level"] != "debug"]


def test_the_first_success_is_logged_and_further_ones_are_not() -> None:
    logged = lines(result(None, 0), result(None, 60), result(None, 120))

    assert [{"event": "endpoint up", "endpoint": "imap", "log_level": "info"}] == logged


def test_going_down_is_logged_once_with_reason_phase_and_detail() -> None:
    logged = lines(result(REFUSED, 0), result(REFUSED, 60))

    assert [
        {
            "event": "endpoint down",
            "endpoint": "imap",
            "address": None,
            "reason": "connect_refused",
            "phase": "connect",
            "detail": REFUSED.detail,
            "log_level": "warning",
        }
    ] == logged


def test_coming_up_again_says_how_long_it_was_down() -> None:
    logged = lines(result(REFUSED, 0), result(REFUSED, 60), result(None, 120))

    assert {"event": "endpoint up", "endpoint": "imap", "down_for": "120s", "log_level": "info"} == logged[-1]


def test_another_reason_is_a_change_and_does_not_restart_the_clock() -> None:
    logged = lines(result(REFUSED, 0), result(REJECTED, 60), result(None, 300))

    assert ["connect_refused", "auth_rejected"] == [line["reason"] for line in logged[:2]]
    assert "300s" == logged[2]["down_for"]


def test_endpoints_do_not_mix() -> None:
    logged = lines(result(REFUSED, 0, "a"), result(REFUSED, 0, "b"), result(None, 60, "a"))

    assert [("endpoint down", "a"), ("endpoint down", "b"), ("endpoint up", "a")] == [
        (line["event"], line["endpoint"]) for line in logged
    ]


def test_the_addresses_of_an_endpoint_do_not_mix() -> None:
    refused, good = (
        replace(result(failure, 0), only_address=address)
        for failure, address in ((REFUSED, "192.0.2.1"), (None, "192.0.2.2"))
    )

    logged = lines(refused, good, refused, good)

    assert [("endpoint down", "192.0.2.1"), ("endpoint up", "192.0.2.2")] == [
        (line["event"], line["address"]) for line in logged
    ]


def test_every_probe_is_logged_at_debug() -> None:
    state_log = StateLog()
    with capture_logs() as logs:
        for at in range(3):
            state_log.write(result(None, at))

    assert 3 == sum(line["log_level"] == "debug" for line in logs)


def test_an_endpoint_that_was_forgotten_begins_anew() -> None:
    state_log = StateLog()
    with capture_logs() as logs:
        state_log.write(result(REFUSED, 0))
        state_log.forget([ENDPOINT])
        state_log.write(result(REFUSED, 60))

    assert 2 == sum(line["event"] == "endpoint down" for line in logs)


def test_a_clock_that_is_set_back_makes_no_outage_negative() -> None:
    now = 100.0
    state_log = StateLog(lambda: now)
    with capture_logs() as logs:
        state_log.write(result(REFUSED, 1.7e9))
        now = 130.0
        state_log.write(result(None, 1.6e9))

    assert "30s" == logs[-1]["down_for"]
