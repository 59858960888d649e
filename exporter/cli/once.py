"""A command whose flags may only be given once, unless they are repeatable. click would use the last one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click


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
