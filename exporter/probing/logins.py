"""Logins for probes: secrets read at the moment of use, and none tried that was rejected a short while ago.

Reading happens off the event loop and before the first timed phase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from exporter.model import (
    Endpoint,
    FailureReason,
    Login,
    LoginBackoff,
    Mechanism,
    ProbeResult,
    Secret,
    SecretKind,
    SecretSource,
    Withheld,
)
from exporter.probing.backoff import Rejections, login_key

FRESH_FOR: Final = 1.0
"""Seconds for which a secret once read serves every endpoint that shares it: a file on a slow disk is read once a
second, not once a probe, and a rotated secret still works with the next probe."""


class Logins:
    """The logins of all endpoints."""

    def __init__(self, clock: Callable[[], float], backoff: LoginBackoff) -> None:
        """Prepare to read secrets.

        Args:
            clock: Monotonic seconds.
            backoff: How long rejected logins are left alone.
        """
        self._clock = clock
        self._rejections = Rejections(backoff)
        self._reads: dict[SecretSource, tuple[float, asyncio.Future[Secret]]] = {}

    async def for_probe(self, endpoint: Endpoint) -> Login | Withheld | None:
        """The login for a probe that starts now; `None` if the endpoint has no credentials.

        Who gets a `Login` must `learn` what came of it, also if the probe was cancelled.
        """
        credentials, key = endpoint.credentials, login_key(endpoint)
        if credentials is None or key is None:
            return None
        if credentials.password is None or endpoint.mechanism is Mechanism.EXTERNAL:
            return Login(credentials.username, Secret(b""), endpoint.mechanism, SecretKind.CERTIFICATE)
        try:
            secret = await self._secret(credentials.password)
        except OSError as error:
            return Withheld(FailureReason.SECRET_UNREADABLE, f"credentials {credentials.name}: {error}")
        rejection = self._rejections.ask(key, secret, self._clock())
        if rejection is not None:
            left = self._rejections.retry_in(key, self._clock())
            when = f"tried again in {left:.0f} s" if left else "being tried by another endpoint"
            detail = f"not tried now, so that no account gets locked; {when}; rejected before: {rejection.detail}"
            return Withheld(FailureReason.AUTH_REJECTED, detail, rejection.mechanism)
        return Login(credentials.username, secret, endpoint.mechanism)

    def learn(self, endpoint: Endpoint, login: Login | Withheld | None, result: ProbeResult | None) -> None:
        """Take in what came of a login.

        Args:
            endpoint: Whose it was.
            login: What `for_probe` gave.
            result: `None` if the probe did not end.
        """
        key = login_key(endpoint)
        if key is None or not isinstance(login, Login):
            return
        failure = None if result is None else result.failure
        if result is not None and result.auth_success:
            self._rejections.accepted(key)
        elif result is not None and failure is not None and failure.reason is FailureReason.AUTH_REJECTED:
            self._rejections.rejected(key, login.secret, failure.detail, result.auth_mechanism, self._clock())
        else:
            self._rejections.undecided(key)

    def retry_in(self, endpoint: Endpoint) -> float | None:
        """Seconds until the endpoint's login is tried again, 0 if it is not held back; `None` if it has none."""
        key = login_key(endpoint)
        return None if key is None else self._rejections.retry_in(key, self._clock())

    async def _secret(self, source: SecretSource) -> Secret:
        now = self._clock()
        self._reads = {key: read for key, read in self._reads.items() if now - read[0] < FRESH_FOR}
        if source not in self._reads:
            reading = asyncio.ensure_future(asyncio.to_thread(source.read))
            # Should every probe that waits for it give up, its failure has been seen: here.
            reading.add_done_callback(lambda read: read.cancelled() or read.exception())
            self._reads[source] = (now, reading)
        # A probe that gives up must not take the reading away from those that share it.
        return await asyncio.shield(self._reads[source][1])
