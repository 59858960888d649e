from __future__ import annotations

import re
from dataclasses import replace

import pytest
from yarl import URL

from exporter.model import CertificateProblem, FailureReason, Phase
from exporter.web.pages.pages import PAGE_LENGTH
from tests.unit.html_pages import page_at, path_of
from tests.unit.results import (
    DAY,
    NOON,
    certificate,
    endpoint,
    failure,
    success,
    tls,
)
from tests.unit.web import Surroundings, served, store_with

NAME = "imaps://mail.example.com"


async def test_the_status_page_lists_failing_endpoints_first_and_sums_up() -> None:
    store = store_with(
        [endpoint("a.test"), endpoint("b.test"), endpoint("c.test"), endpoint("d.test")],
        [
            success("a.test", tls=tls(leaf=certificate(not_after=NOON + 30 * DAY))),
            success("d.test"),
            failure(FailureReason.AUTH_REJECTED, Phase.AUTH, "c.test", "535 5.7.8 no"),
        ],
    )
    async with served(store) as client:
        page = await page_at(client, "/")

    order = [page.text.rindex(name) for name in ("c.test", "b.test", "a.test", "d.test")]
    assert sorted(order) == order
    assert "1 failing 1 not yet probed 2 up" in page.text
    assert "29 days until the first certificate expires: a.test" in page.text
    assert "auth_rejected in auth" in page.text
    assert "535 5.7.8 no" in page.text
    assert "283 ms" in page.text
    assert "connect 18.4 ms" in page.text
    assert "59 days" in page.text
    assert "9 s ago" in page.text


async def test_the_title_tells_how_many_fail() -> None:
    store = store_with([endpoint(NAME)], [failure(FailureReason.TIMEOUT, Phase.GREETING, NAME)])
    async with served(store) as client:
        page = await page_at(client, "/")

    assert page.text.strip().startswith("(1 failing) mail-exporter")


async def test_without_endpoints_the_page_says_so() -> None:
    async with served(store_with([])) as client:
        page = await page_at(client, "/")

    assert "No endpoints are configured." in page.text


async def test_an_expired_certificate_is_told_with_what_else_is_wrong() -> None:
    facts = tls(
        CertificateProblem.EXPIRED, CertificateProblem.NAME_MISMATCH, leaf=certificate(not_after=NOON - 3 * DAY)
    )
    store = store_with([endpoint(NAME)], [failure(FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS, NAME, tls=facts)])
    async with served(store) as client:
        page = await page_at(client, "/")

    assert "expired 3 days ago, name_mismatch" in page.text


async def test_many_endpoints_are_turned_over_page_by_page() -> None:
    names = [f"endpoint {number:03}" for number in range(2 * PAGE_LENGTH + 1)]
    pages: list[list[str]] = []
    following: str | None = ""
    async with served(store_with([endpoint(name) for name in names])) as client:
        while following is not None:
            page = await page_at(client, f"/{following}")
            pages.append(re.findall(r"endpoint \d{3}", page.data))
            following = page.following

    assert [names[:PAGE_LENGTH], names[PAGE_LENGTH:-1], names[-1:]] == pages


async def test_a_page_beyond_the_last_says_so() -> None:
    async with served(store_with([endpoint(NAME)])) as client:
        page = await page_at(client, "/?page=7")

    assert "There are no more endpoints." in page.text


