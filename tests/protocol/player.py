"""Plays a dialogue against a script of what the server sends, with no socket and no loop.

The server's octets are handed to a `ReceiveBuffer` in the pieces the test chooses: whole, byte by byte, or with octets
trailing. What the client sent, learnt and entered is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.model import Phase
from exporter.net.buffer import ReceiveBuffer
from exporter.protocol.dialogue import (
    MAX_LINE,
    Dialogue,
    DialogueError,
    Enter,
    Fact,
    Learn,
    ReadExactly,
    ReadLine,
    RequireSecure,
    RequireSilence,
    Send,
    StartTls,
    Step,
)


class ScriptEndedError(Exception):
    """The dialogue wants more than the server has to say: in a real probe, a timeout or a closed connection."""


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
    """What came of it.

    Attributes:
        sent: The lines the client sent, secrets included.
        shown: The same lines as a transcript shows them.
        secret: Those of `sent` that were marked as secret.
        error: How the dialogue failed; `None` if it ended well.
        unread: What the server sent and the dialogue did not read.
    """

    sent: list[bytes] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    secret: list[bytes] = field(default_factory=list)
    learnt: list[Fact] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    value: Any = None
    error: DialogueError | None = None
    unread: bytes = b""


def play(dialogue: Dialogue[Any], script: bytes, cut: Cut = whole) -> Played:  # noqa: C901 - one case a kind of step
    """Run the dialogue to its end.

    Raises:
        ScriptEndedError: The dialogue reads on where the script ends.
    """
    played, buffer, pieces = Played(), ReceiveBuffer(), cut(script)

    def wait_for(take: Callable[[], bytes | None]) -> bytes:
        while (got := take()) is None:
            try:
                buffer.feed(next(pieces))
            except StopIteration:
                raise ScriptEndedError(f"after {played.sent[-1:]}, with {len(buffer)} octets left") from None
        return got

    answer = b""
    try:
        while True:
            step = dialogue.send(answer) if played.steps else next(dialogue)
            played.steps.append(step)
            answer = b""
            match step:
                case Enter(phase):
                    played.phases.append(phase)
                case Send(line, shown):
                    assert b"\r" not in line
                    assert b"\n" not in line
                    played.sent.append(line)
                    played.shown.append(line.decode("ascii", "backslashreplace") if shown is None else shown)
                    if shown is not None:
                        played.secret.append(line)
                case ReadLine():
                    answer = wait_for(lambda: buffer.take_line(MAX_LINE))
                case ReadExactly(size):
                    answer = wait_for(lambda: buffer.take_exactly(size))
                case Learn(fact):
                    played.learnt.append(fact)
                case StartTls() | RequireSecure() | RequireSilence():
                    pass
    except StopIteration as end:
        played.value = end.value
    except DialogueError as error:
        played.error = error
    played.unread = buffer.take_all() + b"".join(pieces)
    return played
