"""The section `endpoints`: each entry laid over the defaults, checked, and made an `Endpoint`, or several.

Equal labels, policies and the like become one object, so that thousands of endpoints stay small. What contradicts what
does not live here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from exporter.config.configuration import Following, Module
from exporter.config.contradictions import CHECKS, Draft, check_timing, timing
from exporter.config.document import Value, YamlMapping
from exporter.config.domains_section import check_not_following, read_following
from exporter.config.endpoint_schema import DefaultsSection, EndpointSection, ModuleSection
from exporter.config.endpoint_target import Target, read_module_target, read_targets, target_of
from exporter.config.problems import Journal, Location, did_you_mean, quoted
from exporter.config.sections import Layer, Layers, Read, read_section
from exporter.config.tls_section import TlsPolicies
from exporter.config.values import plain_text
from exporter.config.values.allowed import AllowedTargets, parse_allowed
from exporter.config.values.urls import parse_url
from exporter.model import Credentials, Endpoint, Protocol, TlsPolicy

T = TypeVar("T")

_AS_WRITTEN = (
    "addresses",
    "allow_insecure_auth",
    "source_address",
    "proxy",
    "helo",
    "mailbox",
    "read_back",
    "mail_from",
    "rcpt_to",
)
"""Keys whose value is the endpoint's as it stands."""


def endpoint_from_url(text: str) -> Endpoint:
    """The endpoint that a URL alone describes, with every default.

    Raises:
        ValueError: It is not a URL of ours; the message says what to write.
    """
    target = target_of(parse_url(text))
    host, absolute = target.host.removesuffix("."), target.host.endswith(".")
    return Endpoint(target.name, target.protocol, host, target.port, target.encryption, absolute=absolute)


class EndpointReader:
    """Reads the endpoints of one file, one after the other.

    Attributes:
        followings: The entries that stand for what a domain has, so far.
    """

    def __init__(
        self,
        defaults: Read[DefaultsSection],
        credentials: Mapping[str, Credentials | None],
        journal: Journal,
    ) -> None:
        self._defaults = Layer(defaults.section, ("defaults",), defaults.broken)
        self._credentials = credentials
        self._policies = TlsPolicies(journal)
        self._journal = journal
        self.followings: list[Following] = []
        self._names: dict[str, Location] = {}
        self.logins: set[str] = set()
        """The entries of credentials that somebody logs in with."""
        self._shared: dict[Any, Any] = {}

    def check_defaults(self) -> None:
        """Reports what is wrong with the defaults by themselves, be there endpoints or not."""
        keys = Layers(Layer(None, self._defaults.at), self._defaults)
        check_timing(keys, self._journal)
        self._policies.policy(keys.below("tls"))
        self._login(keys)

    def read(self, value: object, index: int) -> list[Endpoint]:
        """The endpoints that the entry at an index of the section stands for; none if it has no target."""
        at = ("endpoints", index)
        read = read_section(EndpointSection, value, at, self._journal)
        if read is None:
            return []
        keys = Layers(Layer(read.section, at, read.broken), self._defaults)
        if keys.own.has("domain") or keys.own.spoilt("domain"):
            self._follow(keys, at)
            return []
        check_not_following(keys, at, self._journal)
        targets = read_targets(keys, at, self._journal)
        if not targets and keys.own_value("provider") is None:
            self._name(keys, None)
        credentials = self._login(keys)
        check_timing(keys, self._journal)
        policy = self._policies.policy(keys.below("tls"))
        protocols = frozenset(target.protocol for target in targets)
        return [
            self._endpoint(keys, target, protocols, credentials, policy, name=self._name(keys, target))
            for target in targets
        ]

    def _follow(self, keys: Layers, at: Location) -> None:
        """An entry that stands for what a domain has."""
        credentials = self._login(keys)
        check_timing(keys, self._journal)
        policy = self._policies.policy(keys.below("tls"))

        def template(target: Target) -> Endpoint:
            return self._endpoint(keys, target, frozenset(Protocol), credentials, policy, name="")

        following = read_following(keys, at, self._journal, template)
        if following is None:
            return
        if any(each.domain == following.domain for each in self.followings):
            message = f"{quoted(following.domain)} is followed by another entry too; leave one out"
            self._journal.problem((*at, "domain"), message)
        self.followings.append(following)

    def template(self, keys: Layers, target: Target | None, name: str) -> Endpoint | None:
        """What the endpoints of a module have in common; `None` if it has no target."""
        credentials = self._login(keys)
        policy = self._policies.policy(keys.below("tls"))
        if target is None:
            return None
        return self._endpoint(keys, target, frozenset({target.protocol}), credentials, policy, name=name)

    def _endpoint(
        self,
        keys: Layers,
        target: Target,
        protocols: frozenset[Protocol],
        credentials: Credentials | None,
        policy: TlsPolicy,
        *,
        name: str,
    ) -> Endpoint:
        if target.server is not None and not target.server.logins:
            credentials = None
        draft = Draft(keys, target, protocols, credentials, policy, self._journal)
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
            tls=policy,
            capabilities=self._share(tuple(keys.below("expect").value("capabilities") or ())),
            rcpt_expect=self._share(draft.rcpt_expect),
            fingerprints=self._share(draft.fingerprints),
            provider=None if target.preset is None else target.preset.name,
            **{key: value for key, value in values.items() if value is not None},
        )

    def _name(self, keys: Layers, target: Target | None) -> str:
        """The endpoint's name, which no other may have; empty for one that has neither name nor target."""
        name: str = keys.own_value("name") or (target.name if target is not None and keys.usable("name") else "")
        if not name:
            return name
        if target is not None and target.preset is not None and keys.own_value("name"):
            # Also for a single protocol: with a second one the first must not change its name.
            name = f"{name}-{target.protocol}"
        place = (*keys.own.at, "name")
        if name in self._names:
            other = self._journal.where(self._names[name], seen_from=place)
            message = f"{quoted(name)} is the name of the endpoint at {other} too; write a name for one of them"
            self._journal.problem(place, message)
        self._names.setdefault(name, place)
        return name

    def _login(self, keys: Layers) -> Credentials | None:
        """The entry that the endpoint names."""
        name = keys.value("credentials")
        if name is None:
            return None
        self.logins.add(name)
        if name not in self._credentials:
            mend = did_you_mean(name, tuple(self._credentials)) if self._credentials else "write it below credentials"
            self._journal.problem(keys.place("credentials"), f"there is no entry {quoted(name)}; {mend}")
        return self._credentials.get(name)

    def _labels(self, keys: Layers) -> Mapping[str, str]:
        """Those of the defaults and the endpoint's own; an empty value is not a label."""
        merged: dict[str, str] = {}
        for layer in (keys.default, keys.own):
            own = getattr(layer.section, "labels", None)
            if own is None and layer.has("labels"):
                merged.clear()
            merged |= own or {}
        kept = {name: value for name, value in sorted(merged.items()) if value}
        shared: Mapping[str, str] = self._shared.setdefault(("labels", *kept.items()), MappingProxyType(kept))
        return shared

    def _share(self, value: T) -> T:
        """The first value that was equal to this one."""
        first: T = self._shared.setdefault((type(value), value), value)
        return first


