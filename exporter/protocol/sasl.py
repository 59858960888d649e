"""SASL mechanisms (RFC 4422) as pure exchanges: challenges in, responses out. The framing is each protocol's matter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final
from typing import Protocol as Interface

from exporter.model import FailureReason, Login, Mechanism
from exporter.protocol.dialogue import DialogueError, ProtocolError


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
            ProtocolError: The challenge is not one that the mechanism allows here.
        """


class Plain:
    """PLAIN (RFC 4616)."""

    mechanism: Final = Mechanism.PLAIN

    def __init__(self, login: Login) -> None:
        # RFC 4616 section 2: [authzid] NUL authcid NUL passwd; without authzid the server derives it.
        self._message = b"\0" + login.username.encode() + b"\0" + login.secret.reveal()

    def initial_response(self) -> bytes | None:
        return self._message

    def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002 - the interface; PLAIN has no answer to any challenge
        raise ProtocolError("the server asks for more than PLAIN has to say")


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


EXCHANGES: Final[Mapping[Mechanism, Callable[[Login], Exchange]]] = {
    Mechanism.PLAIN: Plain,
    Mechanism.LOGIN: LoginExchange,
}
"""Every SASL mechanism there is code for, the preferred first."""


def choose(wanted: Mechanism, offered: Collection[str]) -> Mechanism | None:
    """The mechanism to use, of the names the server offers; `None` if none fits what is wanted."""
    names = {name.upper() for name in offered}
    candidates = EXCHANGES if wanted is Mechanism.AUTO else [wanted]
    return next((mechanism for mechanism in candidates if mechanism.value in names), None)


def not_offered(wanted: Mechanism, offered: Collection[str]) -> DialogueError:
    """The failure when `choose` found nothing."""
    offer = ", ".join(sorted(offered))[:200] or "no mechanism"
    wish = "none that the credentials allow" if wanted is Mechanism.AUTO else f"not {wanted}"
    return DialogueError(FailureReason.AUTH_MECHANISM_NOT_OFFERED, f"the server offers {offer}: {wish}")
