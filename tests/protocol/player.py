"""Plays a dialogue against a script of what the server sends, with no socket and no loop.

The server's octets are handed to a `ReceiveBuffer` in the pieces the test chooses: whole, byte by byte, or with octets
trailing. What the client sent, learnt and entered is recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import pytest

from exporter.model import Facts, FailureReason, Phase
from exporter.net.buffer import OverflowingError, ReceiveBuffer
from exporter.protocol.dialogue import (
    MAX_LINE,
    AwaitServer,
    ChannelBinding,
    Conceal,
    DeriveKey,
    Dialogue,
    DialogueError,
    Enter,
    Forget,
    GiveChannelBinding,
    GiveRandom,
    Learn,
    Pause,
    RareStep,
    ReadExactly,
    ReadLine,
    ReadPiece,
    Remark,
    Replied,
    RequireSecure,
    ResponseTooLargeError,
    Send,
    SendContent,
    ShowUnread,
    StartTls,
    Step,
    TakeUnread,
)

Cut = Callable[[bytes], Iterator[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    """Everything in one piece."""
    yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    """Every octet alone."""
    for octet in data:
        yield bytes([octet])


every_cut = pytest.mark.parametrize("cut", [whole, byte_by_byte])


@dataclass
class Played:
    """What came of it, or what had come of it when the script ended.

    Attributes:
        sent: The lines the client sent, secrets included.
        shown: The same lines as a transcript shows them.
        secret: Those of `sent` that were marked as secret.
        concealed: What a transcript does not show of the server's words.
        remarks: What it shows beside the words of both.
        error: How the dialogue failed; `None` if it ended well.
        unread: What the server sent and the dialogue did not read.
    """

    sent: list[bytes] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    secret: list[bytes] = field(default_factory=list)
    concealed: list[bytes] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    learnt: list[Facts | Replied | Forget] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    value: Any = None
    error: DialogueError | None = None
    unread: bytes = b""

    @property
    def failure(self) -> tuple[Phase | None, FailureReason] | None:
        """The phase and the reason of the failure, as a probe's result has them; `None` if it ended well."""
        if self.error is None:
            return None
        return self.phases[-1] if self.phases else None, self.error.reason


@dataclass(frozen=True)
class Circumstances:
    """What the dialogue finds around it.

    Attributes:
        random: What is random.
        bindings: The channel bindings of the connection.
        unread: What lies unread when so many lines were sent. A script is read as if nothing else ever did.
    """

    random: bytes = bytes(range(18))
    bindings: Mapping[ChannelBinding, bytes] = field(default_factory=dict)
    unread: Mapping[int, bytes] = field(default_factory=dict)


IN_CLEAR: Final = Circumstances()
"""Those of a connection without TLS."""


class ScriptEndedError(Exception):
    """The dialogue wants more than the server has to say: in a real probe, a timeout or a closed connection.

    Attributes:
        played: What had happened by then.
    """

    def __init__(self, played: Played) -> None:
        super().__init__(f"no answer to {played.shown[-1:]}")
        self.played = played


def learnt(played: Played, name: str) -> list[Any]:
    """All that was learnt of one fact, in the order of its coming."""
    values = [getattr(facts, name) for facts in played.learnt if isinstance(facts, Facts)]
    return [value for value in values if value is not None]


class Script:
    """The server's side of a conversation.

    Octets alone are read without regard to when they come. A sequence has one part before every handshake and one
    behind the last: a part cannot be read before its time, and what is left of it when silence is due was injected.
    """

    def __init__(self, parts: bytes | Sequence[bytes], cut: Cut) -> None:
        self.in_parts = not isinstance(parts, bytes)
        self._parts = iter([parts] if isinstance(parts, bytes) else parts)
        self._cut = cut
        self._buffer = ReceiveBuffer()
        self._pieces = cut(next(self._parts))

    def shake_hands(self) -> None:
        """Go on to the next part."""
        if self.in_parts:
            self._pieces = self._cut(next(self._parts))

    def read(self, take: Callable[[ReceiveBuffer], bytes | None]) -> bytes | None:
        """What `take` finds in the buffer, which is fed as far as needed; `None` where the script ends."""
        try:
            while (found := take(self._buffer)) is None:
                piece = next(self._pieces, None)
                if piece is None:
                    return None
                self._buffer.feed(piece)
        except OverflowingError as overflow:
            raise ResponseTooLargeError(str(overflow)) from None
        return found

    def goes_on(self) -> bool:
        """Whether there is more to read."""
        return self.read(lambda buffer: b"!" if len(buffer) else None) is not None

    def unread(self, octets: bytes) -> None:
        """Octets that come before all that is left."""
        left = self._buffer.take_all()
        self._buffer.feed(octets + left)

    def rest(self) -> bytes:
        """What nobody has read."""
        return self._buffer.take_all() + b"".join(self._pieces)


