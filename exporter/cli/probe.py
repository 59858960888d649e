"""`mail-exporter probe`: probes now, shown as a waterfall, side by side, line by line, or as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NoReturn

import click
import structlog
from rich.console import Console

from exporter import logs
from exporter.cli import UNWRITABLE, probe_json
from exporter.cli.documentation_url import documentation_root, reason_url
from exporter.cli.loading import config_files
from exporter.cli.options import Parsed, version_option
from exporter.cli.probing import Rounds, probe_rounds
from exporter.cli.progress import Progress
from exporter.cli.report import print_failures, print_line, print_side_by_side, print_statistics
from exporter.cli.statistics import Statistics
from exporter.cli.targets import TargetError, endpoints_of
from exporter.cli.terminal import output
from exporter.cli.waterfall import print_result
from exporter.config.configuration import Configuration
from exporter.config.load import load
from exporter.config.problems import ConfigurationError
from exporter.config.values.durations import parse_duration
from exporter.interrupts import INTERRUPTED
from exporter.model import DnsSettings, Endpoint, FailureReason, ProbeResult

log = structlog.get_logger()

NOT_TRIED: Final = frozenset({FailureReason.SECRET_UNREADABLE, FailureReason.INTERNAL_ERROR})
"""Reasons that are not about the server, because it was not probed."""

MOST_ROUNDS: Final = 100_000
LONGEST_INTERVAL: Final = 24 * 3600.0


class ExitCode(IntEnum):
    """The exit codes of the command."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    NOT_TRIED = 3


def _interval(text: str) -> float:
    seconds = parse_duration(text)
    if seconds > LONGEST_INTERVAL:
        raise ValueError(f"{text} is longer than 24h")
    return seconds


@click.command()
@click.argument("targets", metavar="TARGET...", nargs=-1)
@config_files(meaning="The configuration that has the endpoints")
@click.option(
    "--repeat",
    type=click.IntRange(1, MOST_ROUNDS),
    metavar="N",
    help="Probe this many times, and show the spread of the durations.",
)
@click.option("--watch", is_flag=True, help="Probe repeatedly until Ctrl-C.")
@click.option(
    "--interval",
    type=Parsed("duration", _interval),
    default="1s",
    show_default=True,
    help="Time from the start of one round to the next, with --repeat and --watch.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON object for each result, also for targets that could not be probed.",
)
@click.option("--schema", is_flag=True, help="Print the JSON schema of those objects, and exit.")
@click.option(
    "--web.external-url",
    "external_url",
    metavar="URL",
    help="The URL of the exporter's pages, for the link that explains a failure.",
)
@version_option
@click.pass_context
def probe(
    context: click.Context,
    targets: tuple[str, ...],
    *,
    config_files: tuple[str, ...],
    repeat: int | None,
    interval: float,
    external_url: str | None,
    watch: bool,
    as_json: bool,
    schema: bool,
) -> None:
    """Probe now, and show what happens.

    A TARGET is a URL such as imaps://mail.example.com, or with --config.file the name of an endpoint, which is
    probed as configured. Several targets are probed at once and shown side by side. A mail domain or address stands for
    all servers that the domain publishes.

    Exits with 0 if all succeeded, 1 if a target failed, and 2 for wrong usage. Exits with 3 if a target could not be
    probed: the configuration is invalid, a secret cannot be read, or there is a bug.
    """
    if schema:
        click.echo(json.dumps(probe_json.schema(), indent=2))
        return
    _check_usage(context, targets, repeat, watch=watch)
    logs.configure(logs.LogLevel.WARN, logs.LogFormat.LOGFMT)
    configuration = _configuration(config_files, as_json=as_json)
    endpoints = _endpoints(targets, configuration, as_json=as_json)
    rounds = Rounds(None if watch else repeat or 1, interval)
    session = _Session(endpoints, rounds, external_url, as_json=as_json)
    try:
        session.run(configuration.dns if configuration else DnsSettings())
    except Exception as error:
        if getattr(error, "errno", None) in UNWRITABLE:
            raise
        log.exception("bug: probing raised")
        _give_up(ExitCode.NOT_TRIED, None, "bug", ["a bug of mail-exporter; see the traceback"], as_json=as_json)
    sys.exit(session.exit_code)


def _check_usage(context: click.Context, targets: tuple[str, ...], repeat: int | None, *, watch: bool) -> None:
    if not targets:
        raise click.UsageError("name at least one TARGET", context)
    if watch and repeat is not None:
        raise click.UsageError("give either --repeat or --watch", context)


