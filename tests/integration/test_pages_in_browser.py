"""The pages as people see them, in Chromium: at all widths, in the dark, by keyboard, on paper, without a script."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import bcrypt
import pytest
from playwright.sync_api import Browser

from exporter.web.policy.policy import Policy, WebConfig
from tests.servers.browser import Windows, chromium
from tests.servers.flows_and_domains import LONG_DOMAIN, LONG_FLOW
from tests.servers.populations import LONG, NOW, Clock, population, served
from tests.unit.results import success

WIDTHS = (320, 390, 768, 1400, 2560)
FAILING = quote("imap://mail00003.example.com", safe="")
"""With its last failure at the last minute."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def few(browser: Browser) -> Iterator[Windows]:
    with served(population(31, 60), Clock()) as url:
        yield Windows(browser, url)


@pytest.fixture(scope="module")
def failure(few: Windows) -> str:
    """The path of the page of a failure."""
    with few.window(f"/endpoint?name={FAILING}") as seen:
        path = seen.page.locator(".failures a").first.get_attribute("href")
    assert path is not None
    return path.removeprefix(".")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_status_page_fits_every_screen_and_everybody(few: Windows, dark: bool) -> None:
    with few.window("/", dark=dark) as seen:
        for width in WIDTHS:
            seen.page.set_viewport_size({"width": width, "height": 900})
            assert [] == seen.cut_off(), width
            # The layout changes between these two; what axe looks at does not change otherwise.
            assert [] == (seen.violations() if width in {390, 1400} else [])
        assert [] == seen.complaints


@pytest.mark.parametrize(("width", "dark"), [(320, False), (1400, True)])
@pytest.mark.parametrize(
    "kind",
    [
        "endpoint",
        "long",
        "failure",
        "docs",
        "metrics",
        "error",
        "filtered",
        "flows",
        "flow",
        "by-mx",
        "domains",
        "domain",
    ],
)
def test_every_page_fits_every_screen_and_everybody(
    few: Windows, failure: str, kind: str, width: int, dark: bool
) -> None:
    path = {
        "endpoint": f"/endpoint?name={FAILING}",
        "long": f"/endpoint?name={quote(LONG, safe='')}",
        "failure": failure,
        "docs": "/docs/operating",
        "metrics": "/docs/metrics",
        "error": "/endpoint?name=nope",
        "flows": "/flows",
        "flow": f"/flows/{quote(LONG_FLOW, safe='')}",
        "by-mx": "/flows/by%20mx",
        "domains": "/domains",
        "domain": f"/domains/{LONG_DOMAIN}",
        "filtered": "/?q=auth&sort=slowest&group=team&label=team=customer-support",
    }[kind]
    with few.window(path, width=width, dark=dark) as seen:
        assert [] == seen.cut_off()
        assert [] == seen.violations()
        # A browser complains of every page that is not found.
        assert [] == [words for words in seen.complaints if kind != "error" or "404" not in words]


