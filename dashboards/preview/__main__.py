"""`python -m dashboards.preview`, called by `make pictures`: watches mail servers, then draws dashboards and pages.

Starts the demo's servers and some that fail from time to time, the exporter, Debian's Prometheus and a browser; all of
it on loopback, and nothing stays but the pictures.
"""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

import click
import yaml

from dashboards.preview.weather import LOOPBACK, Weather, way_to
from exporter.demo.scenes import SCENES
from exporter.demo.stage import Staged, demo_servers
from exporter.model import Credentials

HERE: Final = Path(__file__).parent
WATCHED: Final = "mail"
DEMO: Final = "demo"
"""The jobs: what is watched here, and the demo as it is, of which flows and domains are shown."""

BOARDS: Final = {
    "mail-overview": WATCHED,
    "mail-endpoint": WATCHED,
    "mail-certificates": WATCHED,
    "mail-exporter": WATCHED,
    "mail-flow": DEMO,
    "mail-domains": DEMO,
}
"""The dashboards, and whose job each shows."""
THEMES: Final = ("dark", "light")
SCRAPE_SECONDS: Final = 5
MANY: Final = 100
"""Endpoints from which on each is probed less often: this is one small machine."""

SHOWN: Final = (
    "healthy-submission",
    "healthy-submissions",
    "healthy-imap",
    "healthy-imaps",
    "healthy-pop3",
    "healthy-pop3s",
    "slow-smtp",
    "expiring-imap",
    "expired-pop3",
    "wrong-name-imap",
    "wrong-password-imap",
    "refusing-smtp",
)
"""The demo's scenes that are in the pictures: more of what works than the demo has, and so more like real life."""

CLEAR: Final = Weather(math.inf, 0.01)
WRONG_CERTIFICATE: Final = Weather(math.inf, leads_to="wrong-name-imap")

FLAKY: Final = (
    (
        "north-imap",
        "healthy-imaps",
        (
            *(Weather(130), Weather(40, None), Weather(90, 0.08), Weather(30, 1.2), Weather(150), Weather(20, None)),
            *(Weather(60, 0.01), WRONG_CERTIFICATE),
        ),
    ),
    ("north-submission", "healthy-submission", (Weather(200, 0.02), Weather(45, None), Weather(60, 0.15), CLEAR)),
    ("south-pop3s", "healthy-pop3s", (Weather(320, 0.01), Weather(25, 1.5), CLEAR)),
)
"""Endpoints that are a scene seen through changing weather: name, scene, forecast."""

PICTURED: Final = "north-imap"
"""The endpoint of the dashboard and of the page of one endpoint."""

PAGES: Final = {"status-page": ("/", 900), "endpoint-page": (f"/endpoint?name={quote(PICTURED, safe='')}", 1500)}
"""By the picture's name: the exporter's page, and how many pixels of it are drawn from the top."""

EMPTY: Final = {
    "mail_probe_last_reply_code": "only SMTP has reply codes",
    "mail_smtp_size_limit_bytes": "only SMTP has a limit",
    "mail_auth_backoff_seconds": "its logins are not rejected",
    "mail_starttls_offered": "it has TLS from the first octet",
    'phase="starttls"': "likewise",
    "mail_tls_ocsp_next_update_timestamp_seconds": "the demo's authority has no OCSP responder",
    "mail_oauth2_token": "nothing here logs in with OAuth 2",
    'reason="internal_error"': "no bug is known that a server could provoke",
    "mail_exporter_web_config": "there is no web configuration here",
    "mail_flow_overdue": "the demo waits for nobody else's messages",
    "mail_flow_newest": "likewise",
    "< 60": "nothing was started or reloaded in the time shown",
}
"""What may have no data, and why: a part of the query."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values of the flags."""

    output: Path
    endpoints: int
    vantages: tuple[str, ...]
    boards: tuple[str, ...]
    minutes: int
    widths: tuple[int, ...]


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=HERE.parents[1] / "docs" / "images",
    show_default="docs/images",
    help="Where the pictures go.",
)
@click.option("--endpoints", type=int, default=0, help="Watch so many, by watching what works under several names.")
@click.option(
    "--vantage", "vantages", multiple=True, help="Where an exporter stands that watches all of it. Repeatable."
)
@click.option(
    *("--board", "boards"),
    multiple=True,
    type=click.Choice(tuple(BOARDS)),
    default=tuple(BOARDS),
    help="Which dashboards to draw.",
)
@click.option("--minutes", type=int, default=10, show_default=True, help="How long to watch before drawing.")
@click.option("--width", "widths", type=int, multiple=True, default=(1400,), show_default=True, help="In pixels.")
def main(**chosen: Any) -> None:
    """Draw the dashboards and the exporter's pages, dark and light."""
    wanted = Wanted(**chosen)
    for program, package in (("prometheus", "prometheus"), ("npm", "npm"), ("chromium", "chromium")):
        if shutil.which(program) is None:
            raise click.UsageError(f"{program} is not installed (Debian package: {package})")
    wanted.output.mkdir(parents=True, exist_ok=True)
    problems = asyncio.run(_draw(wanted))
    for problem in problems:
        click.echo(problem, err=True)
    sys.exit(bool(problems))


