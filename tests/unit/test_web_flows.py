from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from types import MappingProxyType

import pytest
from aiohttp.test_utils import TestClient, TestServer

from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.flow_state import FlowStates
from exporter.metrics.store import Store
from exporter.model import Awaited, Flow, Leg, Outcome, Receiving, Sending
from exporter.web.application import create_application
from tests.unit.flow_samples import FLOW, IMAP, NOW, SUBMISSION
from tests.unit.test_flow_metrics import BOUNCED, DELIVERED

ODD = 'a/b?c "d" <e>'


def states() -> FlowStates:
    made = FlowStates(lambda: NOW + 60)
    odd = replace(FLOW, name=ODD, labels=MappingProxyType({"team": "<mail>"}))
    by_mx = replace(FLOW, name="mx", sending=Sending("a@b.c", "d@e.f", SUBMISSION, mx="example.net"))
    made.configure((FLOW, odd, by_mx, Flow("report", Receiving(IMAP), awaited=Awaited(3600.0, "a@b.c", "*"))))
    made.settled(DELIVERED)
    hostile = replace(BOUNCED, detail="550 <script>alert(1)</script>")
    made.settled(hostile)
    made.settled(replace(hostile, flow="mx", mx="mx1.example.net", outcome=Outcome.LOST, leg=Leg.TRANSIT))
    made.newest("report", NOW)
    made.held_up("there", "", "11 messages are under way")
    return made


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:  # type: ignore[type-arg] # of any request
    store = Store(BuildInfo("1", "2", "3"), flows=states())
    application = create_application(
        store=store, ready=lambda: True, configuration=lambda: iter(()), clock=lambda: NOW + 60
    )
    async with TestClient(TestServer(application)) as made:
        yield made


async def text(client: TestClient, path: str) -> tuple[int, str]:  # type: ignore[type-arg] # of any request
    response = await client.get(path, headers={"Accept": "text/html"})
    return response.status, await response.text()


async def test_the_list_names_every_flow_and_leads_to_its_page(client: TestClient) -> None:  # type: ignore[type-arg] # of any request
    status, page = await text(client, "/flows")
    assert 200 == status
    links = re.findall(r'href="\./flow\?name=([^"]+)"', page)
    # What fails comes first, then what has not been tried, then what works.
    assert ["there", "mx", "a%2Fb%3Fc+%22d%22+%3Ce%3E", "report"] == links
    for link in links:
        status, page = await text(client, f"/flow?name={link}")
        assert (200, True) == (status, "<h1" in page)
        (same,) = re.findall(r'href="\./(api/v1/flow[^"]+)"', page)
        assert 200 == (await text(client, f"/{same}"))[0]


async def test_a_page_shows_outcome_legs_hops_and_history_and_escapes_all_of_it(client: TestClient) -> None:  # type: ignore[type-arg] # of any request
    _, page = await text(client, "/flows/there")
    for words in ("bounced", "5.1.1", "&lt;script&gt;", "11 messages are under way", "1 delivered, 1 bounced"):
        assert words in page
    assert "<script>alert" not in page
    _, page = await text(client, "/flows/mx")
    assert "mx1.example.net" in page
    assert "lost" in page
    _, page = await text(client, "/flows/report")
    assert "The newest came" in page


async def test_a_flow_that_is_not_there_is_404_on_page_and_api(client: TestClient) -> None:  # type: ignore[type-arg] # of any request
    for path in ("/flows/nope", "/api/v1/flows/nope"):
        status, page = await text(client, path)
        assert 404 == status
        assert "nope" in page


async def test_the_api_lists_and_details(client: TestClient) -> None:  # type: ignore[type-arg] # of any request
    listed = await (await client.get("/api/v1/flows")).json()
    assert ["there", ODD, "mx", "report"] == [flow["name"] for flow in listed["flows"]]
    detail = await (await client.get("/api/v1/flow?name=there")).json()
    assert detail == await (await client.get("/api/v1/flows/there")).json()
    assert "11 messages are under way" == detail["ways"][0]["held_up"]
