from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from exporter.model import (
    OAuth2Authentication,
    OAuth2Client,
    OAuth2Provider,
    Secret,
    SecretSource,
    TokenOutcome,
)
from exporter.net.http import token_endpoint
from exporter.net.http.token_endpoint import MAX_ANSWER, fetch_token
from exporter.protocol.assertion import KeyUnusable
from exporter.protocol.oauth2 import Material, TokenError
from tests.servers.authorisation import Answer, AuthorisationServer, Client, authorisation
from tests.servers.authority import Authority
from tests.servers.programs import LOOPBACK, free_ports
from tests.servers.scripted import server_context

SECRET = "s&cr:t ü"
MATERIAL = Material(client_secret=Secret(SECRET.encode()))


class Nowhere(SecretSource):
    def read(self) -> Secret:
        raise AssertionError("secrets are read by anyone who asks")


@pytest.fixture
def server() -> Iterator[AuthorisationServer]:
    with authorisation() as service:
        service.clients["monitor"] = Client("m@example.com", SECRET)
        yield service


def client_of(server: AuthorisationServer) -> OAuth2Client:
    return OAuth2Client(
        OAuth2Provider.CUSTOM,
        server.token_url,
        scope="imap",
        client_id="monitor",
        client_secret=Nowhere(),
        authentication=OAuth2Authentication.BASIC,
    )


async def failure(client: OAuth2Client, material: Material = MATERIAL) -> TokenError:
    with pytest.raises(TokenError) as raised:
        await fetch_token(client, material)
    return raised.value


@pytest.mark.parametrize("authentication", OAuth2Authentication)
async def test_a_client_gets_a_token_by_its_secret(
    server: AuthorisationServer, authentication: OAuth2Authentication
) -> None:
    answer = await fetch_token(replace(client_of(server), authentication=authentication), MATERIAL)

    assert {answer.access_token.reveal().decode()} == server.issued.keys()
    assert 3600.0 == answer.lifetime
    assert "imap" == server.requests[0].form["scope"]


async def test_a_client_gets_a_token_by_its_key(server: AuthorisationServer) -> None:
    key = rsa.generate_private_key(65537, 2048)
    server.clients["signs"] = Client("s@example.com", key=key.public_key())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    client = replace(client_of(server), client_id="signs", client_secret=None, private_key=Nowhere())

    answer = await fetch_token(client, Material(private_key=Secret(pem)))

    assert "s@example.com" == server.issued[answer.access_token.reveal().decode()].user


async def test_a_service_account_gets_a_token_for_whom_it_acts(server: AuthorisationServer) -> None:
    key = rsa.generate_private_key(65537, 2048)
    server.accounts["a@p.example.com"] = key.public_key()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = json.dumps({"client_email": "a@p.example.com", "private_key": pem})
    client = OAuth2Client(
        OAuth2Provider.GOOGLE, server.token_url, "mail", service_account=Nowhere(), subject="m@example.com"
    )

    answer = await fetch_token(client, Material(service_account=Secret(account.encode())))

    assert "m@example.com" == server.issued[answer.access_token.reveal().decode()].user


async def test_a_refresh_token_may_come_with_the_next(server: AuthorisationServer) -> None:
    server.refresh_tokens["first"] = "monitor"
    server.rotate = True
    client = replace(client_of(server), refresh_token=Nowhere())

    answer = await fetch_token(client, replace(MATERIAL, refresh_token=Secret(b"first")))

    assert answer.refresh_token is not None
    assert {answer.refresh_token.reveal().decode(): "monitor"} == server.refresh_tokens


async def test_a_wrong_secret_is_refused_in_the_server_s_words(server: AuthorisationServer) -> None:
    error = await failure(client_of(server), Material(client_secret=Secret(b"wrong")))

    assert TokenOutcome.REFUSED == error.outcome
    expected = "the token endpoint refuses: invalid_client: AADSTS7000215: Invalid client secret provided."
    assert expected == error.detail


async def test_a_key_that_is_none_is_not_shown_to_anybody(server: AuthorisationServer) -> None:
    client = replace(client_of(server), client_secret=None, private_key=Nowhere())
    with pytest.raises(KeyUnusable):
        await fetch_token(client, Material(private_key=Secret(b"no key")))
    assert [] == server.requests


@pytest.mark.parametrize(
    ("answer", "outcome", "detail"),
    [
        (
            Answer(302, b"", {"Location": "http://127.0.0.1:9/"}),
            TokenOutcome.INVALID,
            "the token endpoint answers HTTP 302 with something other than JSON",
        ),
        (
            Answer(200, b"x" * (MAX_ANSWER + 1)),
            TokenOutcome.INVALID,
            f"the token endpoint answers with more than {MAX_ANSWER} octets",
        ),
        (
            Answer(503, b"", {"Retry-After": "90"}),
            TokenOutcome.UNAVAILABLE,
            "the token endpoint answers HTTP 503 with something other than JSON",
        ),
    ],
)
async def test_an_odd_answer_is_none(
    server: AuthorisationServer, answer: Answer, outcome: TokenOutcome, detail: str
) -> None:
    server.instead = lambda _: answer
    error = await failure(client_of(server))

    assert (outcome, detail) == (error.outcome, error.detail)
    assert (90.0 if answer.status == 503 else None) == error.retry_after
    assert 1 == len(server.requests)


