from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import load_pem_x509_certificate
from trustme import CA

from exporter.model import OAuth2Authentication, OAuth2Client, OAuth2Provider, Secret, SecretSource
from exporter.protocol.assertion import KeyUnusable
from exporter.protocol.oauth2 import (
    Material,
    TokenRequest,
    token_request,
)
from tests.servers.authorisation import PublicKey, verify

URL = "https://idp.example.com/token"


NOW = 1_800_000_000.5


class Nowhere(SecretSource):
    def read(self) -> Secret:
        raise AssertionError("what is pure reads nothing")


CLIENT = OAuth2Client(OAuth2Provider.CUSTOM, URL, scope="imap smtp", client_id="id with:colon")


WITH_SECRET = replace(CLIENT, client_secret=Nowhere(), authentication=OAuth2Authentication.BASIC)


def asked(client: OAuth2Client, **material: bytes) -> TokenRequest:
    return token_request(client, Material(**{key: Secret(value) for key, value in material.items()}), NOW, "nonce")


def form(request: TokenRequest) -> dict[str, str]:
    return {key: value for key, (value,) in parse_qs(request.body.reveal().decode(), strict_parsing=True).items()}


def pem(key: Any, encryption: KeySerializationEncryption | None = None) -> bytes:
    encoded: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return encoded


