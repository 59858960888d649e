from __future__ import annotations

import pytest

from exporter.model import FailureReason
from exporter.protocol.dialogue import MAX_LINE, MAX_LITERAL, MAX_REPLY_LINES, ProtocolError
from exporter.protocol.imap_response import (
    MAX_DEPTH,
    Condition,
    Continuation,
    Data,
    ImapResponse,
    ImapValue,
    Status,
    mailbox_status,
    parse_values,
    read_response,
    storage_quota,
)
from tests.protocol.player import Cut, every_cut, play

TRAILING = b"* OK not asked for\r\n"


def data(script: bytes) -> Data:
    value = play(read_response(), script).value
    assert isinstance(value, Data)
    return value


class TestFraming:
    @every_cut
    @pytest.mark.parametrize(
        ("script", "response"),
        [
            (b"* OK ready\r\n", Status(b"*", Condition.OK, "", b"", b"OK ready")),
            (b"* OK\r\n", Status(b"*", Condition.OK, "", b"", b"OK")),
            (b"a1 ok done\r\n", Status(b"a1", Condition.OK, "", b"", b"ok done")),
            (b"a1 BAD what?\n", Status(b"a1", Condition.BAD, "", b"", b"BAD what?")),
            (b"* PREAUTH welcome\r\n", Status(b"*", Condition.PREAUTH, "", b"", b"PREAUTH welcome")),
            (b"a7 NO [ALERT] caf\xc3\xa9\r\n", Status(b"a7", Condition.NO, "ALERT", b"", b"NO [ALERT] caf\xc3\xa9")),
            (b"a7 NO [limit] later\r\n", Status(b"a7", Condition.NO, "LIMIT", b"", b"NO [limit] later")),
            (b"a7 NO [LIMIT]\r\n", Status(b"a7", Condition.NO, "LIMIT", b"", b"NO [LIMIT]")),
            (b"* OK [PERMANENTFLAGS (\\*)] Limited\r\n",
             Status(b"*", Condition.OK, "PERMANENTFLAGS", b"(\\*)", b"OK [PERMANENTFLAGS (\\*)] Limited")),
            # A code that does not end is taken for text, as is one that does not begin the text.
            (b"* OK [half a code\r\n", Status(b"*", Condition.OK, "", b"", b"OK [half a code")),
            (b"* OK ready. [UwBOADEA==]\r\n", Status(b"*", Condition.OK, "", b"", b"OK ready. [UwBOADEA==]")),
            # RFC 9051 section 9: the text of a status holds no literal, whatever it looks like.
            (b"* BYE see {10}\r\n", Status(b"*", Condition.BYE, "", b"", b"BYE see {10}")),
            (b"+ \r\n", Continuation(b"")),
            (b"+\r\n", Continuation(b"")),
            (b"+ PDE4OTYuNjk3MTcwOTUyQG1haWw+\r\n", Continuation(b"PDE4OTYuNjk3MTcwOTUyQG1haWw+")),
            (b"+ send {10}\r\n", Continuation(b"send {10}")),
            (b"* CAPABILITY IMAP4rev1\r\n", Data("CAPABILITY", None, (b"IMAP4rev1",))),
            (b"* 23 exists\r\n", Data("EXISTS", 23, (b"",))),
            (b"* OKAY\r\n", Data("OKAY", None, (b"",))),
            (b"* SEARCH\r\n", Data("SEARCH", None, (b"",))),
            (b"* STATUS {3}\r\na b (MESSAGES 1)\r\n", Data("STATUS", None, (b"{3}", b"a b", b" (MESSAGES 1)"))),
            (b"* 1 FETCH (BODY[1] ~{4}\r\n\0\r\n\xff UID {1}\r\n7)\r\n",
             Data("FETCH", 1, (b"(BODY[1] ~{4}", b"\0\r\n\xff", b" UID {1}", b"7", b")"))),
            # Words for people are not judged.
            (b"a1 OK a NUL \0 in it\r\n", Status(b"a1", Condition.OK, "", b"", b"OK a NUL \0 in it")),
            (b"* NO a CR \r in it\r\n", Status(b"*", Condition.NO, "", b"", b"NO a CR \r in it")),
            (b"* CAPABILITY IMAP4rev1 X\0Y\r\n", Data("CAPABILITY", None, (b"IMAP4rev1 X\0Y",))),
            (b"* STATUS {0}\r\n ()\r\n", Data("STATUS", None, (b"{0}", b"", b" ()"))),
            # RFC 9051 section 9: a server may not send {n+}, so this is a line with a strange end.
            (b"* X {3+}\r\n", Data("X", None, (b"{3+}",))),
        ],
    )  # fmt: skip
    def test_a_response_is_read_to_its_end_and_no_further(
        self, script: bytes, response: ImapResponse, cut: Cut
    ) -> None:
        played = play(read_response(), script + TRAILING, cut)

        assert response == played.value
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize(
        "line",
        [
            b"*",
            b"* 12345678901 EXISTS",
            b"* -1 EXISTS",
            b"* (1) EXISTS",
            b"* \xff",
        ],
    )
    def test_an_untagged_line_that_imap_does_not_have_is_let_pass(self, line: bytes, cut: Cut) -> None:
        played = play(read_response(), line + b"\r\n" + TRAILING, cut)

        assert Data("", None, (line,)) == played.value
        assert TRAILING == played.unread

    @every_cut
    @pytest.mark.parametrize("line", [b"*  OK two spaces", b"* OK two spaces\r", b"*   OK two spaces \t "])
    def test_white_space_is_white_space(self, line: bytes, cut: Cut) -> None:
        assert Status(b"*", Condition.OK, "", b"", b"OK two spaces") == play(read_response(), line + b"\r\n", cut).value

    @every_cut
    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b" ",
            b"*OK ready",
            b"220 mail.example.com ESMTP Postfix",
            b"+OK POP3 ready",
            b"SSH-2.0-OpenSSH_9.2p1",
            b"HTTP/1.1 400 Bad Request",
            b"\x16\x03\x01\x02\x00\x01",
            b"a1 BYE only untagged",
            b"a1 PREAUTH only untagged",
            b"a1 CAPABILITY only untagged",
            b"a+1 OK a plus in the tag",
            b"+OK",
        ],
    )
    def test_anything_else_is_a_protocol_error_that_quotes_it(self, line: bytes, cut: Cut) -> None:
        played = play(read_response(), line + b"\r\n", cut)

        assert played.error is not None
        assert FailureReason.PROTOCOL_ERROR is played.error.reason
        assert played.error.detail.startswith('not a response of an IMAP server: "')
        assert played.error.detail.isprintable()
        assert played.error.detail.isprintable()
        assert not played.error.in_step

    @every_cut
    @pytest.mark.parametrize("size", [MAX_LITERAL + 1, 10**19])
    def test_a_large_literal_is_not_read(self, size: int, cut: Cut) -> None:
        played = play(read_response(), b"* STATUS {%d}\r\n" % size, cut)

        assert played.error is not None
        assert FailureReason.RESPONSE_TOO_LARGE is played.error.reason
        assert "65536" in played.error.detail

    def test_the_largest_literal_is_read(self) -> None:
        literal = b"x" * MAX_LITERAL

        assert Data("STATUS", None, (b"{65536}", literal, b" ()")) == data(
            b"* STATUS {65536}\r\n" + literal + b" ()\r\n"
        )

    def test_literals_have_an_end_too(self) -> None:
        played = play(read_response(), b"* X {0}\r\n" + b" {0}\r\n" * MAX_REPLY_LINES)

        assert played.error is not None
        assert FailureReason.RESPONSE_TOO_LARGE is played.error.reason

    def test_a_line_without_end_is_too_large(self) -> None:
        played = play(read_response(), b"* OK " + b"x" * MAX_LINE)

        assert played.error is not None
        assert FailureReason.RESPONSE_TOO_LARGE is played.error.reason


