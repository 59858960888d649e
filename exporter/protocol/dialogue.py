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
"""Octets of one line: what RFC 7162 section 4 asks IMAP peers to cope with; SMTP and POP3 demand 512."""

MAX_REPLY_LINES: Final = 512
"""Lines of one reply. A large EHLO has about 30, a chatty `220-` banner about 60."""

MAX_ANNOUNCED: Final = 16384
"""Octets of all capabilities together. Large servers announce 600."""

BLANK: Final = b" \t\r"
"""What means nothing at the end of a line. Some servers end theirs with CR CR LF."""

MAX_LITERAL: Final = 65536
"""Octets of one IMAP literal. Names and quota roots are short; nothing asked for here is longer than a line."""

MAX_QUOTE: Final = 160
"""Characters of a server's words that stand in a failure's detail: enough for a sentence and a URL."""

STACKING: Final = 200
"""Canonical combining classes from here on stack marks on each other without bound (Unicode 4.3)."""

CUT_QUOTE: Final = b'..."'
"""How a quote ends that was shortened."""


@dataclass(frozen=True, slots=True)
class Enter:
    """A phase begins, and the one before it ends."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class Send:
    """Send one line; the driver adds CRLF.

    Attributes:
        line: The octets, without CRLF.
        shown: What the transcript shows in their place. Set exactly where the line carries a secret; such a line leaves
            only over a connection that `RequireSecure` lets pass.
    """

    line: bytes
    shown: str | None = None


@dataclass(frozen=True, slots=True)
class ReadLine:
    """Give me the next line, without its line ending; it is at most `MAX_LINE` octets."""


@dataclass(frozen=True, slots=True)
class ReadPiece:
    """Give me the next line of somebody's mail with its line ending, or the next `MAX_LINE` octets of a longer one.

    RFC 5322 2.1.1 allows lines of 998 octets, and real mail has some of megabytes. The transcript does not show them.
    """


@dataclass(frozen=True, slots=True)
class ReadExactly:
    """Give me exactly this many octets.

    Attributes:
        of_content: Whether they are somebody's mail, of which the transcript shows only how long it is.
    """

    size: int
    of_content: bool = False


@dataclass(frozen=True, slots=True)
class ShowUnread:
    """Show me what came and was not read. It stays where it is."""


@dataclass(frozen=True, slots=True)
class TakeUnread:
    """Give me what came and was not asked for; it should be nothing."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Become TLS."""


@dataclass(frozen=True, slots=True)
class RequireSecure:
    """Credentials come next.

    The driver ends the dialogue with `auth_insecure` unless the connection is encrypted and verified, or the user
    insists.
    """


@dataclass(frozen=True, slots=True)
class Learn:
    """Keep those of these facts that are known, whatever becomes of the rest of the dialogue."""

    facts: Facts


@dataclass(frozen=True, slots=True)
class Forget:
    """What was learnt by this name of `Facts` is not to be believed any more."""

    name: str


@dataclass(frozen=True, slots=True)
class Replied:
    """A reply of SMTP had this code, in the phase that is under way."""

    code: int


@dataclass(frozen=True, slots=True)
class GiveChannelBinding:
    """Give me what ties a login to this TLS session; nothing where there is no TLS, or none that has this binding."""

    kind: ChannelBinding


@dataclass(frozen=True, slots=True)
class GiveRandom:
    """Give me this many octets that nobody can guess."""

    size: int


@dataclass(frozen=True, slots=True)
class DeriveKey:
    """Give me the key that PBKDF2 (RFC 8018 5.2) derives from a password.

    It is a step because it takes up to a second of work on purpose, and what it gives may be used again.

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
    """Do not show these octets in the transcript when the server says them, although they are read as they are."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Let this many seconds pass."""

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
    """Wait until the server says something, or until this many seconds have passed.

    Give me nothing if they have; else something, whatever it is: what the server says is to be read then.
    """

    seconds: float


SecurityStep: TypeAlias = TakeUnread | StartTls | RequireSecure | GiveChannelBinding | GiveRandom | DeriveKey | Conceal
LearningStep: TypeAlias = Learn | Replied | Forget
RareStep: TypeAlias = SecurityStep | Pause | AwaitServer | SendContent | ReadPiece
Step: TypeAlias = Enter | Send | ReadLine | ReadExactly | ShowUnread | LearningStep | RareStep
Dialogue: TypeAlias = Generator[Step, bytes, T]


class DialogueError(Exception):
    """The dialogue cannot go on. The one family of exceptions that dialogues raise.

    Attributes:
        reason: Which of the closed set.
        detail: For people, made by `quoted` where it repeats the server.
        in_step: Whether both sides still agree where they are, so that a goodbye would be understood.
        phase: The phase that fails, if that is not the one under way: it did not even begin.
        unclear: The server refuses the login, and does not say why in words that are known.
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
    """The server said what its protocol does not allow."""

    def __init__(self, detail: str) -> None:
        super().__init__(FailureReason.PROTOCOL_ERROR, detail, in_step=False)


class ResponseTooLargeError(DialogueError):
    """The server said more than anyone would want to hear."""

    def __init__(self, detail: str) -> None:
        super().__init__(FailureReason.RESPONSE_TOO_LARGE, detail, in_step=False)


def printable(data: bytes) -> str:
    """Hostile octets as one line: ASCII, and text in UTF-8 where it is harmless; everything else becomes escapes."""
    if data.isascii():
        text = data.decode("ascii")
        return text if text.isprintable() else "".join(map(_shown, text))
    return "".join(map(_shown, data.decode("utf-8", "backslashreplace")))


def _shown(character: str) -> str:
    """A character as it is, unless it does more than stand there: turns the line around, hides, stacks up on others."""
    if character.isprintable() and unicodedata.combining(character) < STACKING:
        return character
    return "".join(f"\\x{octet:02x}" for octet in character.encode("utf-8", "surrogatepass"))


def quoted(data: bytes) -> str:
    """The server's words for a failure's detail: printable, shortened, in quotes."""
    # A character takes four octets at most (RFC 3629 section 3), and none may be cut in two.
    text = printable(data[: 4 * (MAX_QUOTE + 1)])
    return f'"{text}"' if len(text) <= MAX_QUOTE else f'"{text[:MAX_QUOTE]}{CUT_QUOTE.decode()}'


def announcement(items: Iterable[bytes]) -> tuple[str, ...]:
    """Announced capabilities as text, each without more white space than tells its words apart.

    Raises:
        ResponseTooLargeError: They are more than any server has.
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


def missing_capabilities(expected: Collection[str], offered: Collection[str]) -> tuple[str, ...]:
    """Which of the expected capabilities the server did not announce.

    An expected item is met by an announced one with the same keyword and at least its parameters, so `AUTH PLAIN` is
    met by `AUTH LOGIN PLAIN`.
    """
    have = keywords(offered)

    def met(item: str) -> bool:
        return all(
            keyword in have and set(have[keyword]).issuperset(parameters)
            for keyword, parameters in keywords((item,)).items()
        )

    return tuple(item for item in expected if not met(item))
