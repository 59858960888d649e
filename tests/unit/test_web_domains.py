"""Mail domains on the pages, in the API and in the metrics, from reports that are made by hand."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from aiohttp.test_utils import TestClient, TestServer

from exporter.config.configuration import Domain
from exporter.metrics.domain_state import DomainStates, FollowedState
from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.exposition import Format, expose
from exporter.metrics.rows.domain_rows import DOMAIN_METRICS, FOLLOWED_METRICS
from exporter.metrics.store import Store
from exporter.model import (
    Delivery,
    DomainCheck,
    DomainFinding,
    DomainProblem,
    DomainReport,
    KeyType,
    PolicyFacts,
    Sender,
    Source,
    SourceFacts,
    TlsaMatch,
)
from exporter.web.application import create_application
from tests.servers.exporter import Metrics

EVIL = '<script>"\\\n'
REPORT = DomainReport(
    "example.com",
    1000.0,
    1.5,
    MappingProxyType({DomainCheck.DANE: False, DomainCheck.MTA_STS: None, DomainCheck.SPF: True}),
    findings=(DomainFinding(DomainCheck.DANE, DomainProblem.DANE_MISMATCH, f"mx {EVIL.strip()}"),) * 2,
    deliveries=(Delivery("mx.example.com", "192.0.2.1", Sender.DANE, deliverable=False, detail="no match"),),
    mx_records=2,
    matches=(TlsaMatch("mx.example.com", 25, "192.0.2.1", KeyType.RSA, 3, 1, 1, "01234567", matches=False),),
    rollover_ready=MappingProxyType({("mx.example.com", 25): True}),
    policy=PolicyFacts("enforce", "2026", 86400, 2000.0, changed_without_id=False),
    dmarc_policy="reject",
    listed=MappingProxyType({("192.0.2.1", "bl.example"): True}),
    sources=(SourceFacts(Source.PACC, success=True, agrees=False, digest_matches=True),),
)


@pytest.fixture
def store() -> Store:
    made = Store(BuildInfo("1", "3", "o"))
    made.domains.configure(
        [Domain("example.com", (), labels={"team": "mail"}), Domain("new.example", (), interval=60.0)], ["f.example"]
    )
    made.domains.judged(REPORT)
    made.domains.followed(
        FollowedState("f.example", success=False, last_success_at=900.0, count=3, problems=("mx: x",))
    )
    return made


def test_every_figure_of_a_report_is_a_series_and_what_is_unknown_is_absent(store: Store) -> None:
    metrics = Metrics.parse(b"".join(expose(store.snapshot(), Format.TEXT)).decode())
    of = {"domain": "example.com", "team": "mail"}
    assert 0 == metrics.value("mail_domain_check_success", check="dane", **of)
    assert 1 == metrics.value("mail_domain_check_success", check="spf", **of)
    assert [] == metrics.find("mail_domain_check_success", check="mta_sts")
    assert 1 == len(metrics.find("mail_domain_problem_info", check="dane", problem="dane_mismatch"))
    assert 0 == metrics.value("mail_domain_deliverable", mx="mx.example.com", address="192.0.2.1", sender="dane", **of)
    assert 86400 == metrics.value("mail_mta_sts_max_age_seconds", **of)
    assert 1 == metrics.value("mail_autoconfig_digest_match", **of)
    assert 60 == metrics.value("mail_domain_interval_seconds", domain="new.example")
    assert [] == metrics.find("mail_domain_last_run_timestamp_seconds", domain="new.example")
    assert 3 == metrics.value("mail_discovery_endpoints", domain="f.example")
    present = {name for name, _ in metrics.series}
    assert {metric.name for metric in DOMAIN_METRICS} | {metric.name for metric in FOLLOWED_METRICS} <= present


@pytest.mark.parametrize("order", [1, -1])
def test_of_records_that_begin_alike_one_that_matches_is_enough(store: Store, order: int) -> None:
    """Whole keys of one kind begin with the same digits: both records of a rollover are one series."""
    matches = tuple(
        TlsaMatch("mx.example.com", 25, "192.0.2.1", KeyType.RSA, 3, 1, 0, "30820122", matches=each)
        for each in (True, False)[::order]
    )
    store.domains.judged(replace(REPORT, matches=matches))
    metrics = Metrics.parse(b"".join(expose(store.snapshot(), Format.TEXT)).decode())
    assert 1 == metrics.value("mail_dane_tlsa_match", record="30820122", domain="example.com", team="mail")


def test_a_report_of_a_domain_that_is_gone_is_nobodys() -> None:
    states = DomainStates()
    states.judged(REPORT)
    states.followed(FollowedState("f.example", success=True, last_success_at=1.0, count=1))
    assert ((), ()) == states.snapshot()


def test_former_reports_are_kept_if_they_said_something_else(store: Store) -> None:
    store.domains.judged(REPORT)
    state = store.domains.of("example.com")
    assert state is not None
    assert () == state.history
    store.domains.judged(DomainReport("example.com", 2000.0, 1.0, MappingProxyType({DomainCheck.SPF: True})))
    state = store.domains.of("example.com")
    assert state is not None
    assert [1000.0] == [former.checked_at for former in state.history]


async def answer(client: TestClient, path: str) -> tuple[int, str]:  # type: ignore[type-arg] # of any request
    response = await client.get(path)
    return response.status, await response.text()


async def test_pages_and_api_show_domains_and_escape_what_others_said(store: Store) -> None:
    application = create_application(
        store=store, ready=lambda: True, configuration=lambda: iter(()), clock=lambda: 1500.0
    )
    async with TestClient(TestServer(application)) as client:
        page = await (await client.get("/domain?name=example.com")).text()
        assert "<title>failing: example.com" in page
        assert "<script>" not in page.replace('<script src="', "")
        assert "docs/domains#dane_mismatch" in page
        assert "no match" in page
        listed = await (await client.get("/domains")).text()
        assert "f.example" in listed
        assert "not yet checked" in listed
        document = await (await client.get("/api/v1/domains/example.com")).json()
        assert [{"check": "dane", "success": False}] == [
            {"check": each["check"], "success": each["success"]} for each in document["checks"] if each["problems"]
        ]
        assert [False] == [each["deliverable"] for each in document["deliverable"]]
        names = await (await client.get("/api/v1/domains")).json()
        assert ["example.com", "new.example"] == [each["domain"] for each in names["domains"]]
        for by_path in ("/domains/example.com", "/api/v1/domains/example.com"):
            by_query = by_path.replace("domains/", "domain?name=")
            assert (await (await client.get(by_path)).text()).replace("../", "./") == await (
                await client.get(by_query)
            ).text()
        assert (400, "Which domain? Write domain?name=NAME.\n") == await answer(client, "/domain")
        told = '{"error": "Which domain? Write domain?name=NAME."}\n'
        assert (400, told) == await answer(client, "/api/v1/domain?name=")
        assert 404 == (await client.get("/domains/none.example")).status
        assert 404 == (await client.get("/api/v1/domains/none.example")).status
