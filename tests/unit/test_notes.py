from __future__ import annotations

import time
from base64 import b64encode
from typing import Any, cast

import pytest

from exporter.model import Direction, Facts, Failure, FailureReason, Login, Mechanism, Phase, Secret, SecretKind, Span
from exporter.net.buffer import MAX_CONVERSATION
from exporter.protocol.dialogue import MAX_QUOTE, Replied, quoted
from exporter.protocol.imap_command import quote
from exporter.visiting.notes import MAX_TRANSCRIPT_LINES, MAX_TRANSCRIPT_TEXT, ProbeNotes
from tests.clock import Clock
from tests.unit.scripted_visits import tls_facts

PASSWORD = b"hunter2 & co"


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def notes(clock: Clock) -> ProbeNotes:
    return ProbeNotes("an endpoint", 1.7e9, clock)


def texts(notes: ProbeNotes) -> list[str]:
    return [line.text for line in notes.result().transcript]


def test_phases_are_stamped_with_their_start_and_duration(notes: ProbeNotes, clock: Clock) -> None:
    notes.enter(Phase.DNS)
    clock.now += 0.25
    notes.enter(Phase.CONNECT)
    clock.now += 0.5

    result = notes.result()

    assert (Span(Phase.DNS, 0.0, 0.25), Span(Phase.CONNECT, 0.25, 0.5)) == result.spans
    assert (1.7e9, 0.75, 1.7e9 + 0.75) == (result.started_at, result.duration, result.ended_at)


def test_a_probe_begins_with_its_first_phase(notes: ProbeNotes, clock: Clock) -> None:
    clock.now += 0.125
    notes.enter(Phase.DNS)
    clock.now += 0.25
    result = notes.result()

    assert (Span(Phase.DNS, 0.0, 0.25),) == result.spans
    assert 0.25 == result.duration


def test_a_phase_that_comes_twice_is_added_up(notes: ProbeNotes, clock: Clock) -> None:
    for phase, takes in ((Phase.CAPABILITY, 0.25), (Phase.TLS, 1.0), (Phase.CAPABILITY, 0.5)):
        notes.enter(phase)
        clock.now += takes

    assert {Phase.CAPABILITY: 0.75, Phase.TLS: 1.0} == notes.result().phase_durations


def test_what_was_our_turn_is_not_counted(notes: ProbeNotes, clock: Clock) -> None:
    class PeerClock:
        ours = 0.0

        def behind(self) -> float:
            return self.ours

    notes.peer_clock = turns = cast("Any", PeerClock())
    notes.enter(Phase.GREETING)
    clock.now += 1.0
    turns.ours = 0.25
    notes.enter(Phase.CAPABILITY)
    clock.now += 1.0
    notes.received(b"250 yes")
    result = notes.result()

    assert (Span(Phase.GREETING, 0.0, 0.75), Span(Phase.CAPABILITY, 0.75, 1.0)) == result.spans
    assert 1.75 == result.duration
    assert [1.75] == [line.at for line in result.transcript]


def test_the_time_of_day_when_a_probe_ended_is_when_it_really_did(notes: ProbeNotes, clock: Clock) -> None:
    class PeerClock:
        def behind(self) -> float:
            return 0.75

    notes.peer_clock = cast("Any", PeerClock())
    clock.now += 0.5
    notes.enter(Phase.DNS)
    clock.now += 1.0
    notes.took(0.25)
    notes.enter(Phase.GREETING)
    clock.now += 2.0
    result = notes.result()

    assert 1.7e9 == result.started_at
    assert 1.7e9 + 3.5 == result.ended_at
    assert result.duration < 3.5


@pytest.mark.parametrize(("said", "counted"), [(0.25, 0.25), (0.0, 0.0), (2.0, 1.0)])
def test_a_phase_that_is_known_to_have_been_shorter_is(
    notes: ProbeNotes, clock: Clock, said: float, counted: float
) -> None:
    notes.enter(Phase.DNS)
    clock.now += 1.0
    notes.took(said)
    notes.enter(Phase.CONNECT)
    clock.now += 0.5

    assert (Span(Phase.DNS, 0.0, counted), Span(Phase.CONNECT, counted, 0.5)) == notes.result().spans


def test_the_first_failure_counts_and_the_rest_is_in_the_transcript(notes: ProbeNotes) -> None:
    notes.enter(Phase.AUTH)
    notes.fail(FailureReason.AUTH_REJECTED, "no")
    notes.enter(Phase.QUIT)
    notes.fail(FailureReason.TIMEOUT, "too late")

    result = notes.result()
    assert Failure(FailureReason.AUTH_REJECTED, Phase.AUTH, "no") == result.failure
    assert ["auth_rejected: no", "timeout: too late"] == [line.text for line in result.transcript]


