"""What `run` does while another process reads the configuration, and then with it.

`run` imports this module when that process runs: importing the daemon takes as long as reading does.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

from exporter import app
from exporter.cli.loading import or_exit
from exporter.config.configuration import Configuration
from exporter.config.subprocess_loader import finish, load_in_subprocess
from exporter.history_file import HistoryFile
from exporter.interpreter import uncollected
from exporter.sharding import Shard
from exporter.watching import Watcher
from exporter.web.serving.addresses import ListenAddress, ListenError, inherited_sockets
from exporter.web.serving.external_site import ExternalSite

if TYPE_CHECKING:
    from exporter.web.policy.policy_file import PolicyFile

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Files:
    """The files of the configuration.

    Attributes:
        patterns: As they were given.
        standard_input: What came from there. It stays what it was, however often it is read again.
        watcher: Reports their changes; `None` to watch none.
    """

    patterns: Sequence[str]
    standard_input: bytes
    watcher: Watcher | None


def serve(
    reader: subprocess.Popen[bytes],
    files: Files,
    addresses: Sequence[ListenAddress],
    share: Shard,
    site: ExternalSite,
    *,
    web_config_file: Path | None,
    history_file: Path | None,
    lifecycle: bool,
) -> None:
    """Be the daemon, with the configuration that the other process reads."""
    # Modules stay. To look for garbage among them would take a tenth of the start, and find 0.2 MiB.
    gc.freeze()
    with uncollected():
        configuration = or_exit(partial(finish, reader, files.patterns[0], files.standard_input))
    _warn(configuration)
    web_config = None if web_config_file is None else or_exit(lambda: _policies(web_config_file))
    history = None if history_file is None else HistoryFile(history_file)
    load = partial(load_in_subprocess, *files.patterns, standard_input=files.standard_input)
    reloading = app.Reloading(lambda: _warn(load()), files.watcher, lifecycle)
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


def _policies(web_config_file: Path) -> PolicyFile:
    from exporter.web.policy.policy_file import PolicyFile  # noqa: PLC0415 - reading a file takes 12 MiB, which few need here

    return PolicyFile(web_config_file)


def _announce(urls: Sequence[str]) -> None:
    for url in urls:
        log.info("listening", url=url)
