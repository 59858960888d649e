"""Hand over a message, by SMTP (RFC 5321 3.3), with SIZE, 8BITMIME, SMTPUTF8 and CHUNKING where they are offered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter.model import FailureReason
from exporter.protocol.dialogue import Dialogue, DialogueError, ProtocolError, Send, SendContent, keywords
from exporter.protocol.smtp import Reply, Smtp, command, read_reply

_LINE_END: Final = re.compile(rb"\r?\n|\r")
_UNKNOWN_COMMAND: Final = frozenset({500, 502})


@dataclass(frozen=True, slots=True)
class Submission:
    """The result of submitting a message.

    Attributes:
        accepted: Whether the server has taken it: from now on it is responsible (RFC 5321 6.1).
        stage: What the reply answers: `MAIL`, `RCPT`, `DATA`, or the message itself.
        reply: The last one.
    """

    accepted: bool
    stage: str
    reply: Reply


def hand_over(smtp: Smtp, sender: str, recipient: str, octets: bytes) -> Dialogue[Submission]:
    """Hand over a message for one recipient. A refusal is a value.

    Args:
        smtp: The session.
        sender: The reverse-path; empty for the null path.
        recipient: The recipient's address.
        octets: The message.

    Raises:
        DialogueError: An address needs SMTPUTF8 and the server does not offer it, the server hangs up, or it breaks
            the protocol.
    """
    offered = keywords(smtp.capabilities or ())
    content = _in_lines(octets)
    parameters = _parameters(offered, sender + recipient, content)
    reply = yield from command(f"MAIL FROM:<{sender}>{parameters}".encode())
    smtp.left_open = b"RSET"
    if reply.code != 250:
        return Submission(accepted=False, stage="MAIL", reply=_refused("MAIL", reply))
    reply = yield from command(f"RCPT TO:<{recipient}>".encode())
    # RFC 5321 4.3.2: 251 and 252 are acceptances too.
    if not 250 <= reply.code <= 252:
        return Submission(accepted=False, stage="RCPT", reply=_refused("RCPT", reply))
    reply = yield from command(b"DATA")
    if reply.code in _UNKNOWN_COMMAND and "CHUNKING" in offered:
        # RFC 3030 section 2: a message in one chunk, which needs no dots.
        yield Send(b"BDAT %d LAST" % len(content))
        yield SendContent(content)
    elif reply.code == 354:
        yield SendContent(_dot_stuffed(content) + b".\r\n")
    else:
        return Submission(accepted=False, stage="DATA", reply=_refused("DATA", reply))
    reply = yield from read_reply()
    smtp.left_open = None
    if reply.code // 100 == 2:
        return Submission(accepted=True, stage="the message", reply=reply)
    return Submission(accepted=False, stage="the message", reply=_refused("the message", reply))


def _in_lines(octets: bytes) -> bytes:
    """RFC 5321 2.3.7: CR and LF only together. Sent apart, some servers would see two messages."""
    content = _LINE_END.sub(b"\r\n", octets)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _parameters(offered: dict[str, list[str]], addresses: str, content: bytes) -> str:
    parameters = ""
    if "SIZE" in offered:
        # RFC 1870 section 3: so that a server that has no room says so now.
        parameters += f" SIZE={len(content)}"
    if not addresses.isascii():
        if "SMTPUTF8" not in offered:
            raise DialogueError(
                FailureReason.CAPABILITY_MISSING, "an address needs SMTPUTF8, and the server does not offer it"
            )
        # RFC 6531 3.1, 3.4: the header holds the address, and so is in UTF-8 as well.
        return f"{parameters} BODY=8BITMIME SMTPUTF8"
    if not content.isascii() and "8BITMIME" in offered:
        parameters += " BODY=8BITMIME"
    return parameters


def _dot_stuffed(content: bytes) -> bytes:
    """RFC 5321 4.5.2: a line that begins with a dot gets another one."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _refused(what: str, reply: Reply) -> Reply:
    if reply.code < 400:
        raise ProtocolError(f"{what} is answered with {reply}")
    return reply
