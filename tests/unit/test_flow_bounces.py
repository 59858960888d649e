from __future__ import annotations

import pytest

from exporter.flows.bounces import Bounce, read_bounce
from exporter.model import Secret
from tests.unit.flow_samples import KEY, TEXT, TOKEN, sent

WORDS = "smtp; 550 5.1.1 <you@example.net>: user unknown"


def notification(
    action: str = "failed",
    status: str = "5.1.1",
    words: str = WORDS,
    *,
    enclosed: bytes | None = None,
    headers: bool = False,
) -> bytes:
    """What Postfix sends."""
    kind = b"text/rfc822-headers" if headers else b"message/rfc822"
    content = sent() if enclosed is None else enclosed
    return (
        b"From: MAILER-DAEMON@mail.example.com (Mail Delivery System)\r\n"
        b"Subject: Undelivered Mail Returned to Sender\r\nTo: me@example.com\r\nAuto-Submitted: auto-replied\r\n"
        b"MIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="A1/mail"\r\n\r\n'
        b"This is a MIME-encapsulated message.\r\n\r\n"
        b"--A1/mail\r\nContent-Description: Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        b"I'm sorry to have to inform you ...\r\n\r\n"
        b"--A1/mail\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Reporting-MTA: dns; mail.example.com\r\nArrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n"
        b"Final-Recipient: rfc822; you@example.net\r\nAction: " + action.encode() + b"\r\n"
        b"Status: " + status.encode() + b"\r\nRemote-MTA: dns; mx.example.net\r\n"
        b"Diagnostic-Code: " + words.encode() + b"\r\n\r\n"
        b"--A1/mail\r\nContent-Type: "
        + kind
        + b"\r\n\r\n"
        + (content.partition(b"\r\n\r\n")[0] if headers else content)
        + b"\r\n--A1/mail--\r\n"
    )


def test_a_failed_delivery_is_told_with_its_code_and_the_servers_words() -> None:
    bounce = read_bounce(notification(), KEY)
    assert Bounce(TOKEN, "failed", "5.1.1", "550 5.1.1 <you@example.net>: user unknown") == bounce
    assert bounce.settles


def test_the_header_alone_is_enough() -> None:
    bounce = read_bounce(notification(headers=True), KEY)
    assert bounce is not None
    assert TOKEN == bounce.token


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded", ""])
def test_what_is_no_failure_settles_nothing(action: str) -> None:
    bounce = read_bounce(notification(action, "4.4.1"), KEY)
    assert bounce is not None
    assert not bounce.settles


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        ("5.7.1", WORDS, "5.7.1"),
        ("5.0.0", "smtp; 552 5.2.2 mailbox full", "5.2.2"),
        ("5.7.509", "smtp; 550 5.7.509 Access denied, DMARC", "5.0.0"),
        ("5.0.0", "", "5.0.0"),
        ("", "smtp; 550-5.7.26 not authenticated", "5.7.26"),
        ("nonsense", "", "5.0.0"),
    ],
)
def test_the_code_is_the_most_exact_that_is_told(status: str, words: str, expected: str) -> None:
    bounce = read_bounce(notification(status=status, words=words), KEY)
    assert bounce is not None
    assert expected == bounce.reason


def test_a_notification_about_a_message_of_somebody_else_is_none() -> None:
    assert read_bounce(notification(enclosed=b"Subject: x\r\n\r\nbody\r\n"), KEY) is None
    assert read_bounce(notification(), Secret(b"another key of sixteen octets")) is None


def test_a_token_outside_what_is_returned_makes_no_notification() -> None:
    octets = notification(enclosed=b"Subject: x\r\n\r\nbody\r\n").replace(b"I'm sorry", TEXT.encode())
    assert read_bounce(octets, KEY) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        sent(),
        b"Content-Type: text/plain\r\n\r\n" + notification(),
        notification()[:700],
        notification().replace(b"message/delivery-status", b"text/plain"),
        notification() + b"x" * 70_000,
        b"Subject: Re: probe\r\nIn-Reply-To: <" + TEXT.encode() + b"@example.com>\r\n\r\nThank you.\r\n",
    ],
)
def test_what_is_no_notification_is_none(octets: bytes) -> None:
    assert read_bounce(octets, KEY) is None
