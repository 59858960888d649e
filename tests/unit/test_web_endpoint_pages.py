"""The page of an endpoint: what the last probe learnt, and where it ended."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from exporter.model import CertificateProblem, Direction, Endpoint, FailureReason, Phase, Protocol
from tests.unit.html_pages import page_at, path_of
from tests.unit.results import (
    ALL_PHASES,
    CAPABILITIES,
    NOON,
    certificate,
    conversation,
    endpoint,
    failure,
    success,
    tls,
)
from tests.unit.web import served, store_with

NAME = "imaps://mail.example.com"


async def test_the_page_of_an_endpoint_shows_all_that_the_last_probe_learnt() -> None:
    store = store_with(
        [endpoint(NAME, labels={"team": "mail"})],
        [
            failure(
                FailureReason.AUTH_REJECTED,
                Phase.AUTH,
                NAME,
                "535 5.7.8 no",
                transcript=conversation((Direction.SERVER, "535 5.7.8 Error: authentication failed")),
            ),
            success(NAME, started_at=NOON + 1),
        ],
    )
    async with served(store) as client:
        page = await page_at(client, path_of(NAME))

    for words in (
        'team="mail"',
        "every 1 min, timeout 15 s",
        "2, of which 1 failed: 1 auth_rejected (auth)",
        "192.0.2.25",
        "capability 18.9 ms",
        "PLAIN, accepted",
        "50.0 MiB",
        "INBOX, 42 messages, 3 unseen, 120.6 KiB",
        "10.0 KiB used of 1.0 MiB",
        *CAPABILITIES[Protocol.SMTP],
        "TLSv1.3, TLS_AES_256_GCM_SHA384, key exchange x25519",
        "CN=mail.example.com",
        "CN=R11,O=Let's Encrypt,C=US",
        "59 days",
        "2026-11-20 14:13:20 UTC",
        "EC P-256",
        "sha256WithRSAEncryption",
        "AUTH PLAIN <redacted>",
        "Last failure that was tried",
        "535 5.7.8 Error: authentication failed",
    ):
        assert words in page.text


async def test_the_page_of_a_failing_endpoint_shows_where_it_ended() -> None:
    failed = failure(FailureReason.TIMEOUT, Phase.AUTH, NAME, "no answer within 15 s", spans=ALL_PHASES[:8])
    async with served(store_with([endpoint(NAME)], [failed])) as client:
        page = await page_at(client, path_of(NAME))

    assert "timeout in auth: no answer within 15 s" in page.text
    assert "Last failure that was tried" not in page.text


async def test_the_page_of_a_waiting_endpoint_says_when_to_come_again() -> None:
    async with served(store_with([endpoint(NAME, interval=300.0)])) as client:
        page = await page_at(client, path_of(NAME))

    assert "The first probe comes within 5 min of the start." in page.text


async def test_a_path_that_was_judged_differently_from_what_was_sent_is_shown_too() -> None:
    facts = tls(CertificateProblem.WRONG_ORDER, detail="the certificates are not in order")
    facts = replace(facts, verified_chain=(facts.chain[0], certificate("CN=Trusted Root")))
    async with served(store_with([endpoint(NAME)], [success(NAME, tls=facts)])) as client:
        page = await page_at(client, path_of(NAME))

    assert "Verified chain" in page.text
    assert "CN=Trusted Root" in page.text
    assert "wrong_order: the certificates are not in order" in page.text
    assert "The certificate is valid for mail.example.com" in page.text


async def test_an_unknown_endpoint_is_not_found() -> None:
    async with served(store_with([endpoint(NAME)])) as client:
        response = await client.get("/endpoints/other")
        text = await response.text()

    assert (404, 'No endpoint named "other".\n') == (response.status, text)


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "imaps://mail.example.com:1993",
        "with space",
        "100%",
        "a%2Fb",
        "a/../b",
        "query?x=1&y=2#fragment",
        "<b>bold</b>\"'",
        "Übersee ✉",
        "a+b",
        "a;b=c",
        "{braces}",
    ],
)
async def test_every_name_has_a_page_that_the_status_page_links_to(name: str) -> None:
    async with served(store_with([endpoint(name)], [success(name)])) as client:
        page = await page_at(client, "/")
        (link,) = {link for link in page.links if link.startswith("endpoint?")}

        own = await page_at(client, "/" + link)

    assert re.sub(r"\s+", " ", name) in own.text


async def test_each_address_of_an_endpoint_has_a_page_and_they_link_to_each_other() -> None:
    each = [replace(endpoint(NAME), only_address=address) for address in ("192.0.2.1", "2001:db8::1")]
    results = [
        replace(success(NAME), only_address="192.0.2.1"),
        replace(failure(FailureReason.TIMEOUT, Phase.GREETING, NAME), only_address="2001:db8::1"),
    ]
    async with served(store_with(each, results)) as client:
        listed = await page_at(client, "/")
        links = list(dict.fromkeys(link for link in listed.links if "address=" in link))
        pages = {link.rpartition("=")[2]: await page_at(client, f"/{link}") for link in links}

    assert f"{NAME} 192.0.2.1" in listed.text
    assert f"{NAME} 2001:db8::1" in listed.text
    assert 2 == len(pages)
    for page in pages.values():
        assert sorted(links) == sorted(link.removeprefix("./") for link in page.links if link.startswith("./endpoint?"))
    assert {"192.0.2.1": False, "2001%3Adb8%3A%3A1": True} == {
        address: "timeout in greeting" in page.text for address, page in pages.items()
    }


HOSTILE = "<script>alert(1)</script> \"'&amp; \u202e\x00\x1b \ud800 " + "A" * 500


@pytest.mark.parametrize("path", ["/", path_of("hostile")])
async def test_what_a_server_says_is_shown_and_not_obeyed(path: str) -> None:
    facts = tls(
        CertificateProblem.UNKNOWN_AUTHORITY,
        leaf=replace(certificate(HOSTILE), issuer=HOSTILE, names=(HOSTILE,), key=HOSTILE, signature=HOSTILE),
        detail=HOSTILE,
    )
    result = failure(
        FailureReason.PROTOCOL_ERROR,
        Phase.GREETING,
        "hostile",
        HOSTILE,
        tls=replace(facts, version=HOSTILE, cipher=HOSTILE, group=HOSTILE),
        capabilities=(HOSTILE,),
        address=HOSTILE,
        transcript=conversation((Direction.SERVER, HOSTILE)),
    )
    target: Endpoint = endpoint("hostile", host=HOSTILE.replace("\ud800", ""), labels={"team": "<i>"})
    async with served(store_with([target], [result])) as client:
        page = await page_at(client, path)

    assert "<script>alert(1)</script>" in page.text
