"""Why a handshake failed, in words: from what OpenSSL says, and from real refusals."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from OpenSSL import SSL

from exporter.model import FailureReason, TlsPolicy
from exporter.net import tls
from exporter.net.stream_errors import translated
from exporter.net.tls.alerts import COMPLAINTS, HINTS, UNREADABLE, handshake_failure
from tests.authority import issue, pem, rsa_key
from tests.bending import bent, element, replaced
from tests.certificates import NAME, world
from tests.handshakes import meeting, server_context

MALFORMED = "one of the server's certificates is so malformed that OpenSSL cannot read it"
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
        (
            openssl("bad record type", "record layer failure"),
            "what came is not part of the TLS session (bad record type)",
        ),
        (
            openssl("decryption failed or bad record mac", "record layer failure"),
            "what came was damaged or altered on the way (decryption failed or bad record mac)",
        ),
        (openssl("record layer failure"), "OpenSSL: record layer failure"),
        (openssl("bad ecpoint"), "OpenSSL: bad ecpoint"),
        (openssl("bad ecpoint", "bad ecpoint", "bad length"), "OpenSSL: bad ecpoint; OpenSSL: bad length"),
        (
            openssl("too long", "nested asn1 error", "nested asn1 error", "ASN1 lib"),
            f"{MALFORMED} (too long, nested asn1 error, ASN1 lib)",
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
    assert all(
        words.isascii() and words.isprintable()
        for words in (*HINTS.values(), *COMPLAINTS.values(), *UNREADABLE.values())
    )


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


def first_flight(*certificates: bytes) -> bytes:
    """A server's ServerHello and Certificate in TLS 1.2 (RFC 5246 7.4), whatever the certificates are."""
    listed = b"".join(len(each).to_bytes(3) + each for each in certificates)
    chosen = bytes(32) + b"\0" + bytes.fromhex("c02b00") + bytes.fromhex("0005ff01000100")
    messages = [(2, b"\x03\x03" + chosen), (11, len(listed).to_bytes(3) + listed)]
    said = b"".join(bytes([kind]) + len(body).to_bytes(3) + body for kind, body in messages)
    return b"\x16\x03\x03" + len(said).to_bytes(2) + said


ROOT = issue("Root", authority=True)
LEAF = issue(NAME, ROOT, alternatives=[NAME])
PUBLIC_KEY = 6
NO_KEY = element(0x30, element(0x30, bytes.fromhex("06032a0304")), element(0x03, b"\0abc"))


@pytest.mark.parametrize(
    ("certificates", "words"),
    [
        ((b"\x30\x03abc",), f"{MALFORMED} (too long, "),
        ((b"",), f"{MALFORMED} (too small, "),
        ((LEAF.der[:-5],), f"{MALFORMED} (too long, "),
        ((LEAF.der, b"rubbish"), f"{MALFORMED} ("),
        ((LEAF.der + b"\0",), "one of the server's certificates is followed by octets that do not belong to it ("),
        ((bent(LEAF, ROOT, replaced(PUBLIC_KEY, NO_KEY)),), "the key in the server's certificate cannot be read ("),
    ],
    ids=["not one", "empty", "cut off", "another is not one", "more behind it", "an unknown kind of key"],
)
def test_a_certificate_that_cannot_be_read_at_all_is_the_certificate_s_fault(
    client: SSL.Context, certificates: tuple[bytes, ...], words: str
) -> None:
    connection = tls.begin(client, NAME)
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    connection.bio_write(first_flight(*certificates))
    with pytest.raises(SSL.Error) as caught:
        connection.do_handshake()
    told = translated(caught.value)

    assert FailureReason.TLS_CERTIFICATE_INVALID is told.reason
    assert told.detail.startswith(words)
