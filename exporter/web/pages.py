"""The pages for people: what the templates show, and the templates' surroundings.

Values of the store to HTML; the requests are the subject of `application`. The pages need no script, no style inside of
them and nothing from elsewhere. Everything that a server said is escaped by the templates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from exporter.metrics.endpoint_state import EndpointState, Health
from exporter.metrics.history import ATTEMPTS_KEPT as HISTORY_LENGTH
from exporter.metrics.record import unfold
from exporter.metrics.store import ExporterState
from exporter.model import Endpoint, Phase, ProbeResult
from exporter.web import wording
from exporter.web.charts import HISTORY_HEIGHT, SCALE, Bar, columns, stack, waterfall
from exporter.web.page import Page
from exporter.web.survey import Selection, Survey

PAGE_LENGTH = 100
"""Endpoints on a page of the status page: some 15 ms of work, done in slices."""

SLICE_SIZE = 8 * 1024
"""Characters of a page after which to give way: about a millisecond's work."""

WARNING_DAYS = 14.0
"""What is left of a certificate when its figure changes colour: authorities renew a month ahead, so this is late."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the status page.

    Attributes:
        result: The last; `None` if there is none yet.
        bars: Its phases side by side.
        chain_not_after: When the first of its certificates expires; `None` if none was seen.
    """

    state: EndpointState
    result: ProbeResult | None
    bars: Sequence[Bar]
    chain_not_after: float | None


class Pages:
    """Renders the pages, in slices that are quick to make."""

    def __init__(self) -> None:
        environment = Environment(
            loader=PackageLoader("exporter.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            age=wording.age,
            duration=wording.duration,
            moment=wording.moment,
            page_of=_page_of,
            period=wording.period,
            size=wording.size,
            urgency=_urgency,
            validity=wording.validity,
        )
        environment.globals.update(
            Health=Health,
            Phase=Phase,
            bar_scale=SCALE,
            history_height=HISTORY_HEIGHT,
            history_length=HISTORY_LENGTH,
        )
        # All of them now: to translate one takes longer than a page may hold up the probes.
        templates = {name: environment.get_template(name) for name in environment.list_templates()}
        self._status = templates["status.html"]
        self._endpoint = templates["endpoint.html"]

    def status(
        self, page: Page, survey: Survey, exporter: ExporterState, selection: Selection, number: int
    ) -> Iterator[bytes]:
        """The list of endpoints.

        Args:
            page: What every page needs.
            survey: All endpoints, and which of them are asked for.
            exporter: The exporter's own state.
            selection: What was asked for.
            number: Which page of them, counted from 1; one beyond the last shows none.
        """
        start = (number - 1) * PAGE_LENGTH
        shown = survey.selected[start : start + PAGE_LENGTH]
        return _slices(
            self._status,
            page=page,
            survey=survey,
            exporter=exporter,
            selection=selection,
            rows=map(_row, shown),
            first=start + 1,
            last=start + len(shown),
            previous=_query(selection, number - 1) if start > 0 else None,
            following=_query(selection, number + 1) if start + PAGE_LENGTH < len(survey.selected) else None,
        )

    def endpoint(self, page: Page, state: EndpointState, others: Sequence[EndpointState] = ()) -> Iterator[bytes]:
        """All about one endpoint, or one of its addresses.

        Args:
            page: What every page needs.
            state: What to show.
            others: All of its addresses, where each has a page.
        """
        name = state.endpoint.name
        result = None if state.latest is None else unfold(state.latest, name)
        failed = None if state.last_failed is None else state.last_failed.result(name)
        return _slices(
            self._endpoint,
            page=page,
            state=state,
            others=others,
            result=result,
            bars=waterfall(result.spans, result.duration) if result else [],
            earlier_failure=None if failed is None or (result and result.ended_at == failed.ended_at) else failed,
            columns=columns(state.attempts, HISTORY_LENGTH),
        )


def _slices(template: Template, **context: object) -> Iterator[bytes]:
    """A page bit by bit. Half a surrogate pair, which a certificate may hold, becomes a question mark."""
    pending: list[str] = []
    size = 0
    for piece in template.generate(context):
        pending.append(piece)
        size += len(piece)
        if size >= SLICE_SIZE:
            yield "".join(pending).encode(errors="replace")
            pending.clear()
            size = 0
    yield "".join(pending).encode(errors="replace")


def _row(state: EndpointState) -> Row:
    if state.latest is None:
        return Row(state, None, (), None)
    result = unfold(state.latest, state.endpoint.name, transcript=False)
    return Row(state, result, stack(result.spans), state.latest.chain_not_after)


def _page_of(endpoint: Endpoint) -> str:
    """The way from `endpoints/` to an endpoint's page: its name as one segment of a path, whatever is in it."""
    address = endpoint.only_address
    return quote(endpoint.name, safe="") + ("" if address is None else "?" + urlencode({"address": address}))


def _query(selection: Selection, number: int) -> str:
    """The way to another page of the same selection."""
    asked = {"state": selection.health, "q": selection.text or None, "page": number if number > 1 else None}
    return "?" + urlencode({key: value for key, value in asked.items() if value is not None})


def _urgency(seconds_left: float) -> str:
    """A class for the time that a certificate has left."""
    return "bad" if seconds_left <= 0.0 else "warn" if seconds_left < WARNING_DAYS * wording.DAY else "good"
