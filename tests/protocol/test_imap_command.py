from __future__ import annotations

import pytest

from exporter.protocol import imap_command


class TestQuotedString:
    @pytest.mark.parametrize(
        ("octets", "written"),
        [
            (b"", b'""'),
            (b"correct horse", b'"correct horse"'),
            (b'say "\\o/"', b'"say \\"\\\\o/\\""'),
            (b"tab\tand {5}", b'"tab\tand {5}"'),
        ],
    )
    def test_escapes_quotes_and_backslashes(self, octets: bytes, written: bytes) -> None:
        assert written == imap_command.quote(octets)

    @pytest.mark.parametrize("octets", [b"a\0b", b"a\rb", b"a\nb", "pässword".encode(), b"\xff"])
    def test_does_not_carry_line_ends_nor_anything_but_ascii(self, octets: bytes) -> None:
        assert imap_command.quote(octets) is None


class TestMailboxName:
    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("INBOX", b'"INBOX"'),
            ("Sent Items", b'"Sent Items"'),
            ('a "quoted\\" name', b'"a \\"quoted\\\\\\" name"'),
            ("R&D", b'"R&-D"'),
            ("Entwürfe", b'"Entw&APw-rfe"'),
            # RFC 9051 A.1 has these two.
            ("~peter/mail/台北/日本語", b'"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'),
            ("台北日本語", b'"&U,BTF2XlZyyKng-"'),
            ("é&é", b'"&AOk-&-&AOk-"'),
            ("\U0001f4e8", b'"&2D3c6A-"'),
            ("a\r\nb", b'"a&AA0ACg-b"'),
            ("\ud800", b'"&2AA-"'),
        ],
    )
    def test_is_in_modified_utf7(self, name: str, written: bytes) -> None:
        assert written == imap_command.mailbox(name, in_utf8=False)

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("R&D", b'"R&D"'),
            ('Entwürfe "2"', '"Entwürfe \\"2\\""'.encode()),
            # These name no mailbox, and must not break the line.
            ("a\r\nb", b'"a&AA0ACg-b"'),
            ("\ud800", b'"&2AA-"'),
        ],
    )
    def test_is_in_utf8_for_a_server_of_imap4rev2_alone(self, name: str, written: bytes) -> None:
        assert written == imap_command.mailbox(name, in_utf8=True)


class TestLines:
    @pytest.mark.parametrize(
        ("arguments", "unasked", "lines", "waits"),
        [
            ((b"me", b"pass"), 0, [b'a1 LOGIN "me" "pass"'], False),
            ((b"me", b"p\xc3\xa4ss"), 0, [b'a1 LOGIN "me" {5}', b"p\xc3\xa4ss"], True),
            ((b"m\xc3\xa9", b"pass"), 0, [b"a1 LOGIN {3}", b'm\xc3\xa9 "pass"'], True),
            ((b"m\xc3\xa9", b"p\r\ns"), 0, [b"a1 LOGIN {3}", b"m\xc3\xa9 {4}", b"p\r\ns"], True),
            ((b"m\xc3\xa9", b"p\r\ns"), 4, [b"a1 LOGIN {3+}", b"m\xc3\xa9 {4+}", b"p\r\ns"], False),
            ((b"m\xc3\xa9", b"p\r\ns"), 3, [b"a1 LOGIN {3}", b"m\xc3\xa9 {4}", b"p\r\ns"], True),
        ],
    )
    def test_are_cut_where_a_literal_begins(
        self, arguments: tuple[bytes, ...], unasked: int, lines: list[bytes], *, waits: bool
    ) -> None:
        assert (lines, waits) == imap_command.lines(b"a1 LOGIN", arguments, unasked=unasked)
