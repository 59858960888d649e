"""How expensive the server's choice of a key exchange is, read from its records before OpenSSL gets them.

In TLS 1.2 and older a server may choose any Diffie-Hellman group, up to 10,000 bits. OpenSSL takes two thirds of a
second for that one, and 45 ms for one of 4,096 bits, which many servers have. The choice is sent in plain, in the
message ServerKeyExchange. TLS 1.3 has named groups only, all of them quick, and encrypts the rest.

This module only reads the choice. Malformed records are left for OpenSSL to report.
"""

from __future__ import annotations

from typing import Final

EPHEMERAL: Final = frozenset(
    {
        *(0x0011, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016),  # DES and 3DES
        *(0x0032, 0x0033, 0x0038, 0x0039, 0x0040, 0x0067, 0x006A, 0x006B),  # AES in CBC mode
        *(0x0044, 0x0045, 0x0087, 0x0088, 0x00BD, 0x00BE, 0x00C3, 0x00C4, 0xC07C, 0xC07D, 0xC080, 0xC081),  # Camellia
        *(0x0099, 0x009A),  # SEED
        *(0x009E, 0x009F, 0x00A2, 0x00A3, 0xCCAA),  # AES in GCM mode, ChaCha20
        *(0xC09E, 0xC09F, 0xC0A2, 0xC0A3),  # AES in CCM mode
        *(0xC044, 0xC045, 0xC052, 0xC053, 0xC056, 0xC057),  # ARIA
    }
)
"""The cipher suites whose names begin with TLS_DHE_RSA and TLS_DHE_DSS, of IANA's registry."""

_HANDSHAKE: Final = 22
_SERVER_HELLO: Final = 2
_SERVER_KEY_EXCHANGE: Final = 12
_RECORD_HEADER: Final = 5
_MESSAGE_HEADER: Final = 4
_HELLO_SESSION: Final = 34
"""Where in a ServerHello the length of the session's identifier stands: after version and random (RFC 5246 7.4.1.3)."""
_LONGEST_HELLO_START: Final = _HELLO_SESSION + 1 + 255 + 2


class KeyExchange:
    """Reads the server's side of a handshake, in pieces of any size, until its key exchange is known.

    Attributes:
        prime_bits: The size of the Diffie-Hellman group; 0 as long as none was chosen.
    """

    __slots__ = ("_is_ephemeral", "_is_over", "_kind", "_message", "_record", "_wanted", "prime_bits")

    def __init__(self) -> None:
        self.prime_bits = 0
        self._record = bytearray()
        self._message = bytearray()
        self._wanted = 0
        """How many octets of the message under way are still to come, or 0 between two."""
        self._kind = 0
        self._is_ephemeral = False
        self._is_over = False

    def feed(self, octets: bytes) -> None:
        """Read the next octets from the server."""
        if self._is_over:
            return
        self._record += octets
        while not self._is_over and len(self._record) >= _RECORD_HEADER:
            end = _RECORD_HEADER + int.from_bytes(self._record[3:5], "big")
            if self._record[0] != _HANDSHAKE:
                # An alert, or everything after this is encrypted.
                self._is_over = True
            elif len(self._record) < end:
                return
            else:
                self._read_messages(bytes(self._record[_RECORD_HEADER:end]))
                del self._record[:end]

    def _read_messages(self, octets: bytes) -> None:
        """Read a record's content. A message may go on in the next record; of a long one only the start is kept."""
        at = 0
        while at < len(octets) and not self._is_over:
            if not self._wanted:
                header = _MESSAGE_HEADER - len(self._message)
                self._message += octets[at : at + header]
                at += header
                if len(self._message) < _MESSAGE_HEADER:
                    return
                self._kind, self._wanted = self._message[0], int.from_bytes(self._message[1:], "big")
                self._message.clear()
            piece = octets[at : at + self._wanted]
            at += len(piece)
            self._wanted -= len(piece)
            self._message += piece[: max(_LONGEST_HELLO_START - len(self._message), 0)]
            if not self._wanted:
                self._read_message(bytes(self._message))
                self._message.clear()

    def _read_message(self, start: bytes) -> None:
        if self._kind == _SERVER_HELLO and len(start) > _HELLO_SESSION:
            cipher = _HELLO_SESSION + 1 + start[_HELLO_SESSION]
            self._is_ephemeral = int.from_bytes(start[cipher : cipher + 2], "big") in EPHEMERAL
        elif self._kind == _SERVER_KEY_EXCHANGE:
            if self._is_ephemeral:
                self.prime_bits = 8 * int.from_bytes(start[:2], "big")
            self._is_over = True
