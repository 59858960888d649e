"""A gate in front of an IMAP server without TLS: it can be closed, and can answer commands in the server's place."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.programs import LOOPBACK


class ImapGate:
    """One that is running.

    Attributes:
        port: Where clients come.
        connections: How many have been let through so far.
    """

    def __init__(self, next_port: int, *, refuses: re.Pattern[bytes] | None = None) -> None:
        self._next_port = next_port
        self._refuses = refuses
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._through: list[socket.socket] = []
        self._carriers: list[threading.Thread] = []
        self._closed = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Refuse new clients, and disconnect those that are connected."""
        self._closed = True
        for each in self._through:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Let people in again."""
        self._closed = False

    def end(self) -> None:
        """For good."""
        self.close()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for carrier in self._carriers:
            carrier.join(10)
        for each in self._through:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._closed:
                client.close()
                continue
            self.connections += 1
            server = socket.create_connection((LOOPBACK, self._next_port))
            self._through += [client, server]
            for source, sink, speaks in ((client, server, True), (server, client, False)):
                carrier = threading.Thread(target=self._carry, args=(source, sink, client, speaks), daemon=True)
                self._carriers.append(carrier)
                carrier.start()

    def _carry(self, source: socket.socket, sink: socket.socket, client: socket.socket, speaks: bool) -> None:
        with contextlib.suppress(OSError), source.makefile("rb") as lines:
            for line in lines:
                if speaks and self._refuses is not None and self._refuses.search(line):
                    client.sendall(line.split()[0] + b" NO [CANNOT] not here\r\n")
                else:
                    sink.sendall(line)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def imap_gate(next_port: int, *, refuses: re.Pattern[bytes] | None = None) -> Iterator[ImapGate]:
    """Runs one until the block ends.

    Args:
        next_port: Where the server speaks IMAP in plain.
        refuses: Commands that are answered with NO.
    """
    gate = ImapGate(next_port, refuses=refuses)
    try:
        yield gate
    finally:
        gate.end()
