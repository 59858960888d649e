"""Changes that no test notices, and why none has to: each was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KNOWN: Final[Mapping[tuple[str, str, str, str], str]] = {
    (
        "exporter/protocol/session.py",
        "Client.refresh_capabilities",
        "False",
        "True",
    ): "The default of an interface's method: the implementations have their own.",
    (
        "exporter/protocol/pop3.py",
        "Pop3.log_in",
        "b''",
        "not b''",
    ): "USER and PASS take no notice of the timestamp, and APOP is not among the commands without one.",
}
"""By module, scope, expression and what stands in its place: the reason."""
