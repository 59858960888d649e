"""What an endpoint points at: protocol, host, port and encryption, written as a URL or as fields.

A URL says all four, so nothing may stand beside it but `encryption`, for servers that do on a port what is not usual
there. What happens at the target does not live here.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.config.layers import Layers
from exporter.config.problems import Journal, Location
from exporter.config.urls import MailUrl, default_encryption, default_port, shortest_url
from exporter.model import Encryption, Protocol

_SAID_BY_THE_URL = ("protocol", "host", "port")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and how.

    Attributes:
        name: The shortest URL: what the endpoint is called unless it has a name.
    """

    protocol: Protocol
    host: str
    port: int
    encryption: Encryption
    name: str


def read_target(endpoint: Layers, at: Location, journal: Journal) -> Target | None:
    """The target of an endpoint; `None` if it has problems."""
    for key in ("name", "url", "host", "port"):
        if endpoint.own.has(key) and endpoint.own_value(key) is None:
            journal.problem((*at, key), "has no value; write one, or leave it out")
    if endpoint.own.has("url") or endpoint.own.spoilt("url"):
        for key in _SAID_BY_THE_URL:
            if endpoint.own.has(key) or endpoint.own.spoilt(key):
                journal.problem(
                    (*at, key), "the url beside it says that too; write either url, or protocol, host and port"
                )
        url = endpoint.own_value("url")
        return None if url is None else _from_url(url, endpoint, at, journal)
    return _from_fields(endpoint, at, journal)


def target_of(url: MailUrl) -> Target:
    """What a URL by itself says."""
    scheme = url.scheme
    return Target(scheme.protocol, url.host, url.port or scheme.port, scheme.encryption, str(url))


def _from_url(url: MailUrl, endpoint: Layers, at: Location, journal: Journal) -> Target:
    target = target_of(url)
    # Not that of the defaults: a scheme says more about this endpoint than they do.
    encryption = endpoint.own_value("encryption") or target.encryption
    if url.port is None and (encryption is Encryption.TLS) != (target.encryption is Encryption.TLS):
        # Nobody means implicit TLS on port 143; and with the port in the URL, we are told who does.
        usual = shortest_url(target.protocol, encryption, target.host, default_port(target.protocol, encryption))
        message = (
            f"{encryption} is not what {url.scheme.name}:// stands for; write the url as {usual}, or with its port"
        )
        journal.problem((*at, "encryption"), message)
    return Target(target.protocol, target.host, target.port, encryption, target.name)


def _from_fields(endpoint: Layers, at: Location, journal: Journal) -> Target | None:
    protocol, host, port = (endpoint.value(key) for key in _SAID_BY_THE_URL)
    if host is None and protocol is None and endpoint.usable(*_SAID_BY_THE_URL) and not endpoint.own.has("host"):
        journal.problem(at, "has no target; write url: imaps://mail.example.com, or protocol, host and port")
        return None
    if host is None and endpoint.usable("host") and not endpoint.own.has("host"):
        journal.problem(at, "has no host; write host: mail.example.com, or a url instead of protocol and port")
    if protocol is None and endpoint.usable("protocol"):
        journal.problem(at, "has no protocol; write protocol: imap, smtp or pop3, or a url instead of host and port")
    if protocol is None or host is None or not endpoint.usable("port", "encryption"):
        return None
    encryption = endpoint.value("encryption") or default_encryption(protocol, port)
    port = port or default_port(protocol, encryption)
    return Target(protocol, host, port, encryption, shortest_url(protocol, encryption, host, port))
