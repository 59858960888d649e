"""The configuration in force, as YAML that would load again: every endpoint with its defaults applied, without secrets.

Written by hand and not by PyYAML, which takes seconds for 10,000 endpoints. Text is quoted as JSON quotes it, which
YAML understands. Where the page is served does not live here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from exporter.config.configuration import Configuration, Domain, Following, Module
from exporter.config.values.allowed import NamePattern, Network
from exporter.config.values.durations import format_duration
from exporter.config.values.hosts import is_ipv6
from exporter.config.values.secret_sources import EnvSecret, FileSecret
from exporter.config.values.urls import shortest_url
from exporter.model import (
    Credentials,
    DnsSettings,
    Endpoint,
    Flow,
    Flows,
    Limits,
    LoginBackoff,
    OAuth2Client,
    SecretSource,
    TlsPolicy,
)

REDACTED = "<redacted>"

_ALWAYS = frozenset({"name", "protocol", "host", "port", "encryption", "interval", "timeout"})
"""Keys of an endpoint that are shown even if they have their default."""

_TIMED = frozenset({"timeout"})
_OF_EXCHANGERS = frozenset({"timeout", "ip_family", "source_address", "proxy", "helo"})
"""Keys of the defaults that hold for visits to MX hosts."""

_SAID_BY_THE_URL = frozenset({"name", "protocol", "host", "port"})
"""Keys of an endpoint that a module has no use for."""

_SAID_ELSEWHERE = frozenset({"provider", "absolute", "priority", "targets", "remark"})
"""Keys of an endpoint that cannot stand beside what they stood for."""

_OF_ONE_SERVER = frozenset({"name", "protocol", "host", "port", "encryption"})

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*|[0-9]+(h|m|s|ms)([0-9]+(m|s|ms))*")
_OTHER_THAN_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that some readers of YAML take for something else."""


_LIMITS = frozenset({"concurrent_probes", "connections_per_host", "on_demand_probes"})
_BACKOFF = frozenset({"initial", "maximum"})
_SECRETS = frozenset({"client_secret", "refresh_token", "private_key", "service_account"})
"""Attributes of an OAuth 2 client that are sources of secrets."""


def render(configuration: Configuration) -> Iterator[str]:
    """The lines, each with its newline, to be sent piece by piece: 10,000 endpoints take a fifth of a second."""
    credentials = (f"  {_scalar(each.name)}: {_flow(_credentials(each))}\n" for each in configuration.credentials)
    yield from _headed("credentials", credentials)
    yield "endpoints:\n"
    for endpoint in configuration.endpoints:
        yield from render_endpoint(endpoint)
    for following in configuration.followings:
        yield from _entry(_settings_of_following(following))
    yield from _headed("modules", (line for module in configuration.modules.values() for line in render_module(module)))
    yield from render_flows(configuration.flows)
    domains = (line for domain in configuration.domains for line in _entry(_settings_of_domain(domain)))
    yield from _headed("domains", domains)
    yield f"dns: {_flow(_settings(configuration.dns))}\n"
    yield f"limits: {_flow(_settings(configuration.limits, _LIMITS))}\n"
    yield f"login_backoff: {_flow(_settings(configuration.login_backoff, _BACKOFF))}\n"


