"""The route /probe: what it makes of a query, and how it answers what comes of the probe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from exporter.config.load import parse
from exporter.config.values.allowed import AllowedTargets
from exporter.config.yaml_output import render
from exporter.metrics.exposition import Format
from exporter.model import Endpoint, FailureReason, Phase, ProbeResult
from exporter.visiting.on_demand import NotAllowedError, OnDemand, UnavailableError
from exporter.web.application import create_application
from exporter.web.probe_routes import probe_routes
from tests.unit.results import failure, success
from tests.unit.scraping import samples, value
from tests.unit.web import Client, store_with

CONFIGURATION = """\
credentials: {monitor: {username: monitor@example.com, password: hunter2}}
endpoints: [{name: configured, url: imaps://mail.example.com, credentials: monitor, timeout: 20s}]
modules:
  imaps: {url: imaps://, timeout: 8s, labels: {team: mail}}
  login: {url: submission://, credentials: monitor, allowed_targets: ["*.example.com", 192.0.2.0/24]}
"""
TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds"


@dataclass
class Probes:
    """Answers with what a test wants, and remembers what it was asked; stands in for `OnDemand`."""

    outcome: ProbeResult | Exception
    asked: list[tuple[Endpoint, AllowedTargets | None, float]] = field(default_factory=list)

    async def probe(
        self, endpoint: Endpoint, *, allowed: AllowedTargets | None, within: float
    ) -> tuple[ProbeResult, ...]:
        self.asked.append((endpoint, allowed, within))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return (self.outcome,)


@asynccontextmanager
async def serving(
    outcome: ProbeResult | Exception | None = None, text: str = CONFIGURATION
) -> AsyncIterator[tuple[Client, Probes]]:
    configuration = parse(text, "f")
    endpoints = {endpoint.name: endpoint for endpoint in configuration.endpoints}
    probes = Probes(outcome or success("imaps://h"))
    application = create_application(
        store=store_with(configuration.endpoints), ready=lambda: True, configuration=lambda: render(configuration)
    )
    application.add_routes(probe_routes(cast("OnDemand", probes), lambda: configuration.modules, endpoints.get))
    async with TestClient(TestServer(application)) as client:
        yield client, probes


async def test_a_target_is_probed_as_its_module_says_and_told_under_its_url() -> None:
    async with serving() as (client, probes):
        answer = await client.get("/probe?module=imaps&target=h")
        text = await answer.text()

    ((endpoint, allowed, _),) = probes.asked
    assert (200, Format.TEXT.value, "no-store") == (
        answer.status,
        answer.headers["Content-Type"],
        answer.headers["Cache-Control"],
    )
    assert ("imaps://h", "h", 993, 8.0, None) == (
        endpoint.name,
        endpoint.host,
        endpoint.port,
        endpoint.timeout,
        allowed,
    )
    assert 1.0 == value(samples(text), "probe_success")
    assert 1.0 == value(samples(text), "mail_probe_success", endpoint="imaps://h", protocol="imap", team="mail")


async def test_prometheus_gets_the_format_that_it_likes_best() -> None:
    async with serving() as (client, _):
        answer = await client.get("/probe?module=imaps&target=h", headers={"Accept": "application/openmetrics-text"})
        text = await answer.text()

    assert Format.OPENMETRICS.value == answer.headers["Content-Type"]
    assert 1.0 == value(samples(text, Format.OPENMETRICS), "probe_success")


async def test_the_module_s_credentials_and_allowed_targets_go_together() -> None:
    async with serving() as (client, probes):
        await client.get("/probe?module=login&target=mail.example.com")

    ((endpoint, allowed, _),) = probes.asked
    assert endpoint.credentials is not None
    assert allowed is not None
    assert allowed.objection("mail.example.org") is not None


async def test_a_configured_endpoint_is_probed_as_it_is_configured() -> None:
    async with serving() as (client, probes):
        answer = await client.get("/probe?endpoint=configured")

    ((endpoint, allowed, within),) = probes.asked
    assert (200, "configured", None, 40.0) == (answer.status, endpoint.name, allowed, within)
    assert endpoint.credentials is not None


async def test_a_failed_probe_is_a_good_answer() -> None:
    failed = failure(FailureReason.CONNECT_REFUSED, Phase.CONNECT, "imaps://h")
    async with serving(failed) as (client, _):
        answer = await client.get("/probe?module=imaps&target=h")
        text = await answer.text()

    assert (200, 0.0) == (answer.status, value(samples(text), "probe_success"))


@pytest.mark.parametrize(
    ("written", "within"), [("10", 9.5), ("10.5", 10.0), ("1e1", 9.5), ("0.6", 0.3), ("0.5", 0.25)]
)
async def test_the_answer_is_there_before_prometheus_gives_up(written: str, within: float) -> None:
    async with serving() as (client, probes):
        await client.get("/probe?module=imaps&target=h", headers={TIMEOUT: written})

    assert [within] == [asked[2] for asked in probes.asked]


@pytest.mark.parametrize("written", ["ten", "0", "-1", "nan", "inf", "1e999", "10s"])
async def test_a_timeout_that_is_none_is_refused(written: str) -> None:
    async with serving() as (client, probes):
        answer = await client.get("/probe?module=imaps&target=h", headers={TIMEOUT: written})
        text = await answer.text()

    assert (400, f'{TIMEOUT}: "{written}" is not a number of seconds.\n') == (answer.status, text)
    assert [] == probes.asked


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("", 400, "module: is missing; write one of imaps, login.\n"),
        ("target=h", 400, "module: is missing; write one of imaps, login.\n"),
        ("target=h&module=", 400, "module: is missing; write one of imaps, login.\n"),
        ("target=h&module=http_2xx", 400, 'module: there is no "http_2xx"; write one of imaps, login.\n'),
        ("module=imaps", 400, "target: is missing; write target=mail.example.com.\n"),
        ("module=imaps&target=", 400, "target: is missing"),
        ("module=imaps&target=https://h", 400, 'target: "https" is not a mail scheme'),
        # The first value of a parameter counts, as in blackbox_exporter.
        ("module=imaps&module=no&target=https://h&target=h", 400, 'target: "https" is not a mail scheme'),
        ("module=imaps&target=smtp://h", 400, "target: smtp:// is not what the module imaps is for"),
        ("module=imaps&target=a:hunter2@h", 400, "target: a URL cannot contain a user or password"),
        ("module=imaps&target=h%0d%0aX-Odd:%20y", 400, "target: "),
        ("module=imaps&target=2130706433", 400, "target: "),
        ("module=imaps&target=0x7f000001", 400, "target: "),
        ("module=imaps&target=0177.0.0.1", 400, "target: "),
        ("module=imaps&target=[fe80::1%25lo]:993", 400, "target: "),
        ("module=imaps&target=h&hostname=mail.example.com", 400, "hostname: the name in the certificate is the"),
        ("endpoint=configured&target=h", 400, "endpoint: names all that there is to know; leave out target and module"),
        ("endpoint=configured&module=imaps", 400, "endpoint: names all that there is to know"),
        ("endpoint=nobody", 404, 'No endpoint named "nobody".\n'),
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_to_write(query: str, status: int, says: str) -> None:
    async with serving() as (client, probes):
        answer = await client.get(f"/probe?{query}")
        text = await answer.text()

    assert (status, "text/plain; charset=utf-8") == (answer.status, answer.headers["Content-Type"])
    assert text.startswith(says)
    assert "hunter2" not in text
    assert [] == probes.asked


async def test_without_modules_it_says_where_they_come_from() -> None:
    async with serving(text="endpoints: [{url: imaps://h}]\n") as (client, _):
        answer = await client.get("/probe?target=h&module=http_2xx")
        text = await answer.text()

    assert (400, 'module: there is no "http_2xx"; the configuration has none, add one to modules.\n') == (
        answer.status,
        text,
    )


async def test_a_target_that_is_not_allowed_is_forbidden_and_logged() -> None:
    with capture_logs() as logs:
        async with serving(NotAllowedError('"h" matches none of the names')) as (client, _):
            answer = await client.get("/probe?module=login&target=h")
            text = await answer.text()

    assert (403, 'The module login does not allow this target: "h" matches none of the names.\n') == (
        answer.status,
        text,
    )
    assert [("refused a probe", "login", "submission://h", "127.0.0.1")] == [
        (line["event"], line["module"], line["target"], line["remote"]) for line in logs
    ]


async def test_when_there_is_no_probe_to_be_had_the_scrape_fails_and_not_the_server() -> None:
    async with serving(UnavailableError("too many probes are running already")) as (client, _):
        answer = await client.get("/probe?module=imaps&target=h")
        text = await answer.text()

    assert (503, "1") == (answer.status, answer.headers["Retry-After"])
    assert "No probe now: too many probes are running already.\n" == text


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
async def test_only_get_probes(method: str) -> None:
    async with serving() as (client, probes):
        answer = await client.request(method, "/probe?module=imaps&target=h")

    assert (405, []) == (answer.status, probes.asked)


async def test_debug_tells_people_all_but_secrets() -> None:
    refused = failure(
        FailureReason.AUTH_REJECTED,
        Phase.AUTH,
        "submission://mail.example.com",
        "535 5.7.8 no",
        transcript=success().transcript,
        address="192.0.2.25",
    )
    async with serving(refused) as (client, _):
        answer = await client.get("/probe?module=login&target=mail.example.com&debug=true")
        text = await answer.text()

    assert (200, "text/plain; charset=utf-8") == (answer.status, answer.headers["Content-Type"])
    for line in (
        "Probe of submission://mail.example.com by module login, answered after ",
        "\nConversation with 192.0.2.25, in seconds since its begin:\n",
        "  0.024690 < 220 mail.example.com ESMTP Postfix (Debian)\n",
        " > AUTH PLAIN <redacted>\n",
        "\nThe probe failed in the phase auth: auth_rejected\n535 5.7.8 no\n",
        "\nMetrics that would have been returned:\n# HELP probe_success",
        '\nConfiguration:\n  login:\n    url: "submission://"\n',
        "    credentials: monitor\n",
        '    allowed_targets: ["*.example.com", "192.0.2.0/24"]\n',
    ):
        assert line in text
    assert "hunter2" not in text


async def test_debug_of_a_configured_endpoint_shows_its_configuration() -> None:
    async with serving(success("configured")) as (client, _):
        text = await (await client.get("/probe?endpoint=configured&debug=true")).text()

    assert text.startswith("Probe of configured as configured, answered after ")
    assert "\nThe probe succeeded.\n" in text
    assert "\nConfiguration:\n  - name: configured\n    protocol: imap\n" in text
    assert "hunter2" not in text
