"""What a scene of the demo is: one server, one endpoint, and the expected result.

Values only. scenes.py and stories.py have the scenes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from exporter.demo.site import Behaviour
from exporter.model import Encryption, FailureReason, Phase, Protocol


class CertificateKind(Enum):
    """Which certificate a server shows."""

    GOOD = auto()
    EXPIRING = auto()
    """In five days."""
    EXPIRED = auto()
    """Since yesterday."""
    NOT_YET_VALID = auto()
    """Until tomorrow."""
    WRONG_NAME = auto()
    SELF_SIGNED = auto()
    UNKNOWN_AUTHORITY = auto()


class Password(Enum):
    """Which password the daemon is given."""

    NONE = auto()
    """It probes without logging in."""
    RIGHT = auto()
    WRONG = auto()
    FORMER = auto()
    """The right one of a user of the scene's own, until the server takes another."""


@dataclass(frozen=True, slots=True)
class ExpectedFailure:
    """How a probe fails."""

    reason: FailureReason
    phase: Phase


@dataclass(frozen=True, slots=True)
class Act:
    """The behaviour of a server for some seconds."""

    lasts: float
    behaviour: Behaviour = field(default_factory=Behaviour)
    certificate: CertificateKind = CertificateKind.GOOD


@dataclass(frozen=True, slots=True)
class Scene:
    """One server and one endpoint.

    Attributes:
        name: The endpoint's name.
        shows: What the scene shows, in a few words.
        expected: How every probe fails; `None` if every probe succeeds, or if that changes.
        listens: Whether there is a server at all.
        timeout: Seconds, as in `Endpoint`.
        mailbox: As in `Endpoint`, and so the two below.
        acts: Behaviours that follow each other in a cycle; empty if the server does not change.
    """

    name: str
    shows: str
    protocol: Protocol
    encryption: Encryption
    expected: ExpectedFailure | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)
    certificate: CertificateKind = CertificateKind.GOOD
    password: Password = Password.RIGHT
    listens: bool = True
    timeout: float = 4.0
    mailbox: str | None = None
    rcpt_to: str | None = None
    rcpt_expect: tuple[int, ...] = ()
    acts: tuple[Act, ...] = ()
