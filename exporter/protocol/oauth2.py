"""Builds requests to a token endpoint and parses its answers (RFC 6749, RFC 7521, RFC 7523).

Pure: secrets, a time and a nonce go in and the octets of a request come out; the octets of an answer go in and a token
or a `TokenError` comes out. Every answer is untrusted. Scheduling and transport are elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from exporter.model import OAuth2Authentication, OAuth2Client, OAuth2Grant, OAuth2Provider, Secret, TokenOutcome
from exporter.protocol.assertion import Algorithm, KeyUnusable, assertion, thumbprint
from exporter.protocol.dialogue import printable
from exporter.protocol.redaction import Redactor

if TYPE_CHECKING:
    from oauthlib.oauth2 import OAuth2Error  # type: ignore[import-untyped] # it brings no types

CLIENT_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523 2.2."""

ASSERTION_LIFETIME: Final = 300
"""Seconds for which a client's assertion is good: it is used at once, and clocks differ."""

ACCOUNT_ASSERTION_LIFETIME: Final = 3600
"""Likewise a service account's: the most that Google allows, and what its own libraries ask for."""

MAX_LIFETIME: Final = 30 * 24 * 3600
"""Seconds. A server that promises more means something else, or nothing."""

MAX_ERROR: Final = 64
"""Characters of an error's name, and of a date, that are looked at."""

MAX_EXPLANATION: Final = 4096
"""Octets of it that are looked through for secrets."""

MAX_DETAIL: Final = 400
"""Characters of a server's explanation that are kept: Microsoft's fill half of it."""

_OF_THE_REQUEST: Final = re.compile(rb"\b(?:Trace ID|Correlation ID|Timestamp):")
"""The start of the part of Microsoft's explanations that is different each time."""

_REFRESH_TOKEN: Final = re.compile(r"[ -~]+")
"""RFC 6749 appendix A.17."""

_KNOWN: Final = frozenset({"access_token", "token_type", "refresh_token", "error", "error_description"})
"""The parameters of an answer that are text, and mean something here (RFC 6749 5.1, 5.2)."""

_RSA_ALGORITHMS: Final[Mapping[OAuth2Provider, Algorithm]] = MappingProxyType(
    {OAuth2Provider.MICROSOFT: Algorithm.PS256}
)
"""What a provider asks for; every other one takes RS256, which RFC 7518 3.1 recommends to all."""

_TEMPORARY: Final = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


@dataclass(frozen=True, slots=True)
class Material:
    """The secrets of a client, read for one request; `None` where it has no such.

    Attributes:
        certificate: No secret, but it has to fit the key.
    """

    client_secret: Secret | None = None
    refresh_token: Secret | None = None
    private_key: Secret | None = None
    certificate: Secret | None = None
    service_account: Secret | None = None

    def fingerprint(self) -> Secret:
        """A value that changes when one of them changes."""
        parts = [getattr(self, field.name) for field in fields(self)]
        digests = [b"-" if part is None else hashlib.sha256(part.reveal()).digest() for part in parts]
        return Secret(hashlib.sha256(b"|".join(digests)).digest())


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What to send.

    Attributes:
        body: A form.
        authorization: The header of that name; `None` for none.
        hidden: Secrets to hide if the server repeats them.
    """

    body: Secret
    authorization: Secret | None
    hidden: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A token.

    Attributes:
        lifetime: Seconds for which it is good; `None` if the server did not say.
        refresh_token: The one to use from now on; `None` to go on with the old one (RFC 6749 section 6).
    """

    access_token: Secret
    lifetime: float | None
    refresh_token: Secret | None


class TokenError(Exception):
    """There is no token.

    Attributes:
        outcome: What kind of failure it is.
        detail: For people: printable, one line, without secrets.
        retry_after: Seconds that the server wants to be left alone for; `None` if it did not say.
    """

    def __init__(self, outcome: TokenOutcome, detail: str, retry_after: float | None = None) -> None:
        self.outcome = outcome
        self.detail = detail
        self.retry_after = retry_after
        super().__init__(detail)


