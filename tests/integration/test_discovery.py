"""Discovery against nameservers and web servers on loopback: right answers, and what documents may not do to us."""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from dns.rcode import SERVFAIL

from exporter.config.load import parse
from exporter.domains.discovery.discoverer import SHORT
from exporter.domains.discovery.written import configuration, document
from exporter.domains.target_rule import ONLY_PUBLIC
from exporter.model import Source
from exporter.net.http.fetch import FetchedDocument, FetchError, Lost
from tests.servers import dns as servers
from tests.servers.published import DRIP, HANG, PATIENCE, Bench, Web, bench

XML = (
    '<clientConfig version="1.1"><emailProvider id="x"><incomingServer type="imap"><hostname>{0}</hostname>'
    "<port>993</port><socketType>SSL</socketType></incomingServer></emailProvider></clientConfig>"
)


def published(number: int, web: Web, records: list[str], hosts: list[str]) -> dict[str, list[str]]:
    """A domain that publishes some of all, by its number; returns what each source is to say."""
    domain = f"d{number}.test"
    expected: dict[str, list[str]] = {}
    if number % 2 == 0:
        records.append(f"{domain}. 60 IN MX 10 mx.{domain}.")
        expected["mx"] = [f"smtp://mx.{domain}"]
    if number % 3 == 0:
        records.append(f"_imaps._tcp.{domain}. 60 IN SRV 0 1 993 imap.{domain}.")
        expected["srv"] = [f"imaps://imap.{domain}"]
    if number % 5 == 0:
        hosts.append(f"autoconfig.{domain}")
        web.pages[hosts[-1], "/mail/config-v1.1.xml"] = (200, "text/xml", XML.format(f"imap.{domain}").encode())
        expected["autoconfig"] = [f"imaps://imap.{domain}"]
    if number % 7 == 0:
        hosts.append(f"ua-auto-config.{domain}")
        body = json.dumps({"protocols": {"imap": {"host": f"imap.{domain}"}}}).encode()
        digest = b64encode(hashlib.sha256(body).digest()).decode()
        web.pages[hosts[-1], "/.well-known/user-agent-configuration.json"] = (200, "application/json", body)
        records.append(f'_ua-auto-config.{domain}. 60 IN TXT "v=UAAC1; a=sha256; d={digest}"')
        expected["pacc"] = [f"imaps://imap.{domain}"]
    return expected


ASKED = (Source.MX, Source.SRV, Source.AUTOCONFIG, Source.PACC, Source.PRESETS)


async def test_thirty_domains_are_right(tmp_path: Path) -> None:
    web, records, hosts = Web(), list[str](), list[str]()
    expected = {f"d{number}.test": published(number, web, records, hosts) for number in range(1, 31)}
    async with bench(tmp_path, records, hosts, web) as here:
        found = {domain: await here.discover(domain, *ASKED) for domain in expected}
    said = {
        domain: {answer.source.value: [each.name for each in answer.offers] for answer in one.answers if answer.offers}
        for domain, one in found.items()
    }
    assert expected == said
    for discovery in found.values():
        if discovery.endpoints:
            assert len(discovery.endpoints) == len(parse(configuration("x", discovery.endpoints), "f").endpoints)
        assert {"domain", "endpoints", "sources", "disagreements", "configuration"} == document(discovery).keys()


async def test_two_sources_that_hang_hold_none_of_thirty_domains_up_for_three_seconds(tmp_path: Path) -> None:
    web, records, hosts = Web(), list[str](), list[str]()
    expected: dict[str, list[str]] = {}
    for number in range(1, 31):
        said = published(number, Web(), records, [])
        expected[f"d{number}.test"] = [*said.get("mx", ()), *said.get("srv", ())]
        for host, path in (
            (f"autoconfig.d{number}.test", "/mail/config-v1.1.xml"),
            (f"ua-auto-config.d{number}.test", "/.well-known/user-agent-configuration.json"),
        ):
            hosts.append(host)
            web.pages[host, path] = (HANG, "", b"")
    async with bench(tmp_path, records, hosts, web) as here:
        room = asyncio.Semaphore(10)

        async def timed(domain: str) -> tuple[list[str], set[Source], float]:
            async with room:
                begun = asyncio.get_running_loop().time()
                found = await here.discover(domain, *ASKED, patience=SHORT)
                took = asyncio.get_running_loop().time() - begun
            failed = {answer.source for answer in found.answers if answer.failed}
            return [each.offer.name for each in found.endpoints], failed, took

        outcomes = dict(zip(expected, await asyncio.gather(*map(timed, expected)), strict=True))
    assert expected == {domain: names for domain, (names, _, _) in outcomes.items()}
    assert {frozenset({Source.AUTOCONFIG, Source.PACC})} == {frozenset(failed) for _, failed, _ in outcomes.values()}
    # Two rounds of requests. What a busy machine adds is not ours; whoever waited for an answer would wait for ever.
    assert 2 * SHORT < 3.0
    assert max(took for _, _, took in outcomes.values()) < PATIENCE


