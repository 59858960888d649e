"""What an endpoint points at: protocol, host, port and encryption, written as a URL or as fields.

A URL says all four, so nothing may stand beside it but `encryption`, for servers that do on a port what is not usual
there. A provider says all four for each of its protocols. What happens at the target does not live here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.config.sections import Layers
from exporter.config.problems import Journal, Location
from exporter.config.providers import Preset, Server, find_preset
from exporter.config.values.urls import MailUrl, default_encryption, default_port, shortest_url
from exporter.model import Encryption, Protocol

_SAID_BY_THE_URL = ("protocol", "host", "port")
_SAID_BY_THE_PRESET = ("url", *_SAID_BY_THE_URL, "encryption")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and how.

    Attributes:
        host: With the final dot, if it was written.
        name: The shortest URL: what the endpoint is called unless it has a name.
        preset: The provider whose server it is; `None` if it was written out.
        server: That provider's server; likewise.
    """

    protocol: Protocol
    host: str
    port: int
    encryption: Encryption
    name: str
    preset: Preset | None = None
    server: Server | None = None


def read_targets(endpoint: Layers, at: Location, journal: Journal) -> tuple[Target, ...]:
    """The targets of an entry: one, or as many as a provider has; none if there are problems."""
    if endpoint.own.has("name") and endpoint.own_value("name") is None:
        journal.problem((*at, "name"), "has no value; write one, or leave it out")
    if endpoint.own.has("provider") or endpoint.own.spoilt("provider"):
        return tuple(_from_preset(endpoint, at, journal))
    if endpoint.own_value("protocols") is not None:
        journal.problem((*at, "protocols"), "is for provider, which is not there; leave it out")
    target = _read_target(endpoint, at, journal)
    return () if target is None else (target,)


def _from_preset(endpoint: Layers, at: Location, journal: Journal) -> Sequence[Target]:
    for key in _SAID_BY_THE_PRESET:
        if endpoint.own.has(key) or endpoint.own.spoilt(key):
            mend = "write protocols to narrow it" if key == "protocol" else "write either provider, or a url"
            journal.problem((*at, key), f"the provider beside it says that too; {mend}")
    name, wanted = endpoint.own_value("provider"), endpoint.own_value("protocols")
    if name is None:
        if endpoint.usable("provider"):
            journal.problem((*at, "provider"), "has no value; write one, or a url instead")
        return []
    try:
        preset = find_preset(name)
    except ValueError as error:
        journal.problem((*at, "provider"), str(error))
        return []
    offered = [server.protocol for server in preset.servers]
    for protocol in wanted or ():
        if protocol not in offered:
            message = f"{preset.name} has no {protocol}; write protocols: [{', '.join(offered)}], or some of them"
            journal.problem((*at, "protocols"), message)
    if wanted == [] and not any(place[0] == "protocols" for place in endpoint.own.broken):
        journal.problem((*at, "protocols"), f"is empty; write some of {', '.join(offered)}, or leave it out")
    return [_of_server(server, preset) for server in preset.servers if wanted is None or server.protocol in wanted]


def _of_server(server: Server, preset: Preset) -> Target:
    name = shortest_url(server.protocol, server.encryption, server.host, server.port)
    return Target(server.protocol, server.host, server.port, server.encryption, name, preset, server)


def _read_target(endpoint: Layers, at: Location, journal: Journal) -> Target | None:
    """The target of an entry that writes it out; `None` if it has problems."""
    for key in ("url", "host", "port"):
        if endpoint.own.has(key) and endpoint.own_value(key) is None:
            journal.problem((*at, key), "has no value; write one, or leave it out")
    if endpoint.own.has("url") or endpoint.own.spoilt("url"):
        _check_beside_url(endpoint, at, journal, "protocol, host and port")
        return _own_url(endpoint, at, journal)
    return _from_fields(endpoint, at, journal)


def read_module_target(module: Layers, at: Location, journal: Journal) -> Target | None:
    """The target of a module; `None` if it has problems. Its host is empty if anyone who asks has to name one."""
    for key in ("url", "port"):
        if module.own.has(key) and module.own_value(key) is None:
            journal.problem((*at, key), "has no value; write one, or leave it out")
    if module.own.has("url") or module.own.spoilt("url"):
        _check_beside_url(module, at, journal, "protocol and port")
        return _own_url(module, at, journal)
    protocol, port = module.value("protocol"), module.value("port")
    if protocol is None and module.usable("protocol"):
        journal.problem(at, "has no protocol; write url: imaps://, or protocol: imap")
    if protocol is None or not module.usable("port", "encryption"):
        return None
    encryption = module.value("encryption") or default_encryption(protocol, port)
    port = port or default_port(protocol, encryption)
    return Target(protocol, "", port, encryption, shortest_url(protocol, encryption, "", port))


def _check_beside_url(keys: Layers, at: Location, journal: Journal, instead: str) -> None:
    for key in _SAID_BY_THE_URL:
        if key in instead and (keys.own.has(key) or keys.own.spoilt(key)):
            journal.problem((*at, key), f"the url beside it says that too; write either url, or {instead}")


def _own_url(keys: Layers, at: Location, journal: Journal) -> Target | None:
    url = keys.own_value("url")
    return None if url is None else _from_url(url, keys, at, journal)


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
