"""Reads the sections `endpoints` and `modules`: applies the defaults, checks each entry, and makes `Endpoint` objects.

Equal values such as labels and policies become one object, so that thousands of endpoints need little memory.
contradictions.py checks which keys exclude each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from exporter.config.configuration import Following, Module
from exporter.config.contradictions import CHECKS, Draft, check_timing, timing
from exporter.config.document import YamlMapping, YamlValue
from exporter.config.domains_section import check_not_following, read_following
from exporter.config.endpoint_schema import DefaultsSection, EndpointSection, ModuleSection
from exporter.config.endpoint_target import Target, read_module_target, read_targets, target_of
from exporter.config.problems import Location, Places, Reading, SectionNotes, did_you_mean, elsewhere, quoted
from exporter.config.sections import Layer, Layers, check_name, read_section
from exporter.config.tls_section import TlsPolicies
from exporter.config.values.allowed import AllowedTargets, parse_allowed
from exporter.config.values.urls import parse_url
from exporter.model import Credentials, Endpoint, Protocol, TlsPolicy

T = TypeVar("T")

_DECIDED = frozenset(
    {"protocol", "encryption", "interval", "timeout", "labels"}
    | {"credentials", "mechanism", "ip_family", "tls", "rcpt_expect"}
)
"""Keys whose value is only a part of what the endpoint's field of that name becomes."""

_AS_WRITTEN = frozenset(field.name for field in fields(Endpoint)) & DefaultsSection.model_fields.keys() - _DECIDED
"""Keys whose value becomes the endpoint's field of that name without a change: all others that there is a field for."""


def endpoint_from_url(text: str) -> Endpoint:
    """The endpoint for a URL alone, with all defaults.

    Raises:
        ValueError: The URL is invalid. The message says what to write.
    """
    target = target_of(parse_url(text))
    host, absolute = target.host.removesuffix("."), target.host.endswith(".")
    return Endpoint(target.name, target.protocol, host, target.port, target.encryption, absolute=absolute)


@dataclass(frozen=True, slots=True)
class _Entry:
    """The part of an entry that applies to all its endpoints."""

    keys: Layers
    credentials: Credentials | None
    policy: TlsPolicy


