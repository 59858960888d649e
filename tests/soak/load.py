"""What weighs on the daemon beside its probes: scrapes, pages, wrong paths, refused probes and logins, reloads."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import aiohttp

RIGHT = {"Authorization": aiohttp.encode_basic_auth("soak", "right")}


@dataclass
class Load:
    """Clients of one daemon.

    Attributes:
        base: Its URL, with a slash at the end.
        configure: Writes the next configuration.
        answers: How often which status came, by what was asked.
    """

    base: str
    configure: Callable[[], None]
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    _numbers: Iterator[int] = field(default_factory=count)

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Until it is cancelled."""
        works: list[tuple[float, Callable[[aiohttp.ClientSession], Awaitable[None]]]] = [
            (0.02, self._wrong_path),
            (0.05, self._refused_probe),
            (0.2, self._refused_login),
            (1.0, self._scrape),
            (1.0, self._pages),
            (0.5, self._probe),
            (3.0, self._reload),
        ]
        async with asyncio.TaskGroup() as group:
            for pause, work in works:
                group.create_task(self._again(session, pause, work))

    async def _again(
        self, session: aiohttp.ClientSession, pause: float, work: Callable[[aiohttp.ClientSession], Awaitable[None]]
    ) -> None:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                await work(session)
            await asyncio.sleep(pause)

    async def _ask(
        self, session: aiohttp.ClientSession, what: str, path: str, headers: Mapping[str, str] = RIGHT
    ) -> None:
        method = "POST" if path == "-/reload" else "GET"
        async with session.request(method, self.base + path, headers=headers) as response:
            await response.read()
            self.answers[what, response.status] += 1

    async def _wrong_path(self, session: aiohttp.ClientSession) -> None:
        await self._ask(session, "wrong path", f"nothing/{next(self._numbers)}")

    async def _refused_probe(self, session: aiohttp.ClientSession) -> None:
        await self._ask(session, "refused probe", f"probe?module=here&target=192.0.2.{next(self._numbers) % 256}")

    async def _refused_login(self, session: aiohttp.ClientSession) -> None:
        wrong = {"Authorization": aiohttp.encode_basic_auth("soak", f"wrong {next(self._numbers)}")}
        await self._ask(session, "refused login", "metrics", wrong)

    async def _scrape(self, session: aiohttp.ClientSession) -> None:
        await self._ask(session, "scrape", "metrics")

    async def _pages(self, session: aiohttp.ClientSession) -> None:
        for path in ("", "endpoints/smtp", "api/v1/endpoints", "config", "?state=failing"):
            await self._ask(session, "page", path)

    async def _probe(self, session: aiohttp.ClientSession) -> None:
        await self._ask(session, "probe", "probe?module=here&target=127.0.0.1")

    async def _reload(self, session: aiohttp.ClientSession) -> None:
        self.configure()
        await self._ask(session, "reload", "-/reload")
