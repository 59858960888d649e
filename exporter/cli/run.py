"""`mail-exporter run`: the daemon."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

from exporter import logs
from exporter.cli.listening import listen_addresses
from exporter.cli.loading import config_files, or_exit
from exporter.cli.once import OnceCommand
from exporter.cli.shards import chosen_shard, shard_options
from exporter.cli.version import version_option
from exporter.config.configuration import Configuration
from exporter.config.files import STANDARD_INPUT, read_standard_input
from exporter.config.subprocess_loader import begin_in_subprocess, load_in_subprocess
from exporter.interpreter import uncollected
from exporter.watching import Watcher
from exporter.web.addresses import ListenAddress, ListenError, inherited_sockets
from exporter.web.prefix import Site

if TYPE_CHECKING:
    from exporter.web.policy_file import PolicyFile

log = structlog.get_logger()


@click.command(cls=OnceCommand)
@config_files(meaning="The configuration", required=True)
@click.option("--config.watch", "watch", is_flag=True, help="Reload the configuration when one of its files changes.")
@listen_addresses(default=":9925")
@click.option(
    "--web.config.file",
    "web_config_file",
    type=click.Path(path_type=Path, readable=False),
    help="TLS, users and limits of HTTP, in the format of Prometheus' exporter-toolkit.",
)
@click.option(
    "--web.external-url",
    "external_url",
    metavar="URL",
    help="The URL of the pages for people, for instance behind a proxy; its path is the prefix of every route.",
)
@click.option(
    "--web.route-prefix",
    "route_prefix",
    metavar="PATH",
    help="The prefix of every route, if not the path of --web.external-url: / if a proxy removes that.",
)
@click.option("--web.enable-lifecycle", "lifecycle", is_flag=True, help="Let POST /-/reload reload the configuration.")
@click.option(
    "--history.file",
    "history_file",
    type=click.Path(path_type=Path, readable=False, dir_okay=False),
    help="A file that keeps the history of the pages over restarts. Without it, the history ends with the process.",
)
@shard_options
@click.option(
    "--log.level",
    "log_level",
    type=click.Choice([level.value for level in logs.LogLevel]),
    default=logs.LogLevel.INFO.value,
    show_default=True,
    help="The lowest level to log.",
)
@click.option(
    "--log.format",
    "log_format",
    type=click.Choice([form.value for form in logs.LogFormat]),
    default=logs.LogFormat.LOGFMT.value,
    show_default=True,
    help="The format of the log.",
)
@version_option
def run(
    config_files: tuple[str, ...],
    addresses: tuple[ListenAddress, ...],
    *,
    web_config_file: Path | None,
    external_url: str | None,
    route_prefix: str | None,
    history_file: Path | None,
    shard: int | None,
    total_shards: int,
    log_level: str,
    log_format: str,
    watch: bool,
    lifecycle: bool,
) -> None:
    """Probe on schedule and serve metrics to Prometheus, until SIGTERM or SIGINT.

    SIGHUP reloads the configuration: whole, or not at all.
    """
    if watch and {*config_files} == {STANDARD_INPUT}:
        raise click.UsageError("--config.watch: standard input cannot change; give --config.file a file to watch")
    share = chosen_shard(shard, total_shards)
    site = _site(external_url, route_prefix)
    logs.configure(logs.LogLevel(log_level), logs.LogFormat(log_format))
    # What came from standard input stays what it was, however often it is read again.
    standard_input = read_standard_input() if STANDARD_INPUT in config_files else b""
    load = partial(load_in_subprocess, *config_files, standard_input=standard_input)
    # Before the files are read, so that no change after that is missed.
    watcher = Watcher(config_files) if watch else None
    loaded = begin_in_subprocess(*config_files, standard_input=standard_input)
    # Meanwhile the other process reads the configuration: this takes as long.
    from exporter import app  # noqa: PLC0415 - see above
    from exporter.history_file import HistoryFile  # noqa: PLC0415 - see above

    with uncollected():
        configuration = or_exit(loaded)
    _warn(configuration)
    web_config = None if web_config_file is None else or_exit(lambda: _policies(web_config_file))
    history = None if history_file is None else HistoryFile(history_file)
    reloading = app.Reloading(lambda: _warn(load()), watcher, lifecycle)
    try:
        places = inherited_sockets(os.environ) or addresses
        daemon = app.serve(
            configuration, places, _announce, reloading, share, web_config=web_config, history=history, site=site
        )
        asyncio.run(daemon)
    except ListenError as error:
        click.echo(f"mail-exporter: {error}", err=True)
        sys.exit(1)


def _warn(configuration: Configuration) -> Configuration:
    """Log the configuration's warnings."""
    for warning in configuration.warnings:
        log.warning("configuration", **warning.place, warning=warning.message)
    return configuration


def _site(external_url: str | None, route_prefix: str | None) -> Site:
    try:
        return Site.parse(external_url, route_prefix)
    except ValueError as error:
        flag = "--web.external-url" if route_prefix is None else "--web.external-url or --web.route-prefix"
        raise click.BadParameter(str(error), param_hint=flag) from None


def _policies(web_config_file: Path) -> PolicyFile:
    from exporter.web.policy_file import PolicyFile  # noqa: PLC0415 - reading a file takes 12 MiB, which few need here

    return PolicyFile(web_config_file)


def _announce(urls: Sequence[str]) -> None:
    for url in urls:
        log.info("listening", url=url)