class EndpointReader:
    """Reads the endpoints of one configuration, one after the other.

    Attributes:
        followings: The entries with a mail domain that were read so far.
        logins: The names of the credentials that were used so far.
    """

    def __init__(
        self, defaults: Layer[DefaultsSection], credentials: Mapping[str, Credentials | None], places: Places
    ) -> None:
        self._defaults = defaults
        self._credentials = credentials
        self._policies = TlsPolicies(places)
        self._places = places
        self.followings: list[Following] = []
        self.logins: set[str] = set()
        self._names: dict[str, Location] = {}
        self._shared: dict[Any, Any] = {}

    def check_defaults(self) -> None:
        """Checks the defaults, even if there are no endpoints."""
        self._entry(Layers(Layer(None, self._defaults.at, self._defaults.notes), self._defaults))

    def read(self, value: object, index: int) -> Reading[list[Endpoint]]:
        """Reads the entry at an index of the section into its endpoints; none if it has no valid target."""
        at, notes = ("endpoints", index), SectionNotes()
        own = read_section(EndpointSection, value, at, notes)
        if own is None:
            return notes.reading([])
        keys = Layers(own, self._defaults)
        entry = self._entry(keys)
        if own.written("domain"):
            self._follow(entry)
            return notes.reading([])
        check_not_following(own)
        targets = read_targets(keys)
        if not targets and keys.own.value("provider") is None:
            self._name(entry, None)
        protocols = frozenset(target.protocol for target in targets)
        return notes.reading([self._endpoint(entry, each, protocols, name=self._name(entry, each)) for each in targets])

    def _entry(self, keys: Layers, *, timed: bool = True) -> _Entry:
        if timed:
            check_timing(keys)
        return _Entry(keys, self._login(keys), self._policies.policy(keys.below("tls")))

    def _follow(self, entry: _Entry) -> None:
        """Reads an entry with a mail domain."""

        def template(target: Target) -> Endpoint:
            return self._endpoint(entry, target, frozenset(Protocol), name="")

        following = read_following(entry.keys, template)
        if following is None:
            return
        if any(each.domain == following.domain for each in self.followings):
            message = f"{quoted(following.domain)} is followed by another entry too; leave one out"
            entry.keys.own.problem(message, "domain")
        self.followings.append(following)

    def template(self, keys: Layers, name: str) -> Endpoint | None:
        """The endpoint that a module uses as template; `None` if the module has no valid target."""
        target = read_module_target(keys)
        entry = self._entry(keys, timed=False)
        return None if target is None else self._endpoint(entry, target, frozenset({target.protocol}), name=name)

    def _endpoint(self, entry: _Entry, target: Target, protocols: frozenset[Protocol], *, name: str) -> Endpoint:
        keys, credentials = entry.keys, entry.credentials
        if target.server is not None and not target.server.logins:
            credentials = None
        draft = Draft(keys, target, protocols, credentials, entry.policy)
        for check in CHECKS:
            check(draft)
        interval, timeout = timing(keys)
        values = {key: keys.value(key) for key in _AS_WRITTEN if draft.applies(key)}
        return Endpoint(
            name=name,
            protocol=target.protocol,
            host=target.host.removesuffix("."),
            absolute=target.host.endswith("."),
            port=target.port,
            encryption=target.encryption,
            interval=self._share(interval),
            timeout=self._share(timeout),
            labels=self._labels(keys),
            credentials=credentials,
            mechanism=draft.mechanism,
            ip_family=draft.ip_family,
            tls=entry.policy,
            capabilities=self._share(tuple(keys.below("expect").value("capabilities") or ())),
            rcpt_expect=self._share(draft.rcpt_expect),
            fingerprints=self._share(draft.fingerprints),
            provider=None if target.preset is None else target.preset.name,
            **{key: value for key, value in values.items() if value is not None},
        )

    def _name(self, entry: _Entry, target: Target | None) -> str:
        """The endpoint's unique name; empty if there is neither a name nor a target."""
        keys = entry.keys
        name: str = keys.own.value("name") or (target.name if target is not None and keys.usable("name") else "")
        if not name:
            return name
        if target is not None and target.preset is not None and keys.own.value("name"):
            # The suffix is also added for a single protocol, so that a second protocol does not change the first name.
            name = f"{name}-{target.protocol}"
        place = (*keys.own.at, "name")
        if name in self._names:
            other = elsewhere(self._places, self._names[name], seen_from=place)
            message = f"{quoted(name)} is the name of the endpoint at {other} too; write a name for one of them"
            keys.own.problem(message, "name")
        self._names.setdefault(name, place)
        return name

    def _login(self, keys: Layers) -> Credentials | None:
        """The credentials that the entry names; `None` if there are none."""
        name = keys.value("credentials")
        if name is None:
            return None
        self.logins.add(name)
        if name not in self._credentials:
            mend = did_you_mean(name, tuple(self._credentials)) if self._credentials else "write it below credentials"
            keys.problem(f"there is no entry {quoted(name)}; {mend}", "credentials")
        return self._credentials.get(name)

    def _labels(self, keys: Layers) -> Mapping[str, str]:
        """The labels of the defaults and the endpoint. An empty value removes a label."""
        merged: dict[str, str] = {}
        for layer in (keys.default, keys.own):
            own = layer.value("labels")
            if own is None and layer.has("labels"):
                merged.clear()
            merged |= own or {}
        kept = {name: value for name, value in sorted(merged.items()) if value}
        shared: Mapping[str, str] = self._shared.setdefault(("labels", *kept.items()), MappingProxyType(kept))
        return shared

    def _share(self, value: T) -> T:
        """The first equal value, so that equal values share memory."""
        first: T = self._shared.setdefault((type(value), value), value)
        return first