def _configuration(config_files: tuple[str, ...], *, as_json: bool) -> Configuration | None:
    if not config_files:
        return None
    try:
        return load(*config_files)
    except ConfigurationError as error:
        _give_up(
            ExitCode.NOT_TRIED, None, "configuration", [str(problem) for problem in error.problems], as_json=as_json
        )


def _endpoints(targets: Iterable[str], configuration: Configuration | None, *, as_json: bool) -> list[Endpoint]:
    found: dict[str, Endpoint] = {}
    for target in targets:
        try:
            found |= {endpoint.name: endpoint for endpoint in endpoints_of(target, configuration)}
        except TargetError as error:
            if not as_json:
                raise click.UsageError(str(error)) from None
            _give_up(ExitCode.USAGE, target, "usage", [str(error)], as_json=True)
    return list(found.values())


def _give_up(code: ExitCode, target: str | None, why: str, problems: Sequence[str], *, as_json: bool) -> NoReturn:
    """End the command before any probe."""
    for problem in problems:
        click.echo(problem, err=True)
    if as_json:
        click.echo(json.dumps(probe_json.not_tried(target, why, problems), indent=2))
    sys.exit(code)


@dataclass
class _Session:
    """The requested probes and their results so far."""

    endpoints: Sequence[Endpoint]
    rounds: Rounds
    external_url: str | None
    as_json: bool
    interrupted: bool = False
    results: list[ProbeResult] = field(default_factory=list)
    console: Console = field(default_factory=output)

    @property
    def repeated(self) -> bool:
        return self.rounds.count != 1

    @property
    def exit_code(self) -> int:
        if self.interrupted and (self.rounds.count is not None or not self.results):
            return INTERRUPTED
        reasons = {result.failure.reason for result in self.results if result.failure is not None}
        if reasons & NOT_TRIED:
            return ExitCode.NOT_TRIED
        return ExitCode.FAILED if reasons else ExitCode.SUCCEEDED

    def run(self, dns: DnsSettings) -> None:
        """Probe until all is done or the user ends it, and print the results."""
        progress = Progress()
        # Where both are the same screen, only the console that prints can keep its lines apart from those that change.
        watching = self.console if self.console.is_terminal else Console(stderr=True, highlight=False)
        probing = probe_rounds(self.endpoints, dns, self.rounds, progress, self._take)
        try:
            with progress.shown(watching):
                asyncio.run(probing)
        except KeyboardInterrupt:
            self.interrupted = True
        if self.as_json:
            self._sum_up_as_json()
        else:
            self._sum_up()

    def _take(self, result: ProbeResult) -> None:
        self.results.append(result)
        if self.as_json and (self.repeated or len(self.endpoints) > 1):
            # One line each, so that a reader of the pipe gets it at once.
            click.echo(json.dumps(probe_json.probed(result)))
        elif self.repeated and not self.as_json:
            print_line(self.console, result, width=max(len(endpoint.name) for endpoint in self.endpoints))

    def _sum_up_as_json(self) -> None:
        if self.repeated:
            for name, results in self._by_endpoint():
                click.echo(json.dumps(probe_json.statistics(name, Statistics.of(results))))
        elif len(self.endpoints) == 1:
            for result in self.results:
                click.echo(json.dumps(probe_json.probed(result), indent=2))

    def _sum_up(self) -> None:
        ordered = [result for _, results in self._by_endpoint() for result in results]
        if self.repeated:
            for name, results in self._by_endpoint():
                print_statistics(self.console, name, Statistics.of(results))
        elif len(self.endpoints) == 1:
            for result in ordered:
                print_result(self.console, self.endpoints[0], result)
        else:
            print_side_by_side(self.console, ordered)
        self._say_why(ordered)

    def _say_why(self, results: Sequence[ProbeResult]) -> None:
        """Print the last failure of each endpoint."""
        last = {result.endpoint: result for result in results if result.failure is not None}
        reasons = {result.failure.reason for result in last.values() if result.failure is not None}
        root = documentation_root(self.external_url) if reasons else ""
        urls = {reason: reason_url(reason, root) for reason in reasons}
        print_failures(self.console, list(last.values()), urls, named=len(self.endpoints) > 1)

    def _by_endpoint(self) -> list[tuple[str, list[ProbeResult]]]:
        """The results of each endpoint, in the order of the arguments."""
        found: dict[str, list[ProbeResult]] = {endpoint.name: [] for endpoint in self.endpoints}
        for result in self.results:
            found[result.endpoint].append(result)
        return [(name, results) for name, results in found.items() if results]
