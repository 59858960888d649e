"""Loading a configuration for a command: the option that names it, and the end of the command if it cannot be used.

Problems of a configuration are printed on standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final, TypeVar

import click

from exporter.config.problems import ConfigurationError
from exporter.net.detours import VARIABLE, Detours, demo_detours

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
        callback=None if required else _of_the_demo,
        metavar="PATH",
        help=f"{meaning}: a file, a pattern in quotes such as 'conf.d/*.yaml', or - for standard input. Repeatable; "
        "all of them are one configuration.",
    )


def _of_the_demo(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The given files, or else the file of the running demo that the environment names."""
    directory = os.environ.get(VARIABLE)
    return given or ((os.path.join(directory, "demo.yaml"),) if directory else ())  # noqa: PTH118 - a pattern, not a path


def detours() -> Detours:
    """The addresses of the demo's servers, if the environment names a demo. Ends the command if it does not run."""
    try:
        return demo_detours()
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def or_exit(load: Callable[[], T]) -> T:
    """The loaded configuration. If it has problems, prints all of them and ends the process."""
    try:
        return load()
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(INVALID)
