from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Sequence
from typing import Final, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.model import Encryption, Mechanism, Protocol
from exporter.protocol import imap_command
from exporter.protocol.dialogue import Dialogue, DialogueError, ProtocolError
from exporter.protocol.errands import converse
from exporter.protocol.imap import Imap
from exporter.protocol.imap_response import (
    MAX_DEPTH,
    Continuation,
    Data,
    ImapValue,
    Status,
    mailbox_status,
    parse_values,
    read_response,
    storage_quota,
)
from tests.protocol.player import Played, ScriptEndedError, byte_by_byte, learnt, play, whole
from tests.protocol.samples import PASSWORD, PLAIN, endpoint, login

VALID: Final = (
    b"* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN AUTH=LOGIN QUOTA STATUS=SIZE] ready\r\n",
    b"* OK ready\r\n",
    b"* PREAUTH [CAPABILITY IMAP4rev1 QUOTA] welcome\r\n",
    b"* CAPABILITY IMAP4rev1 AUTH=LOGIN\r\n",
    b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n",
    b"+ \r\n",
    b"+ VXNlcm5hbWU6\r\n",
    b"a1 OK done\r\n",
    b"a2 OK [CAPABILITY IMAP4rev1 QUOTA] done\r\n",
    b"a3 OK done\r\n",
    b"a4 OK [READ-ONLY] done\r\n",
    b"a5 OK done\r\n",
    b"a6 OK done\r\n",
    b"a2 NO [AUTHENTICATIONFAILED] no\r\n",
    b"a3 BAD what?\r\n",
    b"* STATUS INBOX (MESSAGES 7 UNSEEN 3 SIZE 44421)\r\n",
    b"* STATUS {5}\r\nINBOX (MESSAGES 7)\r\n",
    b"* 7 EXISTS\r\n",
    b"* FLAGS (\\Seen \\*)\r\n",
    b'* QUOTA "" (STORAGE 10 512)\r\n',
    b"* BYE [UNAVAILABLE] later\r\n",
)

