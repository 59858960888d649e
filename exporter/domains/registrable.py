"""Which names have the same owner: finds the registrable domain in Mozilla's public suffix list. Pure."""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """The list. It is read on first use, because it takes 30 ms and 2 MiB."""
    return PublicSuffixList()


def registrable_domain(name: str) -> str | None:
    """The registered domain, e.g. `example.co.uk` for `mail.example.co.uk`; `None` for a public suffix."""
    found: str | None = _suffixes().privatesuffix(name.lower().removesuffix("."))
    return found


def same_owner(one: str, other: str) -> bool:
    """Whether two names have the same registrable domain."""
    domain = registrable_domain(one)
    return domain is not None and domain == registrable_domain(other)
