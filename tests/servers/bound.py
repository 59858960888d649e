"""A POP3 server that takes logins by SCRAM-SHA-256-PLUS, which Dovecot has only since 2.4.

Its end of the TLS session is OpenSSL's, and its side of the mechanism is what RFC 5802 wants of a server. It answers
one client at a time, in a thread of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from OpenSSL import SSL, crypto

from tests.servers.authority import Identity
from tests.servers.programs import LOOPBACK

SALT = b"salt of the tests"
ITERATIONS = 4096


@dataclass(frozen=True, slots=True)
class BoundServer:
    """A running one.

    Attributes:
        headers: The beginning of each client's first message: how it wants to be bound.
    """

    port: int
    headers: list[bytes] = field(default_factory=list)


@contextmanager
def bound_server(
    identity: Identity, password: bytes, *, version: int = SSL.TLS1_3_VERSION, in_the_middle: bool = False
) -> Iterator[BoundServer]:
    """Runs one until the block ends.

    Args:
        identity: The certificate to serve.
        password: Of everybody.
        version: Of TLS; the only one it speaks.
        in_the_middle: Whether the server that checks logins has another TLS session than the one with the client.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.use_certificate_chain_file(str(identity.chain_file))
    context.use_privatekey_file(str(identity.key_file))
    with socket.create_server((LOOPBACK, 0)) as listener:
        server = BoundServer(listener.getsockname()[1])

        def serve() -> None:
            # The listener is shut down when the test is over, and a client may leave when it likes.
            while True:
                try:
                    accepted, _ = listener.accept()
                except OSError:
                    return
                with accepted, suppress(SSL.Error):
                    _talk(SSL.Connection(context, accepted), server, password, b"other" if in_the_middle else b"")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _talk(connection: SSL.Connection, server: BoundServer, password: bytes, other: bytes) -> None:
    connection.set_accept_state()
    connection.do_handshake()
    buffer = b""

    def say(*lines: bytes) -> None:
        connection.sendall(b"".join(line + b"\r\n" for line in lines))

    def line() -> bytes:
        nonlocal buffer
        while b"\r\n" not in buffer:
            buffer += connection.recv(4096)
        found, _, buffer = buffer.partition(b"\r\n")
        return found

    say(b"+OK ready")
    while True:
        match line().split(b" "):
            case [b"CAPA"]:
                say(b"+OK", b"SASL PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS", b".")
            case [b"AUTH", b"SCRAM-SHA-256-PLUS", initial]:
                client_first = b64decode(initial)
                header, bare = _split(client_first)
                server.headers.append(header)
                nonce = re.findall(rb"r=([^,]+)", bare)[0] + b"of-the-server"
                server_first = b"r=%s,s=%s,i=%d" % (nonce, b64encode(SALT), ITERATIONS)
                say(b"+ " + b64encode(server_first))
                client_final = b64decode(line())
                signature = _signature(
                    password, bare, server_first, client_final, header + _binding(connection, header) + other
                )
                if signature is None:
                    say(b"+ " + b64encode(b"e=channel-bindings-dont-match"))
                    line()
                    say(b"-ERR [AUTH] no")
                else:
                    say(b"+ " + b64encode(b"v=" + b64encode(signature)))
                    line()
                    say(b"+OK welcome")
            case [b"STAT"]:
                say(b"+OK 0 0")
            case [b"QUIT"]:
                say(b"+OK bye")
                return
            case _:
                say(b"-ERR what?")


def _split(client_first: bytes) -> tuple[bytes, bytes]:
    flag, authzid, bare = client_first.split(b",", 2)
    return flag + b"," + authzid + b",", bare


def _binding(connection: SSL.Connection, header: bytes) -> bytes:
    if header.startswith(b"p=tls-exporter,"):
        return connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    certificate = connection.get_certificate()
    assert certificate is not None
    return hashlib.sha256(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)).digest()


def _signature(
    password: bytes, client_first_bare: bytes, server_first: bytes, client_final: bytes, cbind_input: bytes
) -> bytes | None:
    """RFC 5802 section 3, as the server does it; `None` if the login is not good."""
    without_proof, _, proof = client_final.rpartition(b",p=")
    salted = hashlib.pbkdf2_hmac("sha256", password, SALT, ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    auth_message = b",".join((client_first_bare, server_first, without_proof))
    client_signature = hmac.digest(stored_key, auth_message, "sha256")
    client_key = bytes(a ^ b for a, b in zip(b64decode(proof), client_signature, strict=True))
    if hashlib.sha256(client_key).digest() != stored_key or not without_proof.startswith(
        b"c=" + b64encode(cbind_input) + b","
    ):
        return None
    return hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth_message, "sha256")
