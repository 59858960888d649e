"""What the options of several commands have in common: `--version`, values that we parse, and flags given only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import click

from exporter import __version__

T = TypeVar("T")

version_option: Final = click.version_option(__version__, prog_name="mail-exporter")
"""The option `--version`, which every command has."""


class Parsed(click.ParamType[T]):
    """Parses a value. The message of a `ValueError` says what to write instead."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click demands; a value may have been parsed already."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class OnceCommand(click.Command):
    """Refuses a flag that is given twice with different values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click, after checking for repeated flags."""
        for option in self.get_params(ctx):
            if isinstance(option, click.Option) and not option.multiple and not option.is_flag:
                values = list(_values(args, option.opts))
                if len(set(values)) > 1:
                    given = " and ".join(f"{option.opts[0]}={value}" for value in values)
                    raise click.UsageError(f"{given} contradict each other; leave all but one out.", ctx)
        return super().parse_args(ctx, args)


def _values(args: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """What an option is given, as `--flag=value` or `--flag value`."""
    for index, argument in enumerate(args):
        flag, equals, value = argument.partition("=")
        if flag in names and equals:
            yield value
        elif flag in names and index + 1 < len(args):
            yield args[index + 1]