def token_request(client: OAuth2Client, material: Material, now: float, nonce: str) -> TokenRequest:
    """What to ask the token endpoint.

    Args:
        client: The client and its grant.
        material: Its secrets.
        now: Unix time.
        nonce: Text that nobody has used before.

    Raises:
        KeyUnusable: One of the secrets is not what it should be.
    """
    parameters = _assertions(client, material, now, nonce)
    authorization: Secret | None = None
    hidden = [secret for field in fields(material) if (secret := getattr(material, field.name)) is not None]
    hidden += [Secret(signed.encode()) for signed in parameters.values()]
    if material.refresh_token is not None:
        parameters["refresh_token"] = _text(material.refresh_token, "refresh_token")
    if material.client_secret is not None:
        secret = _text(material.client_secret, "client_secret")
        if client.authentication is OAuth2Authentication.BASIC:
            # RFC 6749 2.3.1: both are encoded as in a form, so that a colon in them separates nothing.
            pair = f"{quote_plus(client.client_id or '')}:{quote_plus(secret)}".encode()
            authorization = Secret(b"Basic " + b64encode(pair))
            hidden.append(Secret(pair))
        else:
            parameters["client_secret"] = secret
    if "client_assertion" in parameters:
        parameters["client_assertion_type"] = CLIENT_ASSERTION_TYPE
    # RFC 6749 3.2.1, RFC 7521 4.2: a client names itself unless its authentication does.
    if client.client_id is not None and authorization is None:
        parameters["client_id"] = client.client_id
    # A service account's scope is among its claims.
    if client.scope is not None and client.grant is not OAuth2Grant.JWT_BEARER:
        parameters["scope"] = client.scope
    # Imported here and below: a daemon without tokens is spared its 58 modules.
    from oauthlib.oauth2.rfc6749.parameters import prepare_token_request  # type: ignore[import-untyped] # noqa: PLC0415

    body: str = prepare_token_request(client.grant.value, **parameters)
    return TokenRequest(Secret(body.encode()), authorization, tuple(hidden))


def token_answer(
    status: int, retry_after: str | None, body: bytes, hidden: tuple[Secret, ...], now: float
) -> TokenAnswer:
    """What the token endpoint's answer says.

    Args:
        status: Of HTTP.
        retry_after: The header of that name.
        body: All of it.
        hidden: Secrets that the error must not show.
        now: Unix time.

    Raises:
        TokenError: It refuses, or has no token.
    """
    wait = _seconds(retry_after, now)
    document = _document(body)
    if document is None:
        outcome = _without_words(status)
        raise TokenError(outcome, f"the token endpoint answers HTTP {status} with something other than JSON", wait)
    # Only known parameters of the right type, because the parser trusts its server.
    known = {key: value for key in _KNOWN if isinstance(value := document.get(key), str)}
    if isinstance(fault := document.get("error"), dict):
        known |= _error_object(fault)
    from oauthlib.oauth2 import OAuth2Error  # noqa: PLC0415 - see above
    from oauthlib.oauth2.rfc6749.parameters import parse_token_response  # noqa: PLC0415 - see above

    try:
        parsed = parse_token_response(json.dumps(known))
    except OAuth2Error as error:
        if "error" not in known:
            outcome = _without_words(status)
            raise TokenError(outcome, f"the token endpoint answers HTTP {status} without a token", wait) from None
        raise TokenError(_with_words(status, known["error"]), _explained(error, hidden), wait) from None
    token = parsed["access_token"]
    if not _is_bearer(token, known):
        raise TokenError(TokenOutcome.INVALID, "the token endpoint gives something other than a bearer token", wait)
    renewed = known.get("refresh_token", "")
    refresh_token = Secret(renewed.encode()) if _REFRESH_TOKEN.fullmatch(renewed) else None
    return TokenAnswer(Secret(token.encode()), _lifetime(document), refresh_token)


def _is_bearer(token: str, answer: Mapping[str, str]) -> bool:
    """RFC 6749 7.1: a token of another type must not be used. The type is missing from some answers."""
    return answer.get("token_type", "Bearer").lower() == "bearer" and re.fullmatch("[!-~]+", token) is not None


def _text(secret: Secret, key: str) -> str:
    try:
        return secret.reveal().decode()
    except UnicodeDecodeError:
        raise KeyUnusable(f"{key} is not text in UTF-8, which is all that a form can carry") from None


