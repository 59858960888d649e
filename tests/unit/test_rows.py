"""Every member of a closed set has its row in every table about it: the member alone is a failure here."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum, StrEnum
from pathlib import Path

import pytest

from dashboards.boards.looks import PALE_PROTOCOL_COLORS, PHASE_COLORS, PROTOCOL_COLORS
from exporter import model
from exporter.certificates import failure_reason
from exporter.cli.waterfall import DIRECTION_STYLES
from exporter.config.credentials_section import _AUTHENTICATION
from exporter.demo.servers import SESSIONS
from exporter.domains.checks.spf import _MISTAKES
from exporter.domains.judge import CHECKS
from exporter.domains.posture.spf_evaluation import SpfMistake
from exporter.metrics.endpoint_state import Health
from exporter.model import (
    Addresses,
    AuthMethod,
    AuthResult,
    CertificateProblem,
    Direction,
    DomainCheck,
    DomainProblem,
    Encryption,
    FailureReason,
    IpFamily,
    KeyType,
    Label,
    Leg,
    LongTask,
    Mechanism,
    OAuth2Authentication,
    OAuth2Grant,
    OAuth2Provider,
    Outcome,
    Phase,
    Protocol,
    ProxyScheme,
    Reach,
    Removal,
    SecretKind,
    Sender,
    SkipReason,
    Source,
    StapleStatus,
    TlsVersion,
    TokenOutcome,
)
from exporter.net.dns.resolve import _TYPES
from exporter.net.proxies import _PROTOCOLS
from exporter.net.tls.contexts import VERSIONS
from exporter.protocol.protocols import PROTOCOLS, with_key, with_mechanism
from exporter.protocol.sasl import MECHANISMS
from exporter.web.pages.filters import SORTS
from exporter.web.policy.policy import ClientAuth
from exporter.web.policy.server_context import _VERIFY
from exporter.web.query import Sort
from exporter.web.survey import _SORTS
from exporter.web.wording import HEALTH
from tests.protocol.refused_logins import REFUSALS
from tests.protocol.samples import EVERY, endpoint
from tests.protocol.starttls_situations import GOODBYES, INJECTIONS, REPLACEMENTS, SERVERS
from tests.protocol.test_session import EXPECTED, PASSWORDS_REFUSED, TURNED_AWAY
from tests.protocol.test_session_upgrade import FAREWELL, REFUSAL
from tests.servers.dialects import DIALECTS, UNKNOWN
from tests.servers.misbehaving import MORE
from tests.servers.repeating import OFFERS
from tests.unit.misbehaviour import (
    ACCEPTED,
    ASK,
    CHALLENGE,
    LAST,
    LOGIN,
    OFFER_BEFORE_TLS,
    OFFER_UNDER_TLS,
    QUIT,
)
from tests.unit.results import CAPABILITIES, PORTS
from tests.unit.test_demo_sessions import WORDS
from tests.unit.test_starttls_attacks import CONSENT

ROOT = Path(__file__).parents[2]
STYLE = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "exporter/web/pages/static").glob("*.css"))


def explained(members: type[StrEnum], page: str, form: str = "`{}`") -> list[StrEnum]:
    """The members that a page of the documentation has in this form."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [member for member in members if form.format(member) in text]


OF_PROTOCOLS = frozenset[Mechanism]().union(*(row.mechanisms for row in PROTOCOLS.values()))


ROWS: list[tuple[type[Enum], Collection[object]]] = [
    (Protocol, PROTOCOLS),
    (Protocol, SESSIONS),
    (Protocol, PROTOCOL_COLORS),
    (Protocol, PALE_PROTOCOL_COLORS),
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
    (TlsVersion, explained(TlsVersion, "configuration.md")),
    (KeyType, explained(KeyType, "metrics.md")),
    (Mechanism, explained(Mechanism, "configuration.md")),
    (Encryption, explained(Encryption, "configuration.md")),
    (IpFamily, explained(IpFamily, "configuration.md")),
    (IpFamily, _TYPES),
    (Addresses, explained(Addresses, "configuration.md")),
    (ProxyScheme, _PROTOCOLS),
    (ProxyScheme, explained(ProxyScheme, "configuration.md", "`{}://")),
    (OAuth2Provider, explained(OAuth2Provider, "configuration.md")),
    (OAuth2Provider, _AUTHENTICATION),
    (OAuth2Authentication, explained(OAuth2Authentication, "configuration.md")),
    (TokenOutcome, explained(TokenOutcome, "metrics.md")),
    (LongTask, explained(LongTask, "metrics.md")),
    (Removal, explained(Removal, "metrics.md")),
    (AuthMethod, explained(AuthMethod, "metrics.md")),
    (AuthResult, explained(AuthResult, "metrics.md")),
    (CertificateProblem, explained(CertificateProblem, "metrics.md")),
    (StapleStatus, explained(StapleStatus, "api.md")),
    (Direction, DIRECTION_STYLES),
    (Health, HEALTH),
    (Sort, SORTS),
    (Sort, _SORTS),
    (ClientAuth, _VERIFY),
    (SpfMistake, _MISTAKES),
]

