"""Mail domains in the daemon: which are judged and followed here, and their endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from exporter.config.configuration import Domain, Following
from exporter.domains.posture.memory import DomainMemory, read, written
from exporter.metrics.domain_state import DomainStates
from exporter.model import Endpoint
from exporter.net.dns.resolve import Resolver
from exporter.schedule.job import Job
from exporter.sharding import Shard
from exporter.visiting.visit import Visitor

if TYPE_CHECKING:
    from exporter.domains.domain_runner import DomainRunner


class DomainDesk:
    """The daemon's interface to domains."""

    def __init__(
        self,
        visitor: Visitor,
        states: DomainStates,
        shard: Shard,
        discovered: Callable[[str, tuple[Endpoint, ...]], None],
    ) -> None:
        """Prepare to have no domains.

        Args:
            visitor: Does the handshakes.
            states: Stores the results.
            shard: Decides which endpoints and domains this process is responsible for.
            discovered: Receives a followed domain's key and this process's share of its endpoints, after each look.
        """
        self._visitor = visitor
        self._states = states
        self._shard = shard
        self._tell = discovered
        self._runner: DomainRunner | None = None
        self._memories: dict[str, DomainMemory] = {}

    def recall(self, documents: Mapping[str, Any]) -> None:
        """Load what an earlier process remembered of its domains. Call this before any domain is judged."""
        self._memories.update({domain: read(document) for domain, document in documents.items()})

    def to_remember(self) -> dict[str, Any]:
        """The state to keep for a later process."""
        return {domain: written(memory) for domain, memory in self._memories.items()}

    def configure(
        self, followings: Iterable[Following], domains: Iterable[Domain], resolver: Resolver
    ) -> dict[str, tuple[Endpoint, ...]]:
        """Follow and judge these domains from now on.

        Every process follows all domains, and probes its share of the endpoints.

        Returns:
            The endpoints of each followed domain, by the domain's key.
        """
        followings, judged = tuple(followings), [domain for domain in domains if self._shard.holds(domain.name)]
        told = [following.domain for following in followings if self._shard.holds(following.domain)]
        for former in self._memories.keys() - {domain.name for domain in judged}:
            del self._memories[former]
        self._states.configure(judged, told)
        if self._runner is None:
            if not followings and not judged:
                return {}
            # Imported only now, so that a daemon without domains needs less memory.
            from exporter.domains.domain_runner import DomainRunner  # noqa: PLC0415 - a tenth of a second and megabytes

            self._runner = DomainRunner(self._visitor, self._states, self._discovered, self._memories)
        self._runner.configure(followings, judged, resolver)
        return {_key(name): self._mine(endpoints) for name, endpoints in self._runner.endpoints().items()}

    def jobs(self) -> tuple[Job, ...]:
        """The scheduled discoveries and judgements."""
        return () if self._runner is None else self._runner.jobs()

    def _discovered(self, domain: str, endpoints: tuple[Endpoint, ...]) -> None:
        self._tell(_key(domain), self._mine(endpoints))

    def _mine(self, endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        return tuple(self._shard.share(endpoints))


def _key(domain: str) -> str:
    """The roster's key of a followed domain."""
    return f"domain:{domain}"
