"""Which names belong to one owner: the registrable domain, by Mozilla's public suffix list. Pure."""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """The list, which is read only if somebody asks: 30 ms and 2 MiB."""
    return PublicSuffixList()


def registrable_domain(name: str) -> str | None:
    """The domain that somebody registered, e.g. `example.co.uk` of `mail.example.co.uk`; `None` for a public suffix."""
    found: str | None = _suffixes().privatesuffix(name.lower().removesuffix("."))
    return found


def same_owner(one: str, other: str) -> bool:
    """Whether two names lie within the same registrable domain."""
    domain = registrable_domain(one)
    return domain is not None and domain == registrable_domain(other)
