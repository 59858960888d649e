"""The order of things: what a mail client says first, next and last, whichever protocol it speaks.

The rules that keep credentials safe are here, once for all three protocols: nothing the server said in plain is
believed after the upgrade, and no login begins on a connection that is not good enough. How each thing is said stands
in smtp.py, imap.py and pop3.py.
"""

from __future__ import annotations

import re
from typing import Final
from typing import Protocol as Interface

from exporter.model import Encryption, Endpoint, FailureReason, Login, Phase, Withheld
from exporter.protocol.dialogue import (
    Capabilities,
    Dialogue,
    DialogueError,
    Enter,
    Learn,
    LoginTried,
    RequireSecure,
    StartTls,
    StarttlsOffered,
    TakeUnread,
    missing_capabilities,
    quoted,
)

UPGRADING: Final = frozenset({Encryption.STARTTLS, Encryption.OPPORTUNISTIC})


class Client(Interface):
    """The client's side of one protocol, for one connection. Each method is a dialogue, in the order of use."""

    capabilities: tuple[str, ...] | None
    """What the server announced last; `None` while it has not, or has no way to."""

    @property
    def farewell(self) -> re.Pattern[bytes]:
        """The line by which a server may say, at any time, that it hangs up."""

    def greet(self) -> Dialogue[None]:
        """Wait for the greeting, to its last line, and say nothing before."""

    def ask_capabilities(self) -> Dialogue[None]:
        """Ask what the server can do, unless the greeting told already."""

    def offers_starttls(self) -> bool:
        """Whether an upgrade can be asked for."""

    def starttls(self) -> Dialogue[None]:
        """Ask for the upgrade, and forget all that was learnt in plain."""

    def logged_in_already(self) -> bool:
        """Whether the greeting said that no login is needed."""

    def log_in(self, login: Login, *, encrypted: bool) -> Dialogue[None]:
        """Log in, over a connection that nobody else can read, or not."""

    def has_more_to_check(self, *, logged_in: bool) -> bool:
        """Whether `check` has anything to do."""

    def check(self) -> Dialogue[None]:
        """Look at what the endpoint asks to look at, and change nothing."""

    def quit(self) -> Dialogue[None]:
        """Say goodbye and wait for the answer."""


def converse(client: Client, endpoint: Endpoint, login: Login | Withheld | None) -> Dialogue[None]:
    """The whole conversation but for the goodbye, which is due also when this fails.

    Args:
        client: The client's side of the endpoint's protocol.
        endpoint: What is asked for.
        login: `None` to look without logging in.

    Raises:
        DialogueError: The server refused, or broke the protocol, or is not what the endpoint asks for.
    """
    if endpoint.encryption is Encryption.TLS:
        yield Enter(Phase.TLS)
        yield StartTls()
    yield Enter(Phase.GREETING)
    yield from client.greet()
    yield Enter(Phase.CAPABILITY)
    yield from _learn_capabilities(client)
    encrypted = endpoint.encryption is Encryption.TLS
    if endpoint.encryption in UPGRADING:
        encrypted = yield from _upgrade(client, endpoint)
    before_login = client.capabilities
    logged_in = client.logged_in_already()
    if login is not None and not logged_in:
        yield Enter(Phase.AUTH)
        if isinstance(login, Withheld):
            if login.mechanism is not None:
                # The login still fails, and by the means it failed by: only nobody is bothered with it.
                yield Learn(LoginTried(login.mechanism))
            raise DialogueError(login.reason, login.detail)
        yield RequireSecure()
        yield from client.log_in(login, encrypted=encrypted)
        logged_in = True
    if endpoint.capabilities or client.has_more_to_check(logged_in=logged_in):
        yield Enter(Phase.CHECK)
        if client.has_more_to_check(logged_in=logged_in):
            yield from client.check()
        _expect_capabilities(endpoint, before_login, client.capabilities)


def _learn_capabilities(client: Client) -> Dialogue[None]:
    yield from client.ask_capabilities()
    if client.capabilities is not None:
        yield Learn(Capabilities(client.capabilities))


def _upgrade(client: Client, endpoint: Endpoint) -> Dialogue[bool]:
    """Upgrade if the endpoint wants it and the server offers it. Returns whether the connection is encrypted now."""
    # RFC 9051 6.2.1: STARTTLS is for the not authenticated state; who greets with PREAUTH has closed that door.
    offered = client.offers_starttls() and not client.logged_in_already()
    yield Learn(StarttlsOffered(offered))
    if not offered and endpoint.encryption is Encryption.OPPORTUNISTIC:
        return False
    yield Enter(Phase.STARTTLS)
    if client.logged_in_already():
        raise DialogueError(
            FailureReason.STARTTLS_NOT_OFFERED,
            "the server greeted as if already logged in (PREAUTH), which leaves no way to STARTTLS",
        )
    if not offered:
        raise DialogueError(
            FailureReason.STARTTLS_NOT_OFFERED, f"the server does not offer STARTTLS; {_offer(client.capabilities)}"
        )
    yield from client.starttls()
    unread = yield TakeUnread()
    if unread and not client.farewell.fullmatch(unread):
        # Whoever sits in between can add words in plain behind the go-ahead, to be taken for words said under TLS.
        raise DialogueError(
            FailureReason.STARTTLS_INJECTION,
            f"octets came before the TLS handshake that must not be there: {quoted(unread)}",
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


def _expect_capabilities(
    endpoint: Endpoint, before_login: tuple[str, ...] | None, last: tuple[str, ...] | None
) -> None:
    """What is expected may be announced before the login or after it: AUTH=PLAIN is told first, QUOTA often last."""
    announced = tuple(dict.fromkeys((*(before_login or ()), *(last or ()))))
    missing = missing_capabilities(endpoint.capabilities, announced)
    if missing:
        offer = _offer(None if before_login is None and last is None else announced)
        raise DialogueError(
            FailureReason.CAPABILITY_MISSING, f"the server does not announce {', '.join(missing)}; {offer}"
        )


def _offer(announced: tuple[str, ...] | None) -> str:
    if announced is None:
        return "it announces nothing at all"
    return f"it announces {', '.join(announced)[:200] or 'nothing'}"
