from __future__ import annotations

from base64 import encodebytes
from quopri import encodestring

import pytest

from exporter.flows.messages.bounces import MAX_BLOCKS, Bounce, read_bounce
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


def by_exchange() -> bytes:
    """Exchange Online returns the header alone, and names our message besides."""
    return (
        b"From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.net>\r\n"
        b"Subject: Undeliverable: mail-exporter probe\r\nAuto-Submitted: auto-replied\r\n"
        b"In-Reply-To: <" + TEXT.encode() + b"@example.com>\r\nReferences: <" + TEXT.encode() + b"@example.com>\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="_000_"\r\n\r\n'
        b"--_000_\r\nContent-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"<p>Your message couldn't be delivered</p>\r\n--_000_\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Reporting-MTA: dns;AM0PR01.eurprd01.prod.exchangelabs.com\r\nReceived-From-MTA: dns;mail.example.com\r\n\r\n"
        b"Final-Recipient: rfc822;you@example.net\r\nAction: failed\r\nStatus: 5.1.10\r\n"
        b"Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found\r\n by SMTP address\r\n"
        b"X-Display-Name: you@example.net\r\n\r\n"
        b"--_000_\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: me@example.com\r\n\r\n--_000_--\r\n"
    )


@pytest.mark.parametrize(("before", "found"), [(2, True), (3, False)])
def test_a_header_that_names_our_message_is_sought_among_three(before: int, found: bool) -> None:
    head, _, rest = by_exchange().partition(b"References: ")
    others = b"In-Reply-To: <x@example.com>\r\n" * before

    assert found is (read_bounce(others + head + rest.partition(b"\r\n")[2], KEY) is not None)


def by_gmail() -> bytes:
    """Gmail's `Diagnostic-Code` is folded, and the report stands within a multipart of its own."""
    return (
        b"From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\nX-Failed-Recipients: you@example.net\r\n"
        b'Content-Type: multipart/report; boundary="0000a"; report-type=delivery-status\r\n\r\n'
        b'--0000a\r\nContent-Type: multipart/related; boundary="0000b"\r\n\r\n--0000b\r\n'
        b"Content-Type: text/plain; charset=UTF-8\r\n\r\n** Address not found **\r\n--0000b--\r\n"
        b"--0000a\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; googlemail.com\r\n"
        b"Arrival-Date: Tue, 14 Nov 2023 14:13:20 -0800 (PST)\r\nX-Original-Message-ID: <x@example.com>\r\n\r\n"
        b"Final-Recipient: rfc822; you@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        b"Remote-MTA: dns; mx.example.net.\r\n (192.0.2.1, the server for the domain example.net.)\r\n"
        b"Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does\r\n not exist. 550 see\r\n"
        b"Last-Attempt-Date: Tue, 14 Nov 2023 14:13:21 -0800 (PST)\r\n\r\n"
        b"--0000a\r\nContent-Type: message/rfc822\r\n\r\n" + sent() + b"\r\n--0000a--\r\n"
    )


def by_exim() -> bytes:
    """Exim since 4.73; it knows no better status than 5.0.0."""
    return (
        b"From: Mail Delivery System <Mailer-Daemon@mail.example.com>\r\nX-Failed-Recipients: you@example.net\r\n"
        b"Auto-Submitted: auto-replied\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=17-eximdsn-9\r\n\r\n"
        b"--17-eximdsn-9\r\nContent-type: text/plain; charset=us-ascii\r\n\r\nThis message was created\r\n\r\n"
        b"--17-eximdsn-9\r\nContent-type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example.com\r\n\r\n"
        b"Action: failed\r\nFinal-Recipient: rfc822;you@example.net\r\nStatus: 5.0.0\r\n"
        b"Remote-MTA: dns; mx.example.net\r\n"
        b"Diagnostic-Code: smtp; 550 5.7.1 no mail for you here\r\n\r\n"
        b"--17-eximdsn-9\r\nContent-type: message/rfc822\r\n\r\nReturn-path: <me@example.com>\r\n"
        + sent()
        + b"\r\n--17-eximdsn-9--\r\n"
    )


def by_old_exim(words: bytes = b"This is a permanent error. The following address(es) failed:") -> bytes:
    """Exim before 4.73: for people."""
    return (
        b"From: Mail Delivery System <Mailer-Daemon@mail.example.com>\r\nX-Failed-Recipients: you@example.net\r\n"
        b"Subject: Mail delivery failed: returning message to sender\r\n\r\n"
        b"This message was created automatically by mail delivery software.\r\n\r\n"
        b"A message that you sent could not be delivered to one or more of its\r\nrecipients. " + words + b"\r\n\r\n"
        b"  you@example.net\r\n    SMTP error from remote mail server after RCPT TO:<you@example.net>:\r\n"
        b"    host mx.example.net [192.0.2.1]: 550 5.1.1 <you@example.net>: user unknown\r\n\r\n"
        b"------ This is a copy of the message, including all the headers. ------\r\n\r\n" + sent()
    )


