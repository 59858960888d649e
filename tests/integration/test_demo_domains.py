"""The demo's mail domains: each has the problems that it was made for, and commands beside the demo see the same."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import dns.rdatatype
import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.demo.domain_hosts import HEALTHY
from exporter.demo.domain_scenes import DOMAIN_SCENES
from exporter.demo.domain_stage import StagedDomains, demo_domains
from exporter.demo.published_domains import DomainScene
from exporter.domains import handshakes
from exporter.domains.assembly import judge
from exporter.model import DomainProblem as Is
from exporter.model import DomainReport, LoginBackoff
from exporter.net.detours import VARIABLE
from exporter.net.dns.dns_query import Absent
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor

AT_ONCE = 4

NOT_SHOWN = frozenset({Is.INTERNAL_ERROR, Is.NO_ROUTE, Is.DNSSEC_UNKNOWN, Is.DANE_UNKNOWN, Is.DANE_WITHDRAWN})
"""Problems that need a bug, a machine without IPv6, a resolver that is not trusted, or an earlier state."""

PATIENCE = 20.0
"""Seconds for a handshake: nothing of this is about time, and a busy machine is none of its mistakes."""

pytestmark = pytest.mark.timeout(120)


async def judged(staged: StagedDomains) -> dict[str, DomainReport]:
    """Every domain, for the second time: one mistake shows in a change only."""
    names = Resolver(staged.dns)
    world = World(names, TlsContexts(), detours=staged.detours)
    a = judge(names, Visitor(world, Logins(time.monotonic, LoginBackoff())))
    room = asyncio.Semaphore(AT_ONCE)

    async def twice(number: int) -> DomainReport:
        async with room:
            await a.judge(staged.domains[number])
            return await a.judge(staged.domains[number])

    reports = await asyncio.gather(*map(twice, range(len(staged.domains))))
    return {report.domain: report for report in reports}


@pytest.fixture(scope="module")
def reports() -> Iterator[dict[str, DomainReport]]:
    async def run() -> dict[str, DomainReport]:
        async with demo_domains() as staged:
            return await judged(staged)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshakes, "TIMEOUT", PATIENCE)
        yield asyncio.run(run())


@pytest.mark.parametrize("scene", DOMAIN_SCENES, ids=lambda scene: scene.name)
def test_every_domain_has_the_problems_it_was_made_for(reports: dict[str, DomainReport], scene: DomainScene) -> None:
    assert scene.expected == {finding.problem for finding in reports[scene.name].findings}


def test_every_kind_of_mistake_is_shown() -> None:
    assert set(Is) - NOT_SHOWN == {problem for scene in DOMAIN_SCENES for problem in scene.expected}


def test_one_domain_is_in_order(reports: dict[str, DomainReport]) -> None:
    healthy = reports[HEALTHY]
    assert {True} == set(healthy.success.values())
    assert [True] * 3 == [each.deliverable for each in healthy.deliveries]
    assert {(f"mx.{HEALTHY}", 25): True} == healthy.rollover_ready
    assert {(True, True)} == {(each.success, each.agrees) for each in healthy.sources}


async def test_nothing_leads_out_of_the_machine() -> None:
    async with demo_domains() as staged:
        assert all(ip_address(there).is_loopback for there, _ in staged.detours.values())
        outcome = await Resolver(staged.dns).records("example.com", dns.rdatatype.MX)
    assert isinstance(outcome, Absent)


async def test_commands_beside_the_demo_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "TIMEOUT", PATIENCE)
    async with demo_domains() as staged:
        monkeypatch.setenv(VARIABLE, str(staged.directory))

        async def told(*command: str) -> tuple[int, Any]:
            result = await asyncio.to_thread(CliRunner().invoke, main, [*command, "--json"])
            return result.exit_code, result.stdout

        code, text = await told("domain", HEALTHY)
        assert (0, {True}) == (code, {each["success"] for each in json.loads(text)["checks"]})
        code, text = await told("domain", "moved.example")
        assert (1, False) == (code, {each["check"]: each["success"] for each in json.loads(text)["checks"]}["dane"])
        code, text = await told("discover", HEALTHY)
        found = json.loads(text)
        assert (0, [], [True] * 4) == (code, found["disagreements"], [each["success"] for each in found["sources"]])
        code, text = await told("probe", f"user@{HEALTHY}")
        assert (0, 3) == (code, len(text.splitlines())), text


async def test_a_source_that_cannot_be_asked_is_told_of_before_the_rest_is_probed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with demo_domains() as staged:
        monkeypatch.setenv(VARIABLE, str(staged.directory))
        # "bogus.example" has no answer to any question.
        result = await asyncio.to_thread(CliRunner().invoke, main, ["probe", "bogus.example"])
    assert (2, True) == (result.exit_code, "bogus.example: mx could not be asked: " in result.stderr)


def test_a_demo_that_has_ended_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nonexistent")
    result = CliRunner().invoke(main, ["discover", HEALTHY, "--config.file=config.example.yaml"])
    assert (2, True) == (result.exit_code, "not the directory of a demo that is running" in result.stderr)
