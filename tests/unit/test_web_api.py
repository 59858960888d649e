from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest

from exporter.metrics.store import Store
from exporter.model import Endpoint, FailureReason, Phase, ProbeResult, Protocol
from tests.unit.results import CLIENT as SAID_BY_US
from tests.unit.results import DAY, NOON, certificate, conversation, endpoint, failure, success, tls
from tests.unit.web import served, store_with

NAME = "submission://mail.example.com"
ENDPOINT: Endpoint = endpoint(NAME, Protocol.SMTP, labels={"team": "mail"})
REJECTED: ProbeResult = failure(FailureReason.AUTH_REJECTED, Phase.AUTH, NAME, "535 5.7.8 no", started_at=NOON - 60)
DETAIL = f"/api/v1/endpoints/{quote(NAME, safe='')}"


async def test_the_list_sums_up_and_puts_the_failing_first() -> None:
    store = store_with(
        [endpoint("up"), endpoint("waiting"), endpoint("failing")],
        [success("up"), failure(FailureReason.TIMEOUT, Phase.GREETING, "failing")],
    )
    async with served(store) as client:
        response = await client.get("/api/v1/endpoints")
        answer = await response.json()

    assert "application/json; charset=utf-8" == response.headers["Content-Type"]
    assert answer["generated_at"] == NOON + 10
    assert {
        "failing": 1,
        "waiting": 1,
        "up": 1,
        "first_certificate_expiry": {"endpoint": "up", "address": None, "not_after": NOON + 60 * DAY},
        "expired_certificates": 0,
        "reasons": {"timeout": 1},
    } == answer["summary"]
    assert ["failing", "waiting", "up"] == [each["name"] for each in answer["endpoints"]]


async def test_an_endpoint_of_the_list_has_all_but_what_takes_room() -> None:
    async with served(store_with([ENDPOINT], [REJECTED, success(NAME)])) as client:
        response = await client.get("/api/v1/endpoints")
        (found,) = (await response.json())["endpoints"]

    probe = found.pop("last_probe")
    assert {
        "name": NAME,
        "address": None,
        "protocol": "smtp",
        "host": "mail.example.com",
        "port": 587,
        "encryption": "starttls",
        "priority": None,
        "remark": None,
        "interval_seconds": 60.0,
        "timeout_seconds": 15.0,
        "labels": {"team": "mail"},
        "state": "up",
        "probes": 2,
        "failures": [{"reason": "auth_rejected", "phase": "auth", "count": 1}],
        "last_success_at": NOON + 0.282974,
        "since": NOON + 0.282974,
        "probes_in_a_row": 1,
        "flapping": False,
    } == found
    assert {"phase": "connect", "start_seconds": 0.001204, "duration_seconds": 0.018377} == probe.pop("phases")[1]
    assert {
        "success": True,
        "failure": None,
        "started_at": NOON,
        "ended_at": NOON + 0.282974,
        "duration_seconds": 0.282974,
        "address": "192.0.2.25",
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "group": "x25519",
            "verified": True,
            "problems": [],
            "detail": "",
            "ocsp_stapled": False,
            "ocsp_status": None,
            "ocsp_next_update": None,
            "certificate_not_before": NOON - 30 * DAY,
            "certificate_not_after": NOON + 60 * DAY,
            "chain_not_after": NOON + 60 * DAY,
            "verified_chain_not_after": None,
        },
        "starttls_offered": True,
        "auth_mechanism": "PLAIN",
        "auth_success": True,
        "login_paused": False,
        "reply_codes": {"greeting": 220, "capability": 250, "auth": 235, "quit": 221},
        "size_limit_bytes": 52_428_800,
        "mailbox": {
            "name": "INBOX",
            "messages": 42,
            "unseen": 3,
            "size_bytes": 123_456,
            "quota_used_bytes": 10_240,
            "quota_limit_bytes": 1_048_576,
            "unreadable": None,
        },
    } == probe


async def test_the_detail_has_chain_capabilities_transcript_last_failure_and_history() -> None:
    said = conversation((SAID_BY_US, "AUTH PLAIN <redacted>"))
    async with served(store_with([ENDPOINT], [replace(REJECTED, transcript=said), success(NAME)])) as client:
        response = await client.get(DETAIL)
        answer = await response.json()

    assert "PIPELINING" in answer["last_probe"]["capabilities"]
    leaf = answer["last_probe"]["tls"]["chain"][0]
    assert {
        "subject": "CN=mail.example.com",
        "issuer": "CN=R11,O=Let's Encrypt,C=US",
        "serial": "03a1f2" * 6,
        "not_before": NOON - 30 * DAY,
        "not_after": NOON + 60 * DAY,
        "names": ["mail.example.com", "imap.example.com", "smtp.example.com"],
        "fingerprint_sha256": "9f86d081884c7d659a2feaa0c55ad015" * 2,
        "public_key_sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e" * 2,
        "key": "EC P-256",
        "signature": "sha256WithRSAEncryption",
    } == leaf
    failed = answer["last_failure"]
    assert {"reason": "auth_rejected", "phase": "auth", "detail": "535 5.7.8 no"} == failed["failure"]
    assert [{"at_seconds": 0.0, "direction": "client", "text": "AUTH PLAIN <redacted>"}] == failed["transcript"]
    assert failed["tls"] is None
    assert [("auth_rejected", "auth"), (None, None)] == [(each["reason"], each["phase"]) for each in answer["history"]]


