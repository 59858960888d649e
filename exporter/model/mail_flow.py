"""Mail flow: the configuration of flows, and the possible outcomes of their messages.

This module only has values. `exporter.flows` builds, recognises and judges messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from exporter.model.endpoints import Endpoint
from exporter.model.secrets import SecretSource


class Outcome(StrEnum):
    """The outcome of a message: label `outcome` of `mail_flow_messages_total`."""

    DELIVERED = "delivered"
    """It arrived once, in time, unchanged, in the expected mailbox, and with the expected authentication."""
    LATE = "late"
    JUNK = "junk"
    """It arrived in a mailbox that is not the expected one."""
    DUPLICATE = "duplicate"
    ALTERED = "altered"
    UNAUTHENTICATED = "unauthenticated"
    LOST = "lost"
    """The mailbox could be read, but the message did not arrive within `give_up`."""
    BOUNCED = "bounced"
    REFUSED = "refused"
    """The server answered the submission with 5xx."""
    DEFERRED = "deferred"
    """The server answered the submission with 4xx."""
    SEND_FAILED = "send_failed"
    """The submission failed in another way."""
    RECEIVE_FAILED = "receive_failed"
    """The mailbox could not be read within `give_up`."""


class Leg(StrEnum):
    """The parts of a message's delivery, in their order: label `leg`."""

    SUBMIT = "submit"
    """From the start of the visit until the server accepts the message."""
    TRANSIT = "transit"
    """From the acceptance until the message can be read."""
    RETRIEVE = "retrieve"
    """Fetching the message to judge it."""
    REMOVE = "remove"


BLAMED: Mapping[Outcome, Leg] = MappingProxyType(
    {
        Outcome.LATE: Leg.TRANSIT,
        Outcome.JUNK: Leg.TRANSIT,
        Outcome.DUPLICATE: Leg.TRANSIT,
        Outcome.ALTERED: Leg.TRANSIT,
        Outcome.UNAUTHENTICATED: Leg.TRANSIT,
        Outcome.LOST: Leg.TRANSIT,
        Outcome.BOUNCED: Leg.TRANSIT,
        Outcome.REFUSED: Leg.SUBMIT,
        Outcome.DEFERRED: Leg.SUBMIT,
        Outcome.SEND_FAILED: Leg.SUBMIT,
        Outcome.RECEIVE_FAILED: Leg.RETRIEVE,
    }
)
"""The leg that failed, for each outcome except `delivered`."""


class AuthMethod(StrEnum):
    """The methods of RFC 8601 whose results are read: label `method` of `mail_flow_auth_result_info`."""

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    ARC = "arc"


