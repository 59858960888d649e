"""Stores with endpoints of all kinds and an hour of probes, flows and domains, as pages show them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from aiohttp import web

from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.store import Store
from exporter.model import Direction, Endpoint, Failure, FailureReason, Phase, ProbeResult, Protocol, TranscriptLine
from exporter.web.application import create_application
from exporter.web.policy.policy import Policy
from exporter.web.serving.security import Security
from tests.servers.flows_and_domains import flow_states, judge
from tests.unit.results import ALL_PHASES, DAY, NOON, SMTP_CONVERSATION, certificate, endpoint, success, tls

NOW = NOON + 3 * 3600
PROTOCOLS = (Protocol.IMAP, Protocol.SMTP, Protocol.POP3)
TEAMS = ("mail", "web", "infrastructure", "customer-support")

LONG = "submission-relay-of-a-very-long-name-that-somebody-chose.department.customer.example.com:10587"

FAILURES = (
    (FailureReason.TIMEOUT, Phase.GREETING, "no reply within 15 s", 3),
    (
        FailureReason.AUTH_REJECTED,
        Phase.AUTH,
        "535 5.7.8 Error: authentication failed: see https://support.example.com/?p=BadCredentials_5b1f17b1804b1-4a.17",
        8,
    ),
    (FailureReason.SERVER_BUSY, Phase.GREETING, "421 4.3.2 Сервер перевантажений, спробуйте пізніше", 3),
    (FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS, "the certificate expired on 2026-09-20 14:13:20 UTC", 6),
)
"""Why, where and in what words, and how many phases were reached."""


def population(size: int, probes: int) -> Store:
    """So many endpoints: a tenth fail, some flap, one was not probed yet, one has a very long name."""
    endpoints = [_endpoint(number) for number in range(size)]
    build = BuildInfo(version="1.2.3", python_version="3.11.7", openssl_version="3.5.4")
    store = Store(build, started_at=NOON, flows=flow_states(NOW))
    judge(store.domains, NOW)
    store.configure(endpoints)
    for probe in range(probes):
        at = NOW - (probes - probe) * 60.0
        for number, each in enumerate(endpoints):
            if number % 29 != 28:
                store.record(_result(each, number, at, probes - probe))
    return store


def _endpoint(number: int) -> Endpoint:
    name = LONG if number == 13 else f"{PROTOCOLS[number % 3]}://mail{number:05}.example.com"
    labels = {"team": TEAMS[number % 4], "site": f"site{number % 3}"} if number % 7 else {}
    return endpoint(name, PROTOCOLS[number % 3], host=f"mail{number:05}.example.com", labels=labels)


def _result(each: Endpoint, number: int, at: float, ago: int) -> ProbeResult:
    leaf = certificate(not_after=NOW + (60 - number % 70) * DAY + 3600.0)
    if ago < 5 and number % 11 == 1:
        leaf = replace(leaf, fingerprint_sha256="0123456789abcdef" * 4)
    good = success(each.name, started_at=at, duration=0.05 + number % 17 / 40, tls=tls(leaf=leaf))
    failing = (number % 10 == 3 and ago < 18) or (number % 13 == 5 and ago // 3 % 2 == 0)
    if not failing:
        return good
    reason, phase, detail, reached = FAILURES[number // 10 % len(FAILURES)]
    if phase is Phase.AUTH and ago < 3:
        paused = "login paused so that the account is not locked; next try in 200 s. Last answer: " + detail
        return replace(
            good,
            failure=Failure(reason, phase, paused),
            spans=ALL_PHASES[:7],
            facts=replace(good.facts, auth_mechanism=None, auth_success=None),
            transcript=SMTP_CONVERSATION[:12],
        )
    goodbye = (ALL_PHASES[-1],) if phase is Phase.AUTH else ()
    return replace(
        good,
        failure=Failure(reason, phase, detail),
        spans=(*ALL_PHASES[:reached], *goodbye),
        facts=replace(
            good.facts,
            auth_success=False if phase is Phase.AUTH else None,
            tls=good.facts.tls if Phase.TLS in {span.phase for span in ALL_PHASES[:reached]} else None,
        ),
        transcript=(*SMTP_CONVERSATION[:12], TranscriptLine(0.3, Direction.SERVER, detail)),
    )


class Clock:
    """The time that pages are told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        """The time now."""
        return self.now


@contextmanager
def served(store: Store, clock: Clock, policy: Policy | None = None) -> Iterator[str]:
    """The interface to a store, in a thread of its own: its URL, without a slash at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[web.AppRunner, str]:
        application = create_application(
            store=store, ready=lambda: True, configuration=lambda: iter(["endpoints: []\n"]), clock=clock
        )
        if policy is not None:
            Security(policy, time.monotonic).protect(application)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        return runner, f"http://{host}:{port}"

    try:
        runner, url = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield url
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
