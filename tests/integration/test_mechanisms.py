"""Every mechanism with the right and with a wrong secret: Dovecot and Postfix, and a server of the tests for -PLUS."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

import pytest
from OpenSSL import SSL

from exporter.model import (
    Direction,
    Encryption,
    FailureReason,
    Login,
    Mechanism,
    Phase,
    ProbeResult,
    Protocol,
    Secret,
    SecretKind,
    TlsPolicy,
)
from tests.probes import at, credentials_in, probe
from tests.servers.authority import Authority, Identity
from tests.servers.bound import bound_server
from tests.servers.dovecot import Account, StartDovecot
from tests.servers.mail import ALICE, NAMES, MailServers

TOKEN: Final = "ya29.a0AfH6SMBx-a_token~of+the/tests=="
WRONG: Final = "not-the-right-one"

PASSWORD: Final = (
    Mechanism.PLAIN,
    Mechanism.LOGIN,
    Mechanism.CRAM_MD5,
    Mechanism.SCRAM_SHA_1,
    Mechanism.SCRAM_SHA_256,
)
BEARER: Final = (Mechanism.XOAUTH2, Mechanism.OAUTHBEARER)

PORTS: Final[Mapping[Protocol, Callable[[MailServers], int]]] = {
    Protocol.SMTP: lambda mail: mail.postfix.submissions,
    Protocol.IMAP: lambda mail: mail.dovecot.imaps,
    Protocol.POP3: lambda mail: mail.dovecot.pop3s,
}

EXPLANATIONS: Final = {
    Mechanism.XOAUTH2: {"status": "401", "schemes": "bearer", "scope": "mail"},
    Mechanism.OAUTHBEARER: {"status": "invalid_token"},
}
"""What Dovecot says about a token, in base64, before it refuses the login. Dovecot 2.4 says more, in another order."""


@dataclass(frozen=True, slots=True)
class Case:
    """One probe with Alice's name.

    Attributes:
        kind: Of the secret.
        right: Whether it is hers.
    """

    protocol: Protocol
    mechanism: Mechanism
    kind: SecretKind = SecretKind.PASSWORD
    right: bool = True

    @property
    def login(self) -> Login:
        hers = TOKEN if self.kind is SecretKind.TOKEN else ALICE.password
        return Login(ALICE.username, Secret((hers if self.right else WRONG).encode()), self.mechanism, self.kind)

    def __str__(self) -> str:
        return f"{self.protocol}-{self.mechanism}-{self.kind}"


EVERY: Final = (
    *(Case(protocol, mechanism) for protocol, mechanism in product(Protocol, PASSWORD)),
    *(Case(protocol, mechanism, SecretKind.TOKEN) for protocol, mechanism in product(Protocol, BEARER)),
    Case(Protocol.POP3, Mechanism.USERPASS),
)
REFUSED: Final = tuple(Case(case.protocol, case.mechanism, case.kind, right=False) for case in EVERY)
AUTO: Final = tuple(
    Case(protocol, Mechanism.AUTO, kind) for protocol in Protocol for kind in (SecretKind.PASSWORD, SecretKind.TOKEN)
)


@pytest.fixture(scope="module")
def results(mail: MailServers) -> dict[Case, ProbeResult]:
    """All of them, probed at once: Dovecot takes half a second to say no."""
    mail.introspection.tokens[TOKEN] = ALICE.username
    cases = (*EVERY, *REFUSED, *AUTO)

    async def probed() -> list[ProbeResult]:
        trusting = TlsPolicy(ca_file=mail.authority.file)
        return await asyncio.gather(
            *(
                probe(
                    at(PORTS[case.protocol](mail), case.protocol, Encryption.TLS, tls=trusting, timeout=20.0),
                    case.login,
                )
                for case in cases
            )
        )

    return dict(zip(cases, asyncio.run(probed()), strict=True))


@pytest.fixture(scope="module")
def identity(authority: Authority) -> Identity:
    return authority.issue("localhost", names=NAMES)


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_a_mechanism_logs_in(results: Mapping[Case, ProbeResult], case: Case) -> None:
    result = results[case]

    assert result.failure is None
    assert (case.mechanism, True) == (result.facts.auth_mechanism, result.facts.auth_success)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_a_wrong_secret_is_rejected(results: Mapping[Case, ProbeResult], case: Case) -> None:
    result = results[case]

    assert result.failure is not None
    assert (FailureReason.AUTH_REJECTED, Phase.AUTH) == (result.failure.reason, result.failure.phase)
    assert (case.mechanism, False) == (result.facts.auth_mechanism, result.facts.auth_success)
    _, explained, text = result.failure.detail.partition("; the server explains ")
    assert bool(explained) == (case.mechanism in EXPLANATIONS)
    if explained:
        assert EXPLANATIONS[case.mechanism].items() <= json.loads(text.removeprefix('"').removesuffix('"')).items()
    # The refusal was read, and the goodbye understood.
    assert Phase.QUIT is result.spans[-1].phase
    assert Direction.SERVER is result.transcript[-1].direction


@pytest.mark.parametrize("case", AUTO, ids=str)
def test_auto_takes_the_strongest_that_there_is(results: Mapping[Case, ProbeResult], case: Case) -> None:
    strongest = {SecretKind.PASSWORD: Mechanism.SCRAM_SHA_256, SecretKind.TOKEN: Mechanism.OAUTHBEARER}

    assert (None, strongest[case.kind]) == (results[case].failure, results[case].facts.auth_mechanism)


def test_no_secret_is_in_any_result(results: Mapping[Case, ProbeResult]) -> None:
    everything = "".join(map(repr, results.values())).encode()

    assert set() == credentials_in(everything, (TOKEN, ALICE.password, WRONG))


def test_the_servers_proof_is_not_in_the_transcript(results: Mapping[Case, ProbeResult]) -> None:
    said = [line.text for line in results[Case(Protocol.SMTP, Mechanism.SCRAM_SHA_256)].transcript]
    first, proof = (line.removeprefix("334 ") for line in said if line.startswith("334 "))

    assert b64decode(first).startswith(b"r=")
    assert "<redacted>" == proof


async def test_a_password_beyond_ascii_logs_in_by_every_mechanism(
    start_dovecot: StartDovecot, authority: Authority, identity: Identity
) -> None:
    account = Account("alice@example.test", "pässwörd ☃")
    server = start_dovecot(identity, account)
    endpoint = at(server.imaps, Protocol.IMAP, Encryption.TLS, tls=TlsPolicy(ca_file=authority.file))

    results = await asyncio.gather(
        *(
            probe(endpoint, Login(account.username, Secret(account.password.encode()), mechanism))
            for mechanism in PASSWORD
        )
    )

    assert [(mechanism, None) for mechanism in PASSWORD] == [
        (result.facts.auth_mechanism, result.failure) for result in results
    ]


class TestBoundToTheTlsSession:
    @pytest.mark.parametrize(
        ("version", "wanted", "header"),
        [
            (SSL.TLS1_3_VERSION, Mechanism.SCRAM_SHA_256_PLUS, b"p=tls-exporter,,"),
            (SSL.TLS1_2_VERSION, Mechanism.SCRAM_SHA_256_PLUS, b"p=tls-server-end-point,,"),
        ],
    )
    async def test_a_login_succeeds(
        self, authority: Authority, identity: Identity, version: int, wanted: Mechanism, header: bytes
    ) -> None:
        with bound_server(identity, b"pencil", version=version) as server:
            endpoint = at(server.port, Protocol.POP3, Encryption.TLS, tls=TlsPolicy(ca_file=authority.file))
            result = await probe(endpoint, Login("user", Secret(b"pencil"), wanted))

        assert (None, Mechanism.SCRAM_SHA_256_PLUS) == (result.failure, result.facts.auth_mechanism)
        assert [header] == server.headers

    @pytest.mark.parametrize("version", [SSL.TLS1_3_VERSION, SSL.TLS1_2_VERSION])
    async def test_a_login_does_not_get_through_a_server_in_the_middle(
        self, authority: Authority, identity: Identity, version: int
    ) -> None:
        with bound_server(identity, b"pencil", version=version, in_the_middle=True) as server:
            endpoint = at(server.port, Protocol.POP3, Encryption.TLS, tls=TlsPolicy(ca_file=authority.file))
            result = await probe(endpoint, Login("user", Secret(b"pencil"), Mechanism.SCRAM_SHA_256_PLUS))

        assert result.failure is not None
        assert FailureReason.AUTH_REJECTED is result.failure.reason
        assert 'the server explains "e=channel-bindings-dont-match"' in result.failure.detail
