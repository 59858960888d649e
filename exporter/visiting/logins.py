"""Logins for probes: reads secrets and tokens when they are needed, and pauses rejected logins.

All of it happens before the first timed phase. Secrets are read in `reading`, tokens are in `access_tokens`, and when a
rejected login is tried again is in `backoff`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from exporter.config.values.secret_sources import FileSecret
from exporter.model import (
    Credentials,
    Endpoint,
    Failure,
    FailureReason,
    Login,
    LoginBackoff,
    ProbeResult,
    Secret,
    SecretKind,
    Series,
    Withheld,
)
from exporter.net.http.token_endpoint import fetch_token
from exporter.protocol.oauth2 import TokenError
from exporter.visiting.access_tokens import AccessToken, Fetch, TokenObserver, Tokens, Unobserved
from exporter.visiting.backoff import LoginKey, Rejections, login_key
from exporter.visiting.notes import BUG
from exporter.visiting.reading import SecretReader

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Attempt(Login):
    """A login without a password, with the secrets that it depends on.

    Attributes:
        behind: What a user would change to end a rejection: the secrets of the client that got the token, or the
            certificate.
        token: `None` for a certificate.
    """

    behind: Secret = Secret(b"")  # noqa: RUF009 - a secret does not change
    token: AccessToken | None = None


class Logins:
    """The logins of all endpoints."""

    def __init__(
        self,
        clock: Callable[[], float],
        backoff: LoginBackoff,
        observer: TokenObserver | None = None,
        fetch: Fetch = fetch_token,
    ) -> None:
        """Prepare to log in.

        Args:
            clock: Monotonic seconds.
            backoff: How long rejected logins are left alone.
            observer: Is told about token requests.
            fetch: Asks a token endpoint.
        """
        self._clock = clock
        self._reader = SecretReader(clock)
        self._rejections = Rejections(backoff)
        self._tokens = Tokens(fetch, clock, self._reader, observer or Unobserved())
        # The token that a login was rejected with and a new one fetched for, by its number.
        self._doubted: dict[LoginKey, int] = {}

    async def for_probe(self, endpoint: Endpoint) -> Login | Withheld | None:
        """The login for a visit that starts now; `None` if the endpoint has no credentials. Raises nothing of its own.

        A caller that gets a `Login` must call `learn` with the result, even if the visit was cancelled.
        """
        try:
            return await self._for_probe(endpoint)
        except Exception:
            log.exception("bug: preparing a login raised", endpoint=endpoint.name)
            return Withheld(FailureReason.INTERNAL_ERROR, BUG)

    def learn(self, endpoint: Endpoint, login: Login | Withheld | None, result: ProbeResult | None) -> None:
        """Record the result of a login.

        Args:
            endpoint: The endpoint.
            login: What `for_probe` gave.
            result: `None` if the visit did not end.
        """
        key = login_key(endpoint)
        if key is None or not isinstance(login, Login):
            return
        behind = login.behind if isinstance(login, _Attempt) else login.secret
        failure = None if result is None else result.failure
        if result is not None and result.facts.auth_success:
            self._doubted.pop(key, None)
            self._rejections.accepted(key, endpoint.series, behind)
        elif failure is not None and self._counts(endpoint, key, login, failure):
            self._rejections.rejected(key, endpoint.series, behind, failure, self._clock())
        else:
            self._rejections.undecided(key)

    def retry_in(self, endpoint: Endpoint) -> float | None:
        """Seconds until the endpoint's login is tried again, 0 if it is not paused; `None` if it has none."""
        key = login_key(endpoint)
        return None if key is None else self._rejections.retry_in(key, endpoint.series, self._clock())

    def held_back(self) -> dict[tuple[str, str, Series | None], float]:
        """The seconds until each paused login is tried again.

        By username, host and endpoint; the endpoint is `None` if it is paused for all of them.
        """
        return self._rejections.pending(self._clock())

    def configure(self, credentials: Collection[Credentials], backoff: LoginBackoff) -> None:
        """Use these credentials and this backoff from now on, and forget all other credentials."""
        self._tokens.keep(credentials)
        usernames = {each.username for each in credentials}
        self._rejections.backoff = backoff
        self._rejections.keep(usernames)
        self._doubted = {key: number for key, number in self._doubted.items() if key.username in usernames}

    async def close(self) -> None:
        """Cancel background work."""
        await self._tokens.close()

    async def _for_probe(self, endpoint: Endpoint) -> Login | Withheld | None:
        credentials, key = endpoint.credentials, login_key(endpoint)
        if credentials is None or key is None:
            return None
        try:
            behind = await self._behind(endpoint, credentials)
        except OSError as error:
            return Withheld(FailureReason.SECRET_UNREADABLE, f"credentials {credentials.name}: {error}")
        rejection = self._rejections.ask(key, endpoint.series, behind, self._clock())
        if rejection is not None:
            left = self._rejections.retry_in(key, endpoint.series, self._clock())
            when = f"next try in {left:.0f} s" if left else "another endpoint is trying it"
            detail = f"login paused so that the account is not locked; {when}. Last answer: {rejection.detail}"
            return Withheld(rejection.reason, detail)
        login: Login | Withheld | None = None
        try:
            login = await self._login(endpoint, credentials, behind)
        finally:
            if not isinstance(login, Login):
                self._rejections.undecided(key)
        return login

    async def _behind(self, endpoint: Endpoint, credentials: Credentials) -> Secret:
        """The secrets that a login depends on, read now. A rejection ends when they change.

        Raises:
            OSError: It cannot be read.
        """
        match _kind(endpoint, credentials):
            case SecretKind.PASSWORD if credentials.password is not None:
                return await self._reader.read(credentials.password)
            case SecretKind.TOKEN if credentials.oauth2 is not None:
                return (await self._tokens.material(credentials.oauth2)).fingerprint()
        certificate = endpoint.tls.client_cert_file
        return Secret(b"") if certificate is None else await self._reader.read(FileSecret(certificate), public=True)

    async def _login(self, endpoint: Endpoint, credentials: Credentials, behind: Secret) -> Login | Withheld:
        kind = _kind(endpoint, credentials)
        match kind:
            case SecretKind.PASSWORD:
                return Login(credentials.username, behind, endpoint.mechanism)
            case SecretKind.TOKEN if credentials.oauth2 is not None:
                try:
                    token = await self._tokens.token(credentials, credentials.oauth2, behind)
                except TokenError as error:
                    return Withheld(FailureReason.TOKEN_FAILED, f"credentials {credentials.name}: {error.detail}")
                return _Attempt(credentials.username, token.secret, endpoint.mechanism, kind, behind, token)
        return _Attempt(credentials.username, Secret(b""), endpoint.mechanism, SecretKind.CERTIFICATE, behind)

    def _counts(self, endpoint: Endpoint, key: LoginKey, login: Login, failure: Failure) -> bool:
        """Whether a failed login is paused for a while."""
        if failure.reason is FailureReason.AUTH_REJECTED:
            return not self._gets_another_token(endpoint, key, login)
        return failure.unclear

    def _gets_another_token(self, endpoint: Endpoint, key: LoginKey, login: Login) -> bool:
        """Whether a rejected login is tried once more with a new token, because the old one may have been revoked.

        The new token is fetched now. If it is rejected too, the token's age is not the cause.
        """
        if not isinstance(login, _Attempt) or login.token is None or endpoint.credentials is None:
            return False
        self._tokens.rejected(endpoint.credentials, login.token)
        # A token that is no newer than the one in doubt was under way together with it.
        return login.token.number <= self._doubted.setdefault(key, login.token.number)


def _kind(endpoint: Endpoint, credentials: Credentials) -> SecretKind:
    """The kind of secret that an endpoint logs in with: what its mechanism takes, or what is configured."""
    if endpoint.mechanism.takes is SecretKind.CERTIFICATE:
        return SecretKind.CERTIFICATE
    if credentials.oauth2 is not None:
        return SecretKind.TOKEN
    return SecretKind.CERTIFICATE if credentials.password is None else SecretKind.PASSWORD
