"""Where people find the interface, and the prefix of its paths: what the options about it say.

A command reads its options with this before it has reason to load a web server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class ExternalSite:
    """The address of the interface for people.

    Attributes:
        url: The URL with a slash at its end; `None` if unknown.
        prefix: The start of every path, such as `/mail`; empty for none.
    """

    url: str | None = None
    prefix: str = ""

    @classmethod
    def parse(cls, external_url: str | None, route_prefix: str | None) -> ExternalSite:
        """Reads what `--web.external-url` and `--web.route-prefix` take.

        Raises:
            ValueError: One of them is invalid; the message says what to write.
        """
        path = "" if external_url is None else path_of(external_url)
        prefix = path if route_prefix is None else normal_prefix(route_prefix)
        known = external_url is not None and "://" in external_url
        return cls(f"{external_url.rstrip('/')}/" if known and external_url is not None else None, prefix)

    @property
    def origins(self) -> tuple[str, ...]:
        """What browsers send as the origin of its pages, beside what they send as its host."""
        return () if self.url is None else (self.url,)


EVERYWHERE: Final = ExternalSite()
"""An unknown address."""


def path_of(url: str) -> str:
    """The path of an external URL, without a slash at its end: what it says the prefix is.

    Raises:
        ValueError: It is not a URL of a web page, nor a path.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} and not (url.startswith("/") and not parts.netloc):
        raise ValueError(f"{url!r} is not a URL like https://monitoring.example.com/mail/, nor a path like /mail/")
    if parts.scheme and not parts.hostname:
        raise ValueError(f"{url!r} has no host; write it like https://monitoring.example.com/mail/")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{url!r} has more than a host and a path; leave out what follows the path, and users")
    return normal_prefix(parts.path)


def normal_prefix(path: str) -> str:
    """A prefix as it stands before the slash of every path; empty for none.

    Raises:
        ValueError: It is not a prefix.
    """
    stripped = path.strip("/")
    if any(character in stripped for character in "?#%\\") or not stripped.isprintable() or " " in stripped:
        raise ValueError(f"{path!r} is not a prefix of paths; write it like /mail")
    if any(part in {"", ".", ".."} for part in stripped.split("/")) and stripped:
        raise ValueError(f"{path!r} has an empty part or dots between its slashes; write it like /mail")
    return f"/{stripped}" if stripped else ""
