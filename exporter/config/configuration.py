"""What a configuration says, once it has been read: a value, which says nothing of how files are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from exporter.config.domain import Domain, Following
from exporter.config.module import Module
from exporter.config.problems import Problem
from exporter.config.rendering import render
from exporter.model import Credentials, DnsSettings, Endpoint, Flows, Limits, LoginBackoff


@dataclass(frozen=True, slots=True)
class Configuration:
    """What its files say, with every default applied.

    Attributes:
        files: The files that it was read from, as messages call them.
        endpoints: In the order of the files, with unique names.
        modules: By name.
        credentials: Every entry, used or not.
        followings: Entries of endpoints that stand for what a domain has.
        domains: Those that are judged.
        warnings: What works, but deserves a look, in the order of its lines.
    """

    files: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    credentials: tuple[Credentials, ...] = ()
    dns: DnsSettings = field(default_factory=DnsSettings)
    limits: Limits = field(default_factory=Limits)
    login_backoff: LoginBackoff = field(default_factory=LoginBackoff)
    modules: Mapping[str, Module] = field(default_factory=lambda: MappingProxyType({}))
    flows: Flows = field(default_factory=Flows)
    followings: tuple[Following, ...] = ()
    domains: tuple[Domain, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def redacted(self) -> Iterator[str]:
        """The configuration in force as YAML, with `<redacted>` for the secrets that the file holds: line by line.

        To be taken piece by piece: 10,000 endpoints take a fifth of a second.
        """
        return render(
            credentials=self.credentials,
            endpoints=self.endpoints,
            modules=self.modules.values(),
            dns=self.dns,
            limits=self.limits,
            login_backoff=self.login_backoff,
            flows=self.flows,
            followings=self.followings,
            domains=self.domains,
        )
