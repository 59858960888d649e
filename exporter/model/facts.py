"""What a visit finds out about a server. A new fact is a field here, and `Learn(Facts(...))` in the dialogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exporter.model.certificates import TlsFacts
from exporter.model.credentials import Mechanism
from exporter.model.phases import Phase


@dataclass(frozen=True, slots=True)
class MailboxFacts:
    """Figures of one mailbox; unknown ones are `None`.

    Attributes:
        name: As configured; `INBOX` for POP3's maildrop.
        size: Bytes.
        quota_used: Bytes, of the quota root with the least room left.
        quota_limit: Bytes.
        unreadable: How many of the newest messages cannot be read; `None` if that was not tried.
    """

    name: str
    messages: int | None = None
    unseen: int | None = None
    size: int | None = None
    quota_used: int | None = None
    quota_limit: int | None = None
    unreadable: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about a server. Results, records, the API and the pages share them.

    Attributes:
        address: The IP address talked to; `None` if no connection was made.
        tls: `None` if no handshake was completed.
        starttls_offered: `None` unless the server was asked for its capabilities in plain.
        capabilities: The last that the server announced; `None` if it never did.
        auth_mechanism: The mechanism of the login; `None` if none was tried, for example because it is paused.
        auth_success: Whether the server accepted the login; `None` if none was tried.
        reply_codes: SMTP: the last reply code of each phase; `None` if there was none.
        size_limit: SMTP: the SIZE limit in bytes; `None` if the server announced none, or none that is fixed.
        mailbox: `None` unless a mailbox was looked at.
    """

    address: str | None = None
    tls: TlsFacts | None = None
    starttls_offered: bool | None = None
    capabilities: tuple[str, ...] | None = None
    auth_mechanism: Mechanism | None = None
    auth_success: bool | None = None
    reply_codes: tuple[tuple[Phase, int], ...] | None = None
    size_limit: int | None = None
    mailbox: MailboxFacts | None = None


NOTHING_LEARNT: Final = Facts()
"""The facts of a visit that found nothing."""
