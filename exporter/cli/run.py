"""`mail-exporter run`: the daemon."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import structlog

from exporter import app, logs
from exporter.cli.listening import listen_addresses
from exporter.cli.loading import load_or_exit
from exporter.web.server import ListenAddress, ListenError

log = structlog.get_logger()


@click.command()
@click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    required=True,
    help="The configuration.",
)
@listen_addresses(default=":9925")
@click.option(
    "--log.level",
    "log_level",
    type=click.Choice([level.value for level in logs.LogLevel]),
    default=logs.LogLevel.INFO.value,
    show_default=True,
    help="The least important messages to log.",
)
@click.option(
    "--log.format",
    "log_format",
    type=click.Choice([form.value for form in logs.LogFormat]),
    default=logs.LogFormat.LOGFMT.value,
    show_default=True,
    help="How to write them.",
)
def run(config_file: Path, addresses: tuple[ListenAddress, ...], log_level: str, log_format: str) -> None:
    """Probe on schedule and serve the figures to Prometheus, until SIGTERM or SIGINT."""
    logs.configure(logs.LogLevel(log_level), logs.LogFormat(log_format))
    configuration = load_or_exit(config_file)
    for warning in configuration.warnings:
        log.warning(warning.message, file=warning.file, line=warning.line)
    try:
        asyncio.run(app.serve(configuration, addresses, _announce))
    except ListenError as error:
        click.echo(f"mail-exporter: {error}", err=True)
        sys.exit(1)


def _announce(urls: Sequence[str]) -> None:
    for url in urls:
        log.info("listening", url=url)