WILD_HOSTS = ("autoconfig", "ua-auto-config", "mail-exporter-looks-for-a-wildcard")


async def test_a_wildcard_and_a_web_site_that_answers_everything_publish_nothing(tmp_path: Path) -> None:
    web = Web({("d.test", "/.well-known/autoconfig/mail/config-v1.1.xml"): (200, "text/html", b"<h1>Hi</h1>")})
    # Any name below the domain leads to a web server, which has no certificate for it.
    names = servers.records(*(f"{host}.d.test. 60 IN A 127.0.0.1" for host in WILD_HOSTS), zone="test.")
    async with bench(tmp_path, [], ["d.test"], web) as here:
        plain = here.names.behaviour
        here.names.behaviour = lambda query: (names if query.name.split(".")[0] in WILD_HOSTS else plain)(query)
        found = await here.discover("d.test", Source.AUTOCONFIG, Source.PACC)
    assert [(False, True)] * 2 == [(answer.success, answer.wildcard) for answer in found.answers]


async def test_a_host_that_is_there_for_documents_alone_is_missed_when_it_fails(tmp_path: Path) -> None:
    records = ["autoconfig.d.test. 60 IN A 127.0.0.1", "ua-auto-config.d.test. 60 IN A 127.0.0.1"]
    async with bench(tmp_path, records, ["d.test"], Web()) as here:
        found = await here.discover("d.test", Source.AUTOCONFIG, Source.PACC)
    assert [(True, False)] * 2 == [(answer.malformed, answer.wildcard) for answer in found.answers]


async def test_a_host_that_does_not_exist_is_not_missed_when_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(*_: object, **__: object) -> FetchedDocument:
        raise FetchError(Lost.UNREACHABLE, "did not answer within 1 s")

    async with bench(tmp_path, [], ["d.test"], Web()) as here:
        monkeypatch.setattr(here.fetcher, "get", late)
        (answer,) = (await here.discover("d.test", Source.PACC)).answers
    assert (False, False, False) == (answer.success, answer.unreachable, answer.malformed)


async def test_a_digest_promises_a_document(tmp_path: Path) -> None:
    records = [f'_ua-auto-config.d.test. 60 IN TXT "v=UAAC1; a=sha256; d={b64encode(bytes(32)).decode()}"']
    async with bench(tmp_path, records, ["d.test"], Web()) as here:
        (answer,) = (await here.discover("d.test", Source.PACC)).answers
    assert (False, True) == (answer.success, answer.unreachable)


async def test_a_hosted_domain_is_found_under_its_mx_host_only_if_it_has_nothing_itself(tmp_path: Path) -> None:
    web = Web()
    hosts = ["autoconfig.hoster.test", "autoconfig.own.test"]
    for host in hosts:
        web.pages[host, "/mail/config-v1.1.xml"] = (200, "text/xml", XML.format(f"imap.{host[11:]}").encode())
    records = ["hosted.test. 60 IN MX 10 mx1.hoster.test.", "own.test. 60 IN MX 10 mx1.hoster.test."]
    async with bench(tmp_path, records, hosts, web) as here:
        hosted = await here.discover("hosted.test", Source.AUTOCONFIG)
        assert ["imaps://imap.hoster.test"] == [each.offer.name for each in hosted.endpoints]
        web.asked.clear()
        own = await here.discover("own.test", Source.AUTOCONFIG, address="user@own.test")
        assert ["imaps://imap.own.test"] == [each.offer.name for each in own.endpoints]
        assert not any("hoster" in each for each in web.asked)
        assert "autoconfig.own.test/mail/config-v1.1.xml?emailaddress=user@own.test" in web.asked


async def test_a_pacc_document_whose_digest_is_anothers_is_not_used(tmp_path: Path) -> None:
    web = Web()
    body = b'{"protocols": {"imap": {"host": "imap.evil.test"}}}'
    web.pages["ua-auto-config.d.test", "/.well-known/user-agent-configuration.json"] = (200, "application/json", body)
    digest = b64encode(bytes(32)).decode()
    records = [f'_ua-auto-config.d.test. 60 IN TXT "v=UAAC1; a=sha256; d={digest}"']
    async with bench(tmp_path, records, ["ua-auto-config.d.test"], web) as here:
        (answer,) = (await here.discover("d.test", Source.PACC)).answers
    assert (False, False, ()) == (answer.success, answer.digest_matches, answer.offers)