_INHERITED: Final = frozenset({"timeout", "labels", "ip_family", "source_address", "proxy", "helo", "tls"})
"""Keys of the defaults that also apply to modules."""

_SCHEDULED: Final[Mapping[str, str]] = {
    "interval": "a module probes when it is asked to",
    "addresses": "a module probes one address when it is asked to",
}
"""Keys that modules cannot have, with the reason."""

_NAME_THEM = "write allowed_targets, such as [mail.example.com, 192.0.2.0/24]"


def read_modules(
    value: YamlValue, reader: EndpointReader, defaults: Layer[DefaultsSection]
) -> Reading[dict[str, Module]]:
    """Reads all modules, by their names. Modules with problems are left out."""
    notes = SectionNotes()
    if value is not None and not isinstance(value, YamlMapping):
        wanted = "must be a mapping of names to a url each; write for example imaps: {url: imaps://}"
        notes.problem(("modules",), wanted)
        return notes.reading({})
    inherited = _inherited(defaults)
    modules = [notes.take(_module(name, entry, reader, inherited)) for name, entry in (value or {}).items()]
    return notes.reading({module.name: module for module in modules if module is not None})


def _inherited(defaults: Layer[DefaultsSection]) -> Layer[DefaultsSection]:
    kept = {key: getattr(defaults.section, key) for key in _INHERITED & defaults.section.model_fields_set}
    broken = frozenset(place for place in defaults.broken if place[0] in _INHERITED)
    return replace(defaults, section=DefaultsSection.model_construct(set(kept), **kept), broken=broken)


def _module(name: str, value: YamlValue, reader: EndpointReader, inherited: Layer[DefaultsSection]) -> Reading[Module]:
    at: Location = ("modules", name)
    notes = SectionNotes()
    check_name(name, at, notes)
    if isinstance(value, YamlMapping) and "prober" in value:
        message = "is a module of blackbox_exporter; docs/from-blackbox-exporter.md shows what to write instead"
        notes.problem((*at, "prober"), message)
        return notes.reading(None)
    own = read_section(ModuleSection, value, at, notes)
    if own is None:
        return notes.reading(None)
    for key, why in _SCHEDULED.items():
        if own.has(key):
            own.problem(f"{why}; leave it out", key)
    template = reader.template(Layers(own, inherited), name)
    if template is None:
        return notes.reading(None)
    return notes.reading(Module(name, template, _allowed(own, template)))


def _allowed(own: Layer[ModuleSection], template: Endpoint) -> AllowedTargets | None:
    """The allowed targets of a module; by default only its own host, if it has one."""
    entries = tuple(own.section.allowed_targets or ())
    if any(place[0] == "allowed_targets" for place in own.broken):
        return None
    if own.has("allowed_targets") and not entries:
        own.problem(f"allows nothing; {_NAME_THEM}", "allowed_targets")
    shown = "credentials" if template.credentials is not None else "client_cert_file"
    if template.credentials is not None or template.tls.client_cert_file is not None:
        _check_binding(shown, AllowedTargets(entries), own)
    elif not entries and not template.host:
        own.warning(f"anyone who can reach /probe can have any server probed; {_NAME_THEM}")
    if entries:
        return AllowedTargets(entries)
    return AllowedTargets((parse_allowed(template.host),)) if template.host else None


def _check_binding(shown: str, allowed: AllowedTargets, own: Layer[ModuleSection]) -> None:
    """Credentials must only be sent to hosts that the configuration names."""
    if not allowed.entries:
        own.problem(f"anyone who can reach /probe could have {shown} sent to any server; {_NAME_THEM}")
    elif allowed.everything is not None:
        message = (
            f"{allowed.everything} is every address, and {shown} could be sent to any; write the servers' networks"
        )
        own.problem(message, "allowed_targets")
