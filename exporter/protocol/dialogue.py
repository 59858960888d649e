"""The vocabulary of a dialogue: the steps it yields, what it learns on the way, and how it fails.

A dialogue is a generator. It yields a step, the driver executes the step and sends the resulting bytes back, and
`yield from` composes dialogues. Neither this module nor the protocols use a socket or a clock. The driver moves the
bytes, records when each phase begins, and ends the dialogue when the connection fails.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Generator, Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

from exporter.model import Facts, FailureReason, Phase, Secret

T = TypeVar("T")

ChannelBinding: TypeAlias = Literal["tls-exporter", "tls-server-end-point"]
"""Channel binding types by their registered names (RFC 9266, RFC 5929)."""

MAX_LINE: Final = 8192
"""The longest line, in octets: what RFC 7162 section 4 demands for IMAP. SMTP and POP3 demand 512."""

MAX_REPLY_LINES: Final = 512
"""Lines of one reply. A large EHLO has about 30, a chatty `220-` banner about 60."""

MAX_ANNOUNCED: Final = 16384
"""Octets of all capabilities together. Large servers announce 600."""

BLANK: Final = b" \t\r"
"""Characters to ignore at the end of a line. Some servers end lines with CR CR LF."""

MAX_LITERAL: Final = 65536
"""Octets of one IMAP literal. Names and quota roots are short; nothing asked for here is longer than a line."""

MAX_QUOTE: Final = 160
"""Characters of a server's text that are quoted in a failure's detail: enough for a sentence and a URL."""

STACKING: Final = 200
"""From this canonical combining class on, marks stack up without limit (Unicode 4.3)."""

CUT_QUOTE: Final = b'..."'
"""The end of a shortened quote."""


@dataclass(frozen=True, slots=True)
class Enter:
    """A phase begins, and the one before it ends."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class Send:
    """Send one line; the driver adds CRLF.

    Attributes:
        line: The octets, without CRLF.
        shown: What the transcript shows instead. It is set only if the line contains a secret; such a line is only sent
            over a connection that `RequireSecure` allows.
    """

    line: bytes
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class ReadLine:
    """Read the next line, at most `MAX_LINE` octets, without its ending."""


@dataclass(frozen=True, slots=True)
class ReadPiece:
    """Read the next line of a message with its ending, or the next `MAX_LINE` octets of a longer one.

    RFC 5322 2.1.1 allows lines of 998 octets, and real mail has some of megabytes. The transcript does not show them.
    """


@dataclass(frozen=True, slots=True)
class ReadExactly:
    """Read exactly this many octets.

    Attributes:
        of_content: Whether they are part of a message. The transcript then shows only the length.
    """

    size: int
    of_content: bool = False


@dataclass(frozen=True, slots=True)
class ShowUnread:
    """Return received data that was not read, and keep it in the buffer."""


@dataclass(frozen=True, slots=True)
class TakeUnread:
    """Return and remove received data that nobody asked for. There should be none."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Become TLS."""


@dataclass(frozen=True, slots=True)
class RequireSecure:
    """Check the connection, because credentials come next.

    The driver ends the dialogue with `auth_insecure` unless the connection is encrypted and verified, or the user
    insists.
    """


@dataclass(frozen=True, slots=True)
class Learn:
    """Store these facts, as far as they are known, even if the rest of the dialogue fails.

    Attributes:
        if_cut_off: Store them only if the connection ends in this phase, before other facts are learnt.
    """

    facts: Facts
    if_cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete this field of `Facts`, because it is not trusted any more."""

    name: str


@dataclass(frozen=True, slots=True)
class Replied:
    """An SMTP reply of the current phase had this code."""

    code: int


@dataclass(frozen=True, slots=True)
class GiveChannelBinding:
    """Return the channel binding of this TLS session; nothing without TLS or without this kind of binding."""

    kind: ChannelBinding


@dataclass(frozen=True, slots=True)
class GiveRandom:
    """Return this many random octets."""

    size: int


@dataclass(frozen=True, slots=True)
class DeriveKey:
    """Return the key that PBKDF2 (RFC 8018 5.2) derives from a password.

    It is a step because it needs up to a second of CPU time on purpose, and the key can be reused.

    Attributes:
        digest: The hash below HMAC, by `hashlib`'s name. The key is as long as its output.
        password: What to derive from.
        iterations: How often to hash.
    """

    digest: str
    password: Secret
    salt: bytes
    iterations: int


@dataclass(frozen=True, slots=True)
class Conceal:
    """Hide these octets in the transcript when the server sends them."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SendContent:
    """Send a message: octets that are neither a line nor a secret. The transcript shows only how many.

    Attributes:
        octets: As they go out.
    """

    octets: bytes


