"""`mail-exporter run`: the daemon.

It starts the process that reads the configuration as soon as the arguments are known, and so imports little before.
`serving` has the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter import logs
from exporter.cli.listening import listen_addresses
from exporter.cli.loading import config_files
from exporter.cli.options import OnceCommand, version_option
from exporter.cli.shards import chosen_shard, shard_options
from exporter.config.files import STANDARD_INPUT, read_standard_input
from exporter.config.reader_process import reading
from exporter.imports import lean
from exporter.interrupts import leaving
from exporter.web.serving.addresses import ListenAddress
from exporter.web.serving.external_site import ExternalSite

if TYPE_CHECKING:
    from exporter.watching import Watcher


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
    share = chosen_shard(shard, total_shards)
    site = _site(external_url, route_prefix)
    logs.configure(logs.LogLevel(log_level), logs.LogFormat(log_format))
    # Before the files are read, so that no change after that is missed.
    watcher = _watcher(config_files) if watch else None
    # What came from standard input stays what it was, however often it is read again.
    standard_input = read_standard_input() if STANDARD_INPUT in config_files else b""
    with reading(*config_files) as reader:
        with lean(), leaving(reader.kill):
            from exporter.cli import serving  # noqa: PLC0415 - takes as long as the other process reads
        files = serving.Files(config_files, standard_input, watcher)
        serving.serve(
            reader,
            files,
            addresses,
            share,
            site,
            web_config_file=web_config_file,
            history_file=history_file,
            lifecycle=lifecycle,
        )


def _watcher(config_files: tuple[str, ...]) -> Watcher:
    if {*config_files} == {STANDARD_INPUT}:
        raise click.UsageError("--config.watch: standard input cannot change; give --config.file a file to watch")
    from exporter.watching import Watcher  # noqa: PLC0415 - few watch, and the other process should start soon

    return Watcher(config_files)


def _site(external_url: str | None, route_prefix: str | None) -> ExternalSite:
    try:
        return ExternalSite.parse(external_url, route_prefix)
    except ValueError as error:
        flag = "--web.external-url" if route_prefix is None else "--web.external-url or --web.route-prefix"
        raise click.BadParameter(str(error), param_hint=flag) from None
