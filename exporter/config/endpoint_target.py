"""The target of an endpoint: protocol, host, port and encryption, given as a URL or as fields.

A URL says all four, so nothing may stand beside it but `encryption`, for servers that do on a port what is not usual
there. A provider says all four for each of its protocols. What happens at the target does not live here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exporter.config.providers import Preset, ProviderServer, find_preset
from exporter.config.sections import Layer, Layers
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
    server: ProviderServer | None = None


def read_targets(keys: Layers) -> tuple[Target, ...]:
    """The targets of an entry: one, or as many as a provider has; none if there are problems."""
    _check_for_value(keys.own, "name")
    if keys.own.written("provider"):
        return _from_preset(keys.own)
    if keys.own.value("protocols") is not None:
        keys.own.problem("is for provider, which is not there; leave it out", "protocols")
    target = _read_target(keys)
    return () if target is None else (target,)


def _check_for_value(entry: Layer[Any], *names: str) -> None:
    for name in names:
        if entry.has(name) and entry.value(name) is None:
            entry.problem("has no value; write one, or leave it out", name)


def _from_preset(entry: Layer[Any]) -> tuple[Target, ...]:
    for key in _SAID_BY_THE_PRESET:
        if entry.written(key):
            mend = "write protocols to narrow it" if key == "protocol" else "write either provider, or a url"
            entry.problem(f"the provider beside it already says that; {mend}", key)
    name, wanted = entry.value("provider"), entry.value("protocols")
    if name is None:
        if entry.missing("provider"):
            entry.problem("has no value; write one, or a url instead", "provider")
        return ()
    try:
        preset = find_preset(name)
    except ValueError as error:
        entry.problem(str(error), "provider")
        return ()
    offered = [server.protocol for server in preset.servers]
    for protocol in wanted or ():
        if protocol not in offered:
            message = f"{preset.name} has no {protocol}; write protocols: [{', '.join(offered)}], or some of them"
            entry.problem(message, "protocols")
    if entry.is_empty("protocols"):
        entry.problem(f"is empty; write some of {', '.join(offered)}, or leave it out", "protocols")
    chosen = [server for server in preset.servers if wanted is None or server.protocol in wanted]
    return tuple(_of_server(server, preset) for server in chosen)


def _of_server(server: ProviderServer, preset: Preset) -> Target:
    name = shortest_url(server.protocol, server.encryption, server.host, server.port)
    return Target(server.protocol, server.host, server.port, server.encryption, name, preset, server)


def _read_target(keys: Layers) -> Target | None:
    """The target of an entry that writes it out; `None` if it has problems."""
    _check_for_value(keys.own, "url", "host", "port")
    if keys.own.written("url"):
        return _from_url(keys, "protocol, host and port")
    return _from_fields(keys)


def read_module_target(keys: Layers) -> Target | None:
    """The target of a module; `None` if it has problems. Its host is empty if requests have to name one."""
    _check_for_value(keys.own, "url", "port")
    if keys.own.written("url"):
        return _from_url(keys, "protocol and port")
    protocol = keys.value("protocol")
    if protocol is None and keys.usable("protocol"):
        keys.own.problem("has no protocol; write url: imaps://, or protocol: imap")
    if protocol is None or not keys.usable("port", "encryption"):
        return None
    return _of_parts(keys, protocol, "")


def _of_parts(keys: Layers, protocol: Protocol, host: str) -> Target:
    """A target with defaults for a missing port and encryption."""
    port = keys.value("port")
    encryption = keys.value("encryption") or default_encryption(protocol, port)
    port = port or default_port(protocol, encryption)
    return Target(protocol, host, port, encryption, shortest_url(protocol, encryption, host, port))


def target_of(url: MailUrl) -> Target:
    """The target of a URL."""
    scheme = url.scheme
    return Target(scheme.protocol, url.host, url.port or scheme.port, scheme.encryption, str(url))


def _from_url(keys: Layers, instead: str) -> Target | None:
    """The target of an entry with a URL; `None` if that is invalid. `instead` names the keys that it stands for."""
    for key in _SAID_BY_THE_URL:
        if key in instead and keys.own.written(key):
            keys.own.problem(f"the url beside it already says that; write either url, or {instead}", key)
    url: MailUrl | None = keys.own.value("url")
    if url is None:
        return None
    target = target_of(url)
    # Not that of the defaults: a scheme says more about this endpoint than they do.
    encryption = keys.own.value("encryption") or target.encryption
    if url.port is None and (encryption is Encryption.TLS) != (target.encryption is Encryption.TLS):
        # Nobody means implicit TLS on port 143, unless the URL names the port.
        usual = shortest_url(target.protocol, encryption, target.host, default_port(target.protocol, encryption))
        message = f"{encryption} contradicts {url.scheme.name}://; write the url as {usual}, or add its port"
        keys.own.problem(message, "encryption")
    return Target(target.protocol, target.host, target.port, encryption, target.name)


def _from_fields(keys: Layers) -> Target | None:
    protocol, host = keys.value("protocol"), keys.value("host")
    if host is None and protocol is None and keys.usable(*_SAID_BY_THE_URL) and not keys.own.has("host"):
        keys.own.problem("has no target; write url: imaps://mail.example.com, or protocol, host and port")
        return None
    if host is None and keys.usable("host") and not keys.own.has("host"):
        keys.own.problem("has no host; write host: mail.example.com, or a url instead of protocol and port")
    if protocol is None and keys.usable("protocol"):
        keys.own.problem("has no protocol; write protocol: imap, smtp or pop3, or a url instead of host and port")
    if protocol is None or host is None or not keys.usable("port", "encryption"):
        return None
    return _of_parts(keys, protocol, host)
