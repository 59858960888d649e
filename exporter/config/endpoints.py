"""The section `endpoints`: each entry laid over the defaults, checked, and made an `Endpoint`, or several.

Equal labels, policies and the like become one object, so that thousands of endpoints stay small. What contradicts what
does not live here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from exporter.config.contradictions import CHECKS, Draft, check_timing, timing
from exporter.config.domain import Following
from exporter.config.domains import check_not_following, read_following
from exporter.config.layers import Layer, Layers
from exporter.config.problems import Journal, Location, did_you_mean, quoted
from exporter.config.schema import DefaultsSection, EndpointSection
from exporter.config.sections import Read, read_section
from exporter.config.targets import Target, read_targets, target_of
from exporter.config.trust import TlsPolicies
from exporter.config.urls import parse_url
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
