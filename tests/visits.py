"""Visits with a login that the test gives, wherever it comes from elsewhere."""

from __future__ import annotations

import time

from exporter.model import Endpoint, Login, LoginBackoff, ProbeResult, Withheld
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor


class Given(Logins):
    """Gives everybody one login, and remembers what came of it."""

    def __init__(self, login: Login | Withheld | None) -> None:
        super().__init__(time.monotonic, LoginBackoff())
        self.learnt: list[ProbeResult | None] = []
        self._login_given = login

    async def for_probe(self, endpoint: Endpoint) -> Login | Withheld | None:  # noqa: ARG002 - it is the same for all
        return self._login_given

    def learn(self, endpoint: Endpoint, login: Login | Withheld | None, result: ProbeResult | None) -> None:  # noqa: ARG002 - it is the same for all
        self.learnt.append(result)


def visitor(world: World, login: Login | Withheld | None = None) -> Visitor:
    """One whose logins are all this one."""
    return Visitor(world, Given(login))
