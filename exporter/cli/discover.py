"""`mail-exporter discover`: what a domain publishes about its servers, and the configuration for it."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from exporter import logs
from exporter.cli.discovering import RESERVED, subject
from exporter.cli.discovering import discover as ask
from exporter.cli.loading import config_files, or_exit
from exporter.cli.options import version_option
from exporter.cli.terminal import output, print_rows
from exporter.config.load import load
from exporter.domains.discovery.discoverer import Discovery
from exporter.domains.discovery.offers import Answered
from exporter.domains.discovery.written import configuration, document
from exporter.model import Source

COMMENT: Final = "  #"
"""The beginning of what is printed around the section, so that everything together is a configuration."""


@click.command()
@click.argument("domain_or_address", metavar="DOMAIN_OR_ADDRESS")
@config_files(meaning="The configuration with the dns section and the entry for the domain")
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Choice([source.value for source in Source]),
    help="Where to look; repeatable. By default as configured, or mx, srv, autoconfig, pacc, presets.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@version_option
def discover(domain_or_address: str, config_files: tuple[str, ...], sources: tuple[str, ...], *, as_json: bool) -> None:
    """Print the servers that a mail domain publishes, as a section of a configuration.

    DOMAIN_OR_ADDRESS is a domain such as example.com, or a mail address. An address is sent only to servers of its
    own domain. No mail server is contacted. Exits with 0 if servers were found, and with 1 if not.
    """
    logs.configure(logs.LogLevel.ERROR, logs.LogFormat.LOGFMT)
    read = or_exit(lambda: load(*config_files)) if config_files else None
    found = asyncio.run(ask(subject(domain_or_address, read), [Source(each) for each in sources]))
    if as_json:
        click.echo(json.dumps(document(found), indent=2))
    else:
        _print(output(), found)
    sys.exit(0 if found.endpoints else 1)


def _outcome(answer: Answered) -> str:
    if answer.success:
        return "answers"
    return "fails" if answer.failed or answer.malformed or answer.digest_matches is False else "nothing"


def _print(console: Console, found: Discovery) -> None:
    """Print sources, endpoints by source and disagreements as YAML comments, and then the section."""
    rows = [(Text(each.source, "bold"), Text(_outcome(each)), Text(each.problem)) for each in found.answers]
    asked = [answer.source for answer in found.answers]
    rows += [
        (Text(source, "bold"), Text("not asked"), Text(f"{why}; ask with --source={source}"))
        for source, why in RESERVED.items()
        if source not in asked
    ]
    print_rows(console, rows, before=COMMENT)
    endpoints = found.endpoints
    if endpoints:
        console.print()
        heads = [Text("endpoint", "bold"), *(Text(source, "bold") for source in asked), Text("")]
        crosses = [
            [Text(each.offer.name), *(Text("x" if source in each.sources else "-") for source in asked), Text("")]
            for each in endpoints
        ]
        print_rows(console, [heads, *crosses], before=COMMENT)
    if found.disagreements:
        print_rows(console, [(Text("disagrees"), Text(told)) for told in found.disagreements], before=COMMENT)
    if endpoints:
        console.print()
        # As it is: it may be piped into a file.
        click.echo(configuration(found.domain, endpoints), nl=False)
