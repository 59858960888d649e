"""Endpoints by the thousand: as configuration files, and as a store in which each of them has been probed.

What is made up here takes as much room, and fills as many series, as the real thing. Nothing is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import yaml

from benchmarks.dialogues import IMAPS
from benchmarks.mailserver import MailServer
from exporter.metrics.exporter_state import BuildInfo
from exporter.metrics.store import Store
from exporter.model import (
    CertificateFacts,
    CertificateProblem,
    Endpoint,
    FailureReason,
    MailboxFacts,
    Mechanism,
    Phase,
    ProbeResult,
    Protocol,
    Span,
)
from tests.unit.results import ALL_PHASES, NOON, certificate, endpoint, failure, success, tls

DEAD_URL: Final = "imaps://{address}:9"
"""Nobody listens there, and anyone who tries is told so at once."""

_INTERVAL: Final = 60.0
_ONE_FAILS_IN: Final = 20
_DAY: Final = 86_400.0


def configuration(count: int, url: str, sections: Mapping[str, object] | None = None, own: str = "") -> str:
    """A file with so many endpoints, each with a name and a label of its own.

    Args:
        count: Endpoints.
        url: Of each; `{address}` in it becomes one of the loopback's addresses, another for each.
        sections: What stands before the endpoints.
        own: One key more of each, with its value; `{name}` in it becomes the endpoint's name.
    """
    endpoints = "".join(
        f"- name: {name_of(number)}\n"
        f"  url: {url.format(address=_address(number))}\n"
        f"  labels: {{team: {_team(number)}}}\n" + (f"  {own.replace('{name}', name_of(number))}\n" if own else "")
        for number in range(count)
    )
    return f"{yaml.safe_dump(dict(sections)) if sections else ''}endpoints:\n{endpoints}"


def name_of(number: int) -> str:
    """What an endpoint is called; it has no quotes in it, and can be a host's name."""
    return f"mail-{number:05}.customer.example"


def login_modules(count: int) -> dict[str, object]:
    """Modules of blackbox_exporter, each with a login of its own: what comes nearest to endpoints."""
    return {name_of(number): _login_module(name_of(number)) for number in range(count)}


def _login_module(name: str) -> dict[str, object]:
    nobody = MailServer({}, Path(), name, f"monitor@{name}", "correct-horse", 0)
    # Copies, so that the file repeats what they have in common, instead of referring to it.
    return {"prober": "tcp", "tcp": {"tls": True, "query_response": deepcopy(list(IMAPS.exchanges(nobody)))}}


def probed_store(count: int, probes: int = 5) -> Store:
    """A store of so many endpoints of all three protocols, each of which has been probed so often.

    Each shows a certificate of its own. One in twenty fails every time, as among servers of other people some do.
    """
    store = Store(BuildInfo("1.0.0", "3.11.7", "4.0.3"))
    endpoints = tuple(map(_endpoint, range(count)))
    store.configure(endpoints)
    store.exporter.reloaded(successful=True, at=NOON)
    for number, each in enumerate(endpoints):
        for result in _results(each, number, probes):
            store.record(result)
            store.exporter.observe_start_delay(0.001)
            store.exporter.observe_lag(0.001)
    return store


def _team(number: int) -> str:
    return f"team-{number % 50}"


def _address(number: int) -> str:
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def _endpoint(number: int) -> Endpoint:
    protocol = tuple(Protocol)[number % len(Protocol)]
    host = f"{protocol}.{name_of(number)}"
    return endpoint(name_of(number), protocol, host=host, labels={"team": _team(number)})


def _results(of: Endpoint, number: int, probes: int) -> Iterator[ProbeResult]:
    """What a row of probes of one endpoint finds."""
    random = Random(number)  # noqa: S311 - nothing is kept secret by it
    leaf = replace(
        certificate(f"CN={of.host}", not_after=NOON + random.uniform(1, 90) * _DAY),
        serial=f"{random.getrandbits(144):036x}",
        fingerprint_sha256=f"{random.getrandbits(256):064x}",
        public_key_sha256=f"{random.getrandbits(256):064x}",
        names=(of.host, name_of(number)),
    )
    find = _FAILURES[number // _ONE_FAILS_IN % len(_FAILURES)] if number % _ONE_FAILS_IN == 0 else _everything
    for probe in range(probes):
        found = find(of, leaf)
        slowness = random.lognormvariate(0.0, 0.5)
        yield replace(
            found,
            started_at=NOON + probe * _INTERVAL + random.random(),
            duration=found.duration * slowness,
            spans=tuple(replace(span, duration=span.duration * slowness) for span in found.spans),
        )


def _everything(of: Endpoint, leaf: CertificateFacts) -> ProbeResult:
    """A probe that succeeds. Those of SMTP have a size limit and reply codes, those of IMAP a look at a mailbox."""
    found = success(of.name, tls=tls(leaf=leaf))
    if of.protocol is Protocol.SMTP:
        return replace(found, spans=_without(Phase.CHECK), facts=replace(found.facts, mailbox=None))
    imap = of.protocol is Protocol.IMAP
    return replace(
        found,
        spans=_without(Phase.STARTTLS, *(() if imap else (Phase.CHECK,))),
        facts=replace(
            found.facts,
            starttls_offered=None,
            reply_codes=None,
            size_limit=None,
            mailbox=MailboxFacts("INBOX", messages=42, unseen=3) if imap else None,
        ),
    )


def _without(*phases: Phase) -> tuple[Span, ...]:
    return tuple(span for span in ALL_PHASES if span.phase not in phases)


def _refused(of: Endpoint, _: CertificateFacts) -> ProbeResult:
    return failure(FailureReason.CONNECT_REFUSED, Phase.CONNECT, of.name)


def _expired(of: Endpoint, leaf: CertificateFacts) -> ProbeResult:
    shown = tls(CertificateProblem.EXPIRED, leaf=replace(leaf, not_after=NOON - _DAY), detail="it expired yesterday")
    return failure(
        FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS, of.name, tls=shown, spans=ALL_PHASES[:6], duration=0.12
    )


def _rejected(of: Endpoint, leaf: CertificateFacts) -> ProbeResult:
    return failure(
        FailureReason.AUTH_REJECTED,
        Phase.AUTH,
        of.name,
        tls=tls(leaf=leaf),
        spans=ALL_PHASES[:8],
        duration=0.22,
        auth_mechanism=Mechanism.PLAIN,
        auth_success=False,
    )


_FAILURES: Final[Sequence[Callable[[Endpoint, CertificateFacts], ProbeResult]]] = (_refused, _expired, _rejected)
"""They take turns."""
