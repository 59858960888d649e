"""`mail-exporter flow`: one round trip now, shown as a waterfall of its legs or as JSON."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from exporter import logs
from exporter.cli.loading import config_files, or_exit
from exporter.cli.options import version_option
from exporter.cli.terminal import output, print_rows
from exporter.config.configuration import Configuration
from exporter.config.load import load
from exporter.flows.flow_runner import FlowRunner
from exporter.interrupts import INTERRUPTED
from exporter.metrics.flow_state import FlowState, FlowStates
from exporter.model import Flow, Flows, Leg, Outcome, Settled
from exporter.net.dns.mail_exchangers import mail_exchangers
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from exporter.web.flow_api import message

BAR_WIDTH: Final = 40
"""Columns that stand for the whole way."""

LEAVE_WITHIN: Final = 3.0
"""Seconds in which readers may say goodbye."""


@click.command()
@click.argument("name", metavar="NAME")
@config_files(meaning="The configuration that has the flow", required=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@version_option
def flow(name: str, config_files: tuple[str, ...], *, as_json: bool) -> None:
    """Send a message of a flow now, and wait for it.

    For a flow without `send`, look for its newest message instead. A daemon that runs the same flow is not disturbed:
    each leaves the other's messages alone. Exits with 0 if the message was delivered, and with 1 if not.
    """
    logs.configure(logs.LogLevel.ERROR, logs.LogFormat.LOGFMT)
    configuration = or_exit(lambda: load(*config_files))
    found = next((each for each in configuration.flows.flows if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in configuration.flows.flows)[:500]
        raise click.UsageError(f"the configuration has no flow {name!r}; it has {names or 'none'}")
    watch = _Watch(found)
    try:
        states = asyncio.run(_run_once(found, configuration, watch))
    except KeyboardInterrupt:
        click.echo("Ended. The message is removed when the daemon finds it, after an hour.", err=True)
        sys.exit(INTERRUPTED)
    good = bool(states) and all(map(_is_good, states))
    if as_json:
        click.echo(
            json.dumps({"flow": name, "success": good, "ways": [_document(state) for state in states]}, indent=2)
        )
    else:
        for state in states:
            _print(output(), state)
    sys.exit(0 if good else 1)


class _Watch(FlowStates):
    """Keeps the results, and prints on standard error what delays them.

    Attributes:
        changed: Set whenever something was found.
    """

    def __init__(self, flow: Flow) -> None:
        super().__init__(time.time)
        self.changed = asyncio.Event()
        self.configure((flow,))

    def keep(self, state: FlowState, **changes: Any) -> None:
        super().keep(state, **changes)
        self.changed.set()

    def held_up(self, flow: str, mx: str, why: str) -> None:
        super().held_up(flow, mx, why)
        if why:
            click.echo(f"{flow}{f' by {mx}' if mx else ''}: {why}", err=True)


async def _run_once(flow: Flow, configuration: Configuration, watch: _Watch) -> tuple[FlowState, ...]:
    resolver = Resolver(configuration.dns)
    visitor = Visitor(World(resolver, TlsContexts()), Logins(time.monotonic, configuration.login_backoff))
    runner = FlowRunner(visitor, watch, lambda domain: mail_exchangers(resolver, domain), run=secrets.token_hex(8))
    runner.configure(Flows((flow,), configuration.flows.key))
    try:
        if flow.sending is None:
            async with asyncio.timeout(2 * flow.receiving.endpoint.timeout):
                await _until(watch, lambda state: state.searched or bool(state.held_up))
        else:
            await runner.run(flow)
            if any(state.in_flight for state in watch.snapshot()):
                click.echo(f"Sent; looking for it in {flow.receiving.endpoint.name}.", err=True)
            await _until(watch, lambda state: not state.in_flight)
    except TimeoutError:
        click.echo(f"{flow.receiving.endpoint.name} does not answer.", err=True)
    finally:
        await runner.stop(LEAVE_WITHIN)
    return watch.snapshot()


async def _until(watch: _Watch, done: Callable[[FlowState], bool]) -> None:
    while not all(map(done, watch.snapshot())):
        watch.changed.clear()
        await watch.changed.wait()


def _is_good(state: FlowState) -> bool:
    if state.sends:
        return state.latest is not None and state.latest.outcome is Outcome.DELIVERED
    return state.overdue is False


def _document(state: FlowState) -> dict[str, object]:
    if state.sends:
        return {"mx": state.mx or None, "message": None if state.latest is None else message(state.latest)}
    return {"newest_at": state.newest_at, "overdue": state.overdue}


def _print(console: Console, state: FlowState) -> None:
    title = Text.assemble((state.flow.name, "bold"), f"  by {state.mx}" if state.mx else "")
    if not state.sends:
        _print_awaited(console, title, state)
        return
    if state.latest is None:
        console.print(title.append("  nothing is known of the message", "bold red"), soft_wrap=True)
        return
    settled = state.latest
    delivered = settled.outcome is Outcome.DELIVERED
    console.print(title, soft_wrap=True)
    verdict = Text(str(settled.outcome), "bold green" if delivered else "bold red")
    if settled.leg is not None:
        verdict.append(f", leg {settled.leg}" + (f", {settled.reason}" if settled.reason else ""))
    if settled.took is not None:
        verdict.append(f" after {_shown(settled.took)}")
    console.print(verdict, soft_wrap=True)
    if settled.detail:
        console.print(Text(settled.detail), soft_wrap=True)
    console.print()
    _print_legs(console, settled)
    facts = list(_facts(settled))
    if facts:
        console.print()
        print_rows(console, facts)


def _print_awaited(console: Console, title: Text, state: FlowState) -> None:
    if state.newest_at is None:
        title.append("  no message matches" if state.searched else "  the mailbox could not be read", "bold red")
    else:
        age = max(time.time() - state.newest_at, 0.0)
        style = "bold red" if state.overdue else "bold green"
        title.append(f"  newest {_shown(age)} ago" + (", overdue" if state.overdue else ""), style)
    console.print(title, soft_wrap=True)


def _print_legs(console: Console, settled: Settled) -> None:
    whole = sum(settled.legs.values()) or 1.0
    at = 0.0
    rows = []
    for leg in Leg:
        duration = settled.legs.get(leg)
        if duration is None:
            continue
        before = round(BAR_WIDTH * at / whole)
        width = max(round(BAR_WIDTH * duration / whole), 1)
        character = "#" if console.encoding.lower() == "ascii" else "█"
        rows.append((Text(leg), Text(_shown(duration)), Text(" " * before + character * width)))
        at += duration
    print_rows(console, rows, right={1})


def _facts(settled: Settled) -> list[tuple[Text, Text]]:
    arrival = settled.arrival
    if arrival is None:
        return []
    facts = [("mailbox", arrival.mailbox)]
    for hop in arrival.hops:
        delay = "unknown" if hop.delay is None else f"{hop.delay:+.0f} s"
        facts.append((f"by {hop.by or 'somebody'}", f"{delay} (clocks differ)" if hop.clocks_differ else delay))
    facts += [(str(method), str(result)) for method, result in arrival.authentication.items()]
    facts += [(f"{scanner} score", f"{score:g}") for scanner, score in arrival.spam_scores.items()]
    facts += [(str(fault.outcome), fault.detail) for fault in settled.faults[1:]]
    return [(Text(name, "bold"), Text(value)) for name, value in facts]


def _shown(seconds: float) -> str:
    if seconds >= 120:  # noqa: PLR2004 - two minutes: seconds are noise from there on
        return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"  # noqa: PLR2004 - two hours
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
