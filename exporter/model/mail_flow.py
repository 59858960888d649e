"""Mail flow: which messages are sent from where to where, what is expected, and the possible outcomes.

Values only. How a message is built, recognised and judged is `exporter.flows`.
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
    """It arrived in another mailbox than the expected one."""
    DUPLICATE = "duplicate"
    ALTERED = "altered"
    UNAUTHENTICATED = "unauthenticated"
    LOST = "lost"
    """The mailbox can be read, and the message was not in it until `give_up`."""
    BOUNCED = "bounced"
    REFUSED = "refused"
    """5xx at submission."""
    DEFERRED = "deferred"
    """4xx at submission."""
    SEND_FAILED = "send_failed"
    """The submission failed in another way."""
    RECEIVE_FAILED = "receive_failed"
    """The mailbox could not be read until `give_up`."""


class Leg(StrEnum):
    """The parts of a message's way, in their order: label `leg`."""

    SUBMIT = "submit"
    """From before the visit begins until the server has accepted the message."""
    TRANSIT = "transit"
    """From the acceptance until the message can be read."""
    RETRIEVE = "retrieve"
    """Fetching what is needed to judge it."""
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
    """Methods of RFC 8601 whose results are looked at: label `method` of `mail_flow_auth_result_info`."""

    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    ARC = "arc"


class AuthResult(StrEnum):
    """Results that these methods can have (RFC 8601 2.7): label `result`."""

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
    """A message of the present run, or a copy of it."""
    LEFTOVER = "leftover"
    """A message that was settled, or given up, before it was found."""
    BOUNCE = "bounce"
    """A delivery status notification about one of our messages."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How a flow's messages are handed in.

    Attributes:
        sender: The envelope's and the header's.
        recipient: Likewise.
        endpoint: The SMTP endpoint that takes them. With `mx` its host is that domain, and each MX host is visited.
        mx: A domain to whose MX hosts messages are handed as another server would; `None` to use the endpoint.
        bounces: Reads the sender's mailbox, for delivery status notifications; `None` if nobody does.
    """

    sender: str
    recipient: str
    endpoint: Endpoint
    mx: str | None = None
    bounces: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Receiving:
    """Where a flow's messages are looked for.

    Attributes:
        endpoint: An IMAP or POP3 endpoint with credentials.
        mailboxes: By name, or by special use (RFC 6154) with a leading backslash; in the order to look.
        authserv_id: Whose Authentication-Results count (RFC 8601 section 5); `None` if none count.
    """

    endpoint: Endpoint
    mailboxes: tuple[str, ...] = ("INBOX",)
    authserv_id: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a sent message.

    Attributes:
        within: Seconds from before its submission until it can be read; `None` if any time before `give_up` will do.
        mailbox: The one of the mailboxes that it belongs into.
        auth: The result that each method must have.
    """

    within: float | None = None
    mailbox: str = "INBOX"
    auth: Mapping[AuthMethod, AuthResult] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Awaited:
    """A message that somebody else sends regularly.

    Attributes:
        every: Seconds after which the newest one is overdue.
        sender: A pattern with `*` and `?` for the address in From; `None` for anybody.
        subject: Likewise for the subject.
    """

    every: float
    sender: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """Mail from one place to another, or from somebody else, with every default applied.

    Attributes:
        name: Unique; the value of the label `flow`.
        sending: `None` where nothing is sent.
        awaited: What is waited for where nothing is sent; `None` where something is.
        give_up: Seconds after which a message that was not found is `lost`.
        interval: Seconds from one message, or look, to the next.
        labels: Further labels on every series of the flow.
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
    """The flows of a configuration, and what marks their messages.

    Attributes:
        key: Where the key comes from that signs messages; `None` if none is sent.
    """

    flows: tuple[Flow, ...] = ()
    key: SecretSource | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One server on a message's way, by the Received field that it wrote.

    Attributes:
        by: Its name, as given; empty if missing.
        source: Where it received the message from, as given; empty if missing.
        at: Its time, as a Unix timestamp; `None` if it cannot be read.
        delay: Seconds since the server before it, or since the submission; `None` where a time is missing.
        clocks_differ: Whether the delay cannot be right: it is negative, or longer than the whole delivery.
    """

    by: str
    source: str
    at: float | None
    delay: float | None
    clocks_differ: bool


@dataclass(frozen=True, slots=True)
class Fault:
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
        mailbox: Where it was found, as the flow's configuration calls it.
        hops: The servers that had it, the first one first.
        authentication: The results by the pinned server; a method that it does not tell is absent.
        spam_scores: By scanner.
    """

    mailbox: str
    hops: tuple[Hop, ...] = ()
    authentication: Mapping[AuthMethod, AuthResult] = field(default_factory=lambda: MappingProxyType({}))
    spam_scores: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def slowest_hop(self) -> float | None:
        """Seconds that the slowest server took; `None` where no delay is known that can be true."""
        return max((hop.delay for hop in self.hops if hop.delay is not None and not hop.clocks_differ), default=None)


@dataclass(frozen=True, slots=True)
class Settled:
    """A message with a known outcome.

    Attributes:
        flow: The flow's name.
        mx: The MX host that it was handed to; empty where there is none.
        token: What it was marked with.
        leg: The leg that failed; `None` if it was delivered.
        reason: An enhanced status code or a failure reason, both of closed sets; empty where the outcome says it all.
        detail: For people: what happened, in a server's words where there are some.
        sent_at: When its submission began, as a Unix timestamp.
        settled_at: Likewise.
        legs: Seconds of each leg that is known.
        took: Seconds from before the submission until it could be read; `None` if it did not arrive.
        arrival: `None` if it did not arrive.
        faults: All that is wrong with what arrived, the one that made the outcome first.
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
    faults: tuple[Fault, ...] = ()


MIN_FLOW_KEY = 16
"""The shortest flow key in octets: 128 bits."""
