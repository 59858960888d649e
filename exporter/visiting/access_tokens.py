"""Access tokens for probes: fetched once for all endpoints with the same credentials, renewed early, with backoff.

`logins` uses the tokens. `exporter.protocol.oauth2` builds the requests to a token endpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from typing import Protocol as Interface

import structlog

from exporter.model import Credentials, OAuth2Client, Secret, TokenOutcome
from exporter.protocol.assertion import KeyUnusable
from exporter.protocol.oauth2 import Material, TokenAnswer, TokenError
from exporter.single_flight import SingleFlight
from exporter.visiting.reading import SecretReader

UNKNOWN_LIFETIME: Final = 300.0
"""The lifetime of a token in seconds if the server does not give one (RFC 6749 5.1 allows that)."""

RENEW_AHEAD: Final = 300.0
"""Seconds before its end at which a token is renewed, which leaves time for several tries; a fifth of a
short lifetime."""

SPARE: Final = 30.0
"""Seconds before its end at which a token is no longer handed out, so that it cannot expire during a probe; a tenth of
the lifetime if that is short."""

IDLE: Final = 25 * 3600.0
"""Seconds after which a token that nobody asks for is no longer renewed: just more than the longest interval."""

SOONEST: Final = 30.0
"""Seconds after which a token is renewed at the earliest, even with a short lifetime. Probes can get one earlier."""

LONGEST_WAIT: Final = 3600.0
"""Seconds between two failed requests at most, whatever the token endpoint asks for."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RetryDelays:
    """The delays after failed token requests: seconds, doubled up to the maximum."""

    initial: float
    maximum: float


REFUSED: Final = RetryDelays(60.0, LONGEST_WAIT)
"""After a refusal, which lasts until somebody changes something. A changed secret is tried at once."""

FAILED: Final = RetryDelays(5.0, 300.0)
"""After a failed connection or an outage."""


class TokenObserver(Interface):
    """Is told about token requests."""

    def token_requested(self, credentials: str, outcome: TokenOutcome) -> None: ...

    def token_held(self, credentials: str, expires_at: float | None) -> None:
        """The current token expires at this Unix time; `None` if unknown, or if there is none."""


class Unobserved:
    """An observer that does nothing."""

    def token_requested(self, credentials: str, outcome: TokenOutcome) -> None: ...

    def token_held(self, credentials: str, expires_at: float | None) -> None: ...


Fetch = Callable[[OAuth2Client, Material], Awaitable[TokenAnswer]]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token.

    Attributes:
        number: The number of the answer that it came with: a server may give the same secret twice.
        made_of: Identifies the secrets that it was issued for. Other secrets need another token.
        usable_until: Monotonic seconds.
    """

    secret: Secret
    number: int
    made_of: Secret
    usable_until: float


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The last request failed.

    Attributes:
        made_of: As for a token.
        delay: Seconds between that and the next.
        retry_at: Monotonic seconds.
    """

    error: TokenError
    made_of: Secret
    patience: RetryDelays
    delay: float
    retry_at: float


