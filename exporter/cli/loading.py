"""Loading a configuration for a command: what is wrong with it goes to standard error, and the command ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, TypeVar

import click

from exporter.config.problems import ConfigurationError

INVALID: Final = 1
"""The exit code for a configuration that cannot be used."""

T = TypeVar("T")


def or_exit(load: Callable[[], T]) -> T:
    """What is loaded; prints all that is wrong with it and ends the process if anything is."""
    try:
        return load()
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(INVALID)
