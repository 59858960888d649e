"""Refused logins, and when each may be tried again. Pure: the time is an argument, in monotonic seconds.

A login is a username at a host. The server counts its failures together before it locks the account, whichever endpoint
they come from. So endpoints with the same login wait together, as long as the secret may be wrong:

- While no endpoint has accepted the secret, a refusal counts for all of them. After the wait one endpoint tries. An
  endpoint that has not been refused yet goes first.
- An accepted login proves the secret. After that, a refusal is about the endpoint that it came from: a protocol is
  switched off for the user, or a backend is down. Only that endpoint waits, and its delay grows.
- The proof ends when two endpoints that had accepted the secret refuse it, or the only one that had. Then the secret
  was changed at the server.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from exporter.model import Endpoint, Failure, FailureReason, LoginBackoff, Secret, Series

UNCLEAR_SHARE: Final = 0.25
"""The longest wait after an unclear refusal, as a share of the usual one. It may be an outage, whose end should be
noticed, or a wrong password. Four tries an hour do not lock an account."""

LATELY: Final = 900.0
"""Seconds for which an endpoint that asked for a login is expected to ask again."""

VOID_AFTER: Final = 2
"""How many accepted endpoints must be refused until the secret no longer counts as proven."""


@dataclass(frozen=True, slots=True)
class LoginKey:
    """The key by which a server counts failed logins."""

    username: str
    host: str


@dataclass(slots=True)
class Rejection:
    """A login that was refused and not accepted since.

    Attributes:
        reason: `AUTH_REJECTED`, or `AUTH_UNAVAILABLE` if the refusal was unclear.
        detail: What the server said.
        delay: Seconds between the last refusal and the next try.
        retry_at: When it may be tried again.
        of_endpoint: The secret was proven when it was refused, so this is about the endpoint.
    """

    reason: FailureReason
    detail: str
    delay: float
    retry_at: float
    of_endpoint: bool = False


@dataclass(slots=True)
class _LoginState:
    """The state of one login with one secret.

    Attributes:
        mark: Identifies the secret without containing it. Another secret is tried at once.
        accepted: The endpoints that accepted it last.
        lapsed: Endpoints that accepted it and refused it since. Any accepted login empties this.
        refused: The last refusal of each endpoint that was not accepted since.
        shared: The refusal that counts for all, while the secret is not proven.
        trying: Whether an endpoint is trying now, for all of them.
        asking: When each endpoint asked last.
    """

    mark: bytes
    accepted: set[Series] = field(default_factory=set)
    lapsed: set[Series] = field(default_factory=set)
    refused: dict[Series, Rejection] = field(default_factory=dict)
    shared: Rejection | None = None
    trying: bool = False
    asking: dict[Series, float] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        """Whether the secret is known to be good."""
        return bool(self.accepted) and len(self.lapsed) < VOID_AFTER

    def against(self, series: Series) -> Rejection | None:
        """The refusal that blocks a login from this endpoint."""
        return self.refused.get(series) if self.proven else self.shared

    def has_untried(self, since: float) -> bool:
        """Whether an endpoint that was not refused yet has asked lately."""
        return any(at >= since and series not in self.refused for series, at in self.asking.items())


class Rejections:
    """The logins that are paused."""

    def __init__(self, backoff: LoginBackoff) -> None:
        self.backoff = backoff
        self._key = secrets.token_bytes(32)
        self._accounts: dict[LoginKey, _LoginState] = {}

    def ask(self, key: LoginKey, series: Series, secret: Secret, now: float) -> Rejection | None:
        """Whether a login may be tried now: `None` if it may, or the refusal that blocks it.

        A caller that gets `None` must report the result by `rejected`, `accepted` or `undecided`.

        Args:
            key: The login.
            series: The endpoint.
            secret: The secret of the login.
            now: Monotonic seconds.
        """
        account = self._account(key, secret)
        account.asking[series] = now
        rejection = account.against(series)
        if rejection is None:
            return None
        due = rejection.retry_at
        if not account.proven and series in account.refused and account.has_untried(now - max(rejection.delay, LATELY)):
            # One that was refused already learns least from another try.
            due += rejection.delay / 2
        if now < due or (not account.proven and account.trying):
            return rejection
        account.trying = not account.proven
        return None

    def rejected(self, key: LoginKey, series: Series, secret: Secret, failure: Failure, now: float) -> None:
        account = self._account(key, secret)
        if series in account.accepted:
            account.accepted.remove(series)
            account.lapsed.add(series)
        before = account.refused.get(series)
        if account.proven:
            delay = self._delay(failure, before, grows=True)
            of_endpoint = series not in account.lapsed
            account.refused[series] = Rejection(failure.reason, failure.detail, delay, now + delay, of_endpoint)
            return
        # Tries that were under way together are one mistake, not several.
        delay = self._delay(failure, account.shared, grows=account.trying)
        account.shared = account.refused[series] = Rejection(failure.reason, failure.detail, delay, now + delay)
        account.trying = False

    def accepted(self, key: LoginKey, series: Series, secret: Secret) -> None:
        account = self._account(key, secret)
        account.accepted.add(series)
        account.lapsed.clear()
        account.refused.pop(series, None)
        account.shared = None
        account.trying = False
        for rejection in account.refused.values():
            if not rejection.of_endpoint:
                # Until now it could have been the secret. The next refusal is the endpoint's own, and its delay grows.
                rejection.retry_at = 0.0

    def undecided(self, key: LoginKey) -> None:
        """The login got no answer, so the next endpoint may try."""
        account = self._accounts.get(key)
        if account is not None:
            account.trying = False

    def keep(self, usernames: Collection[str]) -> None:
        """Forget the logins of all others."""
        self._accounts = {key: each for key, each in self._accounts.items() if key.username in usernames}

    def pending(self, now: float) -> dict[tuple[str, str, Series | None], float]:
        """The seconds until each paused login is tried again.

        By username, host and endpoint; the endpoint is `None` if it is paused for all of them.
        """
        found: dict[tuple[str, str, Series | None], float] = {}
        for key, account in self._accounts.items():
            if account.proven:
                for series, each in account.refused.items():
                    if each.retry_at > now:
                        found[key.username, key.host, series] = each.retry_at - now
            elif account.shared is not None and account.shared.retry_at > now:
                found[key.username, key.host, None] = account.shared.retry_at - now
        return found

    def retry_in(self, key: LoginKey, series: Series, now: float) -> float:
        """Seconds until a refused login is tried again at this endpoint; 0 if it is not paused."""
        account = self._accounts.get(key)
        rejection = None if account is None else account.against(series)
        return 0.0 if rejection is None else max(rejection.retry_at - now, 0.0)

    def _account(self, key: LoginKey, secret: Secret) -> _LoginState:
        """The state of a login with this secret; empty for a new secret."""
        mark = hashlib.blake2b(secret.reveal(), key=self._key).digest()
        account = self._accounts.get(key)
        if account is None or account.mark != mark:
            account = self._accounts[key] = _LoginState(mark)
        return account

    def _delay(self, failure: Failure, before: Rejection | None, *, grows: bool) -> float:
        backoff = self.backoff
        longest = backoff.maximum
        if failure.reason is not FailureReason.AUTH_REJECTED:
            longest = max(backoff.initial, longest * UNCLEAR_SHARE)
        if before is None:
            return min(backoff.initial, longest)
        return min(2 * before.delay if grows else before.delay, longest)


def login_key(endpoint: Endpoint) -> LoginKey | None:
    """The login of an endpoint; `None` if it has none."""
    if endpoint.credentials is None:
        return None
    return LoginKey(endpoint.credentials.username, endpoint.host)
