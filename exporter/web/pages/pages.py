"""The pages for people: the data for the templates.

It turns values of the store into HTML. `page_routes` handles requests, and `rendering` sets up the templates.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from exporter.config.files import STANDARD_INPUT_SHOWN
from exporter.metrics.domain_state import DomainState, FollowedState
from exporter.metrics.endpoint_state import EndpointState, Health
from exporter.metrics.flow_state import MAX_HISTORY, FlowState
from exporter.metrics.history import ATTEMPTS_KEPT, KeptFailure, PastProbe, Turn
from exporter.metrics.history.changes import changed_since
from exporter.metrics.label_text import escaped
from exporter.metrics.record import unfold
from exporter.metrics.store import Snapshot
from exporter.model import CertificateFacts, Failure, ProbeResult, TlsFacts
from exporter.web import wording
from exporter.web.pages import links, roundup
from exporter.web.pages.charts import HISTORY_HEIGHT, Bar, Strip, columns, stack, strip, waterfall, way
from exporter.web.pages.documentation import DocumentationPage
from exporter.web.pages.filters import choices
from exporter.web.pages.ninety_days import ninety_days
from exporter.web.pages.page import Page
from exporter.web.pages.rendering import Renderer
from exporter.web.query import Selection
from exporter.web.survey import Survey

PAGE_LENGTH: Final = 100
"""Endpoints on a page of the status page: some 15 ms of work, done in slices."""

PAGES_AROUND: Final = 2
"""Pages that are linked to on each side of the one that is shown, beside the first and the last."""

AXIS_MARKS: Final = 5

URGENCY: Final = tuple(Health)
"""The order of flows and domains in their lists."""


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A line of the status page.

    Attributes:
        result: The last; `None` if there is none yet.
        bars: Its phases side by side.
        strip: Its last probes.
        chain_not_after: When the first certificate of its verified path expires, or without a path, of those sent.
        before: Its state when the exporter last ran; `None` if it was probed since.
        group: The value of the grouping label, where a group begins; else `None`.
    """

    state: EndpointState
    result: ProbeResult | None
    bars: Sequence[Bar]
    strip: Strip
    chain_not_after: float | None
    before: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class PlacedCertificate:
    """A certificate and its places in the sent and verified chains.

    Attributes:
        sent: Its place among those that the server sent, from 1; `None` if it sent none such.
        verified: Its place on the verified path, from 1; `None` if it is not on it.
    """

    certificate: CertificateFacts
    sent: int | None
    verified: int | None


