"""`python -m dashboards`: writes the dashboards and rules, every setting a flag. Only flags, files and messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import click

from dashboards.generate import generate
from dashboards.settings import Settings, flag

HERE: Final = Path(__file__).parent


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command a flag for each field of `Settings`, of the type of its default."""
    for one in reversed(fields(Settings)):
        default: Any = one.default
        repeatable = isinstance(default, tuple)
        option = click.option(
            flag(one.name),
            one.name,
            default=default,
            multiple=repeatable,
            is_flag=isinstance(default, bool),
            type=float if isinstance(default, (int, float)) and not isinstance(default, bool) else None,
            show_default=bool(default) and not repeatable,
            help=one.metadata["help"],
        )
        command = option(command)
    return command


@click.command(context_settings={"max_content_width": 120})
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=HERE,
    show_default="where the committed ones are",
    help="The directory to write to.",
)
@_with_settings
def main(output: Path, **choices: Any) -> None:
    """Write the Grafana dashboards and the alert rules.

    Without flags, the committed files are written again, and nothing changes.
    """
    try:
        files = generate(Settings(**choices))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for name, text in files.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        click.echo(path)
