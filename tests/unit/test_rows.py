"""Every member of a closed set has its row in every table about it: the member alone is a failure here."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, StrEnum
from pathlib import Path

import pytest

from dashboards.boards.looks import PALE_PROTOCOL_COLORS, PHASE_COLORS, PROTOCOL_COLORS
from exporter.certificates import failure_reason
from exporter.demo.servers import SESSIONS
from exporter.domains.judge import CHECKS
from exporter.model import (
    CertificateProblem,
    DomainCheck,
    DomainProblem,
    Encryption,
    Errand,
    FailureReason,
    Leg,
    Mechanism,
    Outcome,
    Phase,
    Protocol,
    Sender,
    SkipReason,
    Source,
    TlsVersion,
)
from exporter.net.contexts import VERSIONS
from exporter.protocol.errands import ERRANDS
from exporter.protocol.protocols import PROTOCOLS, with_key, with_mechanism
from exporter.protocol.sasl import MECHANISMS
from exporter.web.wording import HEALTH
from tests.protocol.samples import endpoint

ROOT = Path(__file__).parents[2]
STYLE = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "exporter/web/static").glob("*.css"))


def explained(members: type[StrEnum], page: str, form: str = "`{}`") -> list[StrEnum]:
    """The members that a page of the documentation has in this form."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [member for member in members if form.format(member) in text]


OF_PROTOCOLS = frozenset[Mechanism]().union(*(row.mechanisms for row in PROTOCOLS.values()))


@pytest.mark.parametrize(
    ("members", "table"),
    [
        (Protocol, PROTOCOLS),
        (Protocol, SESSIONS),
        (Protocol, PROTOCOL_COLORS),
        (Protocol, PALE_PROTOCOL_COLORS),
        (Protocol, ERRANDS[Errand.CAPABILITIES].by),
        (Errand, ERRANDS),
        (Phase, PHASE_COLORS),
        (Phase, [phase for phase in Phase if f".phase-{phase} " in STYLE]),
        (FailureReason, explained(FailureReason, "failures.md", "\n## {}\n")),
        (SkipReason, explained(SkipReason, "operating.md", "\n| `{}` |")),
        (Outcome, explained(Outcome, "mail-flow.md", "\n| `{}` |")),
        (Leg, explained(Leg, "mail-flow.md")),
        (DomainProblem, explained(DomainProblem, "domains.md", "\n### {}\n")),
        (DomainCheck, explained(DomainCheck, "domains.md", "\n| `{}` |")),
        (DomainCheck, CHECKS),
        (Sender, explained(Sender, "domains.md", "\n| `{}` |")),
        (Source, explained(Source, "domains.md", "\n| `{}` |")),
        (Mechanism, {Mechanism.AUTO, *MECHANISMS, *OF_PROTOCOLS}),
        (TlsVersion, VERSIONS),
        (type(next(iter(HEALTH))), HEALTH),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_every_member_has_its_row(members: type[Enum], table: Collection[Enum]) -> None:
    assert [] == [member for member in members if member not in table]


@pytest.mark.parametrize("problem", CertificateProblem)
def test_every_problem_of_a_certificate_that_fails_a_probe_has_a_reason(problem: CertificateProblem) -> None:
    assert not problem.fails or failure_reason([problem]) in FailureReason


@pytest.mark.parametrize("protocol", Protocol)
def test_the_row_of_a_protocol_is_complete(protocol: Protocol) -> None:
    row = PROTOCOLS[protocol]

    assert {protocol} == {scheme.protocol for scheme in row.schemes}
    # A port is looked for by how encryption begins.
    assert {True, False} == {scheme.encryption is Encryption.TLS for scheme in row.schemes}
    assert row.client(endpoint(protocol), "probe.example.com").farewell is not None
    assert all(protocol in with_key(key) for key in row.keys)
    assert all({protocol} == with_mechanism(mechanism) for mechanism in row.mechanisms)
