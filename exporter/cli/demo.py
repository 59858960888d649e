"""`mail-exporter demo`: mail servers that misbehave, and the daemon against them, in one process. Only printing."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import click
from rich.console import Console
from rich.text import Text

from exporter import app, logs
from exporter.cli.listening import listen_addresses
from exporter.cli.terminal import output, print_rows
from exporter.cli.version import version_option
from exporter.demo.scenes import INTERVAL, Scene
from exporter.demo.stage import Staged, demo_configuration, demo_servers
from exporter.web.addresses import ListenAddress, ListenError


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
    async with demo_servers() as staged:
        configuration = demo_configuration(tuple(one.endpoint for one in staged))
        try:
            await app.serve(configuration, addresses, _announcer(console, staged))
        except ListenError as error:
            if not _is_taken(error):
                raise
            taken = ", ".join(map(str, addresses))
            console.print(f"Another program listens at {taken}, so a free port is taken.\n")
            elsewhere = [replace(address, port=0) for address in addresses]
            await app.serve(configuration, elsewhere, _announcer(console, staged))
    console.print("Stopped. Nothing is left behind.")


def _is_taken(error: ListenError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE


def _announcer(console: Console, staged: Sequence[Staged]) -> Callable[[Sequence[str]], None]:
    """What tells a person where to look and what is to be seen, once the URLs are known."""

    def announce(urls: Sequence[str]) -> None:
        servers = sum(one.scene.listens for one in staged)
        console.print(
            f"{servers} mail servers run in this process. {len(staged)} endpoints are probed every {INTERVAL:g} s.\n"
        )
        for url in urls:
            print_rows(console, [("Status page", Text(url, "bold")), ("Metrics", Text(f"{url}metrics", "bold"))])
        console.print("\nThese work:")
        print_rows(console, [_row(one.scene) for one in staged if one.scene.expected is None])
        console.print("\nThese fail, each for its own reason:")
        print_rows(console, [_row(one.scene) for one in staged if one.scene.expected is not None])
        console.print("\nCtrl-C ends the demo.")

    return announce


def _row(scene: Scene) -> tuple[str, Text]:
    words = Text(scene.shows)
    if scene.expected is not None:
        words.append(": ").append(f"{scene.expected.reason} in phase {scene.expected.phase}", "red")
    return scene.name, words
