"""`mail-exporter completion`: what a shell has to read to complete commands, flags and names of endpoints."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from exporter.cli.options import version_option

SHELLS: Final = ("bash", "zsh", "fish")

PROGRAM: Final = "mail-exporter"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@version_option
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion of commands and flags for a shell.

    bash: mail-exporter completion bash > /etc/bash_completion.d/mail-exporter

    zsh: mail-exporter completion zsh > "${fpath[1]}/_mail-exporter"

    fish: mail-exporter completion fish > ~/.config/fish/completions/mail-exporter.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}", context)
    # Only its text is wanted: to make it whole, click would run bash to see how old it is.
    made = kind(context.find_root().command, {}, PROGRAM, "_MAIL_EXPORTER_COMPLETE")
    script = made.source_template % made.source_vars()
    # click cuts the help of an option at its first comma in fish.
    click.echo(script.replace('string split ","', 'string split --max 1 ","'))