def test_a_login_that_was_tried_and_not_taken_is_a_failed_one(notes: ProbeNotes) -> None:
    notes.learn(Facts(auth_mechanism=Mechanism.PLAIN, auth_success=False))

    assert (Mechanism.PLAIN, False) == (notes.result().facts.auth_mechanism, notes.result().facts.auth_success)


def test_a_login_that_was_not_tried_is_neither_success_nor_failure(notes: ProbeNotes) -> None:
    assert (None, None) == (notes.result().facts.auth_mechanism, notes.result().facts.auth_success)


def test_a_login_that_was_taken_is_a_success(notes: ProbeNotes) -> None:
    notes.learn(Facts(auth_mechanism=Mechanism.LOGIN, auth_success=False))
    notes.learn(Facts(auth_success=True))

    assert notes.result().facts.auth_success is True


def test_reply_codes_belong_to_the_phase_they_came_in(notes: ProbeNotes) -> None:
    notes.enter(Phase.GREETING)
    notes.take_in(Replied(220))
    notes.enter(Phase.CAPABILITY)
    notes.take_in(Replied(502))
    notes.take_in(Replied(250))

    assert {Phase.GREETING: 220, Phase.CAPABILITY: 250} == dict(notes.result().facts.reply_codes or ())


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD,
        b64encode(PASSWORD),
        b64encode(b"\0user\0" + PASSWORD),
    ],
)
def test_a_secret_that_the_server_repeats_is_blotted_out_everywhere(notes: ProbeNotes, echo: bytes) -> None:
    notes.hide(Login("user", Secret(PASSWORD)))
    notes.sent(b"AUTH PLAIN " + b64encode(b"\0user\0" + PASSWORD), "AUTH PLAIN <redacted>")

    line = notes.without_secrets(b"535 you said " + echo + b", didn't you")
    notes.received(line)
    notes.note(f"and {echo.decode()}")
    notes.fail(FailureReason.AUTH_REJECTED, f"the server says {echo.decode()}")

    result = notes.result()
    assert b"535 you said <redacted>, didn't you" == line
    assert result.failure is not None
    assert "the server says <redacted>" == result.failure.detail
    everything = repr(result)
    assert echo.decode() not in everything
    assert "hunter2" not in everything


def test_a_line_with_a_secret_is_kept_by_its_stand_in(notes: ProbeNotes) -> None:
    notes.sent(b"PASS " + PASSWORD, "PASS <redacted>")

    assert ["PASS <redacted>"] == texts(notes)


@pytest.mark.parametrize("announcement", [b"{120}", b"{4096+}"])
def test_the_framing_of_a_literal_is_no_secret(notes: ProbeNotes, announcement: bytes) -> None:
    notes.sent(b'a1 LOGIN "user" ' + announcement, "a1 LOGIN <redacted>")

    assert b"* LIST () " + announcement == notes.without_secrets(b"* LIST () " + announcement)


@pytest.mark.parametrize("before", [b"{", b"{}", b'{"', b'{"token":"'])
def test_a_secret_within_something_in_base64_is_not_shown(notes: ProbeNotes, before: bytes) -> None:
    notes.hide(Login("user", Secret(b"ya29.a-token-of-some-length"), kind=SecretKind.TOKEN))
    said = b"334 " + b64encode(before + b'ya29.a-token-of-some-length"}')

    # It is read as it came: it may have to be decoded.
    assert said == notes.without_secrets(said)
    notes.received(said)
    notes.note(said.decode())

    for text in texts(notes):
        kept = text.replace("<redacted>", "").removeprefix("334 ")
        assert "<redacted>" in text
        # What is left may share a character on each side with the secret.
        assert len(b64encode(before + b'"}')) + 4 >= len(kept)


@pytest.mark.parametrize(
    ("password", "shown"),
    [
        (b'my "secret" pass', '\\"secret\\" pass'),  # as a quoted string of IMAP
        (b"p\xe4ssword", "\\xe4ssword"),  # as a detail shows it
        ("p\N{LATIN SMALL LETTER A WITH DIAERESIS}ssword".encode(), "p\N{LATIN SMALL LETTER A WITH DIAERESIS}ssword"),
    ],
)
def test_a_secret_is_not_shown_in_the_form_that_it_was_sent_or_quoted_in(
    notes: ProbeNotes, password: bytes, shown: str
) -> None:
    notes.hide(Login("user", Secret(password)))
    said = quoted(b"unknown: LOGIN user " + (quote(password) or password))
    notes.received(said.encode())
    notes.fail(FailureReason.PROTOCOL_ERROR, said)

    assert shown in said
    assert shown not in repr(notes.result())