async def test_a_pacc_document_without_a_digest_is_told_of(tmp_path: Path) -> None:
    web = Web()
    body = b'{"protocols": {"imap": {"host": "imap.d.test"}}}'
    web.pages["ua-auto-config.d.test", "/.well-known/user-agent-configuration.json"] = (200, "application/json", body)
    async with bench(tmp_path, [], ["ua-auto-config.d.test"], web) as here:
        (answer,) = (await here.discover("d.test", Source.PACC)).answers
    assert (True, None) == (answer.success, answer.digest_matches)
    assert "_ua-auto-config.d.test has no digest" in answer.problem


HOSTS = ["good.test", "other.test", "inside.test"]


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path, ["trap.test. 60 IN A 10.0.0.1", "mixed.test. 60 IN A 127.0.0.1"], HOSTS, Web()) as here:
        yield here


def serve(here: Bench, pages: Mapping[str, tuple[int, str, bytes]], host: str = "good.test") -> str:
    for path, page in pages.items():
        here.web.pages[host, path] = page
    return f"https://{host}"


async def test_a_document_comes_with_its_type_and_the_end_of_its_certificate(web: Bench) -> None:
    found = await web.get(serve(web, {"/": (200, "text/plain; charset=utf-8", b"hello")}) + "/")
    assert (b"hello", "text/plain") == (found.body, found.media_type)
    assert found.expires is not None


async def test_what_is_too_large_is_not_taken(web: Bench) -> None:
    url = serve(web, {"/": (200, "text/plain", b"x" * 10_001), "/most": (200, "text/plain", b"x" * 10_000)})
    assert Lost.UNUSABLE is await web.lost(f"{url}/")
    assert 10_000 == len((await web.get(f"{url}/most")).body)


@pytest.mark.parametrize("status", [HANG, DRIP])
async def test_who_is_slow_is_not_waited_for(web: Bench, status: int) -> None:
    url = serve(web, {"/": (status, "text/plain", b"x" * 1000)})
    assert Lost.UNREACHABLE is await web.lost(f"{url}/", within=0.6)


async def test_redirections_are_followed_a_few_times_and_judged_each_time(web: Bench) -> None:
    there = f"https://other.test:{web.web.port}/"
    url = serve(
        web,
        {
            "/": (302, there, b""),
            "/plain": (302, "http://other.test/", b""),
            "/inside": (302, f"https://trap.test:{web.web.port}/", b""),
            "/literal": (302, "https://10.0.0.1/", b""),
            "/metadata": (302, "https://169.254.169.254/latest", b""),
            "/file": (302, "file:///etc/passwd", b""),
            "/user": (302, "https://a:b@other.test/", b""),
            "/loop": (302, "/loop", b""),
        },
    )
    serve(web, {"/": (200, "text/plain", b"there")}, "other.test")
    assert b"there" == (await web.get(f"{url}/")).body
    assert {
        "/plain": Lost.UNUSABLE,
        "/inside": Lost.NOT_ALLOWED,
        "/literal": Lost.NOT_ALLOWED,
        "/metadata": Lost.NOT_ALLOWED,
        "/file": Lost.UNUSABLE,
        "/user": Lost.UNUSABLE,
        "/loop": Lost.UNUSABLE,
    } == {
        path: await web.lost(f"{url}{path}")
        for path in ("/plain", "/inside", "/literal", "/metadata", "/file", "/user", "/loop")
    }
    assert Lost.UNUSABLE is await web.lost(f"{url}/", redirects=0)


async def test_nothing_is_asked_of_an_address_that_is_not_public(web: Bench) -> None:
    url = serve(web, {"/": (200, "text/plain", b"secret")})
    assert Lost.NOT_ALLOWED is await web.lost(f"{url}/", ONLY_PUBLIC)
    assert Lost.NOT_ALLOWED is await web.lost("https://trap.test/")
    assert [] == web.web.asked


async def test_a_certificate_has_to_be_good_and_for_the_name(web: Bench) -> None:
    assert Lost.CERTIFICATE is await web.lost("https://mixed.test/")


async def test_a_name_that_does_not_exist_is_told_from_a_server_that_does_not_answer(web: Bench) -> None:
    assert Lost.NOT_FOUND is await web.lost("https://nowhere.test/")
    assert Lost.NOT_FOUND is await web.lost("https://good.test/nothing")
    assert Lost.UNREACHABLE is await web.lost("https://good.test:1/")
    # What may pass takes nothing away that is known.
    passing = Lost.UNREACHABLE
    for status, lost in ((403, Lost.UNUSABLE), (429, passing), (500, passing), (503, passing)):
        url = serve(web, {"/": (status, "text/plain", b"")})
        assert lost is await web.lost(f"{url}/")
    web.names.behaviour = servers.rcode(SERVFAIL)
    assert Lost.UNREACHABLE is await web.lost("https://unasked.test/")