def play(
    dialogue: Dialogue[Any],
    parts: bytes | Sequence[bytes],
    cut: Cut = whole,
    circumstances: Circumstances = IN_CLEAR,
) -> Played:
    """Run the dialogue to its end.

    Args:
        dialogue: The client's side.
        parts: The server's (see `Script`).
        cut: The pieces in which the server's octets arrive.
        circumstances: What else the dialogue may ask for.

    Raises:
        ScriptEndedError: The dialogue reads on where the script ends.
    """
    played, script = Played(), Script(parts, cut)
    try:
        step = next(dialogue)
        while True:
            played.steps.append(step)
            step = dialogue.send(_carry_out(step, script, played, circumstances))
    except StopIteration as end:
        played.value = end.value
    except DialogueError as error:
        played.error = error
    finally:
        dialogue.close()
    played.unread = script.rest()
    return played


def _carry_out(step: Step, script: Script, played: Played, circumstances: Circumstances) -> bytes:
    answer: bytes | None = b""
    match step:
        case Enter(phase):
            played.phases.append(phase)
        case Send(line, shown):
            # The literals of IMAP may hold line breaks, and carry logins only.
            assert shown is not None or not {*b"\r\n"} & {*line}
            played.sent.append(line)
            played.shown.append(line.decode("ascii", "backslashreplace") if shown is None else shown)
            if shown is not None:
                played.secret.append(line)
        case ReadLine():
            answer = script.read(lambda buffer: buffer.take_line(MAX_LINE))
        case ShowUnread():
            answer = circumstances.unread.get(len(played.sent), b"")
            script.unread(answer)
        case ReadExactly(size):
            answer = script.read(lambda buffer: buffer.take_exactly(size))
        case Learn(facts, if_cut_off):
            played.learnt.extend(() if if_cut_off else (facts,))
        case Replied() | Forget():
            played.learnt.append(step)
        case _:
            answer = _carry_out_rare(step, script, played, circumstances)
    if answer is None:
        raise ScriptEndedError(played)
    return answer


def _carry_out_rare(step: RareStep, script: Script, played: Played, circumstances: Circumstances) -> bytes:
    match step:
        case TakeUnread():
            return script.rest() if script.in_parts else b""
        case StartTls():
            script.shake_hands()
        case RequireSecure():
            pass
        case GiveChannelBinding(kind):
            return circumstances.bindings.get(kind, b"")
        case GiveRandom():
            return circumstances.random
        case DeriveKey(digest, password, salt, iterations):
            return hashlib.pbkdf2_hmac(digest, password.reveal(), salt, iterations)
        case Conceal(octets):
            played.concealed.append(octets)
        case Remark(text):
            played.remarks.append(text)
        case Pause() | AwaitServer() | SendContent() | ReadPiece():
            return _carry_out_for_flows(step, script, played)
        case _:
            assert_never(step)
    return b""


def _carry_out_for_flows(step: Pause | AwaitServer | SendContent | ReadPiece, script: Script, played: Played) -> bytes:
    match step:
        case ReadPiece():
            piece = script.read(lambda buffer: buffer.take_piece(MAX_LINE))
            if piece is None:
                raise ScriptEndedError(played)
            return piece
        case AwaitServer():
            return b"!" if script.goes_on() else b""
        case SendContent(octets):
            played.sent.append(octets)
            played.shown.append(f"<{len(octets)} octets>")
    return b""
