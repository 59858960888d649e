"""Runs all flows: assigns them to readers, and sends a message when a flow is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

import structlog

from exporter.flows.desk import Desk
from exporter.flows.reading.reader import MailboxReader
from exporter.flows.sending import send
from exporter.metrics.flow_state import FlowStates
from exporter.model import Endpoint, FailureReason, Flow, Flows, Outcome, Protocol, Proxy
from exporter.schedule.job import Connections, Job, uncounted
from exporter.visiting.visit import Visitor

Exchangers: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the names of a domain's MX hosts, the most preferred first. Raises `OSError`, including `ResolveError`."""

MAX_EXCHANGERS: Final = 10
"""The most MX hosts to send to. No well-run domain has more."""

FIRST_WITHIN: Final = 10.0
"""Seconds after the start in which the first messages are sent. So a restart does not send all at once."""

log = structlog.get_logger()

_Login: TypeAlias = tuple[Protocol, str, int, str, str, Proxy | None]


class FlowRunner:
    """Runs all flows of a process."""

    def __init__(self, visitor: Visitor, observer: FlowStates, exchangers: Exchangers, run: str = "") -> None:
        """Prepare to run flows.

        Args:
            visitor: Carries out visits.
            observer: Receives what flows find.
            exchangers: Finds the MX hosts of a domain.
            run: Identifies a single run, because a daemon may run at the same time; empty for the daemon.
        """
        self.desk = Desk(observer, run=run)
        self._visitor = visitor
        self._exchangers = exchangers
        self._readers: dict[_Login, MailboxReader] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._flows: dict[str, Flow] = {}
        self._held: set[tuple[str, str]] = set()

    def configure(self, flows: Flows) -> None:
        """Use these flows from now on. Remaining flows keep their messages in flight."""
        self.desk.configure(flows)
        self._flows = {flow.name: flow for flow in flows.flows}
        receiving: dict[_Login, list[Flow]] = {}
        bouncing: dict[_Login, list[Flow]] = {}
        endpoints: dict[_Login, Endpoint] = {}
        for flow in flows.flows:
            login = _login(flow.receiving.endpoint)
            endpoints.setdefault(login, flow.receiving.endpoint)
            receiving.setdefault(login, []).append(flow)
        for flow in flows.flows:
            if flow.sending is not None and flow.sending.bounces is not None:
                login = _login(flow.sending.bounces)
                endpoints.setdefault(login, flow.sending.bounces)
                bouncing.setdefault(login, []).append(flow)
        for login in self._readers.keys() - endpoints.keys():
            self._dismiss(self._readers.pop(login))
        for login, endpoint in endpoints.items():
            reader = self._readers.get(login)
            begins = reader is None
            if reader is None:
                reader = self._readers[login] = MailboxReader(endpoint, self.desk, self._visitor)
            reader.configure(endpoint, tuple(receiving.get(login, ())), tuple(bouncing.get(login, ())))
            if begins:
                reader.start()

    def jobs(self) -> tuple[Job, ...]:
        """The jobs of the flows that send. With `mx` a job names no hosts. It counts them when it has found them."""
        return tuple(
            Job(
                ("\0flow", flow.name),
                flow.interval,
                partial(self.run, flow),
                hosts=(flow.sending.endpoint.host,) if flow.sending.mx is None else (),
                first_within=FIRST_WITHIN,
            )
            for flow in self._flows.values()
            if flow.sending is not None
        )

    async def run(self, flow: Flow, connection: Connections = uncounted) -> None:
        """Send a flow's message, one to each MX host. Raises nothing except cancellation.

        Flows that only await messages do nothing here, because their reader runs by itself.
        """
        flow = self._flows.get(flow.name, flow)
        if flow.sending is None:
            return
        try:
            endpoints = await self._endpoints(flow)
        except OSError as error:
            await self._not_found(flow, error)
            return
        self.desk.keep_hosts(flow, [mx for mx, _ in endpoints])
        await asyncio.gather(*(self._send(flow, mx, endpoint, connection) for mx, endpoint in endpoints))

    async def stop(self, within: float) -> None:
        """Let readers end their visits for so many seconds, then cancel them."""
        readers = list(self._readers.values())
        for reader in readers:
            reader.stop()
        waiting = [asyncio.ensure_future(reader.ended()) for reader in readers] + list(self._leaving)
        if waiting:
            await asyncio.wait(waiting, timeout=within)
        await asyncio.gather(*(reader.cancel() for reader in readers))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _send(self, flow: Flow, mx: str, endpoint: Endpoint, connection: Connections) -> None:
        ledger = self.desk.ledger(flow, mx)
        if not ledger.may_send:
            if (flow.name, mx) not in self._held:
                log.warning("flow sends no more messages for now", flow=flow.name, mx=mx, in_flight=len(ledger))
            self._held.add((flow.name, mx))
            self.desk.observer.held_up(flow.name, mx, f"{len(ledger)} messages are under way; no more are sent for now")
            return
        if (flow.name, mx) in self._held:
            self._held.discard((flow.name, mx))
            self.desk.observer.held_up(flow.name, mx, "")
        readers = self._concerned(flow)
        await asyncio.gather(*(reader.attention() for reader in readers))
        try:
            async with connection(endpoint.host) if mx else nullcontext():
                await send(flow, endpoint, ledger, self.desk, self._visitor)
        except Exception:
            log.exception("bug: sending a message of a flow broke", flow=flow.name, mx=mx)
        finally:
            for reader in readers:
                reader.sent()

    def _concerned(self, flow: Flow) -> list[MailboxReader]:
        logins = [_login(flow.receiving.endpoint)]
        if flow.sending is not None and flow.sending.bounces is not None:
            logins.append(_login(flow.sending.bounces))
        return [self._readers[login] for login in dict.fromkeys(logins) if login in self._readers]

    async def _endpoints(self, flow: Flow) -> list[tuple[str, Endpoint]]:
        """Where to send a message: pairs of the MX host, empty if there is none, and the endpoint."""
        if flow.sending is None:
            return []
        endpoint, domain = flow.sending.endpoint, flow.sending.mx
        if domain is None:
            return [("", endpoint)]
        hosts = list(await self._exchangers(domain))[:MAX_EXCHANGERS]
        return [(host, replace(endpoint, name=f"mx {host}", host=host)) for host in hosts]

    async def _not_found(self, flow: Flow, error: OSError) -> None:
        """Settle a message as `send_failed`, because the MX hosts could not be looked up."""
        ledger, now = self.desk.ledger(flow, ""), self.desk.now()
        entry = ledger.begin(ledger.next_token(now), "", now)
        reason = str(getattr(error, "reason", FailureReason.DNS_FAILED))
        settled = ledger.not_submitted(entry, Outcome.SEND_FAILED, reason=reason, detail=str(error), now=now)
        self.desk.settle(ledger, settled)

    def _dismiss(self, reader: MailboxReader) -> None:
        """Stop a reader that is not needed any more, without waiting for it."""
        reader.stop()
        task = asyncio.create_task(reader.ended())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _login(endpoint: Endpoint) -> _Login:
    """The key that is equal for endpoints with the same mailboxes."""
    username = "" if endpoint.credentials is None else endpoint.credentials.username
    return endpoint.protocol, endpoint.host, endpoint.port, username, endpoint.source_address or "", endpoint.proxy
