"""The notes of a running probe, which are kept however it ends.

Phases and transcript lines get times of a monotonic clock, minus our own time (see `exporter.net.peer_clock`). Secrets
are left out: a line with a secret is shown by a placeholder, and a secret that the server repeats is blotted out.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, Final

from exporter.model import (
    Direction,
    Facts,
    Failure,
    FailureReason,
    Login,
    Phase,
    ProbeResult,
    Resolution,
    Span,
    TlsFacts,
    TranscriptLine,
)
from exporter.net.peer_clock import PeerClock
from exporter.protocol.dialogue import CUT_QUOTE, Forget, Learn, LearningStep, Replied, printable
from exporter.protocol.redaction import MIN_HIDDEN, Redactor, blotted, blotted_where_cut
from exporter.visiting.clearing import NOTHING, cleared, words_of

MAX_TRANSCRIPT_LINES: Final = 400
"""The most lines that are kept. A usual conversation has about 30."""

MAX_TRANSCRIPT_TEXT: Final = 400
"""Characters of one line that are kept: enough to recognise it."""

BUG: Final = "a bug of mail-exporter; its log has the traceback"
"""All that a result says of one."""

NO_MEMORY: Final = "this machine has no memory left for mail-exporter"

CUT: Final = "..."
"""The mark for lines that were left out."""

_FACTS: Final = tuple([field.name for field in fields(Facts)])
_read_facts: Final = attrgetter(*_FACTS)

_LITERAL: Final = re.compile(rb"\{[0-9]+\+?\}")
"""What announces that something follows in a line of its own (RFC 9051 4.3), and is not a secret itself."""


_LINE_FEED: Final = b"\0\xff\0"
"""Stands for a line feed within a line while lines are looked at together. No server says this."""


class ProbeNotes:
    """The notes of one probe."""

    def __init__(
        self,
        endpoint: str,
        started_at: float,
        clock: Callable[[], float],
        redactor: Redactor = NOTHING,
        entered: Callable[[str, Phase], None] | None = None,
    ) -> None:
        """Begin the notes.

        Args:
            endpoint: Its name.
            started_at: Unix time.
            clock: Monotonic seconds.
            redactor: Blots out the secrets that the server may know.
            entered: Is called with the endpoint's name and each phase that begins.
        """
        self._entered = entered
        self.failure: Failure | None = None
        self.only_address: str | None = None
        self.resolution: Resolution | None = None
        self.peer_clock = PeerClock()
        self._endpoint = endpoint
        self._started_at = started_at
        self._clock = clock
        self._began = self._origin = clock()
        self._phase: Phase | None = None
        self._phase_start = 0.0
        self._spans: list[Span] = []
        self._said: list[tuple[float, Direction, bytes | str]] = []
        self._redactor = redactor
        self._hidden: tuple[bytes, ...] = ()
        self._concealed: tuple[bytes, ...] = ()
        self._reply_codes: dict[Phase, int] = {}
        self._learnt: dict[str, Any] = {}
        self._if_cut_off: Facts | None = None
        self._heard_in_tls = False

    @property
    def tls(self) -> TlsFacts | None:
        """What the last handshake showed."""
        shown: TlsFacts | None = self._learnt.get("tls")
        return shown

    @property
    def phase(self) -> Phase:
        """The current phase; the first one before any began."""
        return self._phase or Phase.DNS

    @property
    def heard_last(self) -> bytes:
        """The line of the server that nothing has followed yet; empty if something has, or nobody kept it."""
        if not self._said or len(self._said) > MAX_TRANSCRIPT_LINES:
            return b""
        _, direction, line = self._said[-1]
        return line if direction is Direction.SERVER and isinstance(line, bytes) else b""

    def enter(self, phase: Phase) -> None:
        """A phase begins, and the one before it ends. A probe begins with its first."""
        if self._phase is None and not self._spans:
            self._origin = self._clock()
        now = self._now()
        self._end_phase(now)
        self._phase, self._phase_start = phase, now
        self._if_cut_off = None
        if self._entered is not None:
            self._entered(self._endpoint, phase)

    def took(self, seconds: float | None) -> None:
        """Set the server's time in the current phase. Anything longer is our own time and does not count.

        Args:
            seconds: `None` if unknown: then all of it counts.
        """
        if seconds is not None:
            self._origin += max(self._now() - self._phase_start - seconds, 0.0)

    def reached(self, phase: Phase) -> bool:
        return phase is self._phase or any(span.phase is phase for span in self._spans)

    def fail(self, reason: FailureReason, detail: str, phase: Phase | None = None, *, unclear: bool = False) -> None:
        """The probe failed, in the current phase or one that could not begin. The first failure counts."""
        self.note(f"{reason}: {detail}")
        if self.failure is None:
            if reason is FailureReason.TLS_HANDSHAKE_FAILED and self.tls is not None and not self._heard_in_tls:
                # In TLS 1.3 we are done before the server has decided. Once it has said something, it has.
                self.learn(Facts(tls=replace(self.tls, finished=False)))
            shown = printable(self._blotted_quote(detail.encode()))
            self.failure = Failure(reason, phase or self.phase, shown, unclear)

    def learn(self, facts: Facts) -> None:
        """Keep what was found out."""
        self._learnt |= {name: fact for name, fact in zip(_FACTS, _read_facts(facts), strict=True) if fact is not None}

    def cut_off(self) -> None:
        """The connection has ended: store what a dialogue wanted to be stored in this case."""
        if self._if_cut_off is not None:
            self.learn(self._if_cut_off)

    def take_in(self, step: LearningStep) -> None:
        """Store or delete facts of a dialogue."""
        match step:
            case Learn(facts, if_cut_off):
                self._if_cut_off = facts if if_cut_off else None
                if not if_cut_off:
                    self.learn(facts)
            case Replied(code):
                self._reply_codes[self.phase] = code
            case Forget(name):
                self._learnt.pop(name, None)

    def hide(self, login: Login) -> None:
        """From now on, blot out this login's secret wherever the server repeats it."""
        secret = login.secret.reveal()
        if secret not in self._redactor.secrets:
            self._redactor = Redactor((secret, *self._redactor.secrets))
        self._hidden += tuple([form for form in (b64encode(secret), secret) if len(form) >= MIN_HIDDEN])

    def conceal(self, octets: bytes) -> None:
        """From now on, hide these octets in the transcript."""
        self._concealed += (octets,)

    def without_secrets(self, line: bytes) -> bytes:
        """The server's octets, with the secret blotted out."""
        return blotted(line, self._hidden)

    def sent(self, line: bytes, shown: str | None) -> None:
        """A line is sent. If it has a secret, its placeholder is kept, and answers are searched for the secret."""
        if shown is None:
            self._write(Direction.CLIENT, _shortened(line))
            return
        self._write(Direction.CLIENT, shown)
        carried = line.rpartition(b" ")[2]
        if len(carried) >= MIN_HIDDEN and carried not in self._hidden and not _LITERAL.fullmatch(carried):
            self._hidden = (carried, *self._hidden)

    def received(self, line: bytes) -> None:
        """A line was received, already `without_secrets`."""
        self._write(Direction.SERVER, line)
        self._heard_in_tls = self.tls is not None

    def note(self, text: str) -> None:
        """Add a line about something that neither side said."""
        self._write(Direction.NOTE, text.encode())

    def result(self) -> ProbeResult:
        """End the current phase and return the result. Every result of a visit is made here, without secrets.

        There is almost never anything to hide or to escape. Checking all texts at once takes a fraction of the time of
        checking each.
        """
        duration = self._now()
        self._end_phase(duration)
        self._phase = None
        facts = Facts(**self._learnt, reply_codes=tuple(self._reply_codes.items()) or None)
        said = self._said[:MAX_TRANSCRIPT_LINES]
        whole = b"\n".join([line if isinstance(line, bytes) else line.encode() for _, _, line in said])
        suspicious = self._is_suspicious(whole, facts)
        texts = None if suspicious else _texts(whole, len(said))
        result = ProbeResult(
            endpoint=self._endpoint,
            started_at=self._started_at,
            duration=duration,
            spans=tuple(self._spans),
            failure=self.failure,
            facts=facts,
            transcript=self._transcript(self._fit(said) if texts is None else texts),
            only_address=self.only_address,
            resolution=self.resolution,
            own_time=max(self._clock() - self._began - duration, 0.0),
        )
        return cleared(result, self._redactor) if suspicious else result

    def _transcript(self, texts: Sequence[str]) -> tuple[TranscriptLine, ...]:
        """The lines of the transcript, with a mark at the end if lines were left out."""
        said = zip(self._said, texts, strict=False)
        lines = [TranscriptLine(at, direction, text) for (at, direction, _), text in said]
        if len(self._said) > len(texts):
            lines.append(TranscriptLine(self._said[-1][0], Direction.NOTE, CUT))
        return tuple(lines)

    def _is_suspicious(self, said: bytes, facts: Facts) -> bool:
        """Whether a secret may be in the lines that are kept, in the facts, or in the failure."""
        if not (self._hidden or self._concealed or self._redactor.secrets):
            return False
        octets = said + b"\n" + words_of(facts, self.failure, self._redactor)
        if (
            len(self._said) > MAX_TRANSCRIPT_LINES  # what was left out may still be among the facts
            or any(form in octets for form in (*self._hidden, *self._concealed))
            or self._redactor.may_hold(octets)
            or CUT_QUOTE in octets
        ):
            return True
        if facts.tls is not None:
            self._redactor.remember_clean(facts.tls.chain, facts.tls.verified_chain)
        return False

    def _fit(self, said: Sequence[tuple[float, Direction, bytes | str]]) -> list[str]:
        """The lines without secrets, and only then cut short."""
        # Lines are looked at together, for a secret may go over two of them; a line feed within one does not end it.
        lines = [line if isinstance(line, bytes) else line.encode() for _, _, line in said]
        whole = b"\n".join([line.replace(b"\n", _LINE_FEED) for line in lines])
        without = (
            [line.replace(_LINE_FEED, b"\n") for line in self._redactor.blotted(whole).split(b"\n")] if said else []
        )
        texts = []
        for (_, direction, line), octets in zip(said, without, strict=True):
            if isinstance(line, str):
                texts.append(line)
            else:
                kept = self._blotted_quote(octets) if direction is Direction.NOTE else self._blotted(octets)
                texts.append(_shortened(kept))
        return texts

    def _blotted(self, octets: bytes) -> bytes:
        """The octets without the sent secrets, literally or in any encoding."""
        return self._redactor.blotted(blotted(octets, self._hidden + self._concealed))

    def _blotted_quote(self, words: bytes) -> bytes:
        """Our own text without secrets. It may contain a shortened quote of the server."""
        return blotted_where_cut(self._blotted(words), (*self._redactor.secrets, *self._hidden))

    def _now(self) -> float:
        """Seconds of the server's time since the probe began, without the time in which it waited for us."""
        return self._clock() - self._origin - self.peer_clock.behind()

    def _end_phase(self, now: float) -> None:
        if self._phase is not None:
            # Two clocks are read one after the other, so that nothing at all may come out as less than that.
            self._spans.append(Span(self._phase, self._phase_start, max(now - self._phase_start, 0.0)))

    def _write(self, direction: Direction, said: bytes | str) -> None:
        """Keep octets, which are made fit to be shown in the end, or a text that is; and one more than is shown."""
        if len(self._said) <= MAX_TRANSCRIPT_LINES:
            self._said.append((self._now(), direction, said))


def _texts(whole: bytes, count: int) -> list[str] | None:
    """All lines as text, if they are fit to be shown as they are, as they mostly are."""
    if not whole.isascii():
        return None
    texts = whole.decode("ascii").split("\n")
    # More lines than before: one of them contains a line feed.
    fit = len(texts) == count and "".join(texts).isprintable() and max(map(len, texts)) <= MAX_TRANSCRIPT_TEXT
    return texts if fit else None


def _shortened(octets: bytes) -> str:
    # A character takes four octets at most, and none may be cut in two.
    text = printable(octets[: 4 * (MAX_TRANSCRIPT_TEXT + 1)])
    return text if len(text) <= MAX_TRANSCRIPT_TEXT else text[:MAX_TRANSCRIPT_TEXT] + CUT
