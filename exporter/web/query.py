"""Parses requests for endpoints: filters, order and page. `survey` applies them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from exporter.metrics.domain_state import DomainState
from exporter.metrics.endpoint_state import EndpointState, Health
from exporter.metrics.flow_state import FlowState
from exporter.metrics.history import FAILURES_KEPT, KeptFailure
from exporter.metrics.store import Store
from exporter.model import FailureReason, Protocol

MAX_PAGES: Final = 999_999

MAX_LABELS: Final = 10
"""Labels that may be asked for at once."""

Choice = TypeVar("Choice", bound=StrEnum)


class Sort(StrEnum):
    """In which order endpoints are listed."""

    URGENCY = "urgency"
    """The failing ones first, then those not yet probed, then the others; each as configured."""
    NAME = "name"
    CHANGED = "changed"
    """Those whose state changed last come first."""
    SLOWEST = "slowest"
    """Those whose last probe took longest come first."""
    EXPIRY = "expiry"
    """Those whose first certificate expires first come first."""


class Expiring(StrEnum):
    """How long a certificate has left."""

    EXPIRED = "expired"
    SOON = "soon"
    """Not expired, but less than the days that turn the figure yellow."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The requested endpoints and their order.

    Attributes:
        state: Only those in this state; `None` for all.
        protocol: Likewise.
        reason: Only those whose last probe failed with it; `None` for all.
        certificate: Only those whose first certificate expires in this time; `None` for all.
        labels: Only those that have all of these labels.
        text: Only those with all of these words in their row, in any case; empty for all.
        sort: The order.
        group: The label whose values to group them by; empty for no groups.
    """

    state: Health | None = None
    protocol: Protocol | None = None
    reason: FailureReason | None = None
    certificate: Expiring | None = None
    labels: tuple[tuple[str, str], ...] = ()
    text: str = ""
    sort: Sort = Sort.URGENCY
    group: str = ""

    @property
    def filters(self) -> bool:
        """Whether it leaves any endpoint out."""
        return bool(self.state or self.protocol or self.reason or self.certificate or self.labels or self.text)

    @property
    def folded_used(self) -> bool:
        """Whether it uses filters that the page folds away: all but state, reason and text."""
        return bool(self.protocol or self.labels or self.group or self.sort is not Sort.URGENCY)

    def query(self, page: int = 1, **changes: Any) -> str:
        """The query that asks for this with some changes, and a `?` before it: `?state=failing&q=mx`."""
        asked = {field.name: getattr(self, field.name) for field in fields(self)} | changes
        pairs: list[tuple[str, str]] = [
            (_WRITTEN.get(name, name), str(value))
            for name, value in asked.items()
            if name != "labels" and value and value is not Sort.URGENCY
        ]
        pairs += [("label", f"{name}={value}") for name, value in asked["labels"]]
        if page > 1:
            pairs.append(("page", str(page)))
        return "?" + urlencode(pairs)


_WRITTEN: Final[Mapping[str, str]] = {"text": "q"}


def selection(request: web.Request) -> Selection:
    """Parse a query.

    Raises:
        web.HTTPBadRequest: A value does not exist.
    """
    query = request.query
    return Selection(
        state=_choice(Health, query.get("state", ""), "state"),
        protocol=_choice(Protocol, query.get("protocol", ""), "protocol"),
        reason=_choice(FailureReason, query.get("reason", ""), "failure reason"),
        certificate=_choice(Expiring, query.get("certificate", ""), "certificate state"),
        labels=_labels(query.getall("label", ())),
        text=query.get("q", "").strip(),
        sort=_choice(Sort, query.get("sort", ""), "order") or Sort.URGENCY,
        group=query.get("group", "").strip(),
    )


def page_number(request: web.Request) -> int:
    """The page number of a query.

    Raises:
        web.HTTPBadRequest: It is not a number from 1.
    """
    asked = request.query.get("page", "1")
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= len(str(MAX_PAGES)) and int(asked) > 0):
        raise web.HTTPBadRequest(text=f"No page {asked!r}. Write a number from 1.\n")
    return int(asked)


def asked_name(request: web.Request, kind: str = "endpoint") -> str:
    """The name that a path or a query gives.

    Args:
        request: The request.
        kind: What has the name: an endpoint, a flow or a domain.

    Raises:
        web.HTTPBadRequest: Neither has one.
    """
    name = request.match_info.get("name") or request.query.get("name")
    if not name:
        raise web.HTTPBadRequest(text=f"Which {kind}? Write {kind}?name=NAME.\n")
    return name


def names_an_endpoint(store: Store, request: web.Request) -> bool:
    """Whether what looks like the path of a failure is an endpoint with such a name: then it is `states` to ask."""
    return "id" in request.match_info and bool(_states(store, _whole_name(request)))


def _whole_name(request: web.Request) -> str:
    path = request.match_info
    return f"{path['name']}/failures/{path['id']}" if "id" in path else asked_name(request)


def states(store: Store, request: web.Request) -> tuple[EndpointState, Sequence[EndpointState]]:
    """What is asked for, and all the addresses of the endpoint if each has a state of its own.

    Without an address in the query it is the most urgent one.

    Raises:
        web.HTTPNotFound: There is no such endpoint, or it is not probed at that address.
    """
    name = _whole_name(request)
    found = _states(store, name)
    if not found:
        raise web.HTTPNotFound(text=f'No endpoint named "{name}".\n')
    each = found if found[0].endpoint.only_address is not None else ()
    asked = request.query.get("address")
    if asked is None:
        return min(found, key=lambda state: _URGENCY.index(state.health)), each
    for state in each:
        if state.endpoint.only_address == asked:
            return state, each
    raise web.HTTPNotFound(text=f'Endpoint "{name}" is not probed at the address {asked}.\n')


def _states(store: Store, name: str) -> Sequence[EndpointState]:
    """Those of a name; also after a proxy that tidies paths up, and makes one slash of two: imaps:/mail.example.com."""
    return store.states(name) or store.states(_MERGED.sub("://", name, count=1))


def failure(store: Store, request: web.Request) -> tuple[EndpointState, KeptFailure]:
    """The requested failed probe and its endpoint.

    Raises:
        web.HTTPNotFound: There is no such endpoint, or the failure is not kept (any more).
        web.HTTPBadRequest: No endpoint or no failure is named.
    """
    name = asked_name(request)
    wanted = request.match_info.get("id") or request.query.get("id")
    if not wanted:
        raise web.HTTPBadRequest(text="Which failure? Write failure?name=NAME&id=ID.\n")
    found = _states(store, name)
    if not found:
        raise web.HTTPNotFound(text=f'No endpoint named "{name}".\n')
    address = request.query.get("address")
    for state in found:
        if address in (None, state.endpoint.only_address) and (kept := state.history.failure(wanted)) is not None:
            return state, kept
    kept_for = f"The last {FAILURES_KEPT} of an endpoint are kept, until the exporter ends."
    raise web.HTTPNotFound(text=f'Endpoint "{name}" has no failure {wanted}. {kept_for}\n')


def flow(store: Store, request: web.Request) -> tuple[FlowState, ...]:
    """The state of the requested flow, or of each of its MX hosts.

    Raises:
        web.HTTPNotFound: There is no such flow.
    """
    name = asked_name(request, "flow")
    states = store.flows.of(name) or store.flows.configured(name)
    if not states:
        raise web.HTTPNotFound(text=f'No flow named "{name[:200]}".\n')
    return states


def domain(store: Store, request: web.Request) -> DomainState:
    """The state of the requested domain.

    Raises:
        web.HTTPNotFound: There is no such domain.
    """
    name = asked_name(request, "domain")
    state = store.domains.of(name.lower().removesuffix("."))
    if state is None:
        raise web.HTTPNotFound(text=f'No domain named "{name[:200]}".\n')
    return state


_MERGED = re.compile(r"(?<=[a-z]):/(?=[^/])")

_URGENCY: Final = tuple(Health)


def _choice(kind: type[Choice], asked: str, word: str) -> Choice | None:
    if not asked:
        return None
    try:
        return kind(asked)
    except ValueError:
        raise web.HTTPBadRequest(text=f"No {word} {asked!r}. Write one of: {', '.join(kind)}.\n") from None


def _labels(asked: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for each in filter(None, asked):
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise web.HTTPBadRequest(text=f"No label {each!r}. Write label=NAME=VALUE.\n")
        pairs.append((name, value))
    if len(pairs) > MAX_LABELS:
        raise web.HTTPBadRequest(text=f"More than {MAX_LABELS} labels. Leave some out.\n")
    return tuple(pairs)
