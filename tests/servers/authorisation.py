"""An OAuth 2 authorisation server of the tests' own: issues tokens, lets them expire, takes them back, counts requests.

It also answers introspection (RFC 7662), so that a mail server can ask it about the tokens that it issued. Registered
clients are the test's business.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.servers.programs import LOOPBACK

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

CLIENT_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client.

    Attributes:
        user: Whose mail its tokens are good for.
        secret: `None` for a public one, or one that signs.
        key: By which its assertions are verified.
    """

    user: str
    secret: str | None = None
    key: PublicKey | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that is out."""

    user: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked the token endpoint.

    Attributes:
        form: The parameters.
        authorization: The header; `None` if there was none.
    """

    form: Mapping[str, str]
    authorization: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said in place of the right answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An error of RFC 6749 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.answer = Answer(status, json.dumps({"error": error, "error_description": description}).encode())


@dataclass(slots=True)
class AuthorisationServer:
    """A running one. A test changes its attributes at will.

    Attributes:
        root: Its URL.
        clients: By their ids.
        accounts: The keys of service accounts, by their addresses.
        refresh_tokens: The client of each.
        lifetime: Seconds for which tokens are issued.
        rotate: Whether a refresh token is good for one use, and another one comes with the answer.
        instead: Makes the answer to a request, if it does not return `None`.
        requests: Everything that the token endpoint was asked.
        issued: Every token that is good, by itself.
        asked_about: The tokens that introspection was asked about.
    """

    root: str
    clients: dict[str, Client] = field(default_factory=dict)
    accounts: dict[str, PublicKey] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    lifetime: int = 3600
    rotate: bool = False
    instead: Callable[[Request], Answer | None] = lambda _: None
    requests: list[Request] = field(default_factory=list)
    issued: dict[str, Issued] = field(default_factory=dict)
    asked_about: list[str] = field(default_factory=list)

    @property
    def token_url(self) -> str:
        return f"{self.root}/token"

    @property
    def introspection_url(self) -> str:
        return f"{self.root}/introspect"

    def revoke_all(self) -> None:
        """Take every token back."""
        self.issued.clear()

    def token(self, request: Request) -> Answer:
        """The answer of the token endpoint."""
        self.requests.append(request)
        try:
            return self.instead(request) or self._grant(request)
        except Refusal as refusal:
            return refusal.answer

    def introspection(self, token: str) -> Answer:
        """RFC 7662 2.2: a token that is unknown is not an error, it is just not active."""
        self.asked_about.append(token)
        known = self.issued.get(token)
        answer: dict[str, object] = {"active": False}
        if known is not None and time.time() < known.expires_at:
            answer = {"active": True, "username": known.user, "token_type": "Bearer"}
        return Answer(200, json.dumps(answer).encode())

    def _grant(self, request: Request) -> Answer:
        match request.form.get("grant_type"):
            case "client_credentials":
                client = self._authenticated(request)
                if client.secret is None and client.key is None:
                    raise Refusal("unauthorized_client", "a public client is nobody by itself")
                return self._issue(client.user, {})
            case "refresh_token":
                return self._refresh(request)
            case grant if grant == JWT_BEARER:
                claims = self._verified(request.form.get("assertion", ""), self.accounts.get)
                return self._issue(str(claims["sub"]), {})
        raise Refusal("unsupported_grant_type", "no such grant")

    def _refresh(self, request: Request) -> Answer:
        client = self._authenticated(request)
        token = request.form.get("refresh_token", "")
        if self.clients.get(self.refresh_tokens.get(token, "")) is not client:
            raise Refusal("invalid_grant", "the refresh token is unknown")
        extra = {}
        if self.rotate:
            extra["refresh_token"] = secrets.token_urlsafe(24)
            self.refresh_tokens[extra["refresh_token"]] = self.refresh_tokens.pop(token)
        return self._issue(client.user, extra)

    def _authenticated(self, request: Request) -> Client:
        """RFC 6749 2.3.1, RFC 7523 2.2."""
        form, shown = request.form, request.form.get("client_secret")
        name = form.get("client_id", "")
        if request.authorization is not None:
            scheme, _, encoded = request.authorization.partition(" ")
            assert "Basic" == scheme
            name, _, shown = map(unquote_plus, b64decode(encoded).decode().partition(":"))
        client = self.clients.get(name)
        if client is not None and client.key is not None:
            assert CLIENT_ASSERTION_TYPE == form.get("client_assertion_type")
            key = client.key
            claims = self._verified(form.get("client_assertion", ""), lambda _: key)
            if (name, name) != (claims.get("iss"), claims.get("sub")):
                raise Refusal("invalid_client", "the assertion is another client's", 401)
        elif client is None or client.secret != shown:
            raise Refusal("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
        return client

    def _verified(self, assertion: str, key_of: Callable[[str], PublicKey | None]) -> dict[str, Any]:
        """The claims of an assertion (RFC 7523 section 3)."""
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        key = key_of(claims["iss"])
        if key is None:
            raise Refusal("invalid_grant", "Invalid issuer.")
        try:
            verify(key, header["alg"], _decoded(signature), signed.encode())
        except InvalidSignature:
            raise Refusal("invalid_grant", "Invalid JWT Signature.") from None
        assert self.token_url == claims["aud"]
        assert claims["iat"] <= time.time() < claims["exp"]
        found: dict[str, Any] = claims
        return found

    def _issue(self, user: str, extra: Mapping[str, str]) -> Answer:
        token = secrets.token_urlsafe(48)
        self.issued[token] = Issued(user, time.time() + self.lifetime)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime, **extra}
        return Answer(200, json.dumps(answer).encode())


def verify(key: PublicKey, algorithm: str, signature: bytes, signed: bytes) -> None:
    """RFC 7518 section 3."""
    digest = hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert ("ES256", 64) == (algorithm, len(signature))
        halves = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
        key.verify(encode_dss_signature(*halves), signed, ec.ECDSA(digest))
    elif algorithm == "PS256":
        key.verify(signature, signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    else:
        assert "RS256" == algorithm
        key.verify(signature, signed, padding.PKCS1v15(), digest)


def _decoded(part: str) -> bytes:
    assert "=" not in part
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


@contextmanager
def authorisation(context: ssl.SSLContext | None = None) -> Iterator[AuthorisationServer]:
    """Runs one until the block ends, over TLS if there is a context for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = dict(parse_qsl(body, strict_parsing=True, keep_blank_values=True))
            if self.path == "/introspect":
                answer = service.introspection(form["token"])
            else:
                answer = service.token(Request(form, self.headers.get("Authorization")))
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            """Says nothing: a token would be in it."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        service = AuthorisationServer(f"{scheme}://{LOOPBACK}:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
