"""Whether a mail server answers by now: the little client that start-up waits with. Verifies nothing."""

from __future__ import annotations

import socket
import ssl


def greets(host: str, port: int, expected: bytes, *, goodbye: bytes, tls: bool = False) -> bool:
    """Connects, reads the greeting and says goodbye.

    Args:
        host: Address to connect to.
        port: Port to connect to.
        expected: What the greeting has to begin with.
        goodbye: The command that ends the conversation, with its CRLF.
        tls: Whether the port speaks TLS from the start.

    Raises:
        OSError: Nobody answers.
    """
    with socket.create_connection((host, port), timeout=5) as plain:
        if not tls:
            return _converse(plain, expected, goodbye)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(plain) as encrypted:
            return _converse(encrypted, expected, goodbye)


def _converse(connection: socket.socket, expected: bytes, goodbye: bytes) -> bool:
    greeting = connection.recv(512)
    connection.sendall(goodbye)
    while connection.recv(4096):
        continue
    return greeting.startswith(expected)
