"""The option that says where a command listens; `run` and `demo` share it."""

from __future__ import annotations

from collections.abc import Callable

import click

from exporter.cli.options import Parsed
from exporter.web.serving.addresses import ListenAddress


def listen_addresses(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option `--web.listen-address`, repeatable, as the argument `addresses`."""
    return click.option(
        "--web.listen-address",
        "addresses",
        type=Parsed("address", ListenAddress.parse),
        multiple=True,
        default=[default],
        show_default=True,
        help="Where to listen: :PORT for all addresses of this machine, HOST:PORT, [IPV6]:PORT or unix:PATH. "
        "Repeatable.",
    )
