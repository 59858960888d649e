"""Tokens in virtual time, and an endpoint that gives them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.model import Credentials, OAuth2Client, OAuth2Provider, Secret, TokenOutcome
from exporter.protocol.oauth2 import Material, TokenAnswer, TokenError
from exporter.visiting.access_tokens import AccessToken, Tokens
from exporter.visiting.reading import SecretReader
from tests import virtual_time


@dataclass(eq=False)
class Source:
    """A secret that can be rotated and lost."""

    value: bytes | None

    def read(self) -> Secret:
        if self.value is None:
            raise OSError("the secret file is empty")
        return Secret(self.value)


REFUSED = TokenError(TokenOutcome.REFUSED, "the token endpoint refuses: invalid_client")


DOWN = TokenError(TokenOutcome.UNREACHABLE, "the token endpoint does not answer")


@dataclass
class Endpoint:
    """A token endpoint whose answers a test chooses, and that takes a second for each.

    Attributes:
        fails: What happens in place of a token.
        asked: When it was asked, and with which material.
    """

    lifetime: float | None = 3600.0
    fails: Exception | None = None
    rotates: bool = False
    asked: list[tuple[float, Material]] = field(default_factory=list)
    fixed: bytes | None = None

    async def fetch(self, client: OAuth2Client, material: Material) -> TokenAnswer:
        assert "https://idp.example.com/" == client.token_url
        self.asked.append((asyncio.get_running_loop().time(), material))
        number = len(self.asked)
        await asyncio.sleep(1)
        if self.fails is not None:
            raise self.fails
        refresh = Secret(b"refresh %d" % number) if self.rotates else None
        return TokenAnswer(Secret(self.fixed or b"token-%d" % number), self.lifetime, refresh)

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.asked]


@dataclass
class Observed:
    """What an observer is told."""

    requests: list[str] = field(default_factory=list)
    held: list[float | None] = field(default_factory=list)

    def token_requested(self, credentials: str, outcome: TokenOutcome) -> None:
        self.requests.append(f"{credentials} {outcome}")

    def token_held(self, credentials: str, expires_at: float | None) -> None:
        assert "contoso" == credentials
        self.held.append(expires_at)


class Bench:
    """Tokens of one entry of the credentials, in virtual time."""

    def __init__(self) -> None:
        self.endpoint, self.observed, self.source = Endpoint(), Observed(), Source(b"one")
        self.client = OAuth2Client(
            OAuth2Provider.CUSTOM, "https://idp.example.com/", client_id="i", client_secret=self.source
        )
        self.credentials = Credentials("contoso", "u", oauth2=self.client)
        clock = asyncio.get_running_loop().time
        self.tokens = Tokens(self.endpoint.fetch, clock, SecretReader(clock), self.observed, wall_clock=lambda: 0.0)

    async def ask(self) -> AccessToken:
        material = await self.tokens.material(self.client)
        return await self.tokens.token(self.credentials, self.client, material.fingerprint())

    async def failure(self) -> str:
        with pytest.raises(TokenError) as raised:
            await self.ask()
        return raised.value.detail

    async def ask_for(self, seconds: float, every: float) -> None:
        """Ask again and again, whatever comes of it."""
        end = now() + seconds
        while now() < end:
            await asyncio.gather(self.ask(), return_exceptions=True)
            await asyncio.sleep(every)


def now() -> float:
    return asyncio.get_running_loop().time()


def in_virtual_time(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in virtual time, with a bench of its own."""

    async def with_bench() -> None:
        with capture_logs():
            bench = Bench()
            await test(bench)
            await bench.tokens.close()

    def run() -> None:
        virtual_time.run(with_bench())

    run.__name__ = test.__name__
    return run