@contextmanager
def saying(words: bytes | None) -> Iterator[str]:
    """The URL of a server that reads a request, says this and hangs up; with `None` it says nothing until the end."""
    end = threading.Event()

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            if words is None:
                end.wait(30)
            else:
                peer.sendall(words)

    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}/token"
        end.set()
        thread.join()


@pytest.mark.parametrize(
    ("words", "outcome", "detail"),
    [
        (b"", TokenOutcome.UNREACHABLE, "closes the connection without an answer"),
        (b"220 mail.example.com ESMTP\r\n\r\n", TokenOutcome.INVALID, "answers with something other than HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
            TokenOutcome.INVALID,
            "closes the connection in the middle of its answer",
        ),
        (None, TokenOutcome.UNREACHABLE, "does not answer within 0.2 s"),
    ],
)
async def test_what_goes_wrong_on_the_way_is_told(
    monkeypatch: pytest.MonkeyPatch, words: bytes | None, outcome: TokenOutcome, detail: str
) -> None:
    if words is None:
        monkeypatch.setattr(token_endpoint, "TIMEOUT", 0.2)
    with saying(words) as url:
        client = OAuth2Client(OAuth2Provider.CUSTOM, url, client_id="monitor")
        error = await failure(client)

    assert (outcome, f"the token endpoint 127.0.0.1 {detail}") == (error.outcome, error.detail)


async def test_nobody_there_is_unreachable() -> None:
    (port,) = free_ports(1)
    error = await failure(OAuth2Client(OAuth2Provider.CUSTOM, f"http://127.0.0.1:{port}/", client_id="monitor"))

    assert TokenOutcome.UNREACHABLE == error.outcome
    assert "the token endpoint 127.0.0.1 cannot be reached: Connection refused" == error.detail


async def test_a_name_without_an_address_is_unreachable() -> None:
    error = await failure(OAuth2Client(OAuth2Provider.CUSTOM, "https://no-such-host.invalid/", client_id="monitor"))

    assert TokenOutcome.UNREACHABLE == error.outcome
    assert "the token endpoint no-such-host.invalid cannot be found: its name has no address" == error.detail


@pytest.fixture
def certified(authority: Authority) -> Iterator[AuthorisationServer]:
    """One that has a certificate."""
    context = server_context(authority.issue("idp", names=[LOOPBACK]))
    with authorisation(context) as service:
        service.clients["monitor"] = Client("m@example.com", SECRET)
        yield service


async def test_an_authority_of_one_s_own_is_trusted_if_it_is_named(
    certified: AuthorisationServer, authority: Authority
) -> None:
    answer = await fetch_token(replace(client_of(certified), ca_file=authority.file), MATERIAL)

    assert {answer.access_token.reveal().decode()} == certified.issued.keys()


async def test_secrets_are_not_shown_to_a_server_that_nobody_vouches_for(certified: AuthorisationServer) -> None:
    error = await failure(client_of(certified))

    assert TokenOutcome.UNREACHABLE == error.outcome
    assert "the token endpoint 127.0.0.1 has an invalid certificate: " in error.detail
    assert [] == certified.requests


async def test_secrets_are_not_shown_to_a_server_of_another_name(authority: Authority) -> None:
    context = server_context(authority.issue("other", names=["idp.example.com"]))
    with authorisation(context) as service:
        error = await failure(replace(client_of(service), ca_file=authority.file))

    assert "the token endpoint 127.0.0.1 has an invalid certificate: " in error.detail
    assert [] == service.requests


async def test_a_server_without_tls_is_told(server: AuthorisationServer) -> None:
    client = replace(client_of(server), token_url=server.token_url.replace("http:", "https:"))
    error = await failure(client)

    assert TokenOutcome.UNREACHABLE == error.outcome
    assert "the token endpoint 127.0.0.1 does not speak TLS as we do" == error.detail


async def test_a_file_of_authorities_that_has_gone_is_told(
    certified: AuthorisationServer, authority: Authority
) -> None:
    client = replace(client_of(certified), ca_file=authority.file.with_name("gone.pem"))
    error = await failure(client)

    assert TokenOutcome.UNREACHABLE == error.outcome
    assert error.detail.endswith("gone.pem' cannot be read as PEM")


async def test_without_tls_no_authorities_are_read(server: AuthorisationServer, authority: Authority) -> None:
    client = replace(client_of(server), ca_file=authority.file.with_name("gone.pem"))

    assert (await fetch_token(client, MATERIAL)).access_token.reveal().decode() in server.issued


async def test_the_proxy_of_the_environment_is_used(
    server: AuthorisationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.root)
    monkeypatch.setenv("no_proxy", "")
    # The server is not a proxy, but it answers all the same.
    answer = await fetch_token(replace(client_of(server), token_url="http://idp.invalid/token"), MATERIAL)

    assert {answer.access_token.reveal().decode()} == server.issued.keys()


async def test_this_machine_is_asked_without_a_proxy(
    server: AuthorisationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")

    assert 3600.0 == (await fetch_token(client_of(server), MATERIAL)).lifetime


def test_no_context_is_weaker_than_the_default() -> None:
    context = token_endpoint._context(None)

    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
