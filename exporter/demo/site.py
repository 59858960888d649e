"""One mail server of the demo: its name, users, mail and faults.

Values only. The servers read them; what a scene shows is said in scenes.py.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from hmac import compare_digest

from exporter.demo.post import PostOffice
from exporter.model import Encryption, Secret


class Greeting(Enum):
    """The greeting of a server."""

    WELCOME = auto()
    REFUSE = auto()
    """You may not come in."""
    BUSY = auto()
    """Come back later."""
    SILENCE = auto()
    """Nothing, ever."""
    GARBAGE = auto()
    """The words of another kind of server."""


class Upgrade(Enum):
    """How STARTTLS behaves."""

    OFFERED = auto()
    HIDDEN = auto()
    """It is not announced and logins are taken in plain: what an attacker in between makes of a good server."""
    REFUSED = auto()
    """It is announced, and refused when it is asked for."""
    INJECTED = auto()
    """Something is said in plain behind the consent, where a careless client takes it for said under TLS."""


class LoginService(Enum):
    """How logins behave."""

    CHECKED = auto()
    UNAVAILABLE = auto()
    """The place where passwords are kept cannot be asked."""
    CHANGED = auto()
    """Every password has been changed: no login is right."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The faults of a server; none by default.

    Attributes:
        delay: Seconds before each thing it says, and before the handshake.
        hangs_up_on: The command, in capitals, that is answered by closing the connection.
        open_relay: SMTP: takes mail for everybody from everybody.
        withholds: IMAP: capabilities that are neither announced nor there.
    """

    delay: float = 0.0
    greeting: Greeting = Greeting.WELCOME
    upgrade: Upgrade = Upgrade.OFFERED
    logins: LoginService = LoginService.CHECKED
    hangs_up_on: bytes | None = None
    open_relay: bool = False
    withholds: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Quota:
    """RFC 9208: the quota root that all mailboxes share.

    Attributes:
        used: Units of 1024 octets.
        limit: Likewise.
    """

    root: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class Site:
    """One server.

    Attributes:
        name: What it calls itself.
        encryption: `TLS`, `STARTTLS` or `NONE`: when its connections become TLS.
        tls: Certificate and key; not used where `encryption` is `NONE`.
        accounts: Passwords by user name; the users have no other names.
        post: Takes their mail and keeps it.
    """

    name: str
    encryption: Encryption
    tls: ssl.SSLContext
    accounts: Mapping[str, Secret]
    post: PostOffice
    quota: Quota
    behaviour: Behaviour = field(default_factory=Behaviour)

    def admits(self, username: bytes, password: bytes) -> str | None:
        """The user with this password; `None` if the password is wrong."""
        if self.behaviour.logins is LoginService.CHANGED:
            return None
        known = {name.encode(): secret.reveal() for name, secret in self.accounts.items()}
        # The comparison takes the same time for an unknown user: the habit of servers that are attacked.
        return username.decode() if compare_digest(known.get(username, b""), password) and username in known else None

    def admits_plain(self, message: bytes) -> str | None:
        """Likewise, by a message of the SASL mechanism PLAIN (RFC 4616 section 2)."""
        authorization, _, rest = message.partition(b"\0")
        username, _, password = rest.partition(b"\0")
        return self.admits(username, password) if authorization in {b"", username} else None
