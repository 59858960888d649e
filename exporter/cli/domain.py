"""`mail-exporter domain`: whether others can deliver to a mail domain now, as a report or as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import click
from rich.console import Console
from rich.text import Text

from exporter import logs
from exporter.cli.loading import config_files, detours, or_exit
from exporter.cli.options import version_option
from exporter.cli.terminal import output, print_rows
from exporter.config.configuration import Configuration, Domain
from exporter.config.load import load
from exporter.config.values.hosts import parse_domain
from exporter.domains.assembly import judge
from exporter.model import DomainCheck, DomainReport, LoginBackoff
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from exporter.web.domain_api import domain_document

_UNKEYED = tuple(check for check in DomainCheck if check not in (DomainCheck.DKIM, DomainCheck.DNSBL))
_WORDS = {True: ("ok", "green"), False: ("fails", "red"), None: ("-", "dim")}


@click.command()
@click.argument("domain_name", metavar="DOMAIN")
@config_files(meaning="The configuration with the dns section and the entry for the domain")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@version_option
def domain(domain_name: str, config_files: tuple[str, ...], *, as_json: bool) -> None:
    """Check a mail domain once, now: can others deliver mail to it, and do they accept mail from it?

    Exits with 0 if no check failed, and with 1 if one failed or no check could be made.
    """
    logs.configure(logs.LogLevel.ERROR, logs.LogFormat.LOGFMT)
    configuration = or_exit(lambda: load(*config_files)) if config_files else Configuration((), ())
    try:
        name = parse_domain(domain_name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    report = asyncio.run(_judge(_domain(name, configuration), configuration))
    if as_json:
        click.echo(json.dumps(domain_document(report), indent=2))
    else:
        _print(output(), report)
    found = set(report.success.values())
    sys.exit(0 if True in found and False not in found else 1)


def _domain(name: str, configuration: Configuration) -> Domain:
    """The configured domain of that name, or one with every check that needs no key."""
    return next((each for each in configuration.domains if each.name == name), Domain(name, _UNKEYED))


async def _judge(domain: Domain, configuration: Configuration) -> DomainReport:
    names = Resolver(configuration.dns)
    visitor = Visitor(World(names, TlsContexts(), detours=detours()), Logins(time.monotonic, LoginBackoff()))
    return await judge(names, visitor).judge(domain)


def _print(console: Console, report: DomainReport) -> None:
    """Print each check with its problems, and then the deliveries."""
    console.print(Text(report.domain, "bold"))
    console.print()
    rows: list[tuple[Text, Text, Text]] = []
    for check, success in report.success.items():
        word, style = _WORDS[success]
        problems = [finding for finding in report.findings if finding.check is check]
        told = "\n".join(f"{finding.problem}: {finding.detail}" for finding in problems)
        rows.append((Text(check, "bold"), Text(word, style), Text(told)))
    print_rows(console, rows)
    if report.deliveries:
        console.print()
        print_rows(
            console,
            [
                (
                    Text(each.mx),
                    Text(each.address),
                    Text(each.sender),
                    Text("delivers" if each.deliverable else "holds back", "green" if each.deliverable else "red"),
                    Text(each.detail),
                )
                for each in report.deliveries
            ],
        )
