"""One run of a SASL mechanism (RFC 4422): between what the mechanism says and how a protocol frames it.

A mechanism is a generator of responses. This module has what all mechanisms and protocols share: base64, the initial
response, and whether the exchange is complete.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeAlias

from exporter.model import Facts, FailureReason, Login, Mechanism
from exporter.protocol.dialogue import Dialogue, DialogueError, Learn, ProtocolError, Send, Step, quoted

REDACTED: Final = "<redacted>"
"""The text in transcripts instead of a secret."""

PROMPTED: Final = frozenset({Mechanism.LOGIN})
"""Mechanisms whose challenges are words for people. Nobody looks at them, and some servers send them without base64."""


@dataclass(frozen=True, slots=True)
class SaslAttempt:
    """The input of a mechanism.

    Attributes:
        mechanism: The one in use; `login` has the one that was asked for.
        host: The server's host, as configured.
    """

    mechanism: Mechanism
    login: Login
    host: str
    port: int

    @property
    def name(self) -> bytes:
        """The username, in UTF-8 as every mechanism wants it."""
        return self.login.username.encode()

    @property
    def secret(self) -> bytes:
        """The password or the token, for the line that sends it."""
        return self.login.secret.reveal()

    def refuse(self, what: str) -> DialogueError:
        """The failure when the mechanism cannot carry the login."""
        return DialogueError(FailureReason.SECRET_UNREADABLE, f"{what}, which {self.mechanism} cannot carry")

    def refuse_nul(self, *parts: bytes) -> None:
        """Make sure that no part of the login ends early.

        Raises:
            DialogueError: One holds a NUL octet.
        """
        if any(b"\0" in part for part in parts):
            raise self.refuse("the login holds a NUL octet")


@dataclass(frozen=True, slots=True)
class Complaint:
    """A server's reason against a login, sent inside the exchange before the refusal itself.

    Attributes:
        words: Without the secret, should the server repeat it.
        reason: Why the login fails, where the words say it; `None` to go by the refusal.
    """

    words: bytes
    reason: FailureReason | None = None


@dataclass(frozen=True, slots=True)
class Respond:
    """Send this response, and return the server's next challenge.

    Attributes:
        octets: `None` only at the very beginning, where the mechanism lets the server speak first.
        final: Whether the exchange is complete on both sides. Before that, no success is accepted.
        complaint: What this is the answer to, if it is one.
    """

    octets: bytes | None
    final: bool = False
    complaint: Complaint | None = None


Mechanics: TypeAlias = Generator[Respond | Step, bytes, None]
"""A mechanism at work. It ends when it has nothing to say to a further challenge."""


class Exchange:
    """One run of one mechanism."""

    def __init__(self, mechanism: Mechanism, mechanics: Mechanics) -> None:
        self._mechanism = mechanism
        self._mechanics = mechanics
        self._unsent: bytes | None = None
        """An initial response that waits until the server asks for it."""
        self._over = False
        self._complaint: Complaint | None = None

    def begin(self, verb: str, room: int) -> Dialogue[None]:
        """Send the command that begins it, with the initial response if there is one and it fits.

        Args:
            verb: What stands before the mechanism's name.
            room: Octets that the line may have with its CRLF; 0 if it may not have an initial response.

        Raises:
            DialogueError: The mechanism cannot carry this login. Nothing was sent.
        """
        initial = yield from self._advance(None)
        yield Learn(Facts(auth_mechanism=self._mechanism, auth_success=False))
        command = f"{verb} {self._mechanism}"
        line = command.encode()
        if initial is not None and len(line) + 1 + len(initial_argument(initial)) + 2 <= room:
            yield Send(line + b" " + initial_argument(initial), f"{command} {REDACTED}")
        else:
            self._unsent = initial
            yield Send(line)

    def respond(self, challenge: bytes) -> Dialogue[None]:
        """Answer a challenge.

        Args:
            challenge: As it came, in base64 unless the mechanism is `PROMPTED`.

        Raises:
            DialogueError: The challenge is not one that the mechanism allows here. The server still waits for a
                response, so the protocol has to cancel the exchange before anything else can be said.
        """
        if self._unsent is None:
            prompted = self._mechanism in PROMPTED
            response = yield from self._advance(challenge if prompted else decoded_challenge(challenge))
        else:
            # RFC 4954 4, RFC 5034 4, RFC 9051 6.2.2: the server asks for the initial response by an empty challenge.
            # Some write something for people instead ("go ahead").
            response, self._unsent = self._unsent, None
        yield Send(b64encode(response or b""), REDACTED)

    def finish(self) -> None:
        """The server says that the login is taken.

        Raises:
            ProtocolError: The exchange is not complete, so the success cannot be real.
        """
        if self._unsent is not None or not self._over:
            raise ProtocolError(f"the server takes the login before {self._mechanism} has come to its end")

    def explained(self, refusal: DialogueError) -> DialogueError:
        """The same failure, with what the server had to say about it inside the exchange."""
        if self._complaint is not None and self._complaint.words:
            if self._complaint.reason is not None:
                refusal.reason, refusal.unclear = self._complaint.reason, False
            refusal.detail += f"; the server explains {quoted(self._complaint.words)}"
        return refusal

    def _advance(self, challenge: bytes | None) -> Dialogue[bytes | None]:
        """Continue the mechanism to its next response."""
        try:
            step = next(self._mechanics) if challenge is None else self._mechanics.send(challenge)
            while not isinstance(step, Respond):
                step = self._mechanics.send((yield step))
        except StopIteration:
            raise ProtocolError(f"the server asks for more than {self._mechanism} has to say") from None
        self._over, self._complaint = step.final, step.complaint or self._complaint
        return step.octets


def initial_argument(initial: bytes) -> bytes:
    """An initial response as it stands in the command; an empty one is "=" (RFC 4954 4, RFC 5034 4, RFC 9051 6.2.2)."""
    return b64encode(initial) or b"="


def decoded_challenge(text: bytes) -> bytes:
    """A challenge out of the base64 in which all three protocols send it.

    Raises:
        ProtocolError: It is not base64.
    """
    try:
        return a2b_base64(text.strip(), strict_mode=True)
    except Base64Error:
        raise ProtocolError(f"the server's challenge is not base64: {quoted(text)}") from None
