"""Turns the targets of a command into endpoints: names of endpoints, URLs, mail addresses and domains."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from difflib import get_close_matches

import click

from exporter.config.configuration import Configuration
from exporter.config.endpoints_section import endpoint_from_url
from exporter.config.values.hosts import parse_domain
from exporter.model import Endpoint

LISTED = 20
"""Names that a message lists."""


class TargetError(ValueError):
    """The target cannot be probed; the message says what to write."""


def endpoints_of(target: str, configuration: Configuration | None) -> Sequence[Endpoint]:
    """The configured endpoint of that name, one made of the URL, or what a domain or mail address publishes.

    Raises:
        TargetError: It is neither.
    """
    configured = () if configuration is None else configuration.endpoints
    for endpoint in configured:
        if endpoint.name == target:
            return (endpoint,)
    if "://" in target:
        try:
            return (endpoint_from_url(target),)
        except ValueError as error:
            raise TargetError(str(error)) from None
    if "@" in target or _is_domain(target):
        return _published(target, configuration)
    if configuration is None:
        raise TargetError(
            f"{target!r} is not a URL such as imaps://mail.example.com; for the name of an endpoint add --config.file"
        )
    raise TargetError(
        f"the configuration has no endpoint {target!r}; {_instead([each.name for each in configured], target)}"
    )


def _instead(names: Sequence[str], target: str) -> str:
    """What to write instead of an unknown name."""
    if near := get_close_matches(target, names, n=1):
        return f"did you mean {near[0]!r}?"
    more = len(names) - LISTED
    return f"it has {', '.join(names[:LISTED])}" + (f" and {more} more" if more > 0 else "")


def _is_domain(text: str) -> bool:
    try:
        parse_domain(text)
    except ValueError:
        return False
    return True


def _published(target: str, configuration: Configuration | None) -> Sequence[Endpoint]:
    """The servers of a domain, or of the domain of a mail address."""
    # Imported only now: most targets are names and URLs.
    from exporter.cli.discovering import discover, subject  # noqa: PLC0415 - it takes a tenth of a second

    try:
        asked = subject(target, configuration)
    except click.UsageError as error:
        raise TargetError(error.message) from None
    found = asyncio.run(discover(asked))
    for answer in found.answers:
        if answer.failed:
            # What it names is missing below, and nobody should take that for all there is.
            click.echo(f"{asked.domain}: {answer.source} could not be asked: {answer.problem}", err=True)
    endpoints = asked.endpoints(found)
    if not endpoints:
        raise TargetError(
            f"{target!r} is neither a URL such as imaps://mail.example.com nor a domain that publishes servers; "
            f"mail-exporter discover {asked.domain} says why"
        )
    return endpoints
