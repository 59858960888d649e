"""SASL mechanisms (RFC 4422) as pure exchanges: challenges in, responses out. The framing is each protocol's matter."""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Final, TypeAlias
from typing import Protocol as Interface

from exporter.model import FailureReason, Login, Mechanism
from exporter.protocol.dialogue import DialogueError, ProtocolError, quoted

REDACTED: Final = "<redacted>"
"""What a transcript shows in the place of a secret."""


class Exchange(Interface):
    """One run of one mechanism."""

    @property
    def mechanism(self) -> Mechanism:
        """Which one."""

    def initial_response(self) -> bytes | None:
        """What the client may say first; `None` where the mechanism lets the server begin."""

    def respond(self, challenge: bytes) -> bytes:
        """The answer to a challenge.

        Raises:
            ProtocolError: The challenge is not one that the mechanism allows here. The server still waits for a
                response, so the protocol has to cancel the exchange before anything else can be said.
        """

    def finish(self) -> None:
        """The server says that the login is taken.

        Raises:
            ProtocolError: It cannot mean it, for the exchange has not come to its end.
        """


class Plain:
    """PLAIN (RFC 4616)."""

    mechanism: Final = Mechanism.PLAIN

    def __init__(self, login: Login) -> None:
        name, password = login.username.encode(), login.secret.reveal()
        # RFC 4616 section 2: NUL separates the parts, so that none of them can hold one.
        if b"\0" in name + password:
            raise DialogueError(
                FailureReason.SECRET_UNREADABLE, "the login holds a NUL octet, which PLAIN cannot carry"
            )
        # RFC 4616 section 2: [authzid] NUL authcid NUL passwd; without authzid the server derives it.
        self._message = b"\0" + name + b"\0" + password

    def initial_response(self) -> bytes | None:
        return self._message

    def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002 - the interface; PLAIN has no answer to any challenge
        raise ProtocolError("the server asks for more than PLAIN has to say")

    def finish(self) -> None:
        """PLAIN ends with its only message, and whether that was sent the protocol knows."""


class LoginExchange:
    """LOGIN (draft-murchison-sasl-login): the first prompt wants the name and the second the password."""

    mechanism: Final = Mechanism.LOGIN

    def __init__(self, login: Login) -> None:
        self._answers = [login.secret.reveal(), login.username.encode()]

    def initial_response(self) -> bytes | None:
        return None

    def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002 - the prompts are free text (see the class)
        if not self._answers:
            raise ProtocolError("the server asks for more than LOGIN has to say")
        return self._answers.pop()

    def finish(self) -> None:
        if self._answers:
            raise ProtocolError("the server takes the login before it has asked for the password")


EXCHANGES: Final[Mapping[Mechanism, Callable[[Login], Exchange]]] = {
    Mechanism.PLAIN: Plain,
    Mechanism.LOGIN: LoginExchange,
}
"""Every SASL mechanism there is code for, the preferred first."""


def choose(
    wanted: Mechanism, offered: Collection[str], preference: Collection[Mechanism] = tuple(EXCHANGES)
) -> Mechanism | None:
    """The mechanism to use; `None` if none fits what is wanted.

    Args:
        wanted: As configured; `AUTO` takes the first of `preference` that is offered.
        offered: The names that the server offers.
        preference: Every mechanism that the protocol can use, the preferred first.
    """
    names = {name.upper() for name in offered}
    return next((each for each in preference if each.value in names and wanted in {Mechanism.AUTO, each}), None)


def not_offered(wanted: Mechanism, offered: Collection[str]) -> DialogueError:
    """The failure when `choose` found nothing."""
    offer = ", ".join(islice(offered, 20))[:200] or "none"
    wish = "no mechanism that the credentials allow" if wanted is Mechanism.AUTO else f"no {wanted}"
    return DialogueError(FailureReason.AUTH_MECHANISM_NOT_OFFERED, f"the server offers {wish}, but {offer}")


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


Refusals: TypeAlias = Collection[tuple[re.Pattern[bytes], FailureReason]]
"""What a server's refusal of a login begins with, and what that means. The first row that fits counts."""


def refusal_reason(rows: Refusals, words: bytes) -> FailureReason:
    """Why a login was refused. A refusal that fits no row is about the login, as by far the most are."""
    return next((reason for pattern, reason in rows if pattern.match(words)), FailureReason.AUTH_REJECTED)