def test_the_beginning_of_a_secret_is_not_shown_where_a_quote_was_cut(notes: ProbeNotes) -> None:
    notes.hide(Login("user", Secret(PASSWORD)))
    credentials = b64encode(b"\0user\0" + PASSWORD)
    notes.sent(b"AUTH PLAIN " + credentials, "AUTH PLAIN <redacted>")
    said = b"unknown: ".ljust(MAX_QUOTE - 9) + credentials
    notes.fail(FailureReason.CONNECTION_CLOSED, f"the server closed the connection after {quoted(said)}, in a line")

    failure = notes.result().failure
    assert failure is not None
    assert failure.detail.endswith(' <redacted>...", in a line')


def test_what_is_to_be_concealed_is_read_and_not_shown(notes: ProbeNotes) -> None:
    notes.conceal(b"dj1wcm9vZg==")

    assert b"334 dj1wcm9vZg==" == notes.without_secrets(b"334 dj1wcm9vZg==")
    notes.received(b"334 dj1wcm9vZg==")
    notes.fail(FailureReason.PROTOCOL_ERROR, "not dj1wcm9vZg==")

    failure = notes.result().failure
    assert failure is not None
    assert "not <redacted>" == failure.detail
    assert ["334 <redacted>", "protocol_error: not <redacted>"] == texts(notes)


def test_a_login_without_a_secret_hides_nothing(notes: ProbeNotes) -> None:
    notes.hide(Login("user", Secret(b""), kind=SecretKind.CERTIFICATE))
    notes.received(b"+OK welcome, user")

    assert ["+OK welcome, user"] == texts(notes)


def test_hostile_octets_are_shown_as_one_printable_line(notes: ProbeNotes) -> None:
    notes.received(b"250 \x1b[2J\x00\r\xff ok")

    assert ["250 \\x1b[2J\\x00\\x0d\\xff ok"] == texts(notes)


def test_a_chatty_server_does_not_fill_the_memory(notes: ProbeNotes) -> None:
    for _ in range(10_000):
        notes.received(b"x" * 8000)

    kept = ["x" * MAX_TRANSCRIPT_TEXT + "..."] * MAX_TRANSCRIPT_LINES
    assert [*kept, "..."] == texts(notes)
    assert Direction.NOTE is notes.result().transcript[-1].direction


def test_the_transcript_says_who_said_what_and_when(notes: ProbeNotes, clock: Clock) -> None:
    notes.note("connected")
    clock.now += 1.5
    notes.received(b"+OK")
    notes.sent(b"QUIT", None)

    assert [(0.0, Direction.NOTE), (1.5, Direction.SERVER), (1.5, Direction.CLIENT)] == [
        (line.at, line.direction) for line in notes.result().transcript
    ]


@pytest.mark.parametrize("line", [b'250-x..."'.ljust(8000, b"y"), b'..."' * 2000, PASSWORD * 600])
def test_a_server_cannot_make_the_search_for_secrets_take_long(notes: ProbeNotes, line: bytes) -> None:
    notes.hide(Login("user", Secret(PASSWORD)))
    for _ in range(MAX_CONVERSATION // len(line)):
        notes.received(line)
    began = time.thread_time()
    notes.result()

    assert time.thread_time() - began < 2.0


def test_what_was_heard_last_is_known_until_something_follows_or_too_much_was_said(notes: ProbeNotes) -> None:
    assert b"" == notes.heard_last
    notes.received(b"220-wait")
    assert b"220-wait" == notes.heard_last
    notes.sent(b"EHLO me", None)
    assert b"" == notes.heard_last
    for _ in range(MAX_TRANSCRIPT_LINES):
        notes.received(b"250-x")
    assert b"" == notes.heard_last


@pytest.mark.parametrize("heard", [False, True])
def test_a_session_that_breaks_was_verified_if_the_server_said_something_in_it(notes: ProbeNotes, heard: bool) -> None:
    notes.received(b"220 in plain")
    notes.learn(Facts(tls=tls_facts()))
    if heard:
        notes.received(b"220 encrypted")
    notes.fail(FailureReason.TLS_HANDSHAKE_FAILED, "bad record type")

    shown = notes.result().facts.tls
    assert shown is not None
    assert heard is shown.verified