@dataclass(slots=True)
class _CredentialsState:
    """The state of one entry of the credentials.

    Attributes:
        timer: Starts the next request in the background.
        asked_at: When a token was last needed, monotonic seconds.
        exchanged: A refresh token as configured, and its replacement from the server.
        dropped: The credentials were removed, so answers are ignored.
    """

    credentials: Credentials
    client: OAuth2Client
    token: AccessToken | None = None
    refusal: _Refusal | None = None
    timer: asyncio.TimerHandle | None = None
    asked_at: float = 0.0
    exchanged: tuple[Secret, Secret] | None = None
    dropped: bool = False

    def newest(self, material: Material) -> Material:
        """The secrets with the newest refresh token, unless the configured one has changed since."""
        if self.exchanged is None or self.exchanged[0] != material.refresh_token:
            return material
        return replace(material, refresh_token=self.exchanged[1])

    def plan(self, delay: float, call: Callable[[], None]) -> None:
        """Schedule the next request in this many seconds, instead of the earlier plan."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = None if self.dropped else asyncio.get_running_loop().call_later(delay, call)


class Tokens:
    """The tokens of one process."""

    def __init__(
        self,
        fetch: Fetch,
        clock: Callable[[], float],
        reader: SecretReader,
        observer: TokenObserver,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to fetch tokens.

        Args:
            fetch: Asks a token endpoint, within bounds of time.
            clock: Monotonic seconds.
            reader: Reads the secrets of clients.
            observer: Is told the results of requests.
            wall_clock: Unix time, for the observer.
        """
        self._fetch = fetch
        self._clock = clock
        self._wall_clock = wall_clock
        self._reader = reader
        self._observer = observer
        self._accounts: dict[Credentials, _CredentialsState] = {}
        self._requests = SingleFlight[int, None]()
        self._kept: frozenset[Credentials] | None = None
        self._answers = 0

    async def material(self, client: OAuth2Client) -> Material:
        """The secrets of a client as they are now.

        Raises:
            OSError: One of them cannot be read.
        """
        sources = (client.client_secret, client.refresh_token, client.private_key, client.service_account)
        read = [None if source is None else await self._reader.read(source) for source in sources]
        public = client.certificate
        certificate = None if public is None else await self._reader.read(public, public=True)
        return Material(read[0], read[1], read[2], certificate, read[3])

    async def token(self, credentials: Credentials, client: OAuth2Client, made_of: Secret) -> AccessToken:
        """A token that is still valid for a while.

        Args:
            credentials: The name of the credentials.
            client: The client that requests it.
            made_of: The fingerprint of the client's secrets as they are now.

        Raises:
            TokenError: There is no token; the detail says when the next request is made.
        """
        account = self._accounts.get(credentials)
        if account is None:
            account = _CredentialsState(
                credentials, client, dropped=self._kept is not None and credentials not in self._kept
            )
            self._accounts[credentials] = account
        now = account.asked_at = self._clock()
        before, refusal = account.token, account.refusal
        if before is not None and before.made_of == made_of and now < before.usable_until:
            return before
        if refusal is None or refusal.made_of != made_of or now >= refusal.retry_at:
            # The first may be one that was under way when the secrets were replaced.
            for _ in range(2):
                await asyncio.shield(self._request(account))
                token, refusal = account.token, account.refusal
                if token is not None and token is not before and token.made_of == made_of:
                    return token
                if refusal is not None and refusal.made_of == made_of:
                    break
        if refusal is None or refusal.made_of != made_of:
            raise TokenError(TokenOutcome.UNAVAILABLE, "the secrets of the client are being replaced")
        left = max(refusal.retry_at - self._clock(), 0.0)
        raise TokenError(refusal.error.outcome, f"{refusal.error.detail}; asked again in {left:.0f} s")

    def rejected(self, credentials: Credentials, token: AccessToken) -> None:
        """A mail server rejected a token. It is not used any more, and the next one is fetched."""
        account = self._accounts.get(credentials)
        if account is not None and account.token is token:
            account.token = None
            self._observer.token_held(credentials.name, None)
            self._request(account)

    def keep(self, credentials: Collection[Credentials]) -> None:
        """Forget the tokens of all others, even if a running probe still wants one."""
        self._kept = frozenset(credentials)
        for gone in self._accounts.keys() - self._kept:
            account = self._accounts.pop(gone)
            account.dropped = True
            if account.timer is not None:
                account.timer.cancel()

    async def close(self) -> None:
        self.keep(())
        await self._requests.close()

    def _request(self, account: _CredentialsState) -> asyncio.Future[None]:
        """The running request, or a new one."""
        return self._requests.begin(id(account), partial(self._ask, account))

    def _renew(self, account: _CredentialsState) -> None:
        if self._clock() - account.asked_at < IDLE:
            self._request(account)

    async def _ask(self, account: _CredentialsState) -> None:
        """Make one request, and store the result in the account."""
        began = self._clock()
        try:
            material = await self.material(account.client)
        except OSError:
            # Anyone who probes with these credentials says so.
            account.plan(FAILED.maximum, lambda: self._renew(account))
            return
        made_of = material.fingerprint()
        try:
            answer = await self._fetch(account.client, account.newest(material))
        except KeyUnusable as error:
            self._failed(account, made_of, TokenError(TokenOutcome.REFUSED, str(error)))
        except TokenError as error:
            self._requested(account, error.outcome)
            self._failed(account, made_of, error)
        except Exception:
            log.exception("bug: fetching a token raised", credentials=account.credentials.name)
            detail = "a bug of mail-exporter; its log has the traceback"
            self._failed(account, made_of, TokenError(TokenOutcome.INVALID, detail))
        else:
            self._requested(account, TokenOutcome.SUCCESS)
            if material.refresh_token is not None and answer.refresh_token is not None:
                account.exchanged = (material.refresh_token, answer.refresh_token)
            self._taken(account, made_of, answer, began)

    def _requested(self, account: _CredentialsState, outcome: TokenOutcome) -> None:
        if not account.dropped:
            self._observer.token_requested(account.credentials.name, outcome)

    def _taken(self, account: _CredentialsState, made_of: Secret, answer: TokenAnswer, began: float) -> None:
        lifetime = UNKNOWN_LIFETIME if answer.lifetime is None else answer.lifetime
        self._answers += 1
        usable_until = began + lifetime - min(SPARE, lifetime / 10)
        account.token = AccessToken(answer.access_token, self._answers, made_of, usable_until)
        account.refusal = None
        if not account.dropped:
            expires_at = None if answer.lifetime is None else self._wall_clock() + answer.lifetime
            self._observer.token_held(account.credentials.name, expires_at)
        account.plan(max(lifetime - min(RENEW_AHEAD, lifetime / 5), SOONEST), lambda: self._renew(account))

    def _failed(self, account: _CredentialsState, made_of: Secret, error: TokenError) -> None:
        patience = REFUSED if error.outcome is TokenOutcome.REFUSED else FAILED
        before, delay = account.refusal, patience.initial
        if before is not None and before.made_of == made_of and before.patience is patience:
            delay = min(2 * before.delay, patience.maximum)
        wait = max(delay, min(error.retry_after or 0.0, LONGEST_WAIT))
        account.refusal = _Refusal(error, made_of, patience, delay, self._clock() + wait)
        log.warning("no access token", credentials=account.credentials.name, detail=error.detail, retry_in=f"{wait:g}s")
        account.plan(wait, lambda: self._renew(account))
