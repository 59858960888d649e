"""Whole probes by way of proxies that relay: ours, of both kinds, and tinyproxy, to Dovecot and Postfix."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.model import (
    Encryption,
    Endpoint,
    FailureReason,
    Login,
    Phase,
    Protocol,
    Proxy,
    ProxyScheme,
    Secret,
    TlsPolicy,
)
from tests.probes import nothing_left_behind, probe
from tests.servers.mail import ALICE, MailServers
from tests.servers.programs import LOOPBACK
from tests.servers.proxies import relaying
from tests.servers.tinyproxy import tinyproxy

LOGIN = Login(ALICE.username, Secret(ALICE.password.encode()))
WAYS = [
    (Protocol.IMAP, Encryption.TLS),
    (Protocol.IMAP, Encryption.STARTTLS),
    (Protocol.POP3, Encryption.STARTTLS),
    (Protocol.SMTP, Encryption.TLS),
    (Protocol.SMTP, Encryption.STARTTLS),
]


def endpoint(mail: MailServers, protocol: Protocol, encryption: Encryption, proxy: Proxy) -> Endpoint:
    dovecot, postfix = mail.dovecot, mail.postfix
    at_once = encryption is Encryption.TLS
    port = {
        Protocol.IMAP: dovecot.imaps if at_once else dovecot.imap,
        Protocol.POP3: dovecot.pop3s if at_once else dovecot.pop3,
        Protocol.SMTP: postfix.submissions if at_once else postfix.submission,
    }[protocol]
    policy = TlsPolicy(ca_file=mail.authority.file)
    return Endpoint("test", protocol, LOOPBACK, port, encryption, timeout=20.0, tls=policy, proxy=proxy)


@pytest.mark.parametrize("scheme", ProxyScheme)
@pytest.mark.parametrize(("protocol", "encryption"), WAYS)
async def test_a_probe_by_way_of_a_proxy_is_like_any_other(
    mail: MailServers, protocol: Protocol, encryption: Encryption, scheme: ProxyScheme
) -> None:
    async with nothing_left_behind(), relaying(scheme) as relay:
        probed = endpoint(mail, protocol, encryption, relay.proxy)
        result = await probe(probed, LOGIN)

    assert result.failure is None
    assert [(LOOPBACK, probed.port)] == relay.asked
    tls = result.facts.tls
    assert tls is not None
    assert () == tls.problems
    assert result.facts.auth_success is True
    assert f"connected to {LOOPBACK} port {probed.port} by way of {relay.proxy}" in [
        line.text for line in result.transcript
    ]


@pytest.fixture
def tiny(mail: MailServers, tmp_path: Path) -> Iterator[Proxy]:
    with tinyproxy(tmp_path, allowed=mail.dovecot.imaps) as proxy:
        yield proxy


async def test_tinyproxy_is_such_a_proxy(mail: MailServers, tiny: Proxy) -> None:
    result = await probe(endpoint(mail, Protocol.IMAP, Encryption.TLS, tiny), LOGIN)
    assert result.failure is None


async def test_tinyproxy_that_does_not_let_us_is_named(mail: MailServers, tiny: Proxy) -> None:
    result = await probe(endpoint(mail, Protocol.IMAP, Encryption.STARTTLS, tiny), LOGIN)

    failure = result.failure
    assert failure is not None
    assert (FailureReason.CONNECT_FAILED, Phase.CONNECT) == (failure.reason, failure.phase)
    assert f'the proxy {tiny} did not connect, and answered "HTTP/1.' in failure.detail
    assert failure.detail.endswith(' 403 Access violation"')


@pytest.mark.parametrize(
    ("scheme", "reason"),
    [(ProxyScheme.SOCKS5, FailureReason.CONNECT_REFUSED), (ProxyScheme.HTTP, FailureReason.CONNECT_FAILED)],
)
async def test_a_server_that_refuses_the_proxy_is_told_from_a_proxy_that_is_away(
    scheme: ProxyScheme, reason: FailureReason
) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    async with relaying(scheme) as relay:
        probed = Endpoint("test", Protocol.IMAP, LOOPBACK, port, Encryption.TLS, proxy=relay.proxy)
        behind = await probe(probed, None)
    away = await probe(probed, None)

    assert behind.failure is not None
    assert away.failure is not None
    assert (reason, Phase.CONNECT) == (behind.failure.reason, behind.failure.phase)
    assert (FailureReason.CONNECT_REFUSED, Phase.CONNECT) == (away.failure.reason, away.failure.phase)
    assert f"the proxy {relay.proxy} cannot be reached: Connection refused" in away.failure.detail
