"""What stands in front of every request: the rate limit, the login, the headers, and that there is no body."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import bcrypt
import pytest
from aiohttp.test_utils import TestClient, TestServer

from exporter.web.application import create_application
from exporter.web.policy.policy import Policy, RateLimit, WebConfig
from exporter.web.serving.security import Security, TokenBucket
from exporter.web.serving.users import BusyError, Users
from tests.clock import Clock
from tests.unit.web import Client, store_with

ALICE = {"alice": bcrypt.hashpw(b"p\xc3\xa4ss:word", bcrypt.gensalt(4))}
PATHS = ["/", "/metrics", "/-/healthy", "/-/ready", "/config", "/static/style.css", "/api/v1/endpoints", "/nowhere"]


def basic(login: bytes) -> str:
    return f"Basic {b64encode(login).decode()}"


LOGIN = {"Authorization": basic(b"alice:p\xc3\xa4ss:word")}


@asynccontextmanager
async def serving(config: WebConfig, clock: Clock | None = None) -> AsyncIterator[tuple[Client, Security]]:
    application = create_application(store=store_with([]), ready=lambda: True, configuration=lambda: iter(()))
    security = Security(Policy(config), clock or Clock())
    security.protect(application)
    async with TestClient(TestServer(application)) as client:
        yield client, security


@pytest.mark.parametrize("path", PATHS)
async def test_without_users_everybody_may_see_everything(path: str) -> None:
    async with serving(WebConfig()) as (client, _):
        assert (404 if path == "/nowhere" else 200) == (await client.get(path)).status


@pytest.mark.parametrize("path", [*PATHS, "/-/reload"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
async def test_with_users_nobody_learns_anything_without_a_login(method: str, path: str) -> None:
    async with serving(WebConfig(users=ALICE)) as (client, _):
        answer = await client.request(method, path)
        text = await answer.text()

    assert (401, 'Basic realm="mail-exporter", charset="UTF-8"') == (answer.status, answer.headers["WWW-Authenticate"])
    told = "Log in as one of basic_auth_users of the web configuration."
    body = json.dumps({"error": told}) if path.startswith("/api/") else told
    assert ("" if method == "HEAD" else f"{body}\n") == text


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "root"), [("/", "./"), ("/flows/one", "../"), ("/docs/failures", "../"), ("/no", "./")]
)
async def test_a_browser_without_a_login_gets_a_page_that_tells_nothing_and_leads_on(path: str, root: str) -> None:
    async with serving(WebConfig(users=ALICE)) as (client, _):
        answer = await client.get(path, headers=BROWSER)
        text = await answer.text()

    assert (401, "text/html") == (answer.status, answer.content_type)
    assert 'Basic realm="mail-exporter", charset="UTF-8"' == answer.headers["WWW-Authenticate"]
    assert f'<a href="{root}">Log in</a>\n<a href="{root}docs/">Documentation</a>' in text
    assert "<p>Log in as one of basic_auth_users of the web configuration.</p>" in text
    # Nothing has to be loaded, and the only style that is allowed is the page's own.
    assert ["data:,", root, f"{root}docs/"] == re.findall(r'(?:href|src)="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*)</style>", text)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["Content-Security-Policy"]
    assert store_with([]).snapshot().exporter.build.version not in text


async def test_all_who_are_refused_with_a_browser_get_the_same_page() -> None:
    texts = set()
    async with serving(WebConfig(users=ALICE)) as (client, _):
        for path in ("/", "/config", "/nowhere", "/endpoint?name=<b>"):
            texts.add(await (await client.get(path, headers=BROWSER)).text())

    assert 1 == len(texts)


async def test_one_who_asks_too_often_with_a_browser_gets_a_page() -> None:
    async with serving(WebConfig(rate_limit=RateLimit(60.0, 1))) as (client, _):
        first, second = [await client.get("/-/healthy", headers=BROWSER) for _ in range(2)]
        text = await second.text()

    assert (200, 429, "60") == (first.status, second.status, second.headers["Retry-After"])
    assert "<h1>Too Many Requests</h1>" in text
    assert '<a href="../">Try again</a>' in text


async def test_a_user_is_let_in() -> None:
    async with serving(WebConfig(users=ALICE)) as (client, _):
        assert [200, 200] == [(await client.get("/metrics", headers=LOGIN)).status for _ in range(2)]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic =",
        "Basic !!!!",
        basic(b"alice:wrong").replace("Basic", "Bearer"),
        basic(b"alice"),
        basic(b":"),
        basic(b"\xff\xfe:"),
        basic(b"alice:wrong"),
        basic(b"bob:p\xc3\xa4ss:word"),
        basic(b"alice:p\xe4ss:word"),
        basic(b"alice:p\xc3\xa4ss:word")[:-2],
        "Basic " + "A" * 8000,
    ],
)
async def test_whatever_else_is_sent_is_no_login(header: str) -> None:
    async with serving(WebConfig(users=ALICE)) as (client, _):
        answer = await client.get("/metrics", headers={"Authorization": header})

    assert 401 == answer.status


async def test_when_too_many_log_in_at_once_one_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: object) -> bool:
        raise BusyError

    monkeypatch.setattr(Users, "admit", busy)
    async with serving(WebConfig(users=ALICE)) as (client, _):
        answer = await client.get("/metrics", headers=LOGIN)
        text = await answer.text()

    assert (429, "1", "Too many logins at once. Try again later.\n") == (
        answer.status,
        answer.headers["Retry-After"],
        text,
    )


async def test_users_are_replaced_while_the_program_runs() -> None:
    async with serving(WebConfig(users=ALICE)) as (client, security):
        before = (await client.get("/metrics", headers=LOGIN)).status
        security.replace(Policy(WebConfig(users={"carol": ALICE["alice"]})))
        after = (await client.get("/metrics", headers=LOGIN)).status

    assert (200, 401) == (before, after)


@pytest.mark.parametrize("status", [200, 401, 404])
async def test_headers_of_the_web_configuration_stand_over_our_own_on_every_answer(status: int) -> None:
    headers = {"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=1"}
    config = WebConfig(headers=headers, users=ALICE if status == 401 else {})
    async with serving(config) as (client, _):
        answer = await client.get("/nowhere" if status == 404 else "/")

    assert status == answer.status
    assert headers == {name: answer.headers[name] for name in headers}
    assert 1 == len(answer.headers.getall("X-Frame-Options"))
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_no_path_takes_a_body(method: str) -> None:
    async with serving(WebConfig()) as (client, _):
        answer = await client.request(method, "/metrics", data=b"x" * 1_000_000)
        text = await answer.text()

    assert (413, "close", "No path takes a body. Leave it out.\n") == (
        answer.status,
        answer.headers["Connection"],
        text,
    )


async def test_an_empty_body_is_none() -> None:
    async with serving(WebConfig()) as (client, _):
        assert 200 == (await client.get("/metrics", data=b"", headers={"Content-Length": "0"})).status


async def test_more_requests_than_the_rate_allows_are_sent_away_before_anything_else() -> None:
    clock = Clock()
    async with serving(WebConfig(rate_limit=RateLimit(10.0, 2), users=ALICE), clock) as (client, _):
        first = [(await client.get("/-/healthy", headers=LOGIN)).status for _ in range(2)]
        refused = await client.get("/-/healthy")
        clock.now = 10.0
        later = [(await client.get("/-/healthy", headers=LOGIN)).status for _ in range(2)]

    assert ([200, 200], 429, [200, 429]) == (first, refused.status, later)
    assert "10" == refused.headers["Retry-After"]


def test_a_bucket_fills_up_to_its_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(RateLimit(0.5, 3), clock)

    assert [0.0, 0.0, 0.0, 0.5] == [bucket.take() for _ in range(4)]
    clock.now = 0.25
    assert 0.25 == bucket.take()
    clock.now = 100.0
    assert [0.0, 0.0, 0.0, 0.5] == [bucket.take() for _ in range(4)]


async def test_the_same_limit_again_gives_no_new_burst() -> None:
    config = WebConfig(rate_limit=RateLimit(10.0, 1))
    async with serving(config) as (client, security):
        statuses = [(await client.get("/-/healthy")).status]
        security.replace(Policy(WebConfig(rate_limit=RateLimit(10.0, 1))))
        statuses.append((await client.get("/-/healthy")).status)
        security.replace(Policy(WebConfig(rate_limit=RateLimit(10.0, 2))))
        statuses.append((await client.get("/-/healthy")).status)
        security.replace(Policy(WebConfig()))
        statuses.append((await client.get("/-/healthy")).status)

    assert [200, 429, 200, 200] == statuses


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/-/healthy", 200),
        ("HEAD", "/-/ready", 200),
        ("GET", "/metrics", 401),
        ("GET", "/-/healthy/", 401),
        ("POST", "/-/healthy", 401),
        ("POST", "/-/reload", 401),
    ],
)
async def test_health_needs_no_login_where_the_web_configuration_says_so(method: str, path: str, status: int) -> None:
    open_paths = frozenset({"/-/healthy", "/-/ready"})
    async with serving(WebConfig(users=ALICE, auth_excluded_paths=open_paths)) as (client, _):
        assert status == (await client.request(method, path)).status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://exporter.example.com:9925"}, 200),
        ({"Origin": "http://Exporter.Example.com:9925"}, 200),
        ({"Origin": "https://mon.example.com"}, 200),
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Origin": "http://exporter.example.com"}, 403),
        ({"Origin": "http://exporter.example.com:9926"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://exporter.example.com:9925", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
async def test_a_page_of_another_site_cannot_have_the_configuration_reloaded(
    headers: dict[str, str], status: int
) -> None:
    reloads = 0

    async def reload() -> tuple[()]:
        nonlocal reloads
        reloads += 1
        return ()

    application = create_application(
        store=store_with([]),
        ready=lambda: True,
        configuration=lambda: iter(()),
        reload=reload,
        origins=["https://mon.example.com/mail/"],
    )
    async with TestClient(TestServer(application)) as client:
        answer = await client.post("/-/reload", headers={"Host": "exporter.example.com:9925", **headers})

    assert (status, int(status == 200)) == (answer.status, reloads)
