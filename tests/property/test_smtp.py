from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.model import Encryption, Facts, Login, Protocol
from exporter.protocol.dialogue import Dialogue
from exporter.protocol.errands.recipient import ask_about_recipient
from exporter.protocol.smtp import Reply, Smtp, read_reply
from tests.property.hostile import cuts, lines, logins
from tests.protocol.player import Cut, ScriptEndedError, play, whole
from tests.protocol.samples import endpoint, login

replies = lines(
    [
        b"220 mail.example.com",
        b"250 Ok",
        b"250-SIZE 99999999999999999999",
        b"250-AUTH PLAIN LOGIN",
        b"250 AUTH=",
        b"250 \x1c\x1d\x1e\x1f\x85\xa0",
        b"334 ",
        b"334 VXNlcm5hbWU6",
        b"235 Ok",
        b"421 closing",
        b"451 later",
        b"550 5.7.30 no",
        b"550",
        b"9" * 8200,
    ]
)
texts = st.binary(max_size=40).filter(lambda text: not {*b"\n\0"} & {*text} and not text.endswith(b"\r"))


@given(script=replies, cut=cuts)
def test_a_reply_is_a_value_or_a_failure_and_nothing_else(script: bytes, cut: Cut) -> None:
    try:
        played = play(read_reply(), script, cut)
    except ScriptEndedError:
        return

    assert (played.error is None) is isinstance(played.value, Reply)
    assert script.endswith(played.unread)


@given(code=st.integers(200, 599).filter(lambda code: code != 421), said=st.lists(texts, min_size=1), cut=cuts)
def test_a_reply_is_read_as_it_was_written(code: int, said: list[bytes], cut: Cut) -> None:
    prefix = str(code).encode()
    script = b"".join(prefix + b"-" + text + b"\r\n" for text in said[:-1]) + prefix + b" " + said[-1] + b"\r\n"

    # White space at the end of a line means nothing.
    assert Reply(code, tuple(text.rstrip(b" \t\r") for text in said)) == play(read_reply(), script, cut).value


@given(script=replies, who=logins, cut=cuts)
@example(script=b"220 \n250-a\n250 \n220 \n250-a\n250 \n", who=login(), cut=whole)
def test_every_dialogue_ends_well_or_with_a_failure_and_nothing_else(script: bytes, who: Login, cut: Cut) -> None:
    smtp = Smtp(endpoint(Protocol.SMTP, Encryption.STARTTLS), "probe.example.com")

    def everything() -> Dialogue[None]:
        yield from smtp.greet()
        yield from smtp.ask_capabilities()
        if smtp.offers_starttls():
            yield from smtp.starttls()
            yield from smtp.ask_capabilities()
        yield from smtp.log_in(who, encrypted=True)
        yield from ask_about_recipient(smtp, "", "a@example.com")

    try:
        played = play(everything(), script, cut)
        if played.error is None or played.error.in_step:
            play(smtp.quit(), played.unread, cut)
    except ScriptEndedError:
        return

    assert all(item.isprintable() for item in smtp.capabilities or ())
    assert played.error is None or (played.error.detail.isprintable())


def asking(smtp: Smtp) -> Dialogue[object]:
    return ask_about_recipient(smtp, "", "a@example.com")


@pytest.mark.parametrize("dialogue", [Smtp.greet, Smtp.ask_capabilities, Smtp.starttls, asking, Smtp.quit])
@given(script=replies, cut=cuts)
def test_each_dialogue_alone_ends_well_or_with_a_failure_and_nothing_else(
    dialogue: Callable[[Smtp], Dialogue[object]], script: bytes, cut: Cut
) -> None:
    smtp = Smtp(endpoint(Protocol.SMTP), "probe.example.com")

    try:
        played = play(dialogue(smtp), script, cut)
    except ScriptEndedError as ended:
        played = ended.played

    assert played.error is None or (played.error.detail.isprintable())
    assert script.endswith(played.unread)


@given(script=replies, offer=st.sampled_from([b"PLAIN", b"LOGIN"]), cut=cuts)
def test_a_login_ends_well_or_with_a_failure_and_nothing_else(script: bytes, offer: bytes, cut: Cut) -> None:
    smtp = Smtp(endpoint(Protocol.SMTP), "probe.example.com")
    play(smtp.ask_capabilities(), b"250-mail.example.com\r\n250 AUTH " + offer + b"\r\n")

    try:
        played = play(smtp.log_in(login(), encrypted=True), script, cut)
    except ScriptEndedError:
        return

    assert (played.error is None) is (Facts(auth_success=True) in played.learnt)
