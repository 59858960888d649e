"""Loading a configuration for a command: what is wrong with it goes to standard error, and the command ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from exporter.config.endpoints import endpoint_from_url
from exporter.config.load import Configuration, load
from exporter.config.problems import ConfigurationError
from exporter.model import Endpoint
from exporter.web.policy import PolicyFile

INVALID: Final = 1
"""The exit code for a configuration that cannot be used."""


def load_or_exit(path: Path) -> Configuration:
    """The configuration of a file; prints all its problems and ends the process if it has any."""
    try:
        return load(path)
    except ConfigurationError as error:
        _exit(error)


def web_config_or_exit(path: Path) -> PolicyFile:
    """The web configuration of a file; likewise."""
    try:
        return PolicyFile(path)
    except ConfigurationError as error:
        _exit(error)


def _exit(error: ConfigurationError) -> NoReturn:
    for problem in error.problems:
        click.echo(str(problem), err=True)
    sys.exit(INVALID)


def endpoint_of_url(url: str) -> Endpoint:
    """The endpoint that a URL describes, with every default.

    Raises:
        click.UsageError: It describes none.
    """
    try:
        return endpoint_from_url(url)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
