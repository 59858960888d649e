"""Servers that complete a handshake, and then send TLS records that no library would send.

The handshake is OpenSSL's. The records after it are made here, with the keys of the session (RFC 8446 7.3).
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from tests.authority import Party
from tests.bending import SERIAL, bent, element, replaced

HANDSHAKE = 22
APPLICATION_DATA = 23
LARGEST_PAYLOAD = 16384

TICKET = b"\x04" + (14).to_bytes(3, "big") + struct.pack(">IIBHBH", 3600, 0, 0, 1, 0, 0)
"""A NewSessionTicket of the smallest size (RFC 8446 4.6.1)."""

KEY_UPDATE = b"\x18\x00\x00\x01\x00"
"""A KeyUpdate that asks for none in return (RFC 8446 4.6.3)."""

HELLO_REQUEST = b"\x00\x00\x00\x00"
"""A HelloRequest (RFC 5246 7.4.1.1), which a client that shakes hands already ignores."""

WITHIN = 30.0


class Session:
    """The server's end of a TLS 1.3 session, after the handshake."""

    def __init__(self, sock: socket.socket, context: SSL.Context) -> None:
        self.socket = sock
        self._secret = b""
        self._sequence = 0
        context.set_keylog_callback(self._on_key)
        connection = SSL.Connection(context)
        connection.set_accept_state()
        self._shake_hands(connection)
        material = hashes.SHA384()
        self._key = AESGCM(_expanded(material, self._secret, b"key", 32))
        self._nonce = int.from_bytes(_expanded(material, self._secret, b"iv", 12), "big")

    def record(self, kind: int, payload: bytes) -> bytes:
        """The next record, encrypted."""
        nonce = (self._nonce ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        header = b"\x17\x03\x03" + (len(payload) + 17).to_bytes(2, "big")
        return header + self._key.encrypt(nonce, payload + bytes([kind]), header)

    def say(self, words: bytes) -> None:
        """Say something as anybody would."""
        self.socket.sendall(self.record(APPLICATION_DATA, words))

    def _shake_hands(self, connection: SSL.Connection) -> None:
        while True:
            with contextlib.suppress(SSL.WantReadError):
                connection.do_handshake()
                # What OpenSSL would say next, its own session tickets, is left unsaid.
                return
            with contextlib.suppress(SSL.WantReadError):
                self.socket.sendall(connection.bio_read(1 << 18))
            connection.bio_write(self.socket.recv(1 << 16))

    def _on_key(self, _: SSL.Connection, line: bytes) -> None:
        label, _random, secret = line.split()
        if label == b"SERVER_TRAFFIC_SECRET_0":
            self._secret = bytes.fromhex(secret.decode())


def _expanded(material: hashes.HashAlgorithm, secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446 7.1, without a context."""
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(material, length, info).derive(secret)


Act = Callable[[socket.socket], None]
"""What a server does with a connection."""


@contextmanager
def serving(act: Act) -> Iterator[int]:
    """A port at which every connection is treated so, in a thread of its own, until the client has had enough."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def handle(sock: socket.socket) -> None:
        # The client ends it, in whatever way.
        with sock, contextlib.suppress(OSError, SSL.Error):
            act(sock)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                sock.settimeout(WITHIN)
                connections.append(sock)
                thread = threading.Thread(target=handle, args=(sock,))
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(WITHIN)
        for sock in connections:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(WITHIN)


def flooding(context: Callable[[], SSL.Context], message: bytes, *, first: bytes = b"", most: int = 64 << 20) -> Act:
    """Complete the handshake, say something, and repeat a handshake message as often as the client lets it.

    Args:
        context: Makes one of the server's for each connection; TLS 1.3, with TLS_AES_256_GCM_SHA384.
        message: As many of it as a record holds are sent in each. A KeyUpdate has to be alone in one.
        first: What is said in between.
        most: Octets after which it gives up.
    """
    alone = message == KEY_UPDATE
    payload = message if alone else message * (LARGEST_PAYLOAD // len(message))

    def act(sock: socket.socket) -> None:
        session = Session(sock, context())
        if first:
            session.say(first)
        sent = 0
        while sent < most:
            record = session.record(HANDSHAKE, payload)
            sock.sendall(record)
            sent += len(record)

    return act


def greeting_with_hello_requests(most: int = 64 << 20) -> Act:
    """Answer a ClientHello by requests for one, in plain, without end."""
    payload = HELLO_REQUEST * (LARGEST_PAYLOAD // len(HELLO_REQUEST))
    record = b"\x16\x03\x03" + len(payload).to_bytes(2, "big") + payload

    def act(sock: socket.socket) -> None:
        sock.recv(1 << 16)
        for _ in range(most // len(record)):
            sock.sendall(record)

    return act


def presenting_another_each_time(party: Party, by: Party) -> Act:
    """Present a new certificate to each client, and then turn it away from POP3.

    Args:
        party: Whose certificate all are like, but for the serial number.
        by: Who signs them.
    """
    serials = itertools.count(1 << 24)

    def act(sock: socket.socket) -> None:
        der = bent(party, by, replaced(SERIAL, element(0x02, next(serials).to_bytes(4))))
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(x509.load_der_x509_certificate(der))
        context.use_privatekey(party.key)
        Session(sock, context).say(b"-ERR not today\r\n")
        sock.recv(1 << 16)

    return act


def choosing_group(leaf: Party, bits: int) -> Act:
    """Choose Diffie-Hellman in TLS 1.2, in a group of so many bits, and hang up after the client's part of it.

    Args:
        leaf: Its certificate, with an RSA key.
        bits: The modulus is no prime, which no client can afford to find out.
    """
    prime = (1 << bits) - 0x1D
    key = leaf.key
    assert isinstance(key, rsa.RSAPrivateKey)

    def act(sock: socket.socket) -> None:
        hello = sock.recv(1 << 16)
        client_random, server_random = hello[11:43], bytes(32)
        parameters = b"".join(_vector(number) for number in (prime, 2, prime - 3))
        signature = key.sign(client_random + server_random + parameters, padding.PKCS1v15(), hashes.SHA256())
        certificate = leaf.certificate.public_bytes(Encoding.DER)
        # TLS_DHE_RSA_WITH_AES_256_GCM_SHA384; renegotiation_info (RFC 5746), empty.
        server_hello = b"\x03\x03" + server_random + b"\x00\x00\x9f\x00" + b"\x00\x05\xff\x01\x00\x01\x00"
        length = len(certificate).to_bytes(3, "big")
        flight = b"".join(
            [
                _message(2, server_hello),
                _message(11, (len(certificate) + 3).to_bytes(3, "big") + length + certificate),
                _message(12, parameters + b"\x04\x01" + len(signature).to_bytes(2, "big") + signature),
                _message(14, b""),
            ]
        )
        sock.sendall(b"\x16\x03\x03" + len(flight).to_bytes(2, "big") + flight)
        sock.recv(1 << 16)

    return act


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _vector(number: int) -> bytes:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return len(octets).to_bytes(2, "big") + octets


def reset(sock: socket.socket) -> None:
    """Tear a connection down."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
