"""The route `/probe`: probes on request, with answers like those of blackbox_exporter.

It parses queries and writes results. `exporter.visiting.on_demand` checks targets and limits the number of probes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import structlog
from aiohttp import hdrs, web

from exporter.config.configuration import Module
from exporter.config.problems import quoted
from exporter.config.values.allowed import AllowedTargets
from exporter.config.yaml_output import render_endpoint, render_module
from exporter.metrics.endpoint_state import advance, unprobed
from exporter.metrics.exposition import Format, expose_probe
from exporter.metrics.record import Shared
from exporter.metrics.rows.blackbox import Probed
from exporter.model import Endpoint, ProbeResult
from exporter.visiting.on_demand import NotAllowedError, OnDemand, UnavailableError
from exporter.web.serving.negotiation import preferred_format

SCRAPE_TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds"
"""The header by which Prometheus says how long it waits."""

OFFSET = 0.5
"""Seconds by which the answer is sent earlier than that, as with blackbox_exporter."""

TEXT = "text/plain; charset=utf-8"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """A parsed request.

    Attributes:
        configuration: Its configuration, as YAML without secrets.
        module: Its name; empty if the endpoint is a configured one.
    """

    endpoint: Endpoint
    allowed: AllowedTargets | None
    configuration: str
    module: str = ""


def probe_routes(
    on_demand: OnDemand, modules: Callable[[], Mapping[str, Module]], endpoint: Callable[[str], Endpoint | None]
) -> list[web.RouteDef]:
    """The routes.

    Args:
        on_demand: Makes the probes.
        modules: Those in force, by name.
        endpoint: Finds the configured endpoint of a name; `None` if it does not exist.
    """
    probing = _Probing(on_demand, modules, endpoint)
    # Not for HEAD: to say how long the answer is, it would have to probe.
    return [web.get("/probe", probing.answer, allow_head=False)]


class _Probing:
    def __init__(
        self,
        on_demand: OnDemand,
        modules: Callable[[], Mapping[str, Module]],
        endpoint: Callable[[str], Endpoint | None],
    ) -> None:
        self._on_demand = on_demand
        self._modules = modules
        self._endpoint = endpoint

    async def answer(self, request: web.Request) -> web.Response:
        asked = self._asked(request.query)
        within = _within(request, asked.endpoint)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            results = await self._on_demand.probe(asked.endpoint, allowed=asked.allowed, within=within)
        except NotAllowedError as refusal:
            log.warning(
                "refused a probe",
                module=asked.module,
                target=asked.endpoint.name,
                remote=request.remote,
                reason=str(refusal),
            )
            text = f"The module {asked.module} does not allow this target: {refusal}.\n"
            raise web.HTTPForbidden(text=text) from None
        except UnavailableError as refusal:
            headers = {hdrs.RETRY_AFTER: "1"}
            raise web.HTTPServiceUnavailable(text=f"No probe now: {refusal}.\n", headers=headers) from None
        probed = Probed(results)
        form = preferred_format(",".join(request.headers.getall(hdrs.ACCEPT, ())))
        if request.query.get("debug") == "true":
            lines = _explained(asked, probed, within, loop.time() - began)
            return web.Response(text="".join(lines), headers={hdrs.CONTENT_TYPE: TEXT})
        return web.Response(body=_exposed(asked.endpoint, probed, form), headers={hdrs.CONTENT_TYPE: form.value})

    def _asked(self, query: Mapping[str, str]) -> ProbeRequest:
        """Parse a query. The first value of a repeated parameter counts, as in blackbox_exporter.

        Raises:
            web.HTTPBadRequest: It is invalid.
            web.HTTPNotFound: There is no such endpoint.
        """
        if "hostname" in query:
            raise _bad("hostname: the name in the certificate is the module's to say; write tls.server_name there")
        if "endpoint" in query:
            if "target" in query or "module" in query:
                raise _bad("endpoint: names all that there is to know; leave out target and module")
            return self._configured(query["endpoint"])
        modules, name = self._modules(), query.get("module", "")
        if name not in modules:
            known = (
                f"write one of {', '.join(modules)}" if modules else "the configuration has none, add one to modules"
            )
            raise _bad(f"module: {f'there is no {quoted(name)}' if name else 'is missing'}; {known}")
        module = modules[name]
        try:
            endpoint = module.endpoint(query.get("target", ""))
        except ValueError as error:
            raise _bad(f"target: {error}") from None
        return ProbeRequest(endpoint, module.allowed, "".join(render_module(module)), name)

    def _configured(self, name: str) -> ProbeRequest:
        endpoint = self._endpoint(name)
        if endpoint is None:
            raise web.HTTPNotFound(text=f"No endpoint named {quoted(name)}.\n")
        return ProbeRequest(endpoint, None, "".join(render_endpoint(endpoint)))


def _bad(complaint: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=f"{complaint}.\n")


def _within(request: web.Request, endpoint: Endpoint) -> float:
    """Seconds until an answer is due.

    Raises:
        web.HTTPBadRequest: The header is invalid.
    """
    written = request.headers.get(SCRAPE_TIMEOUT)
    if not written:
        # Nobody says: the probe may take all of its time, and wait as long for its turn.
        return 2 * endpoint.timeout
    try:
        timeout = float(written)
    except ValueError:
        timeout = math.nan
    if not 0.0 < timeout < math.inf:
        raise _bad(f"{SCRAPE_TIMEOUT}: {quoted(written)} is not a number of seconds")
    return max(timeout - OFFSET, timeout / 2)


def _exposed(endpoint: Endpoint, probed: Probed, form: Format) -> bytes:
    each = [(replace(endpoint, only_address=result.only_address), result) for result in probed.results]
    states = tuple(advance(unprobed(one), result, Shared()) for one, result in each)
    return expose_probe(states, probed, form)


def _explained(asked: ProbeRequest, probed: Probed, within: float, took: float) -> Iterator[str]:
    """All about a probe, for people."""
    by = f"by module {asked.module}" if asked.module else "as configured"
    yield f"Probe of {asked.endpoint.name} {by}, answered after {took:.3f} s of {within:g} s\n"
    for result in probed.results:
        yield from _told(result)
    yield "\nMetrics that would have been returned:\n"
    yield _exposed(asked.endpoint, probed, Format.TEXT).decode()
    yield f"\nConfiguration:\n{asked.configuration}"


def _told(result: ProbeResult) -> Iterator[str]:
    address = result.facts.address
    yield f"\nConversation{f' with {address}' if address else ''}, in seconds since its begin:\n"
    for line in result.transcript:
        yield f"{line.at:10.6f} {line.direction} {line.text}\n"
    yield "\nPhases, in seconds:\n"
    for phase, duration in result.phase_durations.items():
        yield f"{duration:10.6f} {phase}\n"
    failure = result.failure
    if failure is None:
        yield "\nThe probe succeeded.\n"
    else:
        yield f"\nThe probe failed in the phase {failure.phase}: {failure.reason}\n{failure.detail}\n"
