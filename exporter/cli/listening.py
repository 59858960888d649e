"""The option that says where a command listens; `run` and `demo` share it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from exporter.web.addresses import ListenAddress


class ListenAddressType(click.ParamType[ListenAddress]):
    """`:9925`, `host:9925`, `[::1]:9925`."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ListenAddress:
        """Read an address, or say what to write."""
        try:
            return value if isinstance(value, ListenAddress) else ListenAddress.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def listen_addresses(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option `--web.listen-address`, repeatable, as the argument `addresses`."""
    return click.option(
        "--web.listen-address",
        "addresses",
        type=ListenAddressType(),
        multiple=True,
        default=[default],
        show_default=True,
        help="Where to listen: :PORT for all addresses of this machine, HOST:PORT, [IPV6]:PORT or unix:PATH. "
        "Repeatable.",
    )