def by_qmail(words: bytes = b"Remote host said: 554 5.7.1 Service unavailable; client blocked") -> bytes:
    """qmail's own form (QSBMF), which netqmail and s/qmail kept."""
    return (
        b"From: MAILER-DAEMON@mail.example.com\r\nSubject: failure notice\r\n\r\n"
        b"Hi. This is the qmail-send program at mail.example.com.\r\n"
        b"I'm afraid I wasn't able to deliver your message to the following addresses.\r\n"
        b"This is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\n"
        b"<you@example.net>:\r\n192.0.2.1 does not like recipient.\r\n" + words + b"\r\nGiving up on 192.0.2.1.\r\n\r\n"
        b"--- Below this line is a copy of the message.\r\n\r\nReturn-Path: <me@example.com>\r\n" + sent()
    )


def by_opensmtpd(status: bytes = b"5.0.0", *, mime: bool = True) -> bytes:
    """OpenSMTPD has the remote server's words only in the part for people; before 5.4.4 there was no other part."""
    people = (
        b"    Hi!\r\n\r\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\r\n\r\n"
        b"    An error has occurred while attempting to deliver a message for\r\n"
        b"    the following list of recipients:\r\n\r\nyou@example.net: 550 5.1.1 no such user\r\n\r\n"
        b"    Below is a copy of the original message:\r\n\r\n"
    )
    head = b"Subject: Delivery status notification: failed\r\nFrom: Mailer Daemon <MAILER-DAEMON@mail.example.com>\r\n"
    if not mime:
        return head + b"\r\n" + people + sent()
    return (
        head + b'Content-Type: multipart/mixed;boundary="7/mail"\r\n\r\n--7/mail\r\nContent-Type: text/plain\r\n\r\n'
        + people + b"--7/mail\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example.com\r\n"
        b"\r\nFinal-Recipient: rfc822; you@example.net\r\nAction: failed\r\nStatus: " + status + b"\r\n\r\n"
        b"--7/mail\r\nContent-Type: text/rfc822-headers\r\n\r\n" + sent() + b"\r\n--7/mail--\r\n"
    )  # fmt: skip


def by_gmx() -> bytes:
    """GMX, IONOS and others of one house."""
    return (
        b"From: MAILER-DAEMON@mail.example.com\r\nSubject: Mail delivery failed: returning message to sender\r\n\r\n"
        b"A message that you sent could not be delivered to one or more of\r\n"
        b"its recipients. This is a permanent error. The following address\r\nfailed:\r\n\r\n"
        b'"you@example.net":\r\nSMTP error from remote server after RCPT command:\r\nhost: mx.example.net\r\n'
        b"5.2.2 <you@example.net>... Mailbox Full\r\n\r\n"
        b"--- The header of the original message is following. ---\r\n\r\n" + sent()
    )


def by_dragonfly(end: bytes = b"Message headers follow.") -> bytes:
    """The DragonFly Mail Agent, which FreeBSD uses since 14."""
    return (
        b"From: MAILER-DAEMON <>\r\nSubject: Mail delivery failed\r\n\r\n"
        b"This is the DragonFly Mail Agent v0.13 at mail.example.com.\r\n\r\n"
        b"There was an error delivering your mail to <you@example.net>.\r\n\r\n"
        b"mx.example.net [192.0.2.1] did not like our RCPT TO:\r\n550 5.1.1 no such user\r\n\r\n"
        + end + b"\r\n\r\n" + sent()
    )  # fmt: skip


def by_postfix_in_utf8() -> bytes:
    """Postfix where an address is international (RFC 6533)."""
    kind = b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit"
    octets = notification().replace(b"Content-Type: message/delivery-status", kind)
    octets = octets.replace(b"Content-Type: message/rfc822", b"Content-Type: message/global")
    return octets.replace(b"rfc822; you@example.net", "utf-8; d\u00fc@example.net".encode())