class Pages:
    """Renders the pages, in slices that are quick to make."""

    def __init__(self) -> None:
        self._renderer = Renderer()

    def status(
        self, page: Page, survey: Survey, moment: Snapshot, selection: Selection, number: int
    ) -> Iterator[bytes]:
        """The list of endpoints.

        Args:
            page: What every page needs.
            survey: All endpoints, and the selected ones.
            moment: The snapshot of the survey.
            selection: The requested filters.
            number: Which page of them, counted from 1; one beyond the last shows none.
        """
        start = (number - 1) * PAGE_LENGTH
        shown = survey.selected[start : start + PAGE_LENGTH]
        total = -(-len(survey.selected) // PAGE_LENGTH)
        return self._renderer.render(
            "status.html",
            page=page,
            survey=survey,
            exporter=moment.exporter,
            flows=roundup.of_flows(moment.flows),
            domains=roundup.of_domains(moment.domains),
            selection=selection,
            choices=choices(selection, survey),
            rows=_rows(shown, selection),
            first=start + 1,
            last=start + len(shown),
            current=number,
            pages=_page_numbers(number, total),
            previous="./" + selection.query(page=number - 1) if start > 0 else None,
            following="./" + selection.query(page=number + 1) if number < total else None,
        )

    def flows(self, page: Page, states: Sequence[FlowState]) -> Iterator[bytes]:
        rows = [(state, roundup.flow_health(state), _messages(state)) for state in states]
        rows.sort(key=lambda row: URGENCY.index(row[1]))
        counted = roundup.of_flows(states)
        return self._renderer.render("flows.html", page=page, rows=rows, counted=counted)

    def flow(self, page: Page, states: Sequence[FlowState]) -> Iterator[bytes]:
        """All about one flow.

        Args:
            page: What every page needs.
            states: The state of the flow, or of each of its MX hosts; at least one.
        """
        ways = [(state, _messages(state), [] if state.latest is None else way(state.latest.legs)) for state in states]
        flow = states[0].flow
        json = links.json_link(links.flow_link(flow.name))
        failing = any(roundup.flow_health(state) is Health.FAILING for state in states)
        return self._renderer.render("flow.html", page=page, flow=flow, failing=failing, ways=ways, json=json)

    def endpoint(self, page: Page, state: EndpointState, others: Sequence[EndpointState] = ()) -> Iterator[bytes]:
        """All about one endpoint, or one of its addresses.

        Args:
            page: What every page needs.
            state: What to show.
            others: All of its addresses, where each has a page.
        """
        endpoint, history, attempts = state.endpoint, state.history, state.attempts
        result = None if state.latest is None else unfold(state.latest, endpoint.name)
        kept = history.last_failed
        # The conversation of the last probe is shown anyway.
        tried = None if kept is None or (result and kept.ended_at == result.ended_at) else kept
        return self._renderer.render(
            "endpoint.html",
            page=page,
            state=state,
            others=others,
            result=result,
            before=_before(state),
            changed=[] if state.latest is None else changed_since(history.good, state.latest),
            slowest=max((attempt.duration for attempt in attempts if attempt.reason is None), default=0.0),
            columns=columns(attempts, len(attempts)),
            history_height=HISTORY_HEIGHT,
            axis=_axis(attempts),
            ninety=ninety_days(history.timeline, page.now),
            turns=_lasting(history.turns, page.now),
            bars=waterfall(result) if result else [],
            runs=_runs(history.failures),
            tried=None if tried is None else tried.result(endpoint.name),
            tried_id=None if tried is None else tried.id,
            certificates=_placed(result.facts.tls) if result and result.facts.tls else [],
            summed=_summed(state),
            commands=_commands(state, page.files),
            failure_link=links.failure_link,
            json=links.json_link(links.endpoint_link(endpoint.name, endpoint.only_address)),
        )

    def failure(self, page: Page, state: EndpointState, kept: KeptFailure) -> Iterator[bytes]:
        endpoint, failures = state.endpoint, state.history.failures
        result, place = kept.result(endpoint.name), failures.index(kept)

        def link(number: int) -> str | None:
            if not 0 <= number < len(failures):
                return None
            return links.failure_link(endpoint.name, failures[number].id, endpoint.only_address)

        return self._renderer.render(
            "failure.html",
            page=page,
            state=state,
            result=result,
            bars=waterfall(result),
            certificates=_placed(result.facts.tls) if result.facts.tls else [],
            earlier=link(place - 1),
            later=link(place + 1),
            json=links.json_link(links.failure_link(endpoint.name, kept.id, endpoint.only_address)),
        )

    def domains(self, page: Page, states: Sequence[DomainState], followed: Sequence[FollowedState]) -> Iterator[bytes]:
        """The list of mail domains: those that are judged, and those that are followed."""
        rows: list[dict[str, Any]] = [
            {
                "state": state,
                "health": roundup.domain_health(state),
                "link": links.domain_link(state.name),
                "failing": roundup.failing_checks(state),
                "held": roundup.held_back(state),
            }
            for state in states
        ]
        rows.sort(key=lambda row: URGENCY.index(row["health"]))
        counted = roundup.of_domains(states)
        return self._renderer.render("domains.html", page=page, rows=rows, counted=counted, followed=followed)

    def domain(self, page: Page, state: DomainState) -> Iterator[bytes]:
        return self._renderer.render(
            "domain.html",
            page=page,
            state=state,
            health=roundup.domain_health(state),
            failing=roundup.failing_checks(state),
            held=roundup.held_back(state),
            json=links.json_link(links.domain_link(state.name)),
        )

    def document(self, page: Page, document: DocumentationPage, contents: Sequence[tuple[str, str]]) -> Iterator[bytes]:
        """A page of the documentation, and the names and titles of all."""
        return self._renderer.render("docs.html", page=page, document=document, contents=contents)

    def error(self, page: Page, status: int, reason: str, text: str) -> Iterator[bytes]:
        """An error page for an invalid request, with links."""
        return self._renderer.render("error.html", page=page, status=status, reason=reason, text=text)


def _rows(shown: Sequence[EndpointState], selection: Selection) -> Iterator[StatusRow]:
    last: str | None = None
    for state in shown:
        group = state.endpoint.labels.get(selection.group, "") if selection.group else None
        latest = state.latest
        result = None if latest is None else unfold(latest, state.endpoint.name, transcript=False)
        yield StatusRow(
            state=state,
            result=result,
            bars=() if result is None else stack(result.spans),
            strip=strip([attempt.reason is not None for attempt in state.attempts], ATTEMPTS_KEPT),
            chain_not_after=None if latest is None else latest.expiry,
            before=_before(state),
            group=None if group == last else group,
        )
        last = group


def _messages(state: FlowState) -> Strip:
    """The last messages of a flow, as a bar."""
    return strip([settled.leg is not None for settled in reversed(state.history)], MAX_HISTORY, "message")


def _before(state: EndpointState) -> str | None:
    """The state of an endpoint from an earlier process, if this one has not probed it yet."""
    turns = state.history.turns
    if state.health is not Health.WAITING or not turns:
        return None
    return "up" if turns[-1].reason is None else "failing"


def _page_numbers(current: int, total: int) -> list[int | None]:
    """The pages to link to, with `None` where some are left out."""
    near = range(current - PAGES_AROUND, current + PAGES_AROUND + 1)
    wanted = [number for number in range(1, total + 1) if number in near or number in (1, total)]
    numbers: list[int | None] = []
    for number in wanted:
        if numbers and numbers[-1] != number - 1:
            numbers.append(None)
        numbers.append(number)
    return numbers


def _axis(attempts: Sequence[PastProbe]) -> list[float]:
    """The ends of some probes at equal distances in the picture of them."""
    step = (len(attempts) - 1) / (AXIS_MARKS - 1)
    places = sorted({round(mark * step) for mark in range(AXIS_MARKS)}) if attempts else []
    return [attempts[place].ended_at for place in places]


def _runs(failures: Sequence[KeptFailure]) -> list[tuple[Failure, list[KeptFailure]]]:
    """Failures, the latest first, with equal ones in a row grouped."""
    together = groupby(reversed(failures), key=lambda kept: kept.failure)
    return [(failure, list(run)) for failure, run in together if failure is not None]


def _lasting(turns: Sequence[Turn], now: float) -> list[tuple[Turn, float]]:
    """Changes of state, the latest first, and how long each lasted."""
    lasting: list[tuple[Turn, float]] = []
    end = now
    for turn in reversed(turns):
        lasting.append((turn, max(end - turn.at, 0.0)))
        end = turn.at
    return lasting


def _placed(tls: TlsFacts) -> list[PlacedCertificate]:
    """All certificates once: as they were sent, and then those of the verified path that were not."""
    sent = {each: place for place, each in reversed(list(enumerate(tls.chain, 1)))}
    verified = {each: place for place, each in reversed(list(enumerate(tls.verified_chain, 1)))}
    return [
        PlacedCertificate(each, sent.get(each), verified.get(each))
        for each in dict.fromkeys((*tls.chain, *tls.verified_chain))
    ]


def _summed(state: EndpointState) -> str:
    """`21, all failed: auth_rejected (auth)` or `30, of which failed: 2 timeout (greeting), 1 ...`."""
    failures = {f"{reason} ({phase})": count for (reason, phase), count in state.failures.items()}
    failed = sum(failures.values())
    if not failed:
        return f"{state.probes:,}, none failed" if state.probes else "none"
    if failed == state.probes and len(failures) == 1:
        return f"all {wording.figure(failed)} failed: {next(iter(failures))}"
    each = ", ".join(f"{count:,} {kind}" for kind, count in failures.items())
    return f"{state.probes:,}, of which {failed:,} failed: {each}"


def _commands(state: EndpointState, files: Sequence[str]) -> list[tuple[str, str]]:
    endpoint = state.endpoint
    matcher = f'{{endpoint="{escaped(endpoint.name)}"'
    matcher += f',address="{endpoint.only_address}"}}' if endpoint.only_address else "}"
    return [
        ("Probe it now, in a terminal, with the configuration of the exporter:", _command(endpoint.name, files)),
        ("Availability of the last 30 days (PromQL):", f"avg_over_time(mail_probe_success{matcher}[30d])"),
        (
            "Failures of the last day by reason (PromQL):",
            f"sum by (reason, phase) (increase(mail_probe_failures_total{matcher}[1d]))",
        ),
        ("Duration of each phase (PromQL):", f"mail_probe_last_phase_duration_seconds{matcher}"),
    ]


def _command(name: str, files: Sequence[str]) -> str:
    # Standard input has no path: the person who copies the command gives it again.
    named = ["-" if file == STANDARD_INPUT_SHOWN else str(Path(file).absolute()) for file in files]
    return shlex.join(["mail-exporter", "probe", name, *(f"--config.file={file}" for file in named)])