OF_TESTS: dict[str, Collection[Protocol]] = {
    "tests/protocol/samples.py EVERY": {server.protocol for server in EVERY},
    "tests/protocol/refused_logins.py REFUSALS": REFUSALS,
    "tests/protocol/test_session.py PASSWORDS_REFUSED": PASSWORDS_REFUSED,
    "tests/protocol/test_session.py TURNED_AWAY": TURNED_AWAY,
    "tests/protocol/test_session.py EXPECTED": EXPECTED,
    "tests/protocol/test_session_upgrade.py REFUSAL": REFUSAL,
    "tests/protocol/test_session_upgrade.py FAREWELL": FAREWELL,
    "tests/protocol/starttls_situations.py SERVERS": SERVERS,
    "tests/protocol/starttls_situations.py INJECTIONS": INJECTIONS,
    "tests/protocol/starttls_situations.py REPLACEMENTS": REPLACEMENTS,
    "tests/protocol/starttls_situations.py GOODBYES": GOODBYES,
    "tests/servers/dialects.py DIALECTS": DIALECTS,
    "tests/servers/dialects.py UNKNOWN": UNKNOWN,
    "tests/servers/misbehaving.py MORE": MORE,
    "tests/servers/repeating.py OFFERS": OFFERS,
    "tests/unit/misbehaviour.py ASK": ASK,
    "tests/unit/misbehaviour.py LAST": LAST,
    "tests/unit/misbehaviour.py QUIT": QUIT,
    "tests/unit/misbehaviour.py LOGIN": LOGIN,
    "tests/unit/misbehaviour.py OFFER_BEFORE_TLS": OFFER_BEFORE_TLS,
    "tests/unit/misbehaviour.py OFFER_UNDER_TLS": OFFER_UNDER_TLS,
    "tests/unit/misbehaviour.py ACCEPTED": ACCEPTED,
    "tests/unit/misbehaviour.py CHALLENGE": CHALLENGE,
    "tests/unit/results.py PORTS": PORTS,
    "tests/unit/results.py CAPABILITIES": CAPABILITIES,
    "tests/unit/test_demo_sessions.py WORDS": WORDS,
    "tests/unit/test_starttls_attacks.py CONSENT": CONSENT,
}
"""What the tests of every protocol know of each, by file and name."""

WITHOUT_ROWS: dict[type[Enum], str] = {
    Label: "test_metrics.py asks whether every label is one of a metric",
    OAuth2Grant: "the value is what is sent",
    Reach: "a problem has one",
    SecretKind: "test_sasl.py logs in with each kind that a mechanism takes",
}
"""Closed sets of the model that no table is about, with the reason."""


@pytest.mark.parametrize(("members", "table"), ROWS, ids=lambda each: each.__name__ if isinstance(each, type) else "")
def test_every_member_has_its_row(members: type[Enum], table: Collection[object]) -> None:
    assert [] == [member for member in members if member not in table]


@pytest.mark.parametrize("table", OF_TESTS)
def test_every_protocol_is_known_to_the_tests(table: str) -> None:
    assert [] == [protocol for protocol in Protocol if protocol not in OF_TESTS[table]]


def test_every_closed_set_of_the_model_is_asked_about() -> None:
    closed = {each for each in vars(model).values() if isinstance(each, type) and issubclass(each, Enum)}

    assert set() == closed - {members for members, _ in ROWS} - WITHOUT_ROWS.keys()


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


def test_every_scheme_of_urls_is_explained() -> None:
    reference = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    names = [scheme.name for row in PROTOCOLS.values() for scheme in row.schemes]

    assert [] == [name for name in names if not re.search(rf"^\| .*`{name}`.* \|", reference, re.MULTILINE)]


def test_a_port_of_a_protocol_stands_for_one_encryption() -> None:
    schemes = [scheme for row in PROTOCOLS.values() for scheme in row.schemes]
    stands_for = {(scheme.protocol, scheme.port): scheme.encryption for scheme in schemes}

    assert [] == [each.name for each in schemes if each.encryption is not stands_for[each.protocol, each.port]]


def test_the_reference_lists_every_protocol() -> None:
    reference = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    names = ", ".join(f"`{protocol}`" for protocol in Protocol)

    assert f"| `protocol` | {names} |" in reference
    assert f"| `protocols` | list of {names} |" in reference
