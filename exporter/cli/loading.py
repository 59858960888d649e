"""Loading a configuration for a command: the option that names it, and the end of the command if it cannot be used.

What is wrong with a configuration goes to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, TypeVar

import click

from exporter.config.problems import ConfigurationError

INVALID: Final = 1
"""The exit code for a configuration that cannot be used."""

T = TypeVar("T")


def config_files(meaning: str, *, required: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option `--config.file`, repeatable, as the argument `config_files`."""
    return click.option(
        "--config.file",
        "config_files",
        multiple=True,
        required=required,
        metavar="PATH",
        help=f"{meaning}: a file, a pattern in quotes such as 'conf.d/*.yaml', or - for standard input. Repeatable; "
        "all of them are one configuration.",
    )


def or_exit(load: Callable[[], T]) -> T:
    """What is loaded; prints all that is wrong with it and ends the process if anything is."""
    try:
        return load()
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(INVALID)