def read(assertion: str, key: PublicKey) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of an assertion whose signature is good."""
    signed, _, signature = assertion.rpartition(".")
    header, claims = (json.loads(decoded(part)) for part in signed.split("."))
    verify(key, header["alg"], decoded(signature), signed.encode())
    return header, claims


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_client_with_a_secret_shows_it_in_the_header_of_http_s_basic_scheme() -> None:
    request = asked(WITH_SECRET, client_secret="s&cr:t ü".encode())

    assert {"grant_type": "client_credentials", "scope": "imap smtp"} == form(request)
    # RFC 6749 2.3.1 and appendix B
    pair = b"id+with%3Acolon:s%26cr%3At+%C3%BC"
    assert request.authorization == Secret(b"Basic " + b64encode(pair))
    assert {Secret("s&cr:t ü".encode()), Secret(pair)} == set(request.hidden)


def test_a_client_with_a_secret_shows_it_among_the_parameters_if_it_is_told_to() -> None:
    request = asked(replace(WITH_SECRET, authentication=OAuth2Authentication.POST), client_secret=b"s&cr:t")

    expected = {
        "grant_type": "client_credentials",
        "client_id": "id with:colon",
        "client_secret": "s&cr:t",
        "scope": "imap smtp",
    }
    assert (expected, None) == (form(request), request.authorization)


def test_a_public_client_names_itself_and_shows_its_refresh_token() -> None:
    request = asked(replace(CLIENT, scope=None, refresh_token=Nowhere()), refresh_token=b"1//0r")

    assert {"grant_type": "refresh_token", "refresh_token": "1//0r", "client_id": "id with:colon"} == form(request)
    assert (Secret(b"1//0r"),) == request.hidden


def test_a_key_signs_for_the_client() -> None:
    key = rsa.generate_private_key(65537, 2048)
    request = asked(replace(CLIENT, private_key=Nowhere()), private_key=pem(key))
    sent = form(request)
    header, claims = read(sent.pop("client_assertion"), key.public_key())

    assert {
        "grant_type": "client_credentials",
        "client_id": "id with:colon",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "scope": "imap smtp",
    } == sent
    assert {"alg": "RS256", "typ": "JWT"} == header
    assert {
        "iss": "id with:colon",
        "sub": "id with:colon",
        "aud": URL,
        "iat": 1_800_000_000,
        "exp": 1_800_000_300,
        "jti": "nonce",
    } == claims
    assert Secret(form(request)["client_assertion"].encode()) in request.hidden


def test_an_elliptic_key_signs_as_well() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    # One that begins with zeros must not come out shorter: some of these do.
    for _ in range(64):
        request = asked(replace(CLIENT, private_key=Nowhere()), private_key=pem(key))
        header, _ = read(form(request)["client_assertion"], key.public_key())
        assert "ES256" == header["alg"]


def test_microsoft_finds_the_certificate_by_its_thumbprint_and_wants_another_padding() -> None:
    leaf = CA().issue_cert("probe.example.com")
    certificate, key = leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()
    client = replace(CLIENT, provider=OAuth2Provider.MICROSOFT, private_key=Nowhere(), certificate=Nowhere())
    rsa_key = rsa.generate_private_key(65537, 2048)
    request = asked(client, private_key=key, certificate=certificate)
    parsed = load_pem_x509_certificate(certificate)
    public_key = parsed.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    header, _ = read(form(request)["client_assertion"], public_key)

    assert parsed.fingerprint(hashes.SHA256()) == decoded(header["x5t#S256"])
    without = asked(replace(client, certificate=None), private_key=pem(rsa_key))
    assert "PS256" == read(form(without)["client_assertion"], rsa_key.public_key())[0]["alg"]


def test_a_service_account_signs_for_whom_it_acts() -> None:
    key = rsa.generate_private_key(65537, 2048)
    account = {"client_email": "a@p.iam.example.com", "private_key": pem(key).decode(), "private_key_id": "k1"}
    client = OAuth2Client(
        OAuth2Provider.GOOGLE, URL, "https://mail.google.com/", service_account=Nowhere(), subject="m@example.com"
    )
    request = asked(client, service_account=json.dumps(account).encode())
    sent = form(request)
    header, claims = read(sent.pop("assertion"), key.public_key())

    assert {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"} == sent
    assert {"alg": "RS256", "typ": "JWT", "kid": "k1"} == header
    assert {
        "iss": "a@p.iam.example.com",
        "sub": "m@example.com",
        "scope": "https://mail.google.com/",
        "aud": URL,
        "iat": 1_800_000_000,
        "exp": 1_800_003_600,
    } == claims


LOCKED = pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x"))


P384 = pem(ec.generate_private_key(ec.SECP384R1()))


ED25519 = pem(ed25519.Ed25519PrivateKey.generate())


ACCOUNT = "service_account_file is not the JSON key file of a service account"


@pytest.mark.parametrize(
    ("material", "message"),
    [
        ({"private_key": b"hunter2"}, "there is no private key in PEM that can be read"),
        ({"private_key": LOCKED}, "the private key is encrypted; write it without a password"),
        ({"private_key": P384}, "the private key is neither RSA nor EC on the curve P-256"),
        ({"private_key": ED25519}, "the private key is neither RSA nor EC on the curve P-256"),
        ({"service_account": b"hunter2"}, ACCOUNT),
        ({"service_account": b"[]"}, ACCOUNT),
        ({"service_account": b'{"client_email": 1, "private_key": "x"}'}, ACCOUNT),
        ({"service_account": b"[" * 100_000}, ACCOUNT),
        (
            {"service_account": b'{"client_email": "a", "private_key": "x"}'},
            "there is no private key in PEM that can be read",
        ),
        ({"client_secret": b"\xff"}, "client_secret is not text in UTF-8, which is all that a form can carry"),
        ({"refresh_token": b"\xff"}, "refresh_token is not text in UTF-8, which is all that a form can carry"),
    ],
)
def test_a_secret_that_is_none_is_named_and_not_shown(material: dict[str, bytes], message: str) -> None:
    with pytest.raises(KeyUnusable) as raised:
        asked(CLIENT, **material)
    assert message == str(raised.value)


def test_a_key_and_a_certificate_that_do_not_belong_together_are_told() -> None:
    one, other = (CA().issue_cert("probe.example.com") for _ in range(2))
    client = replace(CLIENT, provider=OAuth2Provider.MICROSOFT)
    with pytest.raises(KeyUnusable, match="private_key_file belongs to another certificate than that of"):
        asked(client, private_key=one.private_key_pem.bytes(), certificate=other.cert_chain_pems[0].bytes())
    with pytest.raises(KeyUnusable, match="certificate_file holds no certificate in PEM that can be read"):
        asked(client, private_key=one.private_key_pem.bytes(), certificate=b"hunter2")


def test_other_secrets_have_another_fingerprint() -> None:
    secret = Secret(b"x")
    materials = [
        Material(),
        Material(client_secret=secret),
        Material(refresh_token=secret),
        Material(client_secret=secret, refresh_token=secret),
        Material(client_secret=Secret(b"y")),
    ]
    assert len(materials) == len({each.fingerprint() for each in materials})
    assert Material(client_secret=Secret(b"x")).fingerprint() == materials[1].fingerprint()
