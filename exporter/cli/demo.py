"""`mail-exporter demo`: mail servers that misbehave, and the daemon against them, in one process. Only printing."""

from __future__ import annotations

import asyncio
import errno
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from exporter import app, logs
from exporter.cli.listening import listen_addresses
from exporter.cli.options import version_option
from exporter.cli.terminal import output, print_rows
from exporter.config.configuration import NEED
from exporter.config.domains_section import is_installed
from exporter.demo.domain_hosts import HEALTHY
from exporter.demo.domain_scenes import DOMAIN_SCENES
from exporter.demo.domain_scenes import INTERVAL as DOMAINS_EVERY
from exporter.demo.domain_stage import StagedDomains, demo_domains
from exporter.demo.flow_scenes import FLOW_INTERVAL, FlowScene
from exporter.demo.scene import Scene
from exporter.demo.scenes import INTERVAL
from exporter.demo.stage import FLOW_SCENES, Staged, demo_configuration, demo_servers, written
from exporter.model import Outcome
from exporter.net.detours import VARIABLE
from exporter.web.serving.addresses import ListenAddress, ListenError


@click.command()
@listen_addresses(default="127.0.0.1:9925")
@version_option
def demo(addresses: tuple[ListenAddress, ...]) -> None:
    """See everything at work, against mail servers that misbehave on purpose.

    The servers run inside this process, on loopback. No network is needed, and nothing stays behind. Ctrl-C ends it.
    """
    # What goes wrong here does so on purpose; only a bug would be news.
    logs.configure(logs.LogLevel.ERROR, logs.LogFormat.LOGFMT)
    try:
        asyncio.run(_demo(addresses, output()))
    except ListenError as error:
        click.echo(f"mail-exporter: {error}", err=True)
        sys.exit(1)


async def _demo(addresses: Sequence[ListenAddress], console: Console) -> None:
    # What domains publish is read with the help of the extra; without it there is nothing true to show.
    async with (
        demo_servers() as staged,
        written(demo_configuration(staged)) as file,
        demo_domains(DOMAIN_SCENES if is_installed() else ()) as domains,
    ):
        configuration = replace(
            demo_configuration(staged),
            files=(str(file),),
            dns=domains.dns,
            followings=domains.followings,
            domains=domains.domains,
        )
        announce = _announcer(console, staged, file, domains)
        try:
            await app.serve(configuration, addresses, announce, detours=domains.detours)
        except ListenError as error:
            if not _is_taken(error):
                raise
            taken = ", ".join(map(str, addresses))
            console.print(f"Another program listens at {taken}, so a free port is used.\n")
            elsewhere = [replace(address, port=0) for address in addresses]
            await app.serve(configuration, elsewhere, announce, detours=domains.detours)
    console.print("Stopped. Nothing is left behind.")


def _is_taken(error: ListenError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE


def _announcer(
    console: Console, staged: Sequence[Staged], file: Path, domains: StagedDomains
) -> Callable[[Sequence[str]], None]:
    """Prints where to look and what to expect, when the URLs are known."""

    def announce(urls: Sequence[str]) -> None:
        servers = sum(one.scene.listens for one in staged)
        console.print(
            f"{servers} mail servers run in this process. {len(staged)} endpoints are probed every {INTERVAL:g} s.\n"
        )
        for url in urls:
            print_rows(console, [("Status page", Text(url, "bold")), ("Metrics", Text(f"{url}metrics", "bold"))])
        console.print("\nThese work:")
        print_rows(console, [_row(one.scene) for one in staged if one.scene.expected is None and not one.scene.acts])
        console.print("\nThese fail, each for its own reason:")
        print_rows(console, [_row(one.scene) for one in staged if one.scene.expected is not None])
        console.print("\nThese change while you watch:")
        print_rows(console, [_row(one.scene) for one in staged if one.scene.acts])
        _announce_flows(console, file)
        _announce_domains(console, domains)
        console.print("\nCtrl-C ends the demo.")

    return announce


def _announce_flows(console: Console, file: Path) -> None:
    console.print(f"\nMail is sent through these flows every {FLOW_INTERVAL:g} s:")
    print_rows(console, [(scene.name, _flow_row(scene)) for scene in FLOW_SCENES])
    console.print("\nIn another terminal, while the demo runs:")
    for command in ("flow healthy", "probe healthy-imaps"):
        console.print(Text(f"  {_program()} {command} --config.file={file}", "bold"), soft_wrap=True)


def _announce_domains(console: Console, domains: StagedDomains) -> None:
    if not domains.domains:
        console.print(f"\nTo see mail domains, too: {NEED}")
        return
    console.print(f"\n{len(domains.domains)} mail domains are judged every {DOMAINS_EVERY:g} s:")
    print_rows(console, [(scene.name, Text(scene.shows)) for scene in DOMAIN_SCENES])
    console.print("\nIn another terminal, while the demo runs:")
    for command in (f"domain {HEALTHY}", "domain moved.example", f"discover {HEALTHY}", f"probe user@{HEALTHY}"):
        text = f"  {VARIABLE}={domains.directory} {_program()} {command}"
        console.print(Text(text, "bold"), soft_wrap=True)


def _program() -> str:
    """How to call this program: by its path if it is not among the commands, as after `make run`."""
    return "mail-exporter" if shutil.which("mail-exporter") else shlex.quote(sys.argv[0])


def _row(scene: Scene) -> tuple[str, Text]:
    words = Text(scene.shows)
    if scene.expected is not None:
        words.append(": ").append(f"{scene.expected.reason} in phase {scene.expected.phase}", "red")
    return scene.name, words


def _flow_row(scene: FlowScene) -> Text:
    good = scene.expected is Outcome.DELIVERED
    return Text(f"{scene.shows}: ").append(str(scene.expected), "green" if good else "red")
