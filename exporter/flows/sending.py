"""Sends one message of a flow, and judges the server's answer."""

from __future__ import annotations

from typing import Final

from exporter.flows.desk import Desk
from exporter.flows.ledger import InFlight, Ledger
from exporter.flows.messages import message, signature, status_codes
from exporter.model import Endpoint, FailureReason, Flow, Outcome, Phase, Secret, Sending
from exporter.protocol.errands.hand_over import Submission, hand_over
from exporter.visiting.visit import Inside, Visited, Visitor

_BEFORE_LOGIN: Final = frozenset({Phase.GREETING, Phase.CAPABILITY})
_TURNED_AWAY: Final = frozenset({FailureReason.SERVER_REFUSED, FailureReason.COMMAND_REFUSED})
"""A greeting or an answer to EHLO that refuses."""


async def send(flow: Flow, endpoint: Endpoint, ledger: Ledger, desk: Desk, visitor: Visitor) -> InFlight | None:
    """Send one message, and return it if the server accepted it. Raises nothing except cancellation.

    Args:
        flow: A flow that sends.
        endpoint: The server to visit: the flow's, or one of its MX hosts.
        ledger: Keeps the message.
        desk: Receives the outcome if the server does not accept the message.
        visitor: Carries out the visit.
    """
    sending = flow.sending
    if sending is None:
        raise RuntimeError("a flow that sends nothing is asked to send")
    try:
        key = await desk.read_key()
    except OSError as error:
        _fail_without_key(ledger, desk, str(error))
        return None
    octets, entry = _begin(flow.name, sending, ledger, desk, key)

    async def inside(here: Inside) -> Submission:
        submission = await here.run(lambda smtp: hand_over(smtp, sending.sender, sending.recipient, octets))
        if submission.accepted:
            # The leg ends with the reply, not with the logout.
            ledger.submitted(entry, desk.now(), str(submission.reply))
        return submission

    try:
        visited = await visitor.visit(endpoint, inside)
    except BaseException:
        # The server may have accepted the message. If so, it will be found as a leftover.
        ledger.forget(entry)
        raise
    if entry.submitted is not None:
        return entry
    outcome, reason, detail = _judge(visited)
    desk.settle(ledger, ledger.not_submitted(entry, outcome, reason=reason, detail=detail, now=desk.now()))
    return None


def _begin(name: str, sending: Sending, ledger: Ledger, desk: Desk, key: Secret) -> tuple[bytes, InFlight]:
    """Make the flow's next message, and enter it in the ledger."""
    now = desk.now()
    token = ledger.next_token(now)
    text = signature.sign(token, key)
    octets = message.build(text, name, sending.sender, sending.recipient, token.sent_at)
    entry = ledger.begin(token, text, now)
    desk.count(ledger)
    return octets, entry


def _fail_without_key(ledger: Ledger, desk: Desk, detail: str) -> None:
    now = desk.now()
    # This message is not signed and not sent. It is settled so that the flow reports the error.
    entry = ledger.begin(ledger.next_token(now), "", now)
    reason = FailureReason.SECRET_UNREADABLE
    desk.settle(ledger, ledger.not_submitted(entry, Outcome.SEND_FAILED, reason=reason, detail=detail, now=now))


def _judge(visited: Visited[Submission]) -> tuple[Outcome, str, str]:
    """Outcome, reason and detail of a message that the server did not accept."""
    submission, failure = visited.value, visited.result.failure
    if submission is not None:
        reply = submission.reply
        outcome = Outcome.REFUSED if reply.code >= 500 else Outcome.DEFERRED  # noqa: PLR2004 - RFC 5321 4.2.1
        words = reply.words.decode("ascii", "replace")
        return outcome, status_codes.reason(words, reply.code), f"{submission.stage} is answered with {reply}"
    if failure is None:
        return Outcome.SEND_FAILED, FailureReason.INTERNAL_ERROR, "the visit ended without an answer"
    words = failure.detail.partition('"')[2]
    if failure.reason is FailureReason.SERVER_BUSY and failure.phase is not Phase.AUTH:
        # RFC 5321 3.8, 4.2.1: a 4yz greeting, or 421 at any time, asks to come back later.
        return Outcome.DEFERRED, status_codes.reason(words, 421), failure.detail
    if failure.phase in _BEFORE_LOGIN and failure.reason in _TURNED_AWAY and words.startswith("5"):
        # RFC 5321 3.1: with 554 instead of a greeting a server takes no mail from this client.
        return Outcome.REFUSED, status_codes.reason(words), failure.detail
    return Outcome.SEND_FAILED, failure.reason, failure.detail
