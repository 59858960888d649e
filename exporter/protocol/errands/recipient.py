"""Would the server take mail for a recipient? By SMTP. Nothing is sent."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from exporter.model import FailureReason
from exporter.protocol.dialogue import Dialogue, DialogueError, ProtocolError, Replied
from exporter.protocol.smtp import Reply, Smtp, command, refusal

NOT_UNDERSTOOD: Final = range(500, 505)
"""RFC 5321 4.2.4: codes of a server that does not understand or know a command, or not at this time."""


def ask_about_recipient(smtp: Smtp, mail_from: str, rcpt_to: str, expected: Collection[int] = ()) -> Dialogue[Reply]:
    """Begin a transaction as if there were mail for somebody, and go no further.

    Args:
        smtp: The session.
        mail_from: The reverse-path; empty for the null path.
        rcpt_to: The recipient to ask about.
        expected: Codes that RCPT must be answered with; empty if it must be accepted.

    Raises:
        DialogueError: It is not answered as it should be.
    """
    reply = yield from command(f"MAIL FROM:<{mail_from}>".encode())
    if reply.code != 250:
        raise refusal(FailureReason.COMMAND_REFUSED, "MAIL is answered with", reply)
    # RFC 5321 4.1.1.5: RSET drops the transaction; there was no DATA, so nothing was sent. After a refusal it belongs
    # to the goodbye: some servers hang up on a recipient they refuse, and the refusal is what was asked for.
    smtp.left_open = b"RSET"
    reply = yield from command(f"RCPT TO:<{rcpt_to}>".encode())
    if _accepts(reply):
        yield from _confirm(smtp, reply)
    _judge(reply, expected)
    return reply


def _accepts(reply: Reply) -> bool:
    """RFC 5321 4.3.2: 251 is an acceptance too, and 252 one that promises less."""
    return 200 <= reply.code < 300


def _confirm(smtp: Smtp, acceptance: Reply) -> Dialogue[None]:
    """Make sure that an acceptance answers RCPT, and not an earlier command that was answered twice.

    RFC 5321 4.1.1.5: RSET is not refused, unless the server does not know it. An answer that refuses anything else is
    the one to RCPT, which is one command behind.
    """
    smtp.left_open = None
    reply = yield from command(b"RSET")
    yield Replied(acceptance.code)
    if reply.code >= 400 and reply.code not in NOT_UNDERSTOOD:
        raise ProtocolError(
            f"a command was answered twice: RCPT seems to be answered with {acceptance}, and RSET with {reply}"
        )


def _judge(reply: Reply, expected: Collection[int]) -> None:
    accepted = _accepts(reply)
    if reply.code in expected or (accepted and not expected):
        return
    if 300 <= reply.code < 400:
        raise ProtocolError(f"RCPT is answered with {reply}")
    reason = FailureReason.RECIPIENT_ACCEPTED if accepted else FailureReason.RECIPIENT_REFUSED
    wish = f", which should be {' or '.join(map(str, expected))}" if expected else ""
    raise DialogueError(reason, f"RCPT is answered with {reply}{wish}")
