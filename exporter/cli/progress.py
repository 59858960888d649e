"""Progress on a terminal: a line for each running probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from exporter.model import Phase

SHOWN: Final = 20
"""Lines, so that they fit a screen."""

REFRESHES: Final = 10
"""A second."""


@dataclass(slots=True)
class _UnderWay:
    since: float
    phase: Phase | None = None
    phase_since: float = 0.0


class Progress:
    """The running probes and their phases."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: dict[str, _UnderWay] = {}

    @contextmanager
    def probing(self, name: str) -> Iterator[None]:
        """A probe is running inside this block."""
        now = self._clock()
        self._under_way[name] = _UnderWay(now, None, now)
        try:
            yield
        finally:
            del self._under_way[name]

    def entered(self, name: str, phase: Phase) -> None:
        """A phase of a probe begins."""
        state = self._under_way.get(name)
        if state is not None:
            state.phase, state.phase_since = phase, self._clock()

    @contextmanager
    def shown(self, console: Console) -> Iterator[None]:
        """Shows the progress inside this block, if the console is a terminal, and removes it at the end."""
        if not console.is_terminal:
            yield
            return
        with Live(get_renderable=self.rendered, console=console, refresh_per_second=REFRESHES, transient=True):
            yield

    def rendered(self) -> RenderableType:
        """A description of the current work."""
        now = self._clock()
        lines = [
            Text.assemble(
                (name, "bold"),
                f"  {state.phase or 'starting'} for {now - state.phase_since:.1f} s",
                (f"  ({now - state.since:.1f} s in all)", "dim"),
            )
            for name, state in list(self._under_way.items())[:SHOWN]
        ]
        more = len(self._under_way) - SHOWN
        return Group(*lines, *([Text(f"and {more} more", "dim")] if more > 0 else []))
