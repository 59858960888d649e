"""What is remembered of a domain from one judgement to the next, and in the history file if there is one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Memory:
    """What is remembered of one domain.

    Attributes:
        policies: The digest of each MTA-STS policy, by its id, as first seen.
        matched: TLSA records that matched what was served: host, port, usage, selector, matching type and data. One of
            them that no longer does is a former key's, and not a future one's.
        served: Host, port, and the digest of each key that was served; and when it was first seen, in Unix time.
        withdrawn: Of hosts and ports that had records and have none, since when.
    """

    policies: dict[str, str] = field(default_factory=dict)
    matched: set[tuple[str, int, int, int, int, bytes]] = field(default_factory=set)
    served: dict[tuple[str, int, bytes], float] = field(default_factory=dict)
    withdrawn: dict[tuple[str, int], float] = field(default_factory=dict)


MAX_REMEMBERED = 256
"""How much is kept of one domain, so that one that changes all the time does not fill the memory."""


def written(memory: Memory) -> dict[str, Any]:
    """A memory as JSON can hold it."""
    return {
        "policies": memory.policies,
        "matched": [[*key[:-1], key[-1].hex()] for key in sorted(memory.matched)],
        "served": [[host, port, digest.hex(), at] for (host, port, digest), at in memory.served.items()],
        "withdrawn": [[host, port, at] for (host, port), at in memory.withdrawn.items()],
    }


def read(document: Mapping[str, Any]) -> Memory:
    """What `written` made; nothing at all if it is not that."""
    try:
        return Memory(
            {str(key): str(digest) for key, digest in document["policies"].items()},
            {
                (str(host), int(port), int(usage), int(selector), int(matching), bytes.fromhex(data))
                for host, port, usage, selector, matching, data in document["matched"]
            },
            {(str(host), int(port), bytes.fromhex(digest)): float(at) for host, port, digest, at in document["served"]},
            {(str(host), int(port)): float(at) for host, port, at in document["withdrawn"]},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return Memory()