async def _draw(wanted: Wanted) -> list[str]:
    """Make the pictures; returns what went wrong with the pages."""
    await _run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", cwd=HERE)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="dashboards-")))
        staged = await stack.enter_async_context(demo_servers([one for one in SCENES if one.name in SHOWN]))
        endpoints = _repeated(await _endpoints(staged, stack), wanted.endpoints)
        exporters = {_free_address(): vantage for vantage in wanted.vantages or ("",)}
        demo, prometheus = _free_address(), _free_address()
        configuration = directory / "mail-exporter.yaml"
        configuration.write_text(yaml.safe_dump(_configuration(staged, endpoints)))
        for address in exporters:
            await stack.enter_async_context(
                _running(
                    *(sys.executable, "-m", "exporter", "run"),
                    *(f"--config.file={configuration}", f"--web.listen-address={address}", "--log.level=error"),
                )
            )
        await stack.enter_async_context(
            _running(sys.executable, "-m", "exporter", "demo", f"--web.listen-address={demo}", quiet=True)
        )
        scraping = directory / "prometheus.yml"
        scraping.write_text(yaml.safe_dump(_scraping(exporters, demo)))
        await stack.enter_async_context(
            _running(
                *("prometheus", f"--config.file={scraping}", f"--storage.tsdb.path={directory / 'data'}"),
                *(f"--web.listen-address={prometheus}", "--log.level=warn"),
            )
        )
        pages = " and ".join(f"http://{address}/" for address in (*exporters, prometheus))
        click.echo(f"watching for {wanted.minutes} minutes: {pages}")
        await asyncio.sleep(wanted.minutes * 60)
        job = directory / "job.json"
        job.write_text(json.dumps(_job(f"http://{prometheus}", f"http://{next(iter(exporters))}", wanted)))
        said = await _run("node", "draw.mjs", str(job), cwd=HERE)
    reports = [json.loads(line) for line in said.splitlines()]
    for report in reports:
        click.echo(f"{report['picture']}: {report['asked']} queries, {len(report['empty'])} without an answer")
    return [f"{report['picture']}: {problem}" for report in reports for problem in _problems(report)]


def _problems(report: dict[str, Any]) -> list[str]:
    """What went wrong with one picture: errors of the page, panels that are not drawn, answers that should be there."""
    unexplained = [query for query in report["empty"] if not any(part in query for part in EMPTY)]
    return [
        *report["errors"],
        *(f"panels of type {kind} are not drawn" for kind in report["unsupported"]),
        *(f"no data: {query}" for query in unexplained),
    ]


async def _endpoints(staged: Sequence[Staged], stack: AsyncExitStack) -> list[dict[str, Any]]:
    """The entries of the configuration: the demo's scenes, and servers behind changing weather."""
    scenes = {one.scene.name: _endpoint(one) for one in staged}
    ports = {name: scene["port"] for name, scene in scenes.items()}
    for name, scene, forecast in FLAKY:
        port = await stack.enter_async_context(way_to(scene, ports, forecast))
        scenes[name] = {**scenes[scene], "name": name, "port": port}
    return list(scenes.values())


