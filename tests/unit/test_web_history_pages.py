"""What the pages tell of the past: since when, how often, what changed, and each failure at an address of its own."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest

from exporter.metrics.history.remembering import Remembered
from exporter.metrics.store import Store
from exporter.model import Direction, FailureReason, Phase, ProbeResult, RosterChange
from tests.unit.html_pages import Page, page_at
from tests.unit.results import (
    ALL_PHASES,
    NOON,
    SMTP_CONVERSATION,
    certificate,
    conversation,
    endpoint,
    failure,
    success,
    tls,
)
from tests.unit.web import Surroundings, served, store_with

NAME = "imaps://mail.example.com"
LINK = f"/endpoint?name={quote(NAME, safe='')}"
MINUTE = 60.0


def rejected(minute: float, **changes: object) -> ProbeResult:
    return failure(
        FailureReason.AUTH_REJECTED,
        Phase.AUTH,
        NAME,
        "535 5.7.8 no",
        **{
            "started_at": NOON + minute * MINUTE,
            "spans": (*ALL_PHASES[:8], ALL_PHASES[-1]),
            "auth_success": False,
            "transcript": conversation((Direction.SERVER, "535 5.7.8 Error: authentication failed")),
            **changes,
        },
    )


def paused(minute: float) -> ProbeResult:
    return rejected(minute, spans=ALL_PHASES[:7], transcript=conversation((Direction.NOTE, "login paused")))


def up(minute: float, **changes: object) -> ProbeResult:
    return success(NAME, started_at=NOON + minute * MINUTE, **changes)


def at(minute: float) -> Surroundings:
    return Surroundings(now=NOON + minute * MINUTE)


async def shown(results: list[ProbeResult], path: str, now: float) -> Page:
    async with served(store_with([endpoint(NAME)], results), at(now)) as client:
        return await page_at(client, path)


@pytest.mark.parametrize("path", ["/", LINK])
async def test_a_failing_endpoint_says_since_when_and_how_often(path: str) -> None:
    page = await shown([up(0), *(rejected(minute) for minute in range(1, 19))], path, 38)

    assert "since 14:14 UTC (36 min), 18 probes in a row" in page.text


@pytest.mark.parametrize("path", ["/", LINK])
async def test_without_a_success_the_time_of_the_start_is_told(path: str) -> None:
    store = Store(store_with([]).snapshot().exporter.build, started_at=NOON - 3 * 3600)
    store.configure([endpoint(NAME)])
    store.record(rejected(0))
    async with served(store, at(0)) as client:
        page = await page_at(client, path)

    assert "not since the start , 3 h ago" in page.text or "not since the start, 3 h ago" in page.text
    assert "never" not in page.text


@pytest.mark.parametrize("path", ["/", "/?q=flapping", LINK])
async def test_an_endpoint_that_keeps_changing_is_marked(path: str) -> None:
    changing = await shown([up(0), rejected(1), up(2), rejected(3), up(4)], path, 5)
    steady = await shown([up(0), rejected(1), rejected(2), up(3), up(4)], path, 5)

    assert "flapping" in changing.data
    assert "4 changes between up and failing within the last 5 probes" in changing.text
    assert "flapping" not in steady.data
    assert ("No endpoints match." in steady.text) == ("?q" in path)


async def test_the_last_probes_are_a_bar_in_every_row() -> None:
    page = await shown([up(0), rejected(1), up(2)], "/", 3)

    assert "1 failure in the last 3 probes" in page.text


async def test_before_the_first_probe_the_earlier_state_is_told() -> None:
    before = store_with([endpoint(NAME)], [rejected(0), rejected(1)])
    store = store_with([])
    store.recall(before.to_remember(NOON))
    store.configure([endpoint(NAME)])
    async with served(store, at(10)) as client:
        page = await page_at(client, "/")

    assert "was failing since 14:13 UTC (9 min), 2 probes in a row" in page.text


async def test_what_was_remembered_of_addresses_is_there_when_they_come() -> None:
    address = replace(endpoint(NAME), only_address="192.0.2.1")
    before = store_with([address], [replace(up(0), only_address="192.0.2.1")])
    store = store_with([])
    store.recall(before.to_remember(NOON))
    whole = endpoint(NAME)
    store.configure([whole])
    store.apply(RosterChange((whole,), (address,), (address,)))

    (state,) = store.states(NAME)

    assert NOON + 0.282974 == state.history.since
    assert all(isinstance(each, Remembered) for each in store.to_remember(NOON).values())


async def test_each_failure_has_a_page_that_the_endpoint_links_to() -> None:
    async with served(store_with([endpoint(NAME)], [rejected(0), rejected(1), up(2)]), at(3)) as client:
        page = await page_at(client, LINK)
        links = [link for link in page.links if "failure?" in link]
        failures = [await page_at(client, f"/{link}") for link in dict.fromkeys(links)]
        kept = (await (await client.get(f"/api/v1/endpoints/{quote(NAME, safe='')}")).json())["failures_kept"]
        by_path = await page_at(client, f"/endpoints/{quote(NAME, safe='')}/failures/{kept[0]['id']}")
        answer = await client.get(f"/api/v1/endpoints/{quote(NAME, safe='')}/failures/{kept[0]['id']}")
        document = await answer.json()

    assert 2 == len(failures)
    assert all("535 5.7.8 Error: authentication failed" in each.text for each in failures)
    assert all("auth_rejected in auth" in each.text for each in failures)
    assert "14:14:20 UTC" in failures[0].text
    assert "14:13:20 UTC" in by_path.text
    assert kept[0]["id"] == document["id"]
    assert {"reason": "auth_rejected", "phase": "auth", "detail": "535 5.7.8 no"} == document["failure"]
    assert "535 5.7.8 Error: authentication failed" == document["transcript"][0]["text"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (f"/failure?name={quote(NAME, safe='')}&id=20200101T000000.000Z", 404, "The last 20 of an endpoint are kept"),
        ("/failure?name=nope&id=1", 404, 'No endpoint named "nope".'),
        (f"/failure?name={quote(NAME, safe='')}", 400, "Write failure?name=NAME&id=ID."),
        ("/endpoint", 400, "Write endpoint?name=NAME."),
        ("/endpoint?name=nope", 404, 'No endpoint named "nope".'),
        ("/nothing", 404, "There is nothing at /nothing."),
        ("/?state=down", 400, "Write one of: failing, waiting, up."),
        ("/docs/nope", 404, 'No page "nope" in the documentation.'),
    ],
)
async def test_what_is_wrong_is_said_on_a_page_with_a_way_on(path: str, status: int, words: str) -> None:
    async with served(store_with([endpoint(NAME)])) as client:
        person = await client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        script = await client.get(path)
        page, plain = Page(await person.text()), await script.text()

    assert (status, status) == (person.status, script.status)
    assert "text/html; charset=utf-8" == person.headers["Content-Type"]
    assert "text/plain; charset=utf-8" == script.headers["Content-Type"]
    assert words in page.text
    assert words in plain
    assert {"./", "./docs/"} <= {link.replace("../", "./") for link in page.links}


@pytest.mark.parametrize("path", ["/endpoints/", "/api/v1/endpoints/", "/endpoint?name="])
async def test_an_endpoint_may_be_called_like_the_path_of_a_failure(path: str) -> None:
    name = "a/failures/b"
    async with served(store_with([endpoint(name)], [success(name)])) as client:
        answer = await client.get(f"{path}{quote(name, safe='')}")
        text = await answer.text()

    assert 200 == answer.status
    assert name in text


async def test_a_failure_leads_to_the_ones_before_and_after() -> None:
    async with served(store_with([endpoint(NAME)], [rejected(0), rejected(1), rejected(2)]), at(3)) as client:
        page = await page_at(client, LINK)
        latest, middle, first = [
            await page_at(client, f"/{link}")
            for link in dict.fromkeys(link for link in page.links if "failure?" in link)
        ]

    assert (None, True) == (latest.following, "Previous failure" in latest.text)
    assert middle.following is not None
    assert "Previous failure" not in first.text


async def test_the_failure_that_was_tried_is_shown_while_the_login_is_paused() -> None:
    page = await shown([up(0), rejected(1), paused(2), paused(3)], LINK, 4)

    assert "535 5.7.8 Error: authentication failed" in page.text
    assert "PLAIN, paused" not in page.text
    assert "not accepted" not in page.text
    assert "3 probes in a row" in page.text


async def test_the_phase_that_failed_is_marked_also_when_a_goodbye_follows() -> None:
    page = await shown([rejected(0)], LINK, 1)

    assert "auth 88.4 ms auth_rejected quit 17.9 ms" in page.text


async def test_what_changed_since_the_last_good_probe_is_told() -> None:
    new = replace(certificate(), fingerprint_sha256="0123456789abcdef" * 4)
    bad = rejected(1, tls=tls(leaf=new, group="X25519MLKEM768"), address="192.0.2.99")

    page = await shown([up(0), bad], LINK, 2)

    assert "Changed since the last good probe" in page.text
    assert "192.0.2.25 192.0.2.99" in page.text
    assert "x25519 X25519MLKEM768" in page.text
    assert "SHA-256 9f86d081884c7d65" in page.text
    assert "SHA-256 0123456789abcdef" in page.text


async def test_changes_of_state_and_of_the_server_are_listed_with_their_times() -> None:
    new = replace(certificate(), fingerprint_sha256="0123456789abcdef" * 4)

    page = await shown([up(0), rejected(1), up(5, tls=tls(leaf=new))], LINK, 6)

    assert "2026-09-21 14:18:20 UTC up 59 s 2026-09-21 14:14:20 UTC auth_rejected in auth 4 min" in page.text
    assert "Changes of the server" in page.text


async def test_ninety_days_are_shown_as_far_as_they_are_known() -> None:
    results = [up(0), *(rejected(minute) for minute in (24 * 60, 24 * 60 + 1)), up(25 * 60)]

    page = await shown(results, LINK, 26 * 60)

    assert "Failures in 1 of 3 watched half hours; in 1 of them all probes failed." in page.text
    assert "22 Sep 1 of 2 1" in page.text


async def test_certificates_are_one_table_with_what_was_sent_and_what_was_verified() -> None:
    facts = tls()
    facts = replace(facts, verified_chain=(facts.chain[0], certificate("CN=Trusted Root")))

    page = await shown([up(0, tls=facts)], LINK, 1)

    assert 1 == page.data.count("Certificates sent by the server")
    assert "1 1 CN=mail.example.com" in page.text
    assert "2 \N{EN DASH} CN=R11,O=Let's Encrypt,C=US" in page.text
    assert "not sent 2 CN=Trusted Root" in page.text


async def test_commands_to_copy_name_the_endpoint_whatever_it_is_called() -> None:
    name = 'it\'s "here"'
    store = store_with([endpoint(name)])
    store.exporter.reloaded(successful=True, at=NOON, files=("/a.yaml", "/b c.yml", "<stdin>"))
    async with served(store) as client:
        page = await page_at(client, f"/endpoint?name={quote(name)}")

    command = """mail-exporter probe 'it'"'"'s "here"' --config.file=/a.yaml '--config.file=/b c.yml' --config.file=-"""
    assert command in page.text
    assert 'avg_over_time(mail_probe_success{endpoint="it\'s \\"here\\""}[30d])' in page.text


async def test_words_of_a_server_in_another_script_are_shown_as_such() -> None:
    result = rejected(0, transcript=(replace(SMTP_CONVERSATION[0], text="421 Поштовий сервер перевантажений"),))

    assert "Поштовий сервер перевантажений" in (await shown([result], LINK, 1)).text
