"""`mail-exporter check`: lists problems of configuration files, or prints their schema.

It only parses arguments and prints. `exporter.config` checks the files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import click

from exporter.cli.options import version_option
from exporter.config.load import load
from exporter.config.problems import ConfigurationError
from exporter.config.schema import json_schema


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(readable=False))
@click.option("--schema", is_flag=True, help="Print the JSON schema of configuration files, for editors, and exit.")
@version_option
@click.pass_context
def check(context: click.Context, paths: tuple[str, ...], schema: bool) -> None:
    """Check configuration files, which together are one configuration.

    A path may be a pattern in quotes, or - for standard input.

    Every problem is printed as FILE:LINE: MESSAGE, with line 1 if the file cannot be read. Warnings look the same and
    are marked as such. Exits with 1 if there is any problem. Servers are not contacted, and passwords are not read.
    """
    if schema == bool(paths):
        raise click.UsageError("give either the files to check, or --schema", context)
    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return
    if not _are_good(paths):
        context.exit(1)


def _are_good(paths: Sequence[str]) -> bool:
    """Prints the result: good files to stdout, problems to stderr, as promtool does."""
    try:
        configuration = load(*paths)
    except ConfigurationError as error:
        for problem in error.problems:
            _print(str(problem), err=True)
        return False
    for warning in configuration.warnings:
        _print(f"{warning.file}:{warning.line}: warning: {warning.message}", err=True)
    counted = {
        "endpoint": len(configuration.endpoints),
        "module": len(configuration.modules),
        "flow": len(configuration.flows.flows),
        "followed domain": len(configuration.followings),
        "judged domain": len(configuration.domains),
    }
    there = [f"{count} {noun}{'s' * (count != 1)}" for noun, count in counted.items() if count]
    _print(f"{', '.join(configuration.files)}: {', '.join(there)}, no problems")
    return True


def _print(line: str, *, err: bool = False) -> None:
    """Prints octets, because a file's name may not be valid text."""
    click.echo(os.fsencode(line), err=err)
