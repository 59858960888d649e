"""What servers other than Dovecot and Postfix say to a login, by themselves: nginx' mail proxy, Courier and Cyrus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.model import Encryption, Endpoint, FailureReason, Login, Mechanism, Phase, Protocol, Secret, TlsPolicy
from tests.probes import at, probe
from tests.servers import cyrus as cyrus_imapd
from tests.servers.authority import Authority
from tests.servers.courier import PACKAGES, PASSWORD, USERNAME, Courier, courier
from tests.servers.nginx import nginx
from tests.servers.programs import scratch_directory
from tests.servers.unpacked import unpacked

every_protocol = pytest.mark.parametrize("protocol", list(Protocol))
READING = pytest.mark.parametrize("protocol", [Protocol.IMAP, Protocol.POP3])

RIGHT = Login(USERNAME, Secret(PASSWORD.encode()))
WRONG = Login(USERNAME, Secret(b"not-the-right-one"))


class TestNginx:
    @every_protocol
    async def test_with_its_backend_down_is_no_wrong_password(self, protocol: Protocol, tmp_path: Path) -> None:
        with nginx(tmp_path, None) as proxy:
            result = await probe(at(proxy.ports[protocol], protocol, Encryption.NONE, allow_insecure_auth=True), RIGHT)

        assert result.failure is not None
        assert Phase.AUTH is result.failure.phase
        # By IMAP it says why, untagged, and hangs up.
        hangs_up = protocol is Protocol.IMAP
        expected = FailureReason.CONNECTION_CLOSED if hangs_up else FailureReason.AUTH_UNAVAILABLE
        assert (expected, False) == (result.failure.reason, result.failure.unclear)
        assert "internal server error" in result.failure.detail.lower()

    @every_protocol
    async def test_hands_on_that_a_password_is_wrong(self, protocol: Protocol, tmp_path: Path) -> None:
        with nginx(tmp_path, "Invalid login or password") as proxy:
            result = await probe(at(proxy.ports[protocol], protocol, Encryption.NONE, allow_insecure_auth=True), WRONG)

        assert result.failure is not None
        assert FailureReason.AUTH_REJECTED is result.failure.reason
        assert "Invalid login or password" in result.failure.detail


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with scratch_directory() as directory:
        yield unpacked(directory, *PACKAGES)


@pytest.fixture(scope="module")
def healthy(root: Path) -> Iterator[Courier]:
    with scratch_directory() as directory, courier(root, directory) as server:
        yield server


class TestCourier:
    async def test_has_an_account_without_a_quota(self, healthy: Courier) -> None:
        where = at(healthy.imap, Protocol.IMAP, Encryption.NONE, allow_insecure_auth=True, mailbox="INBOX")

        result = await probe(where, RIGHT)

        assert result.failure is None
        assert result.facts.mailbox is not None
        assert (0, None, None) == (
            result.facts.mailbox.messages,
            result.facts.mailbox.quota_used,
            result.facts.mailbox.quota_limit,
        )
        assert any('* QUOTA "ROOT"' == line.text for line in result.transcript)
        assert any("LOGOUT" in line.text for line in result.transcript)

    async def test_rejects_a_wrong_password(self, healthy: Courier) -> None:
        # It takes five seconds over that.
        ports = {Protocol.IMAP: healthy.imap, Protocol.POP3: healthy.pop3}
        endpoints = [
            at(port, protocol, Encryption.NONE, allow_insecure_auth=True, timeout=30.0)
            for protocol, port in ports.items()
        ]

        for result in await asyncio.gather(*[probe(endpoint, WRONG) for endpoint in endpoints]):
            assert result.failure is not None
            assert (FailureReason.AUTH_REJECTED, Phase.AUTH) == (result.failure.reason, result.failure.phase)
            assert "Login failed." in result.failure.detail

    @READING
    async def test_without_its_authdaemon_cannot_tell(self, root: Path, protocol: Protocol) -> None:
        with scratch_directory() as directory, courier(root, directory, with_authdaemon=False) as server:
            port = server.imap if protocol is Protocol.IMAP else server.pop3
            result = await probe(at(port, protocol, Encryption.NONE, allow_insecure_auth=True), RIGHT)

        assert result.failure is not None
        assert (FailureReason.AUTH_UNAVAILABLE, False) == (result.failure.reason, result.failure.unclear)
        assert "Temporary problem, please try again later" in result.failure.detail

    async def test_takes_the_right_one_by_pop3(self, healthy: Courier) -> None:
        result = await probe(at(healthy.pop3, Protocol.POP3, Encryption.NONE, allow_insecure_auth=True), RIGHT)

        assert result.failure is None
        assert Mechanism.USERPASS is result.facts.auth_mechanism


@dataclass(frozen=True, slots=True)
class OverTls:
    """Cyrus at its ports with implicit TLS."""

    ports: cyrus_imapd.Cyrus
    policy: TlsPolicy

    def endpoint(self, protocol: Protocol, **fields: object) -> Endpoint:
        port = self.ports.imaps if protocol is Protocol.IMAP else self.ports.pop3s
        return at(port, protocol, Encryption.TLS, tls=self.policy, timeout=30.0, **fields)


@pytest.fixture(scope="module")
def cyrus() -> Iterator[OverTls]:
    with scratch_directory() as unpacking, scratch_directory() as directory:
        root = unpacked(unpacking, *cyrus_imapd.PACKAGES)
        authority = Authority.make(directory / "authority", "Authority")
        identity = authority.issue("mail.example.com", names=["mail.example.com"])
        with cyrus_imapd.cyrus(root, directory, identity) as ports:
            yield OverTls(ports, TlsPolicy(ca_file=authority.file, server_name="mail.example.com"))


class TestCyrus:
    @READING
    async def test_takes_the_right_password_by_whatever_is_picked(self, cyrus: OverTls, protocol: Protocol) -> None:
        # It offers -PLUS first, with another channel binding than TLS 1.3 has.
        result = await probe(cyrus.endpoint(protocol, mailbox="INBOX"), RIGHT)

        assert result.failure is None
        assert Mechanism.SCRAM_SHA_256 is result.facts.auth_mechanism
        assert any("SCRAM-SHA-256-PLUS" in line.text for line in result.transcript)
        assert result.facts.mailbox is not None
        assert 0 == result.facts.mailbox.messages

    async def test_another_channel_binding_is_no_wrong_password(self, cyrus: OverTls) -> None:
        named = [
            cyrus.endpoint(each, mechanism=Mechanism.SCRAM_SHA_256_PLUS) for each in (Protocol.IMAP, Protocol.POP3)
        ]
        login = Login(USERNAME, RIGHT.secret, Mechanism.SCRAM_SHA_256_PLUS)

        for result in await asyncio.gather(*[probe(endpoint, login) for endpoint in named]):
            assert result.failure is not None
            assert (FailureReason.AUTH_MECHANISM_NOT_OFFERED, False) == (result.failure.reason, result.failure.unclear)
            assert "bad protocol / cancel" in result.failure.detail

    async def test_rejects_a_wrong_password(self, cyrus: OverTls) -> None:
        endpoints = [cyrus.endpoint(protocol) for protocol in (Protocol.IMAP, Protocol.POP3)]

        for result in await asyncio.gather(*[probe(endpoint, WRONG) for endpoint in endpoints]):
            assert result.failure is not None
            assert FailureReason.AUTH_REJECTED is result.failure.reason
            assert "authentication failure" in result.failure.detail