octets: Final = st.binary(max_size=60)
lines: Final = octets.map(lambda text: text + b"\r\n")
atoms: Final = st.from_regex(rb"[A-Za-z0-9\\$.-]{1,8}", fullmatch=True).filter(lambda atom: atom.upper() != b"NIL")
strings: Final = st.binary(max_size=12)
values: Final = st.lists(
    st.recursive(
        st.none() | atoms.map(lambda atom: ("atom", atom)) | strings.map(lambda string: ("string", string)),
        lambda inner: st.lists(inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)


SESSIONS: Final = (
    (
        b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"
        b"a1 OK [CAPABILITY IMAP4rev1 IDLE QUOTA STATUS=SIZE] welcome\r\n"
        b"* STATUS {5}\r\nINBOX (MESSAGES 7 UNSEEN 3 SIZE 44421)\r\na2 OK done\r\n"
        b"* FLAGS (\\Seen \\*)\r\n* 7 EXISTS\r\n* OK [UNSEEN 3] first\r\na3 OK [READ-ONLY] done\r\n"
        b'* QUOTAROOT INBOX "a" b\r\n* QUOTA "a" (STORAGE 10 512)\r\n* QUOTA b (MESSAGE 1 2)\r\na4 OK done\r\n'
        b"* BYE bye\r\na5 OK done\r\n"
    ),
    (
        b"* OK ready\r\n* CAPABILITY IMAP4rev1 LITERAL+ AUTH=LOGIN\r\na1 OK done\r\n"
        b"+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n"
        b"a2 OK welcome\r\n* CAPABILITY IMAP4rev1 IDLE\r\na3 OK done\r\n* STATUS INBOX (MESSAGES 7)\r\na4 OK done\r\n"
        b"* 7 EXISTS\r\na5 OK done\r\n* BYE bye\r\na6 OK done\r\n"
    ),
    b"* OK [CAPABILITY IMAP4rev1] ready\r\n+ go on\r\n+ go on\r\na1 NO [AUTHENTICATIONFAILED] no\r\n* BYE\r\na2 OK\r\n",
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A conversation, or lines that might be one, in which a few octets or lines are not what they should be."""
    at_random = st.lists(st.sampled_from(VALID), max_size=10).map(b"".join)
    script = bytearray(draw(st.sampled_from(SESSIONS) | at_random))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(script)))
        script[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3) | st.sampled_from(VALID))
    return bytes(script)


def conversation(imap: Imap, mechanism: Mechanism, encryption: Encryption, password: bytes) -> Dialogue[None]:
    where = endpoint(Protocol.IMAP, encryption, mailbox="INBOX", capabilities=("IDLE",))
    yield from converse(imap, where, login(mechanism, password=password))
    yield from imap.quit()


def survived(script: bytes, mechanism: Mechanism, encryption: Encryption, password: bytes = PASSWORD) -> Played:
    """What comes of a conversation with this server; anything but the allowed ends is raised."""
    where = endpoint(Protocol.IMAP, encryption, mailbox="INBOX")
    imap = Imap(where, "probe.example.com")
    try:
        return play(conversation(imap, mechanism, encryption, password), script)
    except ScriptEndedError as ended:
        return ended.played


@given(lines)
@example(b"* STATUS {5}\r\nINBOX (MESSAGES 1)\r\n")
@example(b"* X ~{1}\r\n\0\r\n")
def test_any_line_is_a_response_or_a_protocol_error(line: bytes) -> None:
    for cut in (whole, byte_by_byte):
        try:
            played = play(read_response(), line, cut)
        except ScriptEndedError:
            continue
        if played.error is None:
            assert isinstance(played.value, Status | Continuation | Data)
            assert str(played.value).isprintable()
        else:
            assert isinstance(played.error, DialogueError)
            assert played.error.detail.isprintable()
            assert played.error.detail.isprintable()


@given(st.lists(st.sampled_from(b'() "\\{}3a~\0\r\xff'), max_size=30).map(bytes))
def test_any_data_is_values_or_a_protocol_error(text: bytes) -> None:
    for name in (b"STATUS", b"QUOTA"):
        try:
            data = play(read_response(), b"* " + name + b" " + text + b"\r\n()\r\n").value
        except ScriptEndedError:
            continue
        if not isinstance(data, Data):
            continue
        for read in (Data.values, mailbox_status, storage_quota):
            with contextlib.suppress(ProtocolError):
                read(data)


def _spell(value: object, fragments: list[bytes]) -> None:
    """Write a value the way a server may, long and binary strings as literals."""
    match value:
        case None:
            fragments[-1] += b"NIL"
        case ("atom", bytes() as atom):
            fragments[-1] += atom
        case ("string", bytes() as string):
            written = imap_command.quote(string)
            if written is not None:
                fragments[-1] += written
            else:
                fragments[-1] += b"{%d}" % len(string)
                fragments.extend((string, b""))
        case list() as items:
            fragments[-1] += b"("
            _spell_all(items, fragments)
            fragments[-1] += b")"


def _spell_all(items: Sequence[object], fragments: list[bytes]) -> None:
    for number, item in enumerate(items):
        if number:
            fragments[-1] += b" "
        _spell(item, fragments)


def _plain(value: object) -> ImapValue:
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    return None if value is None else cast("tuple[str, bytes]", value)[1]


@given(values)
def test_what_is_written_by_the_grammar_is_read_back(tree: list[object]) -> None:
    fragments = [b""]
    _spell_all(tree, fragments)

    assert _plain(tree) == parse_values(tuple(fragments))
    wire = b"* X " + b"".join(line + (b"\r\n" if number % 2 == 0 else b"") for number, line in enumerate(fragments))
    data = play(read_response(), wire).value
    assert isinstance(data, Data)
    assert _plain(tree) == data.values()


@given(st.integers(MAX_DEPTH + 1, 4000), st.integers(0, 4000))
def test_lists_are_never_too_deep_to_be_refused(opened: int, closed: int) -> None:
    with pytest.raises(ProtocolError, match="deep"):
        parse_values((b"(" * opened + b")" * closed,))


@settings(max_examples=200)
@given(
    mutated(),
    st.sampled_from([Mechanism.AUTO, Mechanism.PLAIN, Mechanism.LOGIN]),
    st.sampled_from(list(Encryption)),
)
def test_any_server_leads_to_an_end_that_a_dialogue_may_have(
    script: bytes, mechanism: Mechanism, encryption: Encryption
) -> None:
    played = survived(script, mechanism, encryption)

    assert played.error is None or isinstance(played.error, DialogueError)
    for line in played.sent:
        assert b"SELECT" not in line
    for mailbox in learnt(played, "mailbox"):
        assert all(figure is None or figure >= 0 for figure in (mailbox.messages, mailbox.unseen, mailbox.size))


@settings(max_examples=200)
@given(
    mutated(),
    st.sampled_from([Mechanism.AUTO, Mechanism.LOGIN]),
    # With something before it that IMAP never says: a password may be "STATUS", and so may a command.
    st.binary(max_size=20).filter(lambda password: b"\0" not in password).map(b"secret".__add__),
)
def test_secrets_leave_only_where_they_are_marked(script: bytes, mechanism: Mechanism, password: bytes) -> None:
    played = survived(script, mechanism, Encryption.TLS, password)

    secrets = (password, base64.b64encode(password), base64.b64encode(b"\0monitor@example.com\0" + password), PLAIN)
    for line in played.sent:
        if any(secret in line for secret in secrets):
            assert line in played.secret
    for shown in played.shown:
        assert not any(secret.decode("latin-1") in shown for secret in secrets[1:])


def _decoded(name: bytes) -> str:
    """Modified UTF-7 (RFC 9051 A.1), read by the book."""

    def unshift(found: re.Match[bytes]) -> bytes:
        if found[1] == b"":
            return b"&"
        padded = found[1].replace(b",", b"/") + b"=" * (-len(found[1]) % 4)
        return (
            base64.b64decode(padded, validate=True)
            .decode("utf-16-be", "surrogatepass")
            .encode("utf-8", "surrogatepass")
        )

    return re.sub(rb"&([^-]*)-", unshift, name).decode("utf-8", "surrogatepass")


@given(st.text(max_size=30), st.booleans())
@example("&", False)
@example("~peter/mail/台北/日本語", False)
def test_a_mailbox_name_survives_and_never_breaks_the_line(name: str, in_utf8: bool) -> None:
    written = imap_command.mailbox(name, in_utf8=in_utf8)

    assert not {*b"\0\r\n"} & {*written}
    if not in_utf8:
        assert written.isascii()
        (read,) = parse_values((written,))
        assert isinstance(read, bytes)
        assert name == _decoded(read)


@given(st.lists(st.binary(max_size=20).filter(lambda text: b"\0" not in text), min_size=1, max_size=3))
def test_arguments_survive_whichever_way_they_are_written(arguments: list[bytes]) -> None:
    written, waits = imap_command.lines(b"a1 LOGIN", tuple(arguments), unasked=0)

    assert waits is (len(written) > 1)
    assert tuple(arguments) == parse_values(_fragments(written))
    at_once, waits = imap_command.lines(b"a1 LOGIN", tuple(arguments), unasked=20)
    assert not waits
    assert written == [
        re.sub(rb"\+\}$", b"}", line) if number < len(at_once) - 1 else line for number, line in enumerate(at_once)
    ]


def _fragments(written: list[bytes]) -> tuple[bytes, ...]:
    """The lines of a command as its reader takes them: each literal for itself."""
    fragments = [written[0].removeprefix(b"a1 LOGIN")]
    for line in written[1:]:
        size = re.search(rb"\{([0-9]+)\}$", fragments[-1])
        assert size is not None
        fragments += [line[: int(size[1])], line[int(size[1]) :]]
    return tuple(fragments)
