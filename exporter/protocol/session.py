"""From the greeting to the login, for all protocols.

The rules that keep credentials safe are here, once for all three protocols. After the upgrade to TLS, nothing that the
server said before is used. No login begins on a connection that is not secure enough. smtp.py, imap.py and pop3.py have
the commands of each protocol. `errands` has what happens after the login.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from typing import Protocol as Interface

from exporter.model import Encryption, Endpoint, Facts, FailureReason, Login, Phase, Withheld
from exporter.protocol.dialogue import (
    Dialogue,
    DialogueError,
    Enter,
    Learn,
    Remark,
    RequireSecure,
    StartTls,
    TakeUnread,
    quoted,
)

PREAUTH: Final = "the server greeted as if already logged in (PREAUTH)"

UPGRADING: Final = frozenset({Encryption.STARTTLS, Encryption.OPPORTUNISTIC})


class Client(Interface):
    """The client's side of one protocol, for one connection. Each method is a dialogue, in the order of use."""

    capabilities: tuple[str, ...] | None
    """The capabilities that the server announced last; `None` before that, or if it cannot announce any."""

    @property
    def last_words(self) -> bytes:
        """The last thing that the server said and that was not an answer; nothing if all were answers."""

    @property
    def farewell(self) -> re.Pattern[bytes]:
        """The line by which a server may say, at any time, that it hangs up."""

    def greet(self) -> Dialogue[None]:
        """Wait for the whole greeting before sending anything."""

    def ask_capabilities(self) -> Dialogue[None]:
        """Ask what the server can do, unless the greeting told already."""

    def offers_starttls(self) -> bool:
        """Whether an upgrade can be asked for."""

    def starttls(self) -> Dialogue[None]:
        """Ask for the upgrade, and forget everything that was learnt before it."""

    def logged_in_already(self) -> bool:
        """Whether the greeting said that no login is needed."""

    def log_in(self, login: Login, *, encrypted: bool) -> Dialogue[None]:
        """Log in, over an encrypted connection or not."""

    def refresh_capabilities(self, *, all_of_them: bool = False) -> Dialogue[None]:
        """Ask again what the server can do, if it may announce other things since the login.

        Args:
            all_of_them: Ask also if what was announced may be part of it.
        """

    def quit(self) -> Dialogue[None]:
        """Say goodbye and wait for the answer."""


MAX_OFFER: Final = 200
"""Characters of what a server announces that a detail quotes."""


@dataclass(frozen=True, slots=True)
class Session:
    """A connection on which errands can be run.

    Attributes:
        client: The client's side: an `Imap`, a `Pop3` or an `Smtp`.
        logged_in: Whether the server knows who we are.
        announced: The capabilities that were announced before the login; `None` if none were.
    """

    client: Any
    logged_in: bool
    announced: tuple[str, ...] | None


def open_session(client: Client, endpoint: Endpoint, login: Login | Withheld | None) -> Dialogue[Session]:
    """From the greeting to the login.

    Args:
        client: The client's side of the endpoint's protocol.
        endpoint: What is asked for.
        login: `None` to look without logging in.

    Raises:
        DialogueError: The server refused, broke the protocol, or does not offer what the endpoint requires.
    """
    encrypted = yield from shake_hands(client, endpoint)
    announced = client.capabilities
    logged_in = client.logged_in_already()
    if login is not None and not logged_in:
        if isinstance(login, Withheld):
            # What is not tried takes no time: the phase fails without having begun.
            raise DialogueError(login.reason, login.detail, phase=Phase.AUTH)
        yield Enter(Phase.AUTH)
        yield RequireSecure()
        yield from client.log_in(login, encrypted=encrypted)
        logged_in = True
    elif login is not None:
        yield Remark(f"{PREAUTH}; the login is not tried")
    return Session(client, logged_in, announced)


def shake_hands(client: Client, endpoint: Endpoint) -> Dialogue[bool]:
    """From the greeting to what the server can do, with the upgrade in between. Returns whether it is encrypted then.

    Raises:
        DialogueError: See `open_session`.
    """
    if endpoint.encryption is Encryption.TLS:
        yield Enter(Phase.TLS)
        yield StartTls()
    yield Enter(Phase.GREETING)
    yield from client.greet()
    yield Enter(Phase.CAPABILITY)
    yield from _learn_capabilities(client)
    if endpoint.encryption in UPGRADING:
        return (yield from _upgrade(client, endpoint))
    return endpoint.encryption is Encryption.TLS


def _learn_capabilities(client: Client) -> Dialogue[None]:
    yield from client.ask_capabilities()
    if client.capabilities is not None:
        yield Learn(Facts(capabilities=client.capabilities))


def _upgrade(client: Client, endpoint: Endpoint) -> Dialogue[bool]:
    """Upgrade if the endpoint wants it and the server offers it. Returns whether the connection is encrypted now."""
    # RFC 9051 6.2.1: STARTTLS is only possible before the login, and PREAUTH means that the login is done.
    offered = client.offers_starttls() and not client.logged_in_already()
    yield Learn(Facts(starttls_offered=offered))
    no_way = f"{PREAUTH}, which leaves no way to STARTTLS"
    if not offered and endpoint.encryption is Encryption.OPPORTUNISTIC:
        if client.logged_in_already():
            # RFC 9051 7.1.4: only who requires TLS has to leave. Nobody else should take the session for a safe one.
            yield Remark(f"{no_way}; all goes on in plain text")
        return False
    yield Enter(Phase.STARTTLS)
    if not offered:
        missing = f"the server does not offer STARTTLS; {offer(client.capabilities)}"
        raise DialogueError(FailureReason.STARTTLS_NOT_OFFERED, no_way if client.logged_in_already() else missing)
    yield from client.starttls()
    unread = yield TakeUnread()
    if unread and not client.farewell.fullmatch(unread):
        # An attacker on the way can append unencrypted data to the answer, which must not count as sent over TLS.
        raise DialogueError(
            FailureReason.STARTTLS_INJECTION,
            f"unexpected data before the TLS handshake: {quoted(unread)}",
            in_step=False,
        )
    yield Enter(Phase.TLS)
    if unread:
        # Dovecot that cannot load its key: it agrees first, and looks for the key then.
        raise DialogueError(
            FailureReason.TLS_HANDSHAKE_FAILED,
            f"the server agrees to STARTTLS, and then gives up in plain: {quoted(unread)}",
            in_step=False,
        )
    yield StartTls()
    # RFC 3207 4.2, RFC 9051 6.2.1, RFC 2595 4: what was learnt before the handshake may be an attacker's: ask again.
    yield Enter(Phase.CAPABILITY)
    yield from _learn_capabilities(client)
    return True


def offer(announced: tuple[str, ...] | None) -> str:
    """What a server announces, for a failure's detail."""
    if announced is None:
        return "it announces nothing at all"
    return f"it announces {', '.join(announced)[:MAX_OFFER] or 'nothing'}"