async def test_endpoints_can_be_picked_out_by_state_and_text() -> None:
    store = store_with(
        [endpoint("imaps://one.example.com"), endpoint("imaps://two.example.com"), endpoint("mx", host="ONE.test")],
        [success("imaps://one.example.com"), success("mx")],
    )
    async with served(store) as client:
        up = await page_at(client, "/?state=up&q=oNe")
        waiting = await page_at(client, "/?state=waiting")
        none = await page_at(client, "/?q=three")

    assert "1 to 2 of 2 endpoints that match" in up.text
    assert "1 to 1 of 1 endpoint that match" in waiting.text
    assert "imaps://two.example.com" in waiting.text
    assert "No endpoints match." in none.text


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("state=down", "No state 'down'. Write one of: failing, waiting, up.\n"),
        ("page=0", "No page '0'. Write a number from 1.\n"),
        ("page=-1", "No page '-1'. Write a number from 1.\n"),
        ("page=²", "No page '²'. Write a number from 1.\n"),
        ("page=9999999", "No page '9999999'. Write a number from 1.\n"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_with_what_would(query: str, answer: str) -> None:
    async with served(store_with([endpoint(NAME)])) as client:
        response = await client.get(f"/?{query}")
        text = await response.text()

    assert (400, answer) == (response.status, text)


async def test_a_failed_reload_is_told_on_the_status_page() -> None:
    store = store_with([endpoint(NAME)])
    store.exporter.reloaded(successful=True, at=NOON - 3600)
    async with served(store) as client:
        before = await page_at(client, "/")
        store.exporter.reloaded(successful=False, at=NOON)
        after = await page_at(client, "/")

    assert "could not be reloaded" not in before.text
    assert "could not be reloaded. The one loaded 1 h ago is still in force" in after.text


@pytest.mark.parametrize("path", ["/nothing", "/endpoints/", "/static/../secret", "/static/base.html"])
async def test_a_path_that_there_is_not_is_not_found(path: str) -> None:
    async with served(store_with([endpoint(NAME)])) as client:
        response = await client.get(path)
        text = await response.text()

    assert 404 == response.status
    assert text.endswith("Start at /.\n")


async def test_endpoints_can_be_picked_out_by_address() -> None:
    each = [replace(endpoint(NAME), only_address=address) for address in ("192.0.2.1", "2001:db8::1")]
    async with served(store_with(each)) as client:
        page = await page_at(client, "/?q=2001:DB8")

    assert "2001:db8::1" in page.data
    assert "192.0.2.1" not in page.data


async def test_every_link_leads_somewhere_also_behind_a_proxy_that_adds_a_prefix() -> None:
    store = store_with([endpoint(NAME)], [success(NAME)])
    async with served(store) as client:
        for start in ("/", "/?state=up", path_of(NAME), f"/endpoints/{NAME}"):
            page = await page_at(client, start)
            for link in page.links:
                outside = str(URL(f"https://proxy.test/prefix{start}").join(URL(link)))
                assert outside.startswith("https://proxy.test/prefix/"), (start, link)
                response = await client.get(outside.removeprefix("https://proxy.test/prefix"))
                assert 200 == response.status, (start, link)


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/config", "/-/healthy", "/api/v1/endpoints", "/static/style.css", "/nothing"]
)
async def test_every_answer_keeps_browsers_from_doing_harm(path: str) -> None:
    async with served(store_with([endpoint(NAME)])) as client:
        response = await client.get(path)

    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "nosniff" == response.headers["X-Content-Type-Options"]
    assert "no-referrer" == response.headers["Referrer-Policy"]
    assert "mail-exporter" == response.headers["Server"]


async def test_the_style_sheet_is_not_sent_twice() -> None:
    async with served(store_with([])) as client:
        first = await client.get("/static/style.css")
        second = await client.get("/static/style.css", headers={"If-None-Match": first.headers["ETag"]})

    assert (200, "text/css") == (first.status, first.content_type)
    assert 304 == second.status


@pytest.mark.parametrize("ready", [True, False])
async def test_it_is_healthy_when_alive_and_ready_when_probing(ready: bool) -> None:
    async with served(store_with([]), Surroundings(ready=ready)) as client:
        healthy = await client.get("/-/healthy")
        readiness = await client.get("/-/ready")

    assert 200 == healthy.status
    assert (200 if ready else 503) == readiness.status


async def test_the_configuration_in_force_is_shown() -> None:
    told = Surroundings(configuration="endpoints:\n- url: imaps://mail.example.com\n")
    async with served(store_with([]), told) as client:
        response = await client.get("/config")
        text = await response.text()

    assert told.configuration == text
    assert "text/plain; charset=utf-8" == response.headers["Content-Type"]
