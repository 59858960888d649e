from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.model import Facts, MailboxFacts, Protocol
from exporter.protocol.dialogue import Dialogue
from exporter.protocol.errands.mailbox import look_at_maildrop
from exporter.protocol.pop3 import Pop3, Response, read_lines, read_response
from tests.property.hostile import cuts, lines
from tests.protocol.player import Cut, ScriptEndedError, play, whole
from tests.protocol.samples import endpoint, login

responses = lines(
    [
        b"+OK",
        b"+OK 2 320",
        b"+OK 9999999999999999999 1",
        b"+OK <1.2@example.com>",
        b"-ERR",
        b"-ERR [AUTH] no",
        b"-ERR [SYS/TEMP] later",
        b"-ERR [",
        b"+ ",
        b"+ VXNlcm5hbWU6",
        b"+",
        b".",
        b"..",
        b"SASL PLAIN",
        b"\x1c\x1d\x1e\x1f\x85\xa0",
        b"9" * 8200,
    ]
)
contents = st.binary(max_size=40).filter(lambda line: not {*b"\n\0"} & {*line} and not line.endswith(b"\r"))


@given(script=responses, cut=cuts)
def test_a_response_is_a_value_or_a_failure_and_nothing_else(script: bytes, cut: Cut) -> None:
    try:
        played = play(read_response(), script, cut)
    except ScriptEndedError:
        return

    assert (played.error is None) is isinstance(played.value, Response)
    assert script.endswith(played.unread)
    assert played.value is None or played.value.code.isascii()


@given(said=st.lists(contents, max_size=20), cut=cuts)
def test_lines_are_read_as_they_were_before_their_dots_were_doubled(said: list[bytes], cut: Cut) -> None:
    doubled = [b"." + line if line.startswith(b".") else line for line in said]
    script = b"".join(line + b"\r\n" for line in [*doubled, b"."])

    assert tuple(said) == play(read_lines(), script + b"+OK\r\n", cut).value


@given(messages=st.integers(0, 10**18 - 1), size=st.integers(0, 10**18 - 1), cut=cuts)
def test_the_figures_of_the_maildrop_are_read_as_they_were_written(messages: int, size: int, cut: Cut) -> None:
    pop3 = Pop3(endpoint(Protocol.POP3), "probe.example.com")

    played = play(look_at_maildrop(pop3), b"+OK %d %d\r\n" % (messages, size), cut)

    assert [Facts(mailbox=MailboxFacts("INBOX", messages=messages, size=size))] == played.learnt


@pytest.mark.parametrize("dialogue", [Pop3.greet, Pop3.ask_capabilities, Pop3.starttls, look_at_maildrop, Pop3.quit])
@given(script=responses, cut=cuts)
@example(script=b"+OK <" + 8000 * b"@" + b"\n", cut=whole)
@example(script=b"+OK 1" + 8000 * b" " + b"\n", cut=whole)
def test_each_dialogue_ends_well_or_with_a_failure_and_nothing_else(
    dialogue: Callable[[Pop3], Dialogue[object]], script: bytes, cut: Cut
) -> None:
    pop3 = Pop3(endpoint(Protocol.POP3), "probe.example.com")

    try:
        played = play(dialogue(pop3), script, cut)
    except ScriptEndedError as ended:
        played = ended.played

    assert all(item.isprintable() for item in pop3.capabilities or ())
    assert played.error is None or (played.error.detail.isprintable())
    assert script.endswith(played.unread)


@given(script=responses, offer=st.sampled_from([b"USER", b"SASL PLAIN", b"SASL LOGIN"]), cut=cuts)
def test_a_login_ends_well_or_with_a_failure_and_nothing_else(script: bytes, offer: bytes, cut: Cut) -> None:
    pop3 = Pop3(endpoint(Protocol.POP3), "probe.example.com")
    play(pop3.ask_capabilities(), b"+OK\r\n" + offer + b"\r\n.\r\n")

    try:
        played = play(pop3.log_in(login(), encrypted=True), script, cut)
    except ScriptEndedError:
        return

    assert (played.error is None) is (Facts(auth_success=True) in played.learnt)
