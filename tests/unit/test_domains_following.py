"""From what was discovered to the endpoints that are probed: what the entry of the configuration says holds for all."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from exporter.config.load import parse
from exporter.domains.discovery.following import endpoints_of
from exporter.domains.discovery.offers import Discovered, Offer
from exporter.model import Encryption, Endpoint, Protocol, ProxyScheme, Source

ENTRY = """
credentials: {monitor: {username: monitor@example.com, password_env: X}}
defaults: {timeout: 7s, interval: 30s}
endpoints:
  - domain: example.com
    credentials: monitor
    proxy: socks5://proxy.example.net:1080
    source_address: 192.0.2.1
    helo: monitor.example.com
    labels: {team: mail}
    addresses: all
"""
RELAY = Offer(Source.MX, Protocol.SMTP, "mx.example.com", 25, Encryption.STARTTLS, priority=10, relay=True)
IMAPS = Offer(Source.SRV, Protocol.IMAP, "imap.example.com", 993, Encryption.TLS, priority=0)


def endpoints(*offers: Offer, more: str = "") -> Sequence[Endpoint]:
    (following,) = parse(ENTRY + more, "f").followings
    return list(endpoints_of(following, [Discovered(offer, (offer.source,)) for offer in offers]))


def test_what_the_entry_says_holds_for_every_server() -> None:
    for endpoint in endpoints(RELAY, IMAPS):
        assert endpoint.proxy is not None
        assert (ProxyScheme.SOCKS5, "proxy.example.net", 1080) == (
            endpoint.proxy.scheme,
            endpoint.proxy.host,
            endpoint.proxy.port,
        )
        assert ("192.0.2.1", 7.0, 30.0, {"team": "mail"}) == (
            endpoint.source_address,
            endpoint.timeout,
            endpoint.interval,
            dict(endpoint.labels),
        )


def test_a_relay_is_met_as_other_mail_servers_meet_it() -> None:
    relay, imaps = endpoints(RELAY, IMAPS)
    assert "monitor.example.com" == relay.helo
    assert (False, None, 10) == (relay.tls.verify, relay.credentials, relay.priority)
    assert imaps.tls.verify
    assert imaps.credentials is not None
    (verified,) = endpoints(RELAY, more="    tls: {verify: true}\n")
    assert verified.tls.verify


@pytest.mark.parametrize(
    ("host", "secure", "more", "logs_in"),
    [
        ("imap.example.com", False, "", True),
        ("example.com", False, "", True),
        ("imap.example.com.evil.example", False, "", False),
        ("imapexample.com", False, "", False),
        ("imap.hoster.example", True, "", True),
        ("imap.hoster.example", False, '    login_hosts: ["*.hoster.example"]\n', True),
        ("hoster.example", False, '    login_hosts: ["*.hoster.example"]\n', False),
    ],
)
def test_a_login_goes_to_the_domains_own_hosts(host: str, secure: bool, more: str, logs_in: bool) -> None:
    offer = Offer(Source.SRV, Protocol.IMAP, host, 993, Encryption.TLS, secure=secure)
    (endpoint,) = endpoints(offer, more=more)
    assert logs_in is (endpoint.credentials is not None)
    assert logs_in is ("without a login" not in endpoint.remark)
