"""`mail-exporter probe`: one probe now, shown as a waterfall or as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import click

from exporter import logs
from exporter.cli.loading import or_exit
from exporter.cli.terminal import output
from exporter.cli.version import version_option
from exporter.cli.waterfall import print_result
from exporter.config.configuration import Configuration
from exporter.config.endpoints import endpoint_from_url
from exporter.config.load import load
from exporter.model import DnsSettings, Endpoint, LoginBackoff, ProbeResult
from exporter.net.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from exporter.web.api import probe_document


@click.command()
@click.argument("target", metavar="URL_OR_ENDPOINT")
@click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path, readable=False),
    help="The configuration that has the endpoint.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@version_option
def probe(target: str, config_file: Path | None, *, as_json: bool) -> None:
    """Probe once, now, and show what happens.

    URL_OR_ENDPOINT is a URL such as imaps://mail.example.com, or with --config.file the name of an endpoint, which is
    then probed with all that the configuration says of it. Exits with 0 if the probe succeeded and with 1 if not.
    """
    logs.configure(logs.LogLevel.WARN, logs.LogFormat.LOGFMT)
    configuration = None if config_file is None else or_exit(lambda: load(config_file))
    endpoint = _endpoint(target, configuration)
    result = asyncio.run(_probe(endpoint, configuration.dns if configuration else DnsSettings()))
    if as_json:
        click.echo(json.dumps({"endpoint": endpoint.name, **probe_document(result)}, indent=2))
    else:
        print_result(output(), endpoint, result)
    sys.exit(0 if result.failure is None else 1)


def _endpoint(target: str, configuration: Configuration | None) -> Endpoint:
    """The configured endpoint of that name, or one made of the URL."""
    names = [] if configuration is None else [endpoint.name for endpoint in configuration.endpoints]
    if configuration is not None and target in names:
        return configuration.endpoints[names.index(target)]
    if "://" in target:
        try:
            return endpoint_from_url(target)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    if configuration is None:
        raise click.UsageError(
            f"{target!r} is not a URL such as imaps://mail.example.com; for the name of an endpoint add --config.file"
        )
    raise click.UsageError(f"the configuration has no endpoint {target!r}; it has {', '.join(names)[:500]}")


async def _probe(endpoint: Endpoint, dns: DnsSettings) -> ProbeResult:
    return await Visitor(World(Resolver(dns), TlsContexts()), Logins(time.monotonic, LoginBackoff())).probe(endpoint)
