"""Drives dialogues over one connection: executes each step and sends the result back.

It records in the notes what is sent and received. The visit chooses the dialogues and handles failures.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, TypeVar, assert_never

from OpenSSL import SSL

from exporter import certificates
from exporter.model import CertificateProblem, Endpoint, Facts, FailureReason, Login, TlsFacts, Withheld
from exporter.net.buffer import MAX_CONVERSATION
from exporter.net.stream import Stream, StreamError
from exporter.protocol.dialogue import (
    MAX_LINE,
    AwaitServer,
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
    Send,
    SendContent,
    ShowUnread,
    StartTls,
    TakeUnread,
)
from exporter.visiting.connect import NoContext
from exporter.visiting.keys import DerivedKeys
from exporter.visiting.notes import ProbeNotes

T = TypeVar("T")

EXPECTED: Final = frozenset({CertificateProblem.FINGERPRINT_MISMATCH})
"""Problems that only concern what the endpoint expects."""


class Driver:
    """Executes dialogues on one connection. Raises what they and the connection raise."""

    def __init__(
        self,
        stream: Stream,
        endpoint: Endpoint,
        login: Login | Withheld | None,
        notes: ProbeNotes,
        *,
        context: SSL.Context | NoContext | None,
        keys: DerivedKeys,
        wall_clock: Callable[[], float],
    ) -> None:
        self._stream = stream
        self._endpoint = endpoint
        self._login = login
        self._notes = notes
        self._context = context
        self._keys = keys
        self._wall_clock = wall_clock
        self._verified = False
        self._cleared = False

    async def run_errand(self, dialogue: Dialogue[T]) -> T:
        """Execute an errand, which may receive as much data as a whole probe."""
        self._stream.allow(MAX_CONVERSATION)
        return await self.carry_out(dialogue)

    async def carry_out(self, dialogue: Dialogue[T]) -> T:
        """Execute a dialogue until it ends, and return its value."""
        notes, stream = self._notes, self._stream
        try:
            step = next(dialogue)
            while True:
                answer = b""
                match step:
                    # The most frequent first.
                    case ReadLine():
                        answer = notes.without_secrets(await stream.read_line(MAX_LINE))
                        notes.received(answer)
                    case Enter(phase):
                        notes.enter(phase)
                    case Learn() | Replied() | Forget():
                        notes.take_in(step)
                    case Send(line, shown):
                        if shown is not None and not self._cleared:
                            raise RuntimeError("a dialogue sends a secret without asking whether it may")
                        notes.sent(line, shown)
                        await stream.send(line + b"\r\n")
                    case ShowUnread():
                        answer = stream.unread()
                    case ReadExactly(size, of_content):
                        answer = notes.without_secrets(await stream.read_exactly(size, of_content=of_content))
                        notes.received(b"<%d octets>" % size if of_content else answer)
                        stream.allow(size * of_content)
                    case _:
                        answer = await self._carry_out_rare(step)
                step = dialogue.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            dialogue.close()

    async def _carry_out_rare(self, step: RareStep) -> bytes:
        """Execute a step that comes at most once in a conversation."""
        match step:
            case TakeUnread():
                return self._stream.take_unread()
            case StartTls():
                await self._start_tls()
            case RequireSecure():
                self._require_secure()
            case GiveChannelBinding(kind):
                return self._stream.channel_binding(kind) or b""
            case GiveRandom(size):
                return secrets.token_bytes(size)
            case DeriveKey():
                return await self._keys.derive(step)
            case Conceal(octets):
                self._notes.conceal(octets)
            case Remark(text):
                self._notes.note(text)
            case Pause() | AwaitServer() | SendContent() | ReadPiece():
                return await self._carry_out_for_flows(step)
            case _:
                assert_never(step)
        return b""

    async def _carry_out_for_flows(self, step: Pause | AwaitServer | SendContent | ReadPiece) -> bytes:
        """Execute a step that only errands of flows use: waiting, or handing over a message."""
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case AwaitServer(seconds):
                return b"!" if await self._stream.heard_within(seconds) else b""
            case SendContent(octets):
                self._notes.sent(b"<%d octets>" % len(octets), None)
                await self._stream.send(octets)
            case ReadPiece():
                piece = self._notes.without_secrets(await self._stream.read_piece(MAX_LINE))
                self._notes.received(b"...")
                self._stream.allow(len(piece))
                return piece
        return b""

    async def _start_tls(self) -> None:
        endpoint, notes = self._endpoint, self._notes
        self._cleared = False
        if isinstance(self._context, NoContext):
            raise DialogueError(self._context.reason, self._context.detail)
        if self._context is None:
            raise RuntimeError("a dialogue starts TLS on an endpoint without encryption")
        try:
            shown = await self._stream.start_tls(self._context, endpoint.server_name, self._wall_clock())
        except (StreamError, asyncio.CancelledError):
            notes.learn(Facts(tls=self._stream.unfinished))
            raise
        shown = certificates.held_to(shown, endpoint.fingerprints) if endpoint.fingerprints else shown
        notes.learn(Facts(tls=shown))
        notes.note(f"{shown.version} {shown.cipher}; {_verdict(shown)}")
        self._verified = shown.verified
        # What is expected in so many words is expected without verification, too.
        counting = [each for each in shown.problems if endpoint.tls.verify or each in EXPECTED]
        if any(problem.fails for problem in counting):
            raise DialogueError(certificates.failure_reason(counting), shown.detail)

    def _require_secure(self) -> None:
        if not self._verified and not self._endpoint.allow_insecure_auth:
            lack = "not encrypted" if self._notes.tls is None else "not verified"
            raise DialogueError(
                FailureReason.AUTH_INSECURE,
                f"the connection is {lack}, so no credentials are sent; allow_insecure_auth: true would send them",
            )
        if isinstance(self._login, Login):
            self._notes.hide(self._login)
        self._cleared = True


def _verdict(tls: TlsFacts) -> str:
    return "; ".join(filter(None, ("certificate verified" if tls.verified else "", tls.detail)))