_INHERITED: Final = frozenset({"timeout", "labels", "ip_family", "source_address", "proxy", "helo", "tls"})
"""Keys of the defaults that hold for modules."""

_SCHEDULED: Final = MappingProxyType(
    {"interval": "a module probes when it is asked to", "addresses": "a module probes one address when it is asked to"}
)
"""Keys that mean nothing to a module, and why."""

_NAME_THEM = "write allowed_targets, such as [mail.example.com, 192.0.2.0/24]"


def read_modules(
    value: Value, reader: EndpointReader, defaults: Read[DefaultsSection], journal: Journal
) -> dict[str, Module]:
    """Every module by its name; those with problems are left out."""
    if value is None:
        return {}
    if not isinstance(value, YamlMapping):
        journal.problem(
            ("modules",), "must be a mapping of names to a url each; write for example imaps: {url: imaps://}"
        )
        return {}
    inherited = _inherited(defaults)
    modules = [_module(name, entry, reader, inherited, journal) for name, entry in value.items()]
    return {module.name: module for module in modules if module is not None}


def _inherited(defaults: Read[DefaultsSection]) -> Layer:
    kept = {key: getattr(defaults.section, key) for key in _INHERITED & defaults.section.model_fields_set}
    broken = frozenset(place for place in defaults.broken if place[0] in _INHERITED)
    return Layer(DefaultsSection.model_construct(set(kept), **kept), ("defaults",), broken)


def _module(name: str, value: Value, reader: EndpointReader, inherited: Layer, journal: Journal) -> Module | None:
    at: Location = ("modules", name)
    try:
        plain_text.name(name)
    except ValueError as error:
        journal.problem(at, f"the name {error}")
    if isinstance(value, YamlMapping) and "prober" in value:
        message = "is a module of blackbox_exporter; docs/from-blackbox-exporter.md shows what to write instead"
        journal.problem((*at, "prober"), message)
        return None
    read = read_section(ModuleSection, value, at, journal)
    if read is None:
        return None
    for key, why in _SCHEDULED.items():
        if key in read.section.model_fields_set:
            journal.problem((*at, key), f"{why}; leave it out")
    keys = Layers(Layer(read.section, at, read.broken), inherited)
    template = reader.template(keys, read_module_target(keys, at, journal), name)
    if template is None:
        return None
    return Module(name, template, _allowed(read, template, at, journal))


def _allowed(read: Read[ModuleSection], template: Endpoint, at: Location, journal: Journal) -> AllowedTargets | None:
    """What the module may be asked for; with a host of its own, that alone unless more is written."""
    entries = tuple(read.section.allowed_targets or ())
    written = "allowed_targets" in read.section.model_fields_set
    if any(place[0] == "allowed_targets" for place in read.broken):
        return None
    if written and not entries:
        journal.problem((*at, "allowed_targets"), f"allows nothing; {_NAME_THEM}")
    shown = "credentials" if template.credentials is not None else "client_cert_file"
    if template.credentials is not None or template.tls.client_cert_file is not None:
        _check_binding(shown, AllowedTargets(entries), at, journal)
    elif not entries and not template.host:
        journal.warning(at, f"anyone who may ask can have any server probed; {_NAME_THEM}")
    if entries:
        return AllowedTargets(entries)
    return AllowedTargets((parse_allowed(template.host),)) if template.host else None


def _check_binding(shown: str, allowed: AllowedTargets, at: Location, journal: Journal) -> None:
    """Anyone who is shown credentials must be somebody that the configuration knows."""
    if not allowed.entries:
        journal.problem(at, f"would show {shown} to every server that somebody names; {_NAME_THEM}")
    elif allowed.everything is not None:
        message = (
            f"{allowed.everything} is every address, to which {shown} would be shown; write the networks of the servers"
        )
        journal.problem((*at, "allowed_targets"), message)
