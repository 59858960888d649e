from __future__ import annotations

import email
import hashlib
from email.policy import default

import pytest

from exporter.flows.messages import message, signature
from exporter.flows.messages.alterations import new_subject
from exporter.flows.messages.headers import read_headers
from tests.unit.flow_samples import KEY, NOW, TEXT, TOKEN, sent

OF_MIME = ("MIME-Version", "Content-Type", "Content-Transfer-Encoding")


def test_the_header_says_what_it_is_and_wants_no_reply() -> None:
    parsed = email.message_from_bytes(sent(), policy=default)
    assert {
        "From": "me@example.com",
        "To": "you@example.net",
        "Subject": "mail-exporter probe of flow there, may be deleted",
        "Date": "Tue, 14 Nov 2023 22:13:20 +0000",
        "Message-ID": f"<{TEXT}@example.com>",
        "X-Mail-Exporter-Token": TEXT,
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Feedback-ID": f"{hashlib.sha256(b'there').hexdigest()[:16]}:flow:mail-exporter",
    } == {name: str(parsed[name]) for name in parsed if name not in OF_MIME}


def test_the_body_is_of_a_known_length() -> None:
    body = message.build(TEXT, "there", "me@example.com", "you@example.net", NOW).partition(b"\r\n\r\n")[2]
    assert message.body(TEXT) == body
    other = signature.sign(signature.MessageToken(TOKEN.mark, 8, NOW + 60), KEY)
    assert len(body) == len(message.body(other))


def test_no_two_messages_have_the_same_text() -> None:
    texts = {signature.sign(signature.MessageToken(TOKEN.mark, number, NOW), KEY) for number in range(100)}
    assert 100 == len({message.body(text).replace(text.encode(), b"") for text in texts})


def test_every_line_is_short_ascii_and_one_begins_with_a_dot() -> None:
    lines = sent().split(b"\r\n")
    assert all(len(line) <= 200 and line.isascii() and b"\n" not in line for line in lines)
    assert 1 == sum(line.startswith(b".") for line in lines)
    assert not any(line.startswith(b"From ") for line in lines)


@pytest.mark.parametrize("flow", ["büro → gmail", "x" * 200, "ü" * 200, "a\tb", 'quotes " and \\', "=?utf-8?q?x?="])
def test_any_name_of_a_flow_fits_into_the_subject(flow: str) -> None:
    octets = message.build(TEXT, flow, "me@example.com", "you@example.net", NOW)
    assert octets.partition(b"\r\n\r\n")[0].isascii()
    subject = str(email.message_from_bytes(octets, policy=default)["Subject"])
    assert subject.startswith("mail-exporter probe of flow ")
    assert subject.endswith(", may be deleted")
    assert f"<{TEXT}@example.com>" == email.message_from_bytes(octets, policy=default)["Message-ID"]
    assert new_subject(read_headers(octets), flow) is None


def test_an_international_address_stands_in_the_header_as_it_is() -> None:
    octets = sent(sender="gruß@example.com")
    assert "From: gruß@example.com\r\n".encode() in octets


@pytest.mark.parametrize("address", ['"a b"@example.com', "a+b@example.com", "x@[192.0.2.1]"])
def test_odd_addresses_come_through(address: str) -> None:
    assert f"To: {address}\r\n".encode() in sent(recipient=address)
