"""Which logins were rejected, and when each may be tried again. Pure: the time is an argument, in monotonic seconds.

A login is a username at a host. All endpoints that use it share its fate, because the server counts their failures
together before it locks the account.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from exporter.model import Endpoint, LoginBackoff, Mechanism, Secret


@dataclass(frozen=True, slots=True)
class LoginKey:
    """What a server counts failures by."""

    username: str
    host: str


@dataclass(slots=True)
class Rejection:
    """A login that was rejected, and is not known to be good since.

    Attributes:
        secret: The secret that was rejected: another one is a new chance.
        detail: What the server said.
        mechanism: How it was tried.
        delay: Seconds between the last rejection and the next try.
        retry_at: When it may be tried again.
        trying: Whether an endpoint is at it: one finds out for all.
    """

    secret: Secret
    detail: str
    mechanism: Mechanism | None
    delay: float
    retry_at: float
    trying: bool = False


class Rejections:
    """The logins that are left alone for a while."""

    def __init__(self, backoff: LoginBackoff) -> None:
        self.backoff = backoff
        self._rejections: dict[LoginKey, Rejection] = {}

    def ask(self, key: LoginKey, secret: Secret, now: float) -> Rejection | None:
        """Whether a login may be tried now: `None`, or the rejection that stands against it.

        Who gets `None` must say what came of it, by one of `rejected`, `accepted` and `undecided`.
        """
        rejection = self._rejections.get(key)
        if rejection is None:
            return None
        if rejection.secret != secret:
            del self._rejections[key]
            return None
        if rejection.trying or now < rejection.retry_at:
            return rejection
        rejection.trying = True
        return None

    def rejected(self, key: LoginKey, secret: Secret, detail: str, mechanism: Mechanism | None, now: float) -> None:
        """The server said no."""
        before = self._rejections.get(key)
        if before is None or before.secret != secret:
            delay = self.backoff.initial
        elif before.trying:
            delay = min(2 * before.delay, self.backoff.maximum)
        else:
            # Tries that were under way together are one mistake, not several.
            delay = before.delay
        self._rejections[key] = Rejection(secret, detail, mechanism, delay, now + delay)

    def accepted(self, key: LoginKey) -> None:
        """The server said yes."""
        self._rejections.pop(key, None)

    def undecided(self, key: LoginKey) -> None:
        """It did not come to an answer: the next endpoint may try."""
        rejection = self._rejections.get(key)
        if rejection is not None:
            rejection.trying = False

    def keep(self, usernames: Collection[str]) -> None:
        """Forget the logins of all others."""
        self._rejections = {key: each for key, each in self._rejections.items() if key.username in usernames}

    def pending(self, now: float) -> dict[LoginKey, float]:
        """The logins that are held back, and the seconds until each is tried again."""
        return {key: each.retry_at - now for key, each in self._rejections.items() if each.retry_at > now}

    def retry_in(self, key: LoginKey, now: float) -> float:
        """Seconds until a rejected login is tried again; 0 if none is held back."""
        rejection = self._rejections.get(key)
        return 0.0 if rejection is None else max(rejection.retry_at - now, 0.0)


def login_key(endpoint: Endpoint) -> LoginKey | None:
    """What an endpoint logs in as, and where; `None` if it does not."""
    if endpoint.credentials is None:
        return None
    return LoginKey(endpoint.credentials.username, endpoint.host)
