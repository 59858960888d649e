"""Why a handshake failed, in words: from what OpenSSL says, and from real refusals."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from OpenSSL import SSL

from exporter.model import TlsPolicy
from exporter.net import tls
from exporter.net.alerts import COMPLAINTS, HINTS, handshake_failure
from tests.authority import issue, pem, rsa_key
from tests.certificates import NAME, world
from tests.handshakes import meeting, server_context

TLS12 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return tls.TlsContexts().context(TlsPolicy(ca_file=file))


def openssl(*reasons: str) -> SSL.Error:
    return SSL.Error([("SSL routines", "", reason) for reason in reasons])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (openssl("tls alert unexpected message"), "the server sent alert unexpected_message"),
        (openssl("ssl/tls alert certificate expired"), "the server sent alert certificate_expired"),
        (
            openssl("sslv3 alert bad certificate"),
            "the server sent alert bad_certificate: it wants another client certificate",
        ),
        (openssl("tlsv1 alert internal error"), "the server sent alert internal_error"),
        (
            openssl("tlsv1 unrecognized name"),
            "the server sent alert unrecognized_name: it knows no server of the name sent in SNI",
        ),
        (
            openssl("tlsv13 alert certificate required"),
            "the server sent alert certificate_required: it wants a client certificate",
        ),
        (openssl("wrong version number"), "the server did not answer with TLS (wrong version number)"),
        (openssl("bad ecpoint"), "OpenSSL: bad ecpoint"),
        (openssl("bad ecpoint", "bad ecpoint", "bad length"), "OpenSSL: bad ecpoint; OpenSSL: bad length"),
        (
            openssl("ASN1 lib"),
            "the server's certificate is so malformed that nothing of it can be read (ASN1 lib)",
        ),
        (openssl(""), "OpenSSL gave no reason"),
        (openssl(), "OpenSSL gave no reason"),
        (SSL.Error(), "Error"),
        (SSL.ZeroReturnError(), "the server ended the TLS session"),
        (SSL.SysCallError(-1, "Unexpected EOF"), "the TLS session is broken"),
        (RuntimeError("of ours"), "RuntimeError"),
    ],
    ids=str,
)
def test_a_failure_is_put_in_words(error: Exception, words: str) -> None:
    assert words == handshake_failure(error)


def test_the_hints_are_words_in_ascii() -> None:
    assert all(words.isascii() and words.isprintable() for words in (*HINTS.values(), *COMPLAINTS.values()))


def refusal(client: SSL.Context, server: SSL.Context) -> str:
    with meeting(client, server) as met:
        assert met.error is not None
        return handshake_failure(met.error)


def test_a_server_with_other_ciphers(client: SSL.Context) -> None:
    server = server_context(issue(NAME, key=rsa_key(2048, "leaf")), versions=TLS12)
    server.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA@SECLEVEL=0")

    assert refusal(client, server).startswith("the server sent alert handshake_failure: no cipher suite, group or")


def test_a_server_that_wants_a_client_certificate(client: SSL.Context) -> None:
    server = server_context(issue(NAME), versions=TLS12)
    server.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)

    assert refusal(client, server).startswith("the server sent alert handshake_failure")


@pytest.mark.parametrize(
    "greeting",
    [b"* OK IMAP4rev1 ready\r\n", b"220 mail.example.com ESMTP\r\n", b"+OK ready\r\n", b"HTTP/1.1 400 Bad Request\r\n"],
)
def test_a_server_that_speaks_in_plain(client: SSL.Context, greeting: bytes) -> None:
    connection = tls.begin(client, NAME)
    connection.bio_write(greeting)
    with pytest.raises(SSL.Error) as caught:
        connection.do_handshake()
    facts = tls.facts(connection, NAME, time.time())

    assert handshake_failure(caught.value).startswith("the server did not answer with TLS")
    assert not facts.verified
