"""Finding endpoints on the status page: by what is shown of them, page by page."""

from __future__ import annotations

import pytest

from exporter.metrics.store import Store
from exporter.model import FailureReason, Phase
from tests.unit.html_pages import Page, page_at
from tests.unit.results import (
    DAY,
    NOON,
    certificate,
    endpoint,
    failure,
    success,
    tls,
)
from tests.unit.web import served, store_with


def varied() -> Store:
    endpoints = [
        endpoint("a.test", labels={"team": "mail", "site": "fra"}),
        endpoint("b.test", labels={"team": "web"}),
        endpoint("c.test", labels={"team": "mail"}),
        endpoint("d.test"),
    ]
    results = [
        success("a.test", duration=0.5, tls=tls(leaf=certificate(not_after=NOON - DAY))),
        failure(FailureReason.TIMEOUT, Phase.GREETING, "b.test", "no reply within 15 s"),
        success("c.test", duration=0.1, started_at=NOON + 1, tls=tls(leaf=certificate(not_after=NOON + 3 * DAY))),
    ]
    return store_with(endpoints, results)


def listed(page: Page) -> list[str]:
    """The endpoints of the list; before them stands the first one whose certificate expires."""
    return [link[-6:] for link in page.links if link.startswith("endpoint?name=")][1:]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["b.test", "d.test", "a.test", "c.test"]),
        ("?q=timeout", ["b.test"]),
        ("?q=no reply within", ["b.test"]),
        ("?q=GREETING TIMEOUT", ["b.test"]),
        ("?q=team=mail", ["a.test", "c.test"]),
        ("?q=not yet probed", ["d.test"]),
        ("?q=up", ["a.test", "c.test"]),
        ("?reason=timeout", ["b.test"]),
        ("?protocol=imap", ["b.test", "d.test", "a.test", "c.test"]),
        ("?protocol=pop3", []),
        ("?label=team=mail", ["a.test", "c.test"]),
        ("?label=team=mail&label=site=fra", ["a.test"]),
        ("?certificate=expired", ["a.test"]),
        ("?certificate=soon", ["c.test"]),
        ("?sort=name", ["a.test", "b.test", "c.test", "d.test"]),
        ("?sort=slowest", ["a.test", "c.test", "b.test", "d.test"]),
        ("?sort=expiry", ["a.test", "c.test", "b.test", "d.test"]),
        ("?sort=changed", ["c.test", "a.test", "b.test", "d.test"]),
        ("?group=team", ["a.test", "c.test", "b.test", "d.test"]),
        ("?group=team&sort=slowest&state=up", ["a.test", "c.test"]),
    ],
)
async def test_endpoints_are_found_by_all_that_is_shown_of_them(query: str, expected: list[str]) -> None:
    async with served(varied()) as client:
        page = await page_at(client, f"/{query}")

    assert expected == listed(page)
    assert ("No endpoints match." in page.text) is not bool(expected)


async def test_filters_stay_in_every_link_of_the_page() -> None:
    async with served(varied()) as client:
        page = await page_at(client, "/?label=team=mail&q=test&group=site")

    states = [link for link in page.links if "state=up" in link]
    assert ["./?state=up&q=test&group=site&label=team%3Dmail"] == states


async def test_failures_are_summed_up_by_reason_and_expired_certificates_apart() -> None:
    async with served(varied()) as client:
        page = await page_at(client, "/")

    assert "timeout 1" in page.text
    assert "1 with an expired certificate" in page.text
    assert "1 expiring within 14 days" in page.text
    assert "2 days until the first certificate expires: c.test" in page.text


async def test_groups_say_how_many_of_them_fail() -> None:
    async with served(varied()) as client:
        page = await page_at(client, "/?group=team")

    assert "team=mail 2 endpoints" in page.text
    assert "team=web 1 endpoint , 1 failing" in page.text.replace("endpoint,", "endpoint ,")
    assert "without team 1 endpoint" in page.text


async def test_there_are_page_numbers() -> None:
    store = store_with([endpoint(f"endpoint {number:04}") for number in range(1000)])
    async with served(store) as client:
        page = await page_at(client, "/?page=5")

    assert "401 to 500 of 1,000 endpoints" in page.text
    assert "Previous Page 1 … Page 3 Page 4 Page 5 Page 6 Page 7 … Page 10 Next" in page.text


@pytest.mark.parametrize(
    "query", ["label=team", "label==x", "sort=size", "protocol=http", "reason=bad", "&label=a=b" * 11]
)
async def test_a_filter_that_makes_no_sense_is_refused(query: str) -> None:
    async with served(varied()) as client:
        response = await client.get(f"/?{query}")

    assert 400 == response.status


async def test_pages_that_show_this_moment_say_so_and_are_loaded_again() -> None:
    async with served(varied()) as client:
        status = await (await client.get("/")).text()
        docs = await (await client.get("/docs/failures")).text()

    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in status
    assert 'data-refresh="30"' in status
    assert "as of" in status
    assert "refresh" not in docs[: docs.index("<main")]