@pytest.mark.parametrize(
    ("octets", "reason", "words"),
    [
        (by_postfix_in_utf8(), "5.1.1", "550 5.1.1 <you@example.net>: user unknown"),
        (notification(action="Failed (no such user)"), "5.1.1", "550 5.1.1"),
        (notification(status="5.0.0", words="550 5.1.1 no type"), "5.1.1", "550 5.1.1 no type"),
        (notification().replace(b"multipart/report; report-type=delivery-status", b"multipart/mixed"), "5.1.1", "550"),
        (by_exchange(), "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound"),
        (by_gmail(), "5.1.1", "550-5.1.1 The email account"),
        (by_exim(), "5.7.1", "550 5.7.1 no mail for you here"),
        (by_old_exim(), "5.1.1", "550 5.1.1 <you@example.net>: user unknown"),
        (by_qmail(), "5.7.1", "554 5.7.1 Service unavailable"),
        (by_qmail(b"Sorry, I couldn't find any host named example.net. (#5.1.2)"), "5.1.2", "Sorry, I couldn't"),
        (by_qmail(b"Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)"), "4.4.1", "Sorry, I wasn't"),
        (by_opensmtpd(), "5.1.1", "550 5.1.1 no such user"),
        (by_opensmtpd(b"5.7.1"), "5.7.1", "550 5.1.1 no such user"),
        (by_opensmtpd(mime=False), "5.1.1", "550 5.1.1 no such user"),
        (by_gmx(), "5.2.2", "5.2.2 <you@example.net>... Mailbox Full"),
        (by_dragonfly(), "5.1.1", "550 5.1.1 no such user"),
        (by_dragonfly(b"Original message follows."), "5.1.1", "550 5.1.1 no such user"),
    ],
    ids=[
        "utf-8",
        "comment",
        "untyped",
        "mixed",
        "exchange",
        "gmail",
        "exim",
        "old exim",
        "qmail",
        "qmail itself",
        "qmail late",
        "opensmtpd",
        "opensmtpd exact",
        "old opensmtpd",
        "gmx",
        "dragonfly",
        "dragonfly whole",
    ],
)
def test_every_server_has_its_own_way_to_return_a_message(octets: bytes, reason: str, words: str) -> None:
    bounce = read_bounce(octets, KEY)
    assert bounce is not None
    assert (TOKEN, True, reason, words) == (bounce.token, bounce.settles, bounce.reason, bounce.words[: len(words)])


@pytest.mark.parametrize(
    "octets",
    [
        by_old_exim(b"The message has not yet been delivered, and will be tried again."),
        by_qmail().replace(b"MAILER-DAEMON@", b"somebody@"),
        by_qmail().replace(b"--- Below this line is a copy", b"--- Below this line is nothing"),
        by_qmail().replace(TEXT.encode(), b"x" * len(TEXT)),
        by_opensmtpd(mime=False).replace(b"An error has occurred", b"A message is delayed for more than 4 hours"),
    ],
)
def test_what_is_not_a_failure_in_known_words_is_none(octets: bytes) -> None:
    assert read_bounce(octets, KEY) is None


@pytest.mark.parametrize("headers", [False, True])
def test_the_header_of_what_is_returned_is_enough_whatever_became_of_the_body(headers: bool) -> None:
    head = sent().partition(b"\r\n\r\n")[0]
    bounce = read_bounce(notification(enclosed=head + b"\r\n\r\nYour message is attached.\r\n", headers=headers), KEY)
    assert bounce is not None
    assert TOKEN == bounce.token


def encode(octets: bytes, kind: bytes, how: str) -> bytes:
    """The notification with its part of this type encoded, which RFC 2046 and RFC 3464 forbid."""
    before, _, rest = octets.partition(b"Content-Type: " + kind + b"\r\n\r\n")
    content, _, after = rest.partition(b"\r\n--A1/mail")
    code = encodebytes if how == "base64" else encodestring
    field = b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + how.encode() + b"\r\n\r\n"
    return before + field + code(content) + b"\r\n--A1/mail" + after


@pytest.mark.parametrize("how", ["base64", "quoted-printable"])
@pytest.mark.parametrize("headers", [False, True])
def test_each_part_may_be_encoded(how: str, headers: bool) -> None:
    kind = b"text/rfc822-headers" if headers else b"message/rfc822"
    octets = encode(encode(notification(headers=headers), kind, how), b"message/delivery-status", how)
    assert read_bounce(notification(headers=headers), KEY) == read_bounce(octets, KEY)
    assert read_bounce(octets, KEY) is not None


@pytest.mark.parametrize("how", ["base64", "quoted-printable"])
def test_text_for_people_may_be_encoded(how: str) -> None:
    head, _, body = by_qmail().partition(b"\r\n\r\n")
    code = encodebytes if how == "base64" else encodestring
    fields = b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: " + how.encode()
    assert read_bounce(by_qmail(), KEY) == read_bounce(head + fields + b"\r\n\r\n" + code(body), KEY)


def test_an_alias_of_several_recipients_fails_if_one_of_them_does() -> None:
    expanded = b"Final-Recipient: rfc822; all@example.net\r\nAction: expanded\r\nStatus: 2.0.0\r\n\r\n"
    octets = notification().replace(b"Final-Recipient:", expanded + b"Final-Recipient:", 1)
    assert read_bounce(notification(), KEY) == read_bounce(octets, KEY)


def test_a_flood_of_blocks_costs_only_itself() -> None:
    bounce = read_bounce(notification().replace(b"Final-R", b"A: b\r\n\r\n" * MAX_BLOCKS + b"Final-R"), KEY)
    assert bounce is not None
    assert not bounce.settles