class TestValues:
    @pytest.mark.parametrize(
        ("fragments", "values"),
        [
            ((b"",), ()),
            ((b"   ",), ()),
            ((b"INBOX",), (b"INBOX",)),
            ((b'NIL nil "NIL"',), (None, None, b"NIL")),
            ((b'""',), (b"",)),
            ((b'"a \\"b\\" \\\\ c"',), (b'a "b" \\ c',)),
            ((b'"&U,BTF2XlZyyKng-"',), (b"&U,BTF2XlZyyKng-",)),
            ((b'"caf\xc3\xa9"',), (b"caf\xc3\xa9",)),
            ((b"()",), ((),)),
            ((b"(a (b (c)) d)",), ((b"a", (b"b", (b"c",)), b"d"),)),
            ((b"(a)(b)",), ((b"a",), (b"b",))),
            ((b"( a  b )  ",), ((b"a", b"b"),)),
            ((b"(\\Seen \\* $label3)",), ((b"\\Seen", b"\\*", b"$label3"),)),
            ((b"BODY[TEXT]<0>",), (b"BODY[TEXT]<0>",)),
            ((b"{3}", b'") ', b" (x {2}", b"\r\n", b" y)"), (b'") ', (b"x", b"\r\n", b"y"))),
            ((b"~{2}", b"\0\xff", b""), (b"\0\xff",)),
        ],
    )  # fmt: skip
    def test_are_atoms_strings_literals_and_lists(
        self, fragments: tuple[bytes, ...], values: tuple[ImapValue, ...]
    ) -> None:
        assert values == Data("X", None, fragments).values()

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            (b'"no end', "neither an atom nor a string nor a list"),
            (b'"a \\b"', "neither an atom nor a string nor a list"),
            (b"{3} in the middle", "neither an atom nor a string nor a list"),
            (b"{3} ", "neither an atom nor a string nor a list"),
            (b"{3+}", "neither an atom nor a string nor a list"),
            (b"a\tb", "neither an atom nor a string nor a list"),
            (b"(a", "a list that never ends"),
            (b"a)", "a list ends that never began"),
            (b"())(", "a list ends that never began"),
        ],
    )
    def test_are_nothing_else(self, text: bytes, complaint: str) -> None:
        with pytest.raises(ProtocolError, match=complaint):
            parse_values((text,))

    def test_lists_within_lists_have_an_end(self) -> None:
        deepest: ImapValue = (b"x",)
        for _ in range(MAX_DEPTH - 1):
            deepest = (deepest,)

        assert (deepest,) == parse_values((b"(" * MAX_DEPTH + b"x" + b")" * MAX_DEPTH,))
        with pytest.raises(ProtocolError, match="more than 16 deep"):
            parse_values((b"(" * 4000,))


