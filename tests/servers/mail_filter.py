"""A filter between Postfix and Dovecot, by LMTP (RFC 2033): what it does to a message goes by the recipient.

Postfix delivers to it and it delivers to Dovecot, so everything that can happen to mail on its way can be made to
happen here. A treatment is given the message and how often it was tried before, and says what is delivered, or what is
refused.
"""

from __future__ import annotations

import re
import smtplib
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final, TypeAlias

from tests.servers.programs import LOOPBACK

Verdict: TypeAlias = "list[bytes] | str"
"""What is delivered, each message by itself; or the reply that refuses."""

Treatment: TypeAlias = Callable[[bytes, int], Verdict]

TAKEN: Final = "250 2.0.0 taken"


def passes(message: bytes, _: int) -> Verdict:
    """As it came."""
    return [message]


def loses(_message: bytes, _: int) -> Verdict:
    """Taken, and never seen again."""
    return []


def doubles(message: bytes, _: int) -> Verdict:
    """Delivered twice."""
    return [message, message]


def adds_footer(message: bytes, _: int) -> Verdict:
    """As gateways do to mail from outside."""
    return [message + b"-- \r\nThis message came from outside.\r\n"]


def strips_header(message: bytes, _tried: int) -> Verdict:
    """All that begins with X-, and the Message-ID."""
    head, _, body = message.partition(b"\r\n\r\n")
    return [re.sub(rb"(?im)^(X-|Message-ID)[^\r\n]*\r\n", b"", head + b"\r\n") + b"\r\n" + body]


def adds(*fields: bytes) -> Treatment:
    """Header fields above all others."""
    return lambda message, _: [b"".join(field + b"\r\n" for field in fields) + message]


def delays(seconds: float) -> Treatment:
    """Delivered after a while."""

    def treatment(message: bytes, _: int) -> Verdict:
        time.sleep(seconds)
        return [message]

    return treatment


def defers(times: int, then: Treatment = passes) -> Treatment:
    """Not now, so many times."""
    return lambda message, tried: "451 4.3.0 try again later" if tried < times else then(message, tried)


def rejects(_message: bytes, _: int) -> Verdict:
    """Not at all. Notifications of that, which have no sender, pass."""
    return "550 5.1.1 no such mailbox here"


def shifts_clock(hours: int) -> Treatment:
    """All times in Received fields are so many hours off."""

    def shifted(found: re.Match[bytes]) -> bytes:
        when = parsedate_to_datetime(found[1].decode()) + timedelta(hours=hours)
        return b"; " + format_datetime(when).encode()

    return lambda message, _: [re.sub(rb"; (\w{3}, +\d+ \w{3} \d{4} [\d:]{8} [+-]\d{4})", shifted, message)]


@dataclass(frozen=True, slots=True)
class MailFilter:
    """A running one.

    Attributes:
        port: Where it speaks LMTP.
        delivered: When each message that came for a recipient was in its mailbox, as Unix timestamps.
    """

    port: int
    treatments: dict[str, Treatment]
    delivered: dict[str, list[float]]


@contextmanager
def mail_filter(next_port: int, treatments: Mapping[str, Treatment]) -> Iterator[MailFilter]:
    """Runs one until the block ends.

    Args:
        next_port: Where Dovecot speaks LMTP.
        treatments: By the local part of the recipient; all others pass.
    """
    state = MailFilter(0, dict(treatments), {})
    tried: Counter[tuple[str, bytes]] = Counter()
    lock = threading.Lock()

    def take(sender: str, recipient: str, message: bytes) -> str:
        name = recipient.partition("@")[0]
        with lock:
            key = name, message.partition(b"Message-ID:")[2][:80]
            before = tried[key]
            tried[key] += 1
        # Notifications come without a sender, and nothing happens to them.
        verdict = state.treatments.get(name, passes)(message, before) if sender else [message]
        if isinstance(verdict, str):
            return verdict
        if verdict:
            # By one connection, so that a second copy comes right behind the first.
            with smtplib.LMTP(LOOPBACK, next_port, local_hostname="filter.example.test") as client:
                for each in verdict:
                    client.sendmail(sender, [recipient], each)
                    with lock:
                        state.delivered.setdefault(name, []).append(time.time())
        return TAKEN

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            _converse(self, take)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    with Server((LOOPBACK, 0), Handler) as server:
        running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        running.start()
        port: int = server.server_address[1]
        try:
            yield MailFilter(port, state.treatments, state.delivered)
        finally:
            server.shutdown()
            running.join()


def _converse(handler: socketserver.StreamRequestHandler, take: Callable[[str, str, bytes], str]) -> None:
    def say(line: str) -> None:
        handler.wfile.write(line.encode() + b"\r\n")

    sender, recipients = "", list[str]()
    say("220 filter.example.test LMTP")
    try:
        while line := handler.rfile.readline():
            words = line.decode("utf-8", "replace").strip()
            verb = words[:4].upper()
            if verb == "LHLO":
                say("250-filter.example.test\r\n250-8BITMIME\r\n250 SMTPUTF8")
            elif verb == "MAIL":
                sender, recipients = _address(words), []
                say("250 ok")
            elif verb == "RCPT":
                recipients.append(_address(words))
                say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                message = _message(handler)
                for recipient in recipients:
                    say(_taken(take, sender, recipient, message))
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
    except OSError:
        return


def _taken(take: Callable[[str, str, bytes], str], sender: str, recipient: str, message: bytes) -> str:
    """What to say to a message: what the next server says, if it refuses it."""
    try:
        return take(sender, recipient, message)
    except smtplib.SMTPRecipientsRefused as refused:
        code, words = next(iter(refused.recipients.values()))
        said = words.decode()
    except smtplib.SMTPResponseException as refused:
        code, said = (
            refused.smtp_code,
            str(refused.smtp_error, "ascii") if isinstance(refused.smtp_error, bytes) else "",
        )
    return f"{code} {said}".splitlines()[0]


def _message(handler: socketserver.StreamRequestHandler) -> bytes:
    lines = []
    while (line := handler.rfile.readline()) not in (b".\r\n", b""):
        lines.append(line.removeprefix(b"."))
    return b"".join(lines)


def _address(words: str) -> str:
    return words.partition("<")[2].partition(">")[0]
