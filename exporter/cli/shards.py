"""The options for sharding. `exporter.sharding` uses them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from typing import Final

import click

from exporter.sharding import Shard, ordinal

POD_NAME: Final = "POD_NAME"
"""The variable with the pod's name in Kubernetes' own examples. The host name is the same, except with the node's
network."""


def shard_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options `--shard` and `--total-shards`, as the arguments `shard` and `total_shards`."""
    for option in (
        click.option(
            "--total-shards",
            type=click.IntRange(min=1),
            metavar="N",
            default=1,
            show_default=True,
            help="The number of processes that share the endpoints of this configuration.",
        ),
        click.option(
            "--shard",
            type=click.IntRange(min=0),
            metavar="N",
            help="The number of this process, from 0. By default the number at the end of the pod's name, which is in"
            " POD_NAME or is the host name.",
        ),
    ):
        command = option(command)
    return command


def chosen_shard(number: int | None, total: int) -> Shard:
    """The shard of this process, by the options, otherwise by the pod's name.

    Raises:
        click.UsageError: The shard does not exist, or the pod's name has no number.
    """
    if number is None and total > 1:
        number = _own_number(total)
    try:
        return Shard(number or 0, total)
    except ValueError:
        raise click.BadParameter(
            f"{number} of --total-shards={total}: write a number from 0 to {total - 1}.", param_hint="--shard"
        ) from None


def _own_number(total: int) -> int:
    """This pod's place in its StatefulSet."""
    pod = os.environ.get(POD_NAME) or socket.gethostname()
    number = ordinal(pod)
    if number is None or number >= total:
        lacks = _lack(pod) if number is None else f"ends with {number}, and shards count from 0"
        raise click.UsageError(
            f"--total-shards={total} needs --shard, as the name {pod!r} {lacks}. Write --shard=0 to {total - 1}, or run"
            f" this as a StatefulSet of {total} replicas."
        )
    return number


def _lack(pod: str) -> str:
    """The error for a name that is not of a pod of a StatefulSet."""
    digits = re.search(r"-(0[0-9]+)\Z", pod, re.ASCII)
    if digits is None:
        return "has no number at its end"
    return f"ends with {digits[1]}, and the pods of a StatefulSet count 0, 1, 2, without zeros in front"
