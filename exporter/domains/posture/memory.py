"""What is remembered of a domain between judgements, and in the history file if there is one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class DomainMemory:
    """What is remembered of one domain.

    Attributes:
        policies: The digest of each MTA-STS policy when it was first seen, by its id.
        matched: TLSA records that matched before: host, port, usage, selector, matching type and data. If one of them
            does not match any more, it is for a former key and not for a future one.
        served: Unix time when each key was first seen, by host, port and the key's digest.
        withdrawn: Unix time when a server's records were first missing, by host and port.
    """

    policies: dict[str, str] = field(default_factory=dict)
    matched: set[tuple[str, int, int, int, int, bytes]] = field(default_factory=set)
    served: dict[tuple[str, int, bytes], float] = field(default_factory=dict)
    withdrawn: dict[tuple[str, int], float] = field(default_factory=dict)


MAX_REMEMBERED = 256
"""The most entries that are kept of one domain, so that frequent changes do not fill the memory."""


def written(memory: DomainMemory) -> dict[str, Any]:
    """A memory in the form of JSON."""
    return {
        "policies": memory.policies,
        "matched": [[*key[:-1], key[-1].hex()] for key in sorted(memory.matched)],
        "served": [[host, port, digest.hex(), at] for (host, port, digest), at in memory.served.items()],
        "withdrawn": [[host, port, at] for (host, port), at in memory.withdrawn.items()],
    }


def read(document: Mapping[str, Any]) -> DomainMemory:
    """The memory that `written` has written; an empty one if the document is invalid."""
    try:
        return DomainMemory(
            {str(key): str(digest) for key, digest in document["policies"].items()},
            {
                (str(host), int(port), int(usage), int(selector), int(matching), bytes.fromhex(data))
                for host, port, usage, selector, matching, data in document["matched"]
            },
            {(str(host), int(port), bytes.fromhex(digest)): float(at) for host, port, digest, at in document["served"]},
            {(str(host), int(port)): float(at) for host, port, at in document["withdrawn"]},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return DomainMemory()
