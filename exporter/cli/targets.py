"""What somebody at a terminal asks to be probed: names of endpoints and URLs to endpoints. No network."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.config.configuration import Configuration
from exporter.config.endpoints import endpoint_from_url
from exporter.model import Endpoint

LISTED = 500
"""Characters of the names that a message lists."""


class TargetError(ValueError):
    """Nothing can be probed by that name; the message says what to write."""


def endpoints_of(target: str, configuration: Configuration | None) -> Sequence[Endpoint]:
    """The configured endpoint of that name, or one made of the URL.

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
    if configuration is None:
        raise TargetError(
            f"{target!r} is not a URL such as imaps://mail.example.com; for the name of an endpoint add --config.file"
        )
    names = ", ".join(endpoint.name for endpoint in configured)
    raise TargetError(f"the configuration has no endpoint {target!r}; it has {names[:LISTED]}")