def _repeated(endpoints: list[dict[str, Any]], wanted: int) -> list[dict[str, Any]]:
    """The same and as many more as are wanted: those that work, under further names."""
    works = [one for one in endpoints if one["name"].startswith("healthy-")]
    more = (
        {**works[number % len(works)], "name": f"{works[number % len(works)]['name']}-{number:03}"}
        for number in range(wanted - len(endpoints))
    )
    return [*endpoints, *more]


def _endpoint(staged: Staged) -> dict[str, Any]:
    endpoint = staged.endpoint
    wanted = {
        "name": endpoint.name,
        "protocol": str(endpoint.protocol),
        "host": endpoint.host,
        "port": endpoint.port,
        "encryption": str(endpoint.encryption),
        "credentials": endpoint.credentials and endpoint.credentials.name,
        "mailbox": endpoint.mailbox,
        "rcpt_to": endpoint.rcpt_to,
        "tls": {"server_name": endpoint.tls.server_name, "ca_file": str(endpoint.tls.ca_file)},
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _configuration(staged: Sequence[Staged], endpoints: Sequence[dict[str, Any]]) -> dict[str, Any]:
    used = {one.endpoint.credentials for one in staged if one.endpoint.credentials is not None}
    credentials = {one.name: {"username": one.username, "password": _password(one)} for one in used}
    return {
        "limits": {"connections_per_host": len(endpoints)},
        "credentials": credentials,
        "defaults": {"interval": "5s" if len(endpoints) < MANY else "15s", "timeout": "4s"},
        "endpoints": list(endpoints),
    }


def _password(credentials: Credentials) -> str:
    """One of the demo's, which opens nothing else.

    Raises:
        ValueError: A scene logs in with something else.
    """
    if credentials.password is None:
        raise ValueError(f"{credentials.name} has no password")
    return credentials.password.read().reveal().decode()


def _scraping(exporters: Mapping[str, str], demo: str) -> dict[str, Any]:
    """For Prometheus: the exporters' addresses, and the vantage point of each; and the demo's address."""
    targets = [
        {"targets": [address], "labels": {"vantage": vantage} if vantage else {}}
        for address, vantage in exporters.items()
    ]
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {"job_name": WATCHED, "static_configs": targets},
            {"job_name": DEMO, "static_configs": [{"targets": [demo]}]},
        ],
    }


def _job(prometheus: str, exporter: str, wanted: Wanted) -> dict[str, Any]:
    """What draw.mjs is to do."""
    dashboards = [
        {
            "dashboard": str(HERE.parent / f"{board}.json"),
            "variables": {"job": BOARDS[board]} | ({"endpoint": PICTURED} if board == "mail-endpoint" else {}),
            **_picture(board, width, theme, wanted),
        }
        for board in wanted.boards
        for width in wanted.widths
        for theme in THEMES
    ]
    pages = [
        {"url": f"{exporter}{path}", "height": height, **_picture(page, width, theme, wanted)}
        for page, (path, height) in PAGES.items()
        for width in wanted.widths
        for theme in THEMES
    ]
    return {
        "prometheus": prometheus,
        "scrape": SCRAPE_SECONDS,
        "from": f"now-{wanted.minutes}m",
        "chromium": shutil.which("chromium"),
        # The pages of this moment come first: dashboards take minutes.
        "pictures": [*pages, *dashboards],
    }


def _picture(name: str, width: int, theme: str, wanted: Wanted) -> dict[str, Any]:
    suffix = "" if len(wanted.widths) == 1 else f"-{width}"
    return {"width": width, "theme": theme, "to": str(wanted.output / f"{name}-{theme}{suffix}.png")}


async def _run(program: str, *arguments: str, cwd: Path) -> str:
    """Runs a program to its end, and returns what it wrote.

    Raises:
        click.ClickException: It failed.
    """
    process = await asyncio.create_subprocess_exec(program, *arguments, cwd=cwd, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise click.ClickException(f"{program} ended with {process.returncode}")
    return said.decode()


@asynccontextmanager
async def _running(program: str, *arguments: str, quiet: bool = False) -> AsyncIterator[None]:
    """A program, from entry to exit; a quiet one says nothing."""
    said = asyncio.subprocess.DEVNULL if quiet else None
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=said)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def _free_address() -> str:
    with socket.create_server((LOOPBACK, 0)) as listener:
        return f"{LOOPBACK}:{listener.getsockname()[1]}"


main(prog_name="python -m dashboards.preview")
