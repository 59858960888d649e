"""`mail-exporter man`: the manual page, made from the help of the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import click

from exporter import __version__
from exporter.cli.options import version_option

PROGRAM: Final = "mail-exporter"

EXIT_CODES: Final = (
    ("0", "All went well; every probe succeeded."),
    ("1", "A probe failed; a configuration that was checked, or is to be run, is invalid."),
    ("2", "Wrong usage."),
    ("3", "It could not be tried: the configuration of a probe is invalid, a secret cannot be read, or a bug."),
    ("130", "Ctrl-C ended it before it was done. `run`, `demo` and `probe --watch` are ended this way, so not there."),
)

FILES: Final = (
    ("/etc/mail-exporter/mail-exporter.yaml", "The configuration, as the service and the container image have it."),
)


@click.command()
@version_option
@click.pass_context
def man(context: click.Context) -> None:
    """Print the manual page.

    To read it: mail-exporter man | man -l -

    To install it: mail-exporter man > /usr/local/share/man/man1/mail-exporter.1
    """
    group = context.find_root().command
    if not isinstance(group, click.Group):
        raise TypeError("the commands are not a group")
    click.echo("\n".join(manual(group)))


def manual(group: click.Group) -> Iterator[str]:
    """The lines of the page, in the macros of man(7)."""
    context = click.Context(group, info_name=PROGRAM)
    yield f'.TH MAIL\\-EXPORTER 1 "" "mail\\-exporter {_escaped(__version__)}" "User Commands"'
    yield ".SH NAME"
    yield f"mail\\-exporter \\- {_escaped(_first_sentence(group))}"
    yield ".SH SYNOPSIS"
    yield ".B mail\\-exporter"
    yield ".I command"
    yield "[options]"
    yield ".SH COMMANDS"
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield from _command(context, name, command)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES:
        yield from (".TP", f".B {code}", _escaped(meaning))
    yield ".SH FILES"
    for file, meaning in FILES:
        yield from (".TP", f".I {_escaped(file)}", _escaped(meaning))
    yield ".SH SEE ALSO"
    yield "The exporter serves its documentation at /docs/ of its status page."


def _command(parent: click.Context, name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f".SS {_escaped(name)} {_escaped(pieces)}"
    for number, paragraph in enumerate(re.split(r"\n\s*\n", (command.help or "").replace("\b\n", "").strip())):
        yield from ([".PP"] if number else [])
        yield _escaped(" ".join(paragraph.split()))
    for parameter in command.params:
        record = parameter.get_help_record(context)
        # The text above explains the arguments.
        if record is not None and record[1]:
            yield from (".TP", f".B {_escaped(record[0])}", _escaped(" ".join(record[1].split())))


def _first_sentence(command: click.Command) -> str:
    return " ".join((command.help or "").split()).split(". ", maxsplit=1)[0].rstrip(".")


def _escaped(text: str) -> str:
    """Text escaped for roff: no line begins a request, and hyphens stay hyphens."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
