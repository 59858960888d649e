"""The sessions of the demo, fed whatever a client may send: each command is answered or the session ends, no more."""

from __future__ import annotations

import re
import ssl
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Final, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.demo.imap_commands import MAX_LITERAL, read_command
from exporter.demo.post import PostOffice
from exporter.demo.scenes import DOMAIN, QUOTA, SERVER_NAME
from exporter.demo.servers import SESSIONS
from exporter.demo.site import Site
from exporter.demo.wire import ClientGoneError, Wire
from exporter.model import Encryption, Protocol, Secret

T = TypeVar("T")


class Paper(Wire):
    """A wire on which everything the client will ever say is written already. It never waits."""

    def __init__(self, said: bytes) -> None:
        super().__init__(lambda: None)
        self._buffer += said
        self.answers: list[bytes] = []

    async def send(self, data: bytes) -> None:
        self.answers.append(data)

    async def start_tls(self, context: ssl.SSLContext) -> None:  # noqa: ARG002 - the interface
        self.encrypted = True

    async def _receive(self) -> None:
        raise ClientGoneError


def finish(coroutine: Coroutine[None, None, T]) -> T:
    """The result of what has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits for something")


SITE: Final = Site(
    name=SERVER_NAME,
    encryption=Encryption.STARTTLS,
    tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
    accounts={"me": Secret(b"word")},
    post=PostOffice(SERVER_NAME, DOMAIN, ["me"]),
    quota=QUOTA,
)

WORDS: Final = {
    Protocol.SMTP: rb"EHLO me|HELO|STARTTLS|AUTH (PLAIN|LOGIN|X)( (=|\*|AG1lAHdvcmQ=))?"
    rb"|MAIL FROM:<(a@b)?>|RCPT TO:<(me@demo.example|a@b)>|DATA|Subject: x||\.|RSET|NOOP|VRFY|QUIT|=|\*|AG1lAHdvcmQ=",
    Protocol.IMAP: rb"a (CAPABILITY|STARTTLS|NOOP|LOGOUT|LOGIN me (word|\"word\"|{4\+?})|AUTHENTICATE PLAIN( =)?)|word"
    rb"|b (SELECT|EXAMINE|STATUS|GETQUOTAROOT) (INBOX|{5\+})( \((SIZE|X)\))?|INBOX|=|AG1lAHdvcmQ="
    rb"|c (UID )?(FETCH|SEARCH|STORE|EXPUNGE|MOVE) (1:\*|\*|9)( \(UID FLAGS BODY.PEEK\[\]<0.9>\)| \+FLAGS \(x\)| Junk)?"
    rb"|d (IDLE|EXPUNGE|LIST \"\" \"\*\")|DONE",
    Protocol.POP3: rb"CAPA|STLS|USER me|PASS word|AUTH (PLAIN|X)( (=|AG1lAHdvcmQ=))?|STAT|NOOP|QUIT|=|AG1lAHdvcmQ="
    rb"|(UIDL|LIST|RETR|DELE)( [0129])?|TOP 1 [09]|RSET",
}
"""What makes sense somewhere, for hypothesis to put together in orders that may not."""

LINE: Final = re.compile(rb"[^\r\n]*\r\n")


def conversations(protocol: Protocol) -> st.SearchStrategy[bytes]:
    line = st.from_regex(WORDS[protocol], fullmatch=True) | st.binary(max_size=40)
    return st.lists(line, max_size=12).map(b"\r\n".join)


@pytest.mark.parametrize("protocol", list(Protocol))
@given(data=st.data())
def test_a_session_survives_every_client(protocol: Protocol, data: st.DataObject) -> None:
    wire = Paper(data.draw(conversations(protocol)))
    post = PostOffice(SERVER_NAME, DOMAIN, ["me"])
    post.mailboxes("me")["INBOX"].add(b"Subject: y\r\n\r\n.\r\n")
    session = SESSIONS[protocol](wire, replace(SITE, post=post))
    try:
        finish(session.run())
    except ClientGoneError:
        assert session.open
    else:
        assert not session.open
    for answer in wire.answers:
        assert b"" == LINE.sub(b"", answer)


def spellings(text: bytes) -> st.SearchStrategy[bytes]:
    """The ways to write a string in a command (RFC 9051 section 9)."""
    ways = [b"{%d}\r\n%s" % (len(text), text), b"{%d+}\r\n%s" % (len(text), text)]
    if not re.search(rb"[\0\r\n]", text):
        ways.append(b'"%s"' % re.sub(rb'(["\\])', rb"\\\1", text))
    if re.fullmatch(rb"[A-Za-z0-9@.]+", text):
        ways.append(text)
    return st.sampled_from(ways)


def arguments() -> st.SearchStrategy[tuple[tuple[bytes, ...], tuple[bytes, ...]]]:
    """Up to four texts, and a spelling for each."""
    text = st.binary(max_size=20) | st.from_regex(rb"[a-z@.]{1,9}", fullmatch=True)
    texts = st.lists(text, max_size=4).map(tuple)
    return texts.flatmap(lambda all_: st.tuples(st.just(all_), st.tuples(*map(spellings, all_))))


def line(words: Iterable[bytes]) -> bytes:
    return b" ".join(words) + b"\r\n"


@given(arguments())
def test_an_imap_command_means_the_same_however_it_is_written(
    given_: tuple[tuple[bytes, ...], tuple[bytes, ...]],
) -> None:
    texts, written = given_
    wire = Paper(line([b"tag", b"verb", *written, b"(one two)"]))
    command = finish(read_command(wire))
    assert (b"tag", b"VERB", texts, (b"ONE", b"TWO")) == (
        command.tag,
        command.verb,
        command.texts,
        command.items,
    )
    asked = sum(re.match(rb"\{[0-9]+\}", one) is not None for one in written)
    assert [b"+ go on\r\n"] * asked == wire.answers


def test_the_largest_literal_is_still_read() -> None:
    wire = Paper(b"a LOGIN {%d+}\r\n%s\r\n" % (MAX_LITERAL, b"x" * MAX_LITERAL))
    command = finish(read_command(wire))
    assert (b"x" * MAX_LITERAL,) == command.texts
