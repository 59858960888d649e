"""The commands: one file each, only parsing and printing."""

from __future__ import annotations

import errno
import importlib
import signal
import sys
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Final

import click

from exporter.cli.options import version_option
from exporter.imports import lean
from exporter.interrupts import INTERRUPTED, leave, raise_on_interrupt

COMMANDS: Final[Mapping[str, str]] = {
    "run": "Probe on schedule and serve metrics to Prometheus.",
    "check": "Validate configuration files.",
    "probe": "Probe once now, and show what happens.",
    "flow": "Send a message of a flow now, and wait for it.",
    "discover": "Find the servers of a mail domain or address, and print them as a configuration.",
    "domain": "Check once now whether others can deliver mail to a domain.",
    "healthcheck": "Ask the daemon on this machine whether it is healthy.",
    "demo": "See everything at work, against mail servers that misbehave on purpose.",
    "completion": "Print the completion of commands and flags for a shell.",
    "man": "Print the manual page.",
}
"""Each is in the module of the same name, which is imported when the command is used: `check` needs no web server."""

UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of an output on a full or broken disk. click ends quietly where a pipe was closed."""


class Commands(click.Group):
    """The commands, imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        """The command with this name; `None` if it does not exist."""
        if cmd_name not in COMMANDS:
            return None
        with lean() if cmd_name == "run" else nullcontext():
            command = getattr(importlib.import_module(f"exporter.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            found = super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # noqa: PLC0415 - only where a command is misspelt

            near = get_close_matches(args[0], COMMANDS, 1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None
        raise_on_interrupt()  # its module is there now
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """As click, but Ctrl-C has the exit code that shells give it, and no words."""
        before = signal.getsignal(signal.SIGINT)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)  # the terminal shows ^C at the beginning of this line
            ctx.exit(INTERRUPTED)
        finally:
            if before is leave:
                signal.signal(signal.SIGINT, before)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click, but an output that cannot be written is told in a sentence."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            click.echo(f"mail-exporter: the output cannot be written: {error.strerror}", err=True)
            sys.exit(1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's interface
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@version_option
def main() -> None:
    """Probes SMTP, POP3 and IMAP servers the way a mail client does, for Prometheus."""
    # cryptography warns of certificates that it will refuse in the future. They are others', and the verdict counts.
    # Once for the process, because filters do not belong to a thread before Python 3.14.
    warnings.filterwarnings("ignore", module=r"exporter\.(certificates|domains)\.")
