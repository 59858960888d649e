from __future__ import annotations

from base64 import encodebytes
from quopri import encodestring

import pytest

from exporter.flows.messages.alterations import alteration
from exporter.flows.messages.headers import read_headers
from exporter.flows.messages.message import body
from exporter.flows.messages.mime import MAX_MESSAGE
from tests.unit.flow_samples import TEXT, arrived, sent

HEAD, _, BODY = sent().partition(b"\r\n\r\n")


def found(octets: bytes) -> str | None:
    return alteration(octets, TEXT, read_headers(octets))


def encoded(name: str, content: bytes) -> bytes:
    return HEAD.replace(b"7bit", name.encode()) + b"\r\n\r\n" + content


def mixed(*more: bytes, banner: tuple[bytes, ...] = ()) -> bytes:
    """The message as a mailing list or a gateway wraps it: its text, and parts before and after it."""
    head = HEAD.replace(b'text/plain; charset="us-ascii"', b'multipart/mixed; boundary="b"')
    text = b"Content-Type: text/plain\r\n\r\n" + BODY
    return head + b"\r\n\r\n" + b"".join(b"--b\r\n" + part + b"\r\n" for part in (*banner, text, *more)) + b"--b--\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        sent(),
        arrived(),
        sent().replace(b"\r\n", b"\n"),
        sent() + b"\r\n\r\n",
        sent().rstrip(b"\r\n"),
        encoded("base64", encodebytes(BODY).replace(b"\n", b"\r\n")),
        encoded("quoted-printable", encodestring(BODY.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")),
        encoded("8bit", BODY),
        HEAD.replace(b"us-ascii", b"utf-8") + b"\r\n\r\n" + BODY,
    ],
    ids=[
        "sent",
        "arrived",
        "bare line ends",
        "empty lines more",
        "last line end gone",
        "base64",
        "quoted-printable",
        "8bit",
        "charset",
    ],
)
def test_another_transfer_is_no_alteration(octets: bytes) -> None:
    assert found(octets) is None


def test_a_footer_is_told_with_its_words() -> None:
    assert '17 octets were added at the end: "-- External mail\\n"' == found(sent() + b"-- External mail\r\n")


@pytest.mark.parametrize(("size", "shown"), [(39, '"' + "x" * 39 + '\\n"'), (40, '"' + "x" * 40 + '..."')])
def test_a_long_footer_is_cut(size: int, shown: str) -> None:
    assert f"{size + 1} octets were added at the end: {shown}" == found(sent() + b"x" * size + b"\r\n")


def test_what_is_added_before_the_last_letter_is_told_with_its_place() -> None:
    whole, last = sent().rstrip(), len(body(TEXT).replace(b"\r\n", b"\n").rstrip()) - 1
    assert '1 octets were added at the end: "!"' == found(whole + b"!\r\n")
    assert f'1 octets were added at octet {last}: "!"' == found(whole[:-1] + b"!" + whole[-1:] + b"\r\n")


def test_a_difference_of_spaces_and_line_ends_can_be_seen() -> None:
    told = found(sent().replace(b"arrives.\r\n", b"arrives. \r\n").replace(b"wanted.\r\n", b"wanted.\r\n\r\n")) or ""
    assert 'were "\\nIt may' in told
    assert 'are " \\nIt may' in told


def test_a_changed_word_is_told_with_its_place_and_both_versions() -> None:
    at = body(TEXT).replace(b"\r\n", b"\n").index(b"dot, which")
    changed = sent().replace(b"dot, which", b"cat, which")
    assert f'octets {at} to {at + 1} were "do" and are "ca"' == found(changed)
    changed = sent().replace(b"dot, which", b"got, which")
    assert f'octet {at} was "d" and is "g"' == found(changed)


def test_a_doubled_dot_is_an_alteration() -> None:
    assert "1 octets were added at octet " in (found(sent().replace(b"\r\n.This", b"\r\n..This")) or "")


def test_a_removed_line_is_told() -> None:
    changed = sent().replace(b"It may be deleted, and no reply is wanted.\r\n", b"")
    assert "43 octets were removed at octet 66" in (found(changed) or "")


def test_a_removed_or_changed_token_header_is_an_alteration() -> None:
    gone = b"\r\n".join(line for line in sent().split(b"\r\n") if not line.startswith(b"X-Mail-Exporter"))
    assert "the header X-Mail-Exporter-Token was removed or changed" == found(gone)


def test_a_part_more_is_an_alteration() -> None:
    assert "a part text/html was added" == found(mixed(b"Content-Type: text/html\r\n\r\n<p>External</p>"))
    assert found(mixed()) is None


def test_a_banner_in_a_part_of_its_own_is_told_as_an_addition() -> None:
    octets = mixed(banner=(b"Content-Type: text/plain\r\n\r\nCAUTION: external mail",))
    assert "a part text/plain was added" == found(octets)


def test_a_body_turned_into_html_is_an_alteration() -> None:
    changed = sent().replace(b"text/plain", b"text/html")
    assert found(changed) is None or "text/html" in str(found(changed))
    octets = changed.replace(BODY, b"<p>" + BODY + b"</p>")
    assert "the body is text/html instead of text/plain" == found(octets)


@pytest.mark.parametrize(
    "octets",
    [
        HEAD + b"\r\n\r\n" + b"x" * MAX_MESSAGE,
        HEAD.replace(b"text/plain", b'multipart/mixed; boundary="a"; boundary="a"') + b"\r\n\r\n" + b"--a\r\n" * 3000,
        HEAD + b"\r\n\r\n" + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 900,
        encoded("base64", b"\xff\x00!!!"),
        encoded("x-unknown", BODY + b"z"),
        HEAD,
        HEAD + b"\r\n\r\n",
    ],
)
def test_bombs_and_rubbish_are_alterations(octets: bytes) -> None:
    assert found(octets)


@pytest.mark.parametrize("unreadable", [b"text/pla\x01n", "text/plaïn".encode(), b"text/" + b"n" * 200])
def test_a_type_that_is_none_is_not_shown(unreadable: bytes) -> None:
    other = HEAD.replace(b"text/plain", unreadable) + b"\r\n\r\nSomething else.\r\n"

    assert "the body is of an unreadable type instead of text/plain" == found(other)


def test_parts_around_the_text_are_named() -> None:
    """As a gateway does that puts HTML before the text."""
    head = HEAD.replace(b'text/plain; charset="us-ascii"', b'multipart/alternative; boundary="b"')
    parts = (
        b"Content-Type: text/html\r\n\r\n<p>x</p>",
        b"Content-Type: text/plain\r\n\r\n" + BODY,
        b"Content-Type: image/png\r\n\r\nx",
    )
    octets = head + b"\r\n\r\n" + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    assert "a part text/html, image/png was added" == found(octets)


def test_a_text_that_was_changed_behind_another_part_is_found_with_what_is_missing() -> None:
    head = HEAD.replace(b'text/plain; charset="us-ascii"', b'multipart/mixed; boundary="b"')
    html = b"--b\r\nContent-Type: text/html\r\n\r\nhello\r\n"
    text = b"--b\r\nContent-Type: text/plain\r\n\r\n" + BODY.replace(b"dot", b"bot") + b"\r\n--b--\r\n"
    told = found(head + b"\r\n\r\n" + html + text)
    assert told is not None
    assert "a part" not in told
    assert "octet" in told