def _assertions(client: OAuth2Client, material: Material, now: float, nonce: str) -> dict[str, str]:
    """What the client signs, if it has something to sign with, by its parameter."""
    if material.service_account is not None:
        return {"assertion": _account_assertion(client, material.service_account, now)}
    if material.private_key is not None:
        return {"client_assertion": _client_assertion(client, material, material.private_key, now, nonce)}
    return {}


def _client_assertion(client: OAuth2Client, material: Material, key: Secret, now: float, nonce: str) -> str:
    """RFC 7523 section 3: the client vouches for itself."""
    issued = int(now)
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.token_url,
        "iat": issued,
        "exp": issued + ASSERTION_LIFETIME,
        "jti": nonce,
    }
    header: dict[str, str] = {}
    if material.certificate is not None:
        header["x5t#S256"] = thumbprint(material.certificate.reveal(), key.reveal())
    of_rsa = _RSA_ALGORITHMS.get(client.provider, Algorithm.RS256)
    return assertion(claims, header, key.reveal(), of_rsa=of_rsa).decode()


def _account_assertion(client: OAuth2Client, account: Secret, now: float) -> str:
    """What Google's service accounts say: who they are, for whom they act, and what for."""
    document = _document(account.reveal()) or {}
    email, key, key_id = (document.get(name) for name in ("client_email", "private_key", "private_key_id"))
    if not isinstance(email, str) or not isinstance(key, str):
        raise KeyUnusable("service_account_file is not the JSON key file of a service account")
    issued = int(now)
    claims = {
        "iss": email,
        "sub": client.subject or email,
        "scope": client.scope or "",
        "aud": client.token_url,
        "iat": issued,
        "exp": issued + ACCOUNT_ASSERTION_LIFETIME,
    }
    header = {"kid": key_id} if isinstance(key_id, str) else {}
    return assertion(claims, header, key.encode()).decode()


def _document(body: bytes) -> dict[str, Any] | None:
    """A JSON object; `None` if the text is something else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _error_object(fault: Mapping[str, Any]) -> dict[str, str]:
    """An error as Google's and Microsoft's other interfaces write it, in the words of RFC 6749 5.2."""
    words = [str(fault[key]) for key in ("status", "code", "type") if isinstance(fault.get(key), str | int)]
    message = fault.get("message")
    described = {"error_description": message} if isinstance(message, str) else {}
    return {"error": words[0][:MAX_ERROR] if words and words[0] else "error", **described}


def _seconds(retry_after: str | None, now: float) -> float | None:
    """RFC 9110 10.2.3: seconds, or a date."""
    written = (retry_after or "").strip()[:MAX_ERROR]
    if re.fullmatch("[0-9]{1,6}", written):
        return float(written)
    try:
        # Without a zone it is in UTC, as every date of HTTP is (RFC 9110 5.6.7).
        date = parsedate_to_datetime(written)
        return max(date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def _lifetime(document: Mapping[str, Any]) -> float | None:
    """`expires_in`, which some servers write as text."""
    written = document.get("expires_in")
    if isinstance(written, str) and re.fullmatch("[0-9]{1,12}", written):
        written = int(written)
    if isinstance(written, bool) or not isinstance(written, int | float) or not 0 < written < float("inf"):
        return None
    return float(min(written, MAX_LIFETIME))


def _without_words(status: int) -> TokenOutcome:
    """The meaning of an error without a description."""
    return TokenOutcome.UNAVAILABLE if status >= 500 or status == 429 else TokenOutcome.INVALID


def _with_words(status: int, error: str) -> TokenOutcome:
    temporary = status >= 500 or status == 429 or error in _TEMPORARY
    return TokenOutcome.UNAVAILABLE if temporary else TokenOutcome.REFUSED


def _explained(error: OAuth2Error, hidden: tuple[Secret, ...]) -> str:
    """The server's words, for people."""
    words = [str(error.error)] + ([str(error.description)] if error.description else [])
    text = ": ".join(words).encode("utf-8", "surrogatepass")
    # Before cutting, and beyond the cut: a cut secret could not be recognised any more.
    text = Redactor([secret.reveal() for secret in hidden]).blotted(text[:MAX_EXPLANATION])
    end = _OF_THE_REQUEST.search(text)
    shown = printable(b" ".join((text[: end.start()].rstrip(b" .\r\n") if end else text).split()))
    return f"the token endpoint refuses: {shown if len(shown) <= MAX_DETAIL else shown[:MAX_DETAIL] + '...'}"
