"""Sets up the templates: filters, globals, and rendering in slices.

No page needs a script, has a style inside of it, or loads anything from elsewhere. Everything that a server said is
escaped by the templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from exporter.metrics.endpoint_state import Health
from exporter.model import Endpoint, Phase
from exporter.web import wording
from exporter.web.pages import charts, links

SLICE_SIZE: Final = 8 * 1024
"""Characters of a page after which other tasks run: about a millisecond's work."""

REFRESH_EVERY: Final = 30
"""Seconds after which a page that shows this moment is reloaded."""


class Renderer:
    """Makes pages from templates, in slices that are quick to make."""

    def __init__(self) -> None:
        environment = Environment(
            loader=PackageLoader("exporter.web.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            age=wording.age,
            clock=wording.clock,
            count=wording.count,
            day=wording.day,
            duration=wording.duration,
            figure=wording.figure,
            flow_link=links.flow_link,
            iso=wording.iso,
            link_to=_link_to,
            moment=wording.moment,
            period=wording.period,
            reason_link=links.reason_link,
            size=wording.size,
            span=wording.span,
            urgency=_urgency,
            validity=wording.validity,
        )
        environment.globals.update(
            Health=Health,
            Phase=Phase,
            bar_scale=charts.SCALE,
            refresh_every=REFRESH_EVERY,
        )
        # All of them now: to translate one takes longer than a page may hold up the probes.
        self._templates: dict[str, Template] = {
            name: environment.get_template(name) for name in environment.list_templates()
        }

    def render(self, template: str, **context: object) -> Iterator[bytes]:
        """A page in slices. Half a surrogate pair, which a certificate may have, becomes a question mark."""
        pending: list[str] = []
        size = 0
        for piece in self._templates[template].generate(context):
            pending.append(piece)
            size += len(piece)
            if size >= SLICE_SIZE:
                yield "".join(pending).encode(errors="replace")
                pending.clear()
                size = 0
        yield "".join(pending).encode(errors="replace")


def _link_to(endpoint: Endpoint) -> str:
    return links.endpoint_link(endpoint.name, endpoint.only_address)


def _urgency(seconds_left: float) -> str:
    """A class for the time that a certificate has left."""
    return "bad" if seconds_left <= 0.0 else "warn" if seconds_left < wording.SOON else "good"
