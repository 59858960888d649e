"""What is remembered of a domain from one judgement to the next, for as long as the process lives. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Memory:
    """What is remembered of one domain.

    Attributes:
        policies: The digest of each MTA-STS policy, by its id, as first seen.
        matched: TLSA records that matched what was served: host, port, usage, selector, matching type and data. One of
            them that no longer does is a former key's, and not a future one's.
    """

    policies: dict[str, str] = field(default_factory=dict)
    matched: set[tuple[str, int, int, int, int, bytes]] = field(default_factory=set)


MAX_REMEMBERED = 256
"""How many of each are kept, so that a domain that changes all the time does not fill the memory."""