async def test_what_is_not_known_is_null() -> None:
    async with served(store_with([ENDPOINT])) as client:
        response = await client.get(DETAIL)
        answer = await response.json()

    assert "waiting" == answer["state"]
    assert [None, None, None] == [answer[name] for name in ("last_probe", "last_failure", "last_success_at")]
    assert [] == answer["history"]


async def test_the_list_can_be_narrowed() -> None:
    store = store_with([endpoint("one"), endpoint("two")], [success("one")])
    async with served(store) as client:
        response = await client.get("/api/v1/endpoints?state=waiting&q=TW")
        answer = await response.json()

    assert ["two"] == [each["name"] for each in answer["endpoints"]]
    assert 1 == answer["summary"]["up"]


async def test_many_endpoints_are_one_list() -> None:
    names = [f"endpoint {number}" for number in range(250)]
    store = store_with([endpoint(name) for name in names], [success(name) for name in names])
    async with served(store) as client:
        response = await client.get("/api/v1/endpoints")
        answer = await response.json()

    assert names == [each["name"] for each in answer["endpoints"]]


async def test_no_endpoints_are_an_empty_list() -> None:
    async with served(store_with([])) as client:
        response = await client.get("/api/v1/endpoints")
        answer = await response.json()

    assert [] == answer["endpoints"]
    assert answer["summary"]["first_certificate_expiry"] is None


async def test_text_that_is_no_unicode_still_makes_json() -> None:
    facts = tls(leaf=certificate("CN=\ud800\x00"))
    async with served(store_with([ENDPOINT], [success(NAME, tls=facts)])) as client:
        response = await client.get(DETAIL)
        answer = await response.json()

    assert "CN=\ud800\x00" == answer["last_probe"]["tls"]["chain"][0]["subject"]


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/api/v1/endpoints/other", 404, 'No endpoint named "other".'),
        ("GET", '/api/v1/endpoint?name="%00%ff', 404, 'No endpoint named ""\0\ufffd".'),
        ("GET", "/api/v1/endpoint", 400, "Which endpoint? Write endpoint?name=NAME."),
        ("GET", "/api/v1/endpoints?state=odd", 400, "No state 'odd'. Write one of: failing, waiting, up."),
        ("GET", "/api/v1/nothing", 404, "There is nothing at /api/v1/nothing. Start at /."),
        ("POST", "/api/v1/endpoints", 405, "/api/v1/endpoints takes GET, HEAD, not POST."),
    ],
)
async def test_errors_are_json_also_for_browsers(method: str, path: str, status: int, error: str) -> None:
    async with served(store_with([ENDPOINT])) as client:
        response = await client.request(method, path, headers={"Accept": "text/html"})
        answer = await response.json()

    assert (status, {"error": error}) == (response.status, answer)


def at_addresses(*results: ProbeResult) -> Store:
    """A store with an endpoint that is probed at three addresses, and two of which the results are."""
    each = [replace(ENDPOINT, only_address=address) for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1")]
    probed = [replace(result, only_address=e.only_address) for e, result in zip(each, results, strict=False)]
    return store_with(each, probed)


async def test_each_address_stands_in_the_list() -> None:
    async with served(at_addresses(success(NAME), REJECTED)) as client:
        answer = await (await client.get("/api/v1/endpoints")).json()

    assert [(NAME, "192.0.2.2", "failing"), (NAME, "2001:db8::1", "waiting"), (NAME, "192.0.2.1", "up")] == [
        (each["name"], each["address"], each["state"]) for each in answer["endpoints"]
    ]
    assert "192.0.2.1" == answer["summary"]["first_certificate_expiry"]["address"]


async def test_the_detail_of_an_address_is_asked_for_by_query_and_else_that_of_the_most_urgent() -> None:
    async with served(at_addresses(success(NAME), REJECTED)) as client:
        asked = await (await client.get(DETAIL, params={"address": "2001:db8::1"})).json()
        urgent = await (await client.get(DETAIL)).json()
        unknown = await client.get(DETAIL, params={"address": "192.0.2.3"})
        refusal = await unknown.text()

    assert ("2001:db8::1", "waiting") == (asked["address"], asked["state"])
    assert ("192.0.2.2", "failing") == (urgent["address"], urgent["state"])
    assert [
        {"address": "192.0.2.1", "state": "up"},
        {"address": "192.0.2.2", "state": "failing"},
        {"address": "2001:db8::1", "state": "waiting"},
    ] == asked["addresses"]
    assert 404 == unknown.status
    assert "not probed at the address 192.0.2.3" in refusal


async def test_an_endpoint_as_a_whole_has_no_addresses() -> None:
    async with served(store_with([ENDPOINT])) as client:
        answer = await (await client.get(DETAIL)).json()
        unknown = await client.get(DETAIL, params={"address": "192.0.2.25"})

    assert (None, None) == (answer["address"], answer["addresses"])
    assert 404 == unknown.status