@dataclass(frozen=True, slots=True)
class AwaitServer:
    """Wait until the server sends something, or until this many seconds have passed.

    Returns nothing after a timeout, else something. The server's data is read by later steps.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Remark:
    """Add a line to the transcript about what neither side says, and the user should know."""

    text: str


SecurityStep: TypeAlias = TakeUnread | StartTls | RequireSecure | GiveChannelBinding | GiveRandom | DeriveKey | Conceal
LearningStep: TypeAlias = Learn | Replied | Forget
RareStep: TypeAlias = SecurityStep | Remark | Pause | AwaitServer | SendContent | ReadPiece
Step: TypeAlias = Enter | Send | ReadLine | ReadExactly | ShowUnread | LearningStep | RareStep
Dialogue: TypeAlias = Generator[Step, bytes, T]


class DialogueError(Exception):
    """The dialogue cannot go on. The one family of exceptions that dialogues raise.

    Attributes:
        reason: The failure reason.
        detail: For people. Any text of the server in it went through `quoted`.
        in_step: Whether both sides still agree on the state, so that the server would understand QUIT or LOGOUT.
        phase: The phase that fails, if it is not the current one and could not begin.
        unclear: The server refused the login without a known reason.
    """

    def __init__(
        self,
        reason: FailureReason,
        detail: str,
        *,
        in_step: bool = True,
        phase: Phase | None = None,
        unclear: bool = False,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.in_step = in_step
        self.phase = phase
        self.unclear = unclear


class ProtocolError(DialogueError):
    """The server broke its protocol."""

    def __init__(self, detail: str) -> None:
        super().__init__(FailureReason.PROTOCOL_ERROR, detail, in_step=False)


class ResponseTooLargeError(DialogueError):
    """The server sent more data than a limit allows."""

    def __init__(self, detail: str) -> None:
        super().__init__(FailureReason.RESPONSE_TOO_LARGE, detail, in_step=False)


def printable(data: bytes) -> str:
    """Hostile octets as one line: ASCII, and text in UTF-8 where it is harmless; everything else becomes escapes."""
    if data.isascii():
        text = data.decode("ascii")
        return text if text.isprintable() else "".join(map(_shown, text))
    return "".join(map(_shown, data.decode("utf-8", "backslashreplace")))


def _shown(character: str) -> str:
    """A character, escaped if it changes the direction of text, is invisible, or stacks up on others."""
    if character.isprintable() and unicodedata.combining(character) < STACKING:
        return character
    return "".join(f"\\x{octet:02x}" for octet in character.encode("utf-8", "surrogatepass"))


def quoted(data: bytes) -> str:
    """The server's text for a failure's detail: printable, shortened, in quotes."""
    # A character takes four octets at most (RFC 3629 section 3), and none may be cut in two.
    text = printable(data[: 4 * (MAX_QUOTE + 1)])
    return f'"{text}"' if len(text) <= MAX_QUOTE else f'"{text[:MAX_QUOTE]}{CUT_QUOTE.decode()}'


def unfinished(line: bytes) -> str:
    """The beginning of a line, quoted as one that is cut: it may end in the middle of a secret."""
    return quoted(line + b"...")


def announcement(items: Iterable[bytes]) -> tuple[str, ...]:
    """Announced capabilities as text, with single spaces.

    Raises:
        ResponseTooLargeError: They are too long.
    """
    found = tuple([b" ".join(words) for item in items if (words := item.split())])
    if sum(map(len, found)) > MAX_ANNOUNCED:
        raise ResponseTooLargeError(f"capabilities of more than {MAX_ANNOUNCED} octets")
    return tuple(map(printable, found))


def keywords(capabilities: Collection[str]) -> dict[str, list[str]]:
    """The announced capabilities as keyword and parameters, in upper case: letter case means nothing in all three.

    A keyword that stands on several lines has the parameters of all of them.
    """
    found: dict[str, list[str]] = {}
    for item in capabilities:
        words = item.upper().split()
        if words:
            found.setdefault(words[0], []).extend(words[1:])
    return found
