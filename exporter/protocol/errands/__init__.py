"""What is done after the login: one errand a file, and the table of those that endpoints can ask for.

An errand is a dialogue: it takes the client's side of a session and returns a value. It runs commands, stores facts
and raises `DialogueError`. The visit decides which errands run, and uses their values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.model import Endpoint, Login, Phase, Protocol, Withheld
from exporter.protocol.dialogue import Dialogue, Enter
from exporter.protocol.errands.capabilities import expect_capabilities
from exporter.protocol.errands.mailbox import look_at_mailbox, look_at_maildrop
from exporter.protocol.errands.read_back import read_back_mailbox, read_back_maildrop
from exporter.protocol.errands.recipient import ask_about_recipient
from exporter.protocol.session import Client, Session, open_session


@dataclass(frozen=True, slots=True)
class ErrandRow:
    """An errand that endpoints can ask for.

    Attributes:
        wanted: Whether an endpoint asks for it.
        by: The dialogue of each protocol that supports it, for an endpoint.
        needs_login: Whether it is only done after a login.
    """

    wanted: Callable[[Endpoint], bool]
    by: Mapping[Protocol, Callable[[Session, Endpoint], Dialogue[object]]]
    needs_login: bool = False


def _mailbox_by_imap(session: Session, endpoint: Endpoint) -> Dialogue[object]:
    facts = yield from look_at_mailbox(session.client, endpoint.mailbox or "INBOX")
    if endpoint.read_back:
        facts = yield from read_back_mailbox(session.client, facts, endpoint.read_back)
    return facts


def _mailbox_by_pop3(session: Session, endpoint: Endpoint) -> Dialogue[object]:
    facts = yield from look_at_maildrop(session.client)
    if endpoint.read_back:
        facts = yield from read_back_maildrop(session.client, facts, endpoint.read_back)
    return facts


ERRANDS: Final[tuple[ErrandRow, ...]] = (
    ErrandRow(
        lambda endpoint: endpoint.rcpt_to is not None,
        {
            Protocol.SMTP: lambda session, endpoint: ask_about_recipient(
                session.client, endpoint.mail_from, endpoint.rcpt_to or "", endpoint.rcpt_expect
            )
        },
    ),
    ErrandRow(
        # A maildrop needs no name: a login by POP3 opens it.
        lambda endpoint: endpoint.mailbox is not None or endpoint.protocol is Protocol.POP3,
        {Protocol.IMAP: _mailbox_by_imap, Protocol.POP3: _mailbox_by_pop3},
        needs_login=True,
    ),
    ErrandRow(
        lambda endpoint: bool(endpoint.capabilities),
        dict.fromkeys(Protocol, lambda session, endpoint: expect_capabilities(session, endpoint.capabilities)),
    ),
)
"""In the order in which a probe does them."""


def converse(client: Client, endpoint: Endpoint, login: Login | Withheld | None) -> Dialogue[None]:
    """The whole conversation of a probe except the goodbye, which also follows a failure.

    Args:
        client: The client's side of the endpoint's protocol.
        endpoint: What is asked for.
        login: `None` to look without logging in.

    Raises:
        DialogueError: The server refused, or broke the protocol, or is not what the endpoint asks for.
    """
    session = yield from open_session(client, endpoint, login)
    yield from run_errands(session, endpoint)


def run_errands(session: Session, endpoint: Endpoint) -> Dialogue[None]:
    """Do all that the endpoint asks for and that its protocol and session allow.

    Raises:
        DialogueError: One of them failed. Those after it are not done.
    """
    wanted = [
        row.by[endpoint.protocol]
        for row in ERRANDS
        if endpoint.protocol in row.by and row.wanted(endpoint) and (session.logged_in or not row.needs_login)
    ]
    if wanted:
        yield Enter(Phase.CHECK)
    for errand in wanted:
        yield from errand(session, endpoint)
