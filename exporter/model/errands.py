"""What a visit can do after the login."""

from __future__ import annotations

from enum import StrEnum


class Errand(StrEnum):
    """What a probe may look at. In the order in which it does; which protocols can is `exporter.protocol.errands`."""

    RECIPIENT = "recipient"
    """Whether the server would take mail for a recipient."""
    MAILBOX = "mailbox"
    """Whether a mailbox can be opened, and its figures."""
    CAPABILITIES = "capabilities"
    """Whether the server announces what it should."""