class TestStatus:
    @pytest.mark.parametrize(
        ("line", "figures"),
        [
            (b'* STATUS "INBOX" (MESSAGES 4756 UNSEEN 4685)', {"MESSAGES": 4756, "UNSEEN": 4685}),
            (b"* STATUS INBOX (messages 0 unseen 0 SIZE 9223372036854775807)",
             {"MESSAGES": 0, "UNSEEN": 0, "SIZE": 9223372036854775807}),
            (b"* STATUS INBOX ()", {}),
            (b"* STATUS INBOX (MESSAGES 3 MAILBOXID (F2212ea87) X NIL) ", {"MESSAGES": 3}),
            (b'* STATUS "a (b) \\"c\\"" (UNSEEN 1)', {"UNSEEN": 1}),
            # A figure that is none costs itself.
            (b"* STATUS INBOX (MESSAGES one UNSEEN 1)", {"UNSEEN": 1}),
            (b"* STATUS INBOX (MESSAGES 1 UNSEEN -1)", {"MESSAGES": 1}),
            (b"* STATUS INBOX (MESSAGES 1.5 UNSEEN 999999999999999999999)", {}),
            (b"* STATUS Sent Items (MESSAGES 1) (UNSEEN 1)", {"MESSAGES": 1}),
        ],
    )  # fmt: skip
    def test_has_figures_by_name(self, line: bytes, figures: dict[str, int]) -> None:
        assert figures == mailbox_status(data(line + b"\r\n"))

    def test_of_a_mailbox_whose_name_is_a_literal(self) -> None:
        assert {"MESSAGES": 7} == mailbox_status(data(b'* STATUS {7}\r\na\r\n) "( (MESSAGES 7)\r\n'))

    @pytest.mark.parametrize(
        "line",
        [
            b"* STATUS",
            b"* STATUS INBOX",
            b"* STATUS INBOX MESSAGES 1",
            b"* STATUS INBOX (MESSAGES)",
            b"* STATUS INBOX (MESSAGES 1",
        ],
    )
    def test_without_them_is_a_protocol_error(self, line: bytes) -> None:
        with pytest.raises(ProtocolError):
            mailbox_status(data(line + b"\r\n"))


class TestQuota:
    @pytest.mark.parametrize(
        ("line", "quota"),
        [
            (b'* QUOTA "" (STORAGE 10 512)', (10240, 524288)),
            (b'* QUOTA "User quota" (STORAGE 1294477 2097152)', (1325544448, 2147483648)),
            (b"* QUOTA root (MESSAGE 42 1000 storage 54 111)", (55296, 113664)),
            (b'* QUOTA "#user/alice" (MESSAGE 42 1000)', None),
            (b'* QUOTA "" ()', None),
            (b"* QUOTA User quota (STORAGE 10 -1)", (10240, 0)),
            (b"* QUOTA a (STORAGE 10 18446744073709551615)", (10240, 0)),
            (b"* QUOTA a (STORAGE 10 9223372036854775807)", (10240, 0)),
            (b"* QUOTA a (STORAGE 10 9223372036854775806)", (10240, 9223372036854775806 * 1024)),
            (b"* QUOTA root (STORAGE 10 NIL)", (10240, 0)),
            (b"* QUOTA root (STORAGE NIL 2)", None),
            (b"* QUOTA root (STORAGE (1) 2)", None),
        ],
    )
    def test_counts_storage_in_units_of_1024_octets(self, line: bytes, quota: tuple[int, int] | None) -> None:
        assert quota == storage_quota(data(line + b"\r\n"))

    @pytest.mark.parametrize(
        "line",
        [
            b"* QUOTA",
            b"* QUOTA root",
            b"* QUOTA root STORAGE 1 2",
            b"* QUOTA root (STORAGE 1)",
        ],
    )
    def test_of_another_shape_is_a_protocol_error(self, line: bytes) -> None:
        with pytest.raises(ProtocolError):
            storage_quota(data(line + b"\r\n"))