class AuthResult(StrEnum):
    """The results that these methods can have (RFC 8601 2.7): label `result`."""

    PASS = "pass"  # noqa: S105 - a result, not a secret
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    POLICY = "policy"
    BESTGUESSPASS = "bestguesspass"
    """Microsoft's DMARC result for domains without a record."""
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Removal(StrEnum):
    """What was removed from a mailbox: label `kind` of `mail_flow_removed_total`."""

    OWN = "own"
    """A message of the current run, or a copy of it."""
    LEFTOVER = "leftover"
    """A message that was found after it was settled or given up."""
    BOUNCE = "bounce"
    """A delivery status notification about one of our messages."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How a flow's messages are sent.

    Attributes:
        sender: The address of the sender, in the envelope and the header.
        recipient: The address of the recipient, in the envelope and the header.
        endpoint: The SMTP endpoint to send to. With `mx`, its host is that domain, and each MX host is visited instead.
        mx: Send to the MX hosts of this domain, as other mail servers do; `None` to use the endpoint.
        bounces: The endpoint with the sender's mailbox, to read delivery status notifications; `None` to ignore them.
    """

    sender: str
    recipient: str
    endpoint: Endpoint
    mx: str | None = None
    bounces: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Receiving:
    """Where to look for a flow's messages.

    Attributes:
        endpoint: An IMAP or POP3 endpoint with credentials.
        mailboxes: Names, or special uses (RFC 6154) with a leading backslash; in the order to look.
        authserv_id: The server whose Authentication-Results count (RFC 8601 section 5); `None` to ignore all.
    """

    endpoint: Endpoint
    mailboxes: tuple[str, ...] = ("INBOX",)
    authserv_id: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a sent message.

    Attributes:
        within: The most seconds from before the submission until it can be read; `None` for any time before `give_up`.
        mailbox: The mailbox in which it must arrive.
        auth: The required results by method.
    """

    within: float | None = None
    mailbox: str = "INBOX"
    auth: Mapping[AuthMethod, AuthResult] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Awaited:
    """A message that somebody else sends regularly.

    Attributes:
        every: Seconds after which the newest one is overdue.
        sender: A pattern with `*` and `?` for the address in From; `None` for any sender.
        subject: A pattern with `*` and `?` for the subject; `None` for any subject.
    """

    every: float
    sender: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """Messages that are sent and received, or awaited from somebody else, with all defaults applied.

    Attributes:
        name: Unique; the value of the label `flow`.
        receiving: Where to look for messages.
        sending: How to send messages; `None` if the flow only awaits messages.
        expected: What is expected of sent messages.
        awaited: The message that somebody else sends; `None` if the flow sends messages itself.
        give_up: Seconds after which a message counts as `lost` if it was not found.
        interval: Seconds from one sent message to the next, or from one look to the next.
        labels: Additional labels on all series of the flow.
    """

    name: str
    receiving: Receiving
    sending: Sending | None = None
    expected: Expected = field(default_factory=Expected)
    awaited: Awaited | None = None
    give_up: float = 3600.0
    interval: float = 300.0
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Flows:
    """The flows of a configuration, and the key that signs their messages.

    Attributes:
        key: The source of the key; `None` if no flow sends messages.
    """

    flows: tuple[Flow, ...] = ()
    key: SecretSource | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One server that a message went through, by the Received field that it wrote.

    Attributes:
        by: Its name as given; empty if missing.
        source: Where it received the message from, as given; empty if missing.
        at: Its time as a Unix timestamp; `None` if it cannot be parsed.
        delay: Seconds since the previous server, or since the submission; `None` if a time is missing.
        clocks_differ: Whether the delay must be wrong, because it is negative or longer than the whole delivery.
    """

    by: str
    source: str
    at: float | None
    delay: float | None
    clocks_differ: bool


@dataclass(frozen=True, slots=True)
class MessageFault:
    """One problem of a message that arrived.

    Attributes:
        outcome: The resulting outcome.
        detail: For people.
    """

    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """The facts of a message that arrived.

    Attributes:
        mailbox: Where it was found, by the name in the flow's configuration.
        hops: The servers that it went through, the first one first.
        authentication: The results from the configured server. Methods without a result are absent.
        spam_scores: The spam scores by scanner.
    """

    mailbox: str
    hops: tuple[Hop, ...] = ()
    authentication: Mapping[AuthMethod, AuthResult] = field(default_factory=lambda: MappingProxyType({}))
    spam_scores: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def slowest_hop(self) -> float | None:
        """Seconds that the slowest server took; `None` if no plausible delay is known."""
        return max((hop.delay for hop in self.hops if hop.delay is not None and not hop.clocks_differ), default=None)


@dataclass(frozen=True, slots=True)
class Settled:
    """A message with a known outcome.

    Attributes:
        flow: The flow's name.
        mx: The MX host that it was sent to; empty if there is none.
        token: The token that it was sent with.
        leg: The leg that failed; `None` if it was delivered.
        reason: An enhanced status code or a failure reason, both from closed sets; empty if the outcome needs none.
        detail: A description for people, with a server's text if there is any.
        sent_at: When its submission began, as a Unix timestamp.
        settled_at: When the outcome was known, as a Unix timestamp.
        legs: The known durations of legs, in seconds.
        took: Seconds from before the submission until it could be read; `None` if it did not arrive.
        arrival: The facts of its arrival; `None` if it did not arrive.
        faults: All faults of a message that arrived. The first one decides the outcome.
    """

    flow: str
    mx: str
    token: str
    outcome: Outcome
    leg: Leg | None
    reason: str
    detail: str
    sent_at: float
    settled_at: float
    legs: Mapping[Leg, float] = field(default_factory=lambda: MappingProxyType({}))
    took: float | None = None
    arrival: Arrival | None = None
    faults: tuple[MessageFault, ...] = ()


MIN_FLOW_KEY = 16
"""The shortest flow key in octets: 128 bits."""