def _headed(key: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines of a section below its key; nothing if there are none."""
    heading = f"{key}:\n"
    for line in lines:
        yield heading + line
        heading = ""


def render_endpoint(endpoint: Endpoint) -> Iterator[str]:
    """The lines of an entry of `endpoints`."""
    if endpoint.provider is not None:
        yield f"  # from the preset {endpoint.provider}\n"
    yield from _entry(_settings(endpoint, _ALWAYS) | {"host": endpoint.lookup_name})


def _entry(settings: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an entry of a list."""
    indent = "  - "
    for key, value in settings.items():
        yield f"{indent}{key}: {_flow(value)}\n"
        indent = "    "


def _settings_of_following(following: Following) -> dict[str, Any]:
    """An entry that stands for what a domain has."""
    settings: dict[str, Any] = {"domain": following.domain, "discover": list(following.sources)}
    settings["refresh"] = format_duration(following.refresh)
    if following.encryption is not None:
        settings["encryption"] = following.encryption
    if following.allowed is not None:
        settings["allowed_targets"] = [_allowed(entry) for entry in following.allowed.entries]
    if following.login_hosts:
        settings["login_hosts"] = [str(entry) for entry in following.login_hosts]
    for template in following.templates.values():
        shared = _settings(template, frozenset({"interval", "timeout"}))
        settings |= {key: value for key, value in shared.items() if key not in _OF_ONE_SERVER}
    if following.verify_relays:
        settings["tls"] = settings.get("tls", {}) | {"verify": True}
    return settings


def _settings_of_domain(domain: Domain) -> dict[str, Any]:
    settings: dict[str, Any] = {"name": domain.name, "checks": list(domain.checks)}
    for key in ("dkim_selectors", "senders", "dnsbl"):
        if getattr(domain, key):
            settings[key] = list(getattr(domain, key))
    if domain.allowed is not None:
        settings["allowed_targets"] = [_allowed(entry) for entry in domain.allowed.entries]
    if domain.ca_file is not None:
        settings["tls"] = {"ca_file": domain.ca_file}
    settings |= {"interval": format_duration(domain.interval), "timeout": format_duration(domain.timeout)}
    return settings | ({"labels": domain.labels} if domain.labels else {})


def render_module(module: Module) -> Iterator[str]:
    """The lines of an entry of `modules`."""
    template = module.template
    url = shortest_url(template.protocol, template.encryption, template.host, template.port)
    if template.absolute:
        url = url.replace(template.host, template.lookup_name, 1)
    settings = {"url": url} | _settings(template, frozenset({"encryption", "timeout"}))
    if module.allowed is not None:
        settings["allowed_targets"] = [_allowed(entry) for entry in module.allowed.entries]
    yield f"  {_scalar(module.name)}:\n"
    for key, value in settings.items():
        if key not in _SAID_BY_THE_URL:
            yield f"    {key}: {_flow(value)}\n"


def render_flows(flows: Flows) -> Iterator[str]:
    """The lines about mail flow; none if there is no flow."""
    if flows.key is not None:
        ((key, value),) = _source("flow_key", flows.key).items()
        yield f"{key}: {_flow(value)}\n"
    exchangers = [each.sending.endpoint for each in flows.flows if each.sending is not None and each.sending.mx]
    if exchangers:
        # Visits to MX hosts have no entry that would say it.
        shown = {key: value for key, value in _settings(exchangers[0], _TIMED).items() if key in _OF_EXCHANGERS}
        yield f"defaults: {_flow(shown)}\n"
    yield from _headed("flows", (line for flow in flows.flows for line in _entry(_settings_of_flow(flow))))


def _settings_of_flow(flow: Flow) -> dict[str, Any]:
    sending, receiving, expected, awaited = flow.sending, flow.receiving, flow.expected, flow.awaited
    written: dict[str, Any] = {"name": flow.name}
    if sending is not None:
        by = {"endpoint": sending.endpoint.name} if sending.mx is None else {"mx": sending.mx}
        bounces = {} if sending.bounces is None else {"bounces": sending.bounces.name}
        written["send"] = {**by, "from": sending.sender, "to": sending.recipient, **bounces}
    pin = {} if receiving.authserv_id is None else {"authserv_id": receiving.authserv_id}
    written["receive"] = {"endpoint": receiving.endpoint.name, "mailboxes": receiving.mailboxes, **pin}
    if awaited is not None:
        patterns = {"from": awaited.sender, "subject": awaited.subject}
        shown = {key: pattern for key, pattern in patterns.items() if pattern is not None}
        written["expect"] = {**shown, "every": format_duration(awaited.every)}
    else:
        within = {} if expected.within is None else {"within": format_duration(expected.within)}
        auth = {"auth": expected.auth} if expected.auth else {}
        written["expect"] = {**within, "mailbox": expected.mailbox, **auth}
        written["give_up"] = format_duration(flow.give_up)
    written["interval"] = format_duration(flow.interval)
    return written | ({"labels": flow.labels} if flow.labels else {})


def _allowed(entry: NamePattern | Network) -> str:
    alone = not isinstance(entry, NamePattern) and entry.num_addresses == 1
    return str(entry).partition("/")[0] if alone else str(entry)


def _settings(
    source: Endpoint | TlsPolicy | DnsSettings | Limits | LoginBackoff, always: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """What is not as it would be by default, under the keys of the file."""
    written: dict[str, Any] = {}
    for field in fields(source):
        value = getattr(source, field.name)
        if field.name in _SAID_ELSEWHERE or not field.init:
            continue
        if field.name in always or value != (field.default if field.default is not MISSING else {}):
            key, form = _FORMS.get(field.name, (field.name, _as_it_is))
            shown = form(value)
            # Several attributes may stand below one key.
            written[key] = written[key] | shown if key in written else shown
    return written


def _as_it_is(value: Any) -> Any:
    return value


def _nameserver(server: tuple[str, int]) -> str:
    address, port = server
    return f"[{address}]:{port}" if is_ipv6(address) else f"{address}:{port}"


_FORMS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "interval": ("interval", format_duration),
    "timeout": ("timeout", format_duration),
    "proxy": ("proxy", str),
    "credentials": ("credentials", lambda credentials: credentials.name),
    "tls": ("tls", _settings),
    "capabilities": ("expect", lambda capabilities: {"capabilities": capabilities}),
    "fingerprints": ("expect", lambda fingerprints: {"fingerprints": fingerprints}),
    "initial": ("initial", format_duration),
    "maximum": ("max", format_duration),
    "nameservers": ("nameservers", lambda servers: [_nameserver(server) for server in servers]),
}
"""Attributes of the model that are written otherwise: under which key, and how."""


def _credentials(credentials: Credentials) -> dict[str, Any]:
    shown: dict[str, Any] = {"username": credentials.username}
    if credentials.password is not None:
        shown |= _source("password", credentials.password)
    if credentials.oauth2 is not None:
        shown |= {"oauth2": _oauth2(credentials.oauth2)}
    return shown


def _oauth2(client: OAuth2Client) -> dict[str, Any]:
    """With the token URL that a tenant stands for instead of the tenant."""
    shown: dict[str, Any] = {}
    for field in fields(client):
        value = getattr(client, field.name)
        if value is None:
            continue
        if field.name in _SECRETS:
            shown |= _source(field.name, value)
        elif isinstance(value, FileSecret):
            shown[f"{field.name}_file"] = value.path
        else:
            shown[field.name] = value
    return shown


def _source(key: str, source: SecretSource) -> dict[str, Any]:
    match source:
        case FileSecret(path):
            return {f"{key}_file": path}
        case EnvSecret(name):
            return {f"{key}_env": name}
    return {key: REDACTED}


def _flow(value: Any) -> str:
    """A value on one line."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_scalar(key)}: {_flow(each)}" for key, each in value.items()) + "}"
        case tuple() | list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case bool() | int():
            return str(value).lower()
    return _scalar(str(value))


def _scalar(text: str) -> str:
    if _BARE.fullmatch(text) and text.lower() not in _OTHER_THAN_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)