@pytest.mark.parametrize(("width", "dark"), [(320, False), (1400, True)])
def test_one_who_has_no_login_sees_a_page_that_fits_as_well(browser: Browser, width: int, dark: bool) -> None:
    policy = Policy(WebConfig(users={"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(4))}))
    with served(population(1, 0), Clock(), policy) as url:
        wrong = {"username": "alice", "password": "forgotten"}
        with Windows(browser, url).window("/", width=width, dark=dark, http_credentials=wrong) as seen:
            assert [] == seen.cut_off()
            assert [] == seen.violations()
            assert [] == [words for words in seen.complaints if "401" not in words]
            assert "Log in" == seen.page.inner_text("nav a >> nth=0")
        right = {"username": "alice", "password": "secret"}
        with Windows(browser, url).window("/", http_credentials=right) as seen:
            assert "No endpoint failing, 1 not yet probed" == seen.page.inner_text("h1")


@pytest.mark.parametrize(("size", "probes", "width"), [(300, 20, 1400), (10_000, 1, 390)])
def test_many_endpoints_fit_as_well(browser: Browser, size: int, probes: int, width: int) -> None:
    with served(population(size, probes), Clock()) as url:
        windows = Windows(browser, url)
        with windows.window("/", width=width) as seen:
            assert [] == seen.cut_off()
            assert [] == seen.violations()
            assert [] == seen.complaints
            assert f"1 to 100 of {size:,} endpoints" in seen.page.inner_text(".shown")
            seen.page.click("nav.pages a:text-is('Next')")
            assert f"101 to 200 of {size:,} endpoints" in seen.page.inner_text(".shown")


def test_on_a_small_screen_the_reason_comes_first(few: Windows) -> None:
    with few.window("/", width=320) as seen:
        card = seen.page.locator(".endpoints tr.failing").first
        reason, name, bar = (card.locator(part).bounding_box() for part in (".why", "th > a", ".strip"))

    assert reason is not None
    assert name is not None
    assert bar is not None
    assert reason["y"] < name["y"] < bar["y"]
    assert 320 >= reason["x"] + reason["width"]


def test_local_time_stands_beside_utc(few: Windows, failure: str) -> None:
    with few.window(failure) as seen:
        words = seen.page.inner_text(".verdict time.moment")
    with few.window(failure, java_script_enabled=False) as seen:
        plain = seen.page.inner_text(".verdict time.moment")

    assert words.startswith("2026-09-21 17:12:20 UTC (19:12:20")
    assert "2026-09-21 17:12:20 UTC" == plain
    with few.window("/") as seen:
        assert "since 16:56 UTC / 18:56" in seen.page.inner_text(".endpoints tr.failing .since >> nth=0")


def test_everything_is_there_without_a_script(few: Windows) -> None:
    with few.window("/", java_script_enabled=False) as seen:
        assert "of 31 endpoints failing" in seen.page.inner_text("h1")
        seen.page.fill("input[name=q]", "timeout")
        seen.page.click("text=Show")
        assert "?q=timeout" in seen.page.url
        assert "timeout in greeting" in seen.page.inner_text(".endpoints")
        seen.page.click(".endpoints tbody th a")
        assert "no reply within 15 s" in seen.page.inner_text(".verdict")
        assert [] == seen.complaints


def test_it_can_be_used_by_keyboard(few: Windows) -> None:
    with few.window("/") as seen:
        page = seen.page
        page.keyboard.press("Tab")
        assert "Skip to the content" == page.evaluate("document.activeElement.textContent")
        page.keyboard.press("Enter")
        assert "main" == page.evaluate("document.activeElement.id")
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('.endpoints th[scope=row] a')"):
                break
        assert "none" != page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        page.keyboard.press("Enter")
        page.wait_for_url("**/endpoint?name=*")
        assert "failing" in page.inner_text(".verdict")


def test_a_page_is_kept_fresh_without_losing_the_place(browser: Browser) -> None:
    store, clock = population(31, 2), Clock()
    with served(store, clock) as url, Windows(browser, url).window("/") as seen:
        page = seen.page
        page.click("summary")
        before = page.inner_text("h1")
        clock.now = NOW + 60.0
        for state in store.snapshot().endpoints:
            store.record(success(state.endpoint.name, started_at=NOW + 30.0))
        page.evaluate("refresh()")
        page.wait_for_function("document.querySelector('h1').textContent === 'All 31 endpoints up'")

        assert "failing" in before
        assert page.evaluate("document.querySelector('.filters details').open")
        assert "17:14:20 UTC" in page.inner_text("#made")
        assert "(4 failing) mail-exporter" == page.title()  # flows and a domain do


def test_it_prints_whole(few: Windows) -> None:
    with few.window(f"/endpoint?name={FAILING}", width=700) as seen:
        page = seen.page
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")

        assert page.locator(".attempts tbody tr").nth(59).is_visible()
        assert not page.locator("header nav").is_visible()
        assert [] == seen.cut_off()
