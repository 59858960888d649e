"""A resolver with files and a clock of its own, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from exporter.model import DnsSettings, FailureReason, IpFamily
from exporter.net.dns.resolve import ResolveError, Resolver
from tests.servers import dns as servers
from tests.servers.dns import Nameserver

MAIL = "mail.example.test"


BOTH = servers.records(f"{MAIL}. 300 IN A 192.0.2.1", f"{MAIL}. 300 IN AAAA 2001:db8::1")


ANY = IpFamily.ANY


IPV4 = IpFamily.IPV4


class Bench:
    """A resolver with files, a clock and routes of its own."""

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        self.hosts = directory / "hosts"
        self.resolv_conf = directory / "resolv.conf"

    def resolver(
        self,
        *of: Nameserver,
        timeout: float = 5.0,
        search: Sequence[str] | None = None,
        source_for: Callable[[str], str | None] = lambda address: address,
    ) -> Resolver:
        """One that asks these nameservers, or those of resolv.conf."""
        return Resolver(
            DnsSettings(tuple(server.address for server in of), timeout, None if search is None else tuple(search)),
            clock=lambda: self.now,
            hosts=self.hosts,
            resolv_conf=self.resolv_conf,
            source_for=source_for,
        )


async def refused(resolver: Resolver, host: str, family: IpFamily = ANY) -> ResolveError:
    with pytest.raises(ResolveError) as caught:
        await resolver.resolve(host, family)
    assert caught.value.detail == str(caught.value)
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
    return caught.value


async def not_found(resolver: Resolver, host: str, family: IpFamily = ANY) -> str:
    error = await refused(resolver, host, family)
    assert error.reason is FailureReason.DNS_NOT_FOUND
    return error.detail


async def failed(resolver: Resolver, host: str, family: IpFamily = ANY) -> str:
    error = await refused(resolver, host, family)
    assert error.reason is FailureReason.DNS_FAILED
    return error.detail
