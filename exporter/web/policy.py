"""By what TLS, by whom and how often the interface may be used, now. Where that comes from is not known here."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from exporter.web.web_settings import WebConfig


@dataclass(frozen=True, slots=True)
class Policy:
    """By what TLS, by whom and how often the interface may be used.

    Attributes:
        context: `None` for plain HTTP.
    """

    config: WebConfig = field(default_factory=WebConfig)
    context: ssl.SSLContext | None = None


class Policies(Protocol):
    """Where policies come from."""

    @property
    def policy(self) -> Policy:
        """The one that is in force."""

    async def follow(self, changed: Callable[[Policy], None]) -> None:
        """Tells of every new one, for ever."""
