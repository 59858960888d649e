"""The Diffie-Hellman group that a server chooses is known before anything is computed in it."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.net.tls.key_exchange import EPHEMERAL, KeyExchange

DHE = b"\x00\x9f"
ECDHE = b"\xc0\x30"


def record(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + len(payload).to_bytes(2, "big") + payload


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def flight(cipher: bytes = DHE, octets: int = 512, session: bytes = b"") -> list[bytes]:
    """The messages of a server of TLS 1.2: ServerHello, Certificate, ServerKeyExchange, ServerHelloDone."""
    return [
        message(2, b"\x03\x03" + bytes(32) + bytes([len(session)]) + session + cipher + b"\x00"),
        message(11, bytes(3000)),
        message(12, octets.to_bytes(2, "big") + bytes(octets) + b"\x00\x01\x02"),
        message(14, b""),
    ]


def found(*pieces: bytes) -> int:
    exchange = KeyExchange()
    for piece in pieces:
        exchange.feed(piece)
    return exchange.prime_bits


@pytest.mark.parametrize("session", [b"", bytes(32)])
def test_the_size_of_the_group_is_read_from_the_key_exchange(session: bytes) -> None:
    assert 4096 == found(record(22, b"".join(flight(session=session))))


def test_requests_to_say_hello_are_passed_over() -> None:
    assert 4096 == found(record(22, 3 * message(0, b"")), *[record(22, each) for each in flight()])


# 6,144 bits look like the start of an elliptic curve's parameters, and the other way round.
@pytest.mark.parametrize("octets", [256, 768, 1250])
def test_another_key_exchange_has_no_group(octets: int) -> None:
    assert 8 * octets == found(*[record(22, each) for each in flight(DHE, octets)])
    assert 0 == found(*[record(22, each) for each in flight(ECDHE, octets)])


def test_nothing_is_read_after_what_is_encrypted() -> None:
    messages = flight()

    assert 0 == found(record(22, messages[0]), record(20, b"\x01"), record(22, messages[2]))
    assert 0 == found(record(22, messages[0]), record(23, bytes(500)), record(22, messages[2]))


@given(cuts=st.lists(st.integers(1, 400), max_size=40), splits=st.lists(st.integers(1, 900), max_size=12))
def test_it_does_not_matter_how_messages_are_cut_into_records_and_records_into_pieces(
    cuts: list[int], splits: list[int]
) -> None:
    wire = b"".join(record(22, part) for part in _cut(b"".join(flight()), splits))

    assert 4096 == found(*_cut(wire, cuts))


@given(st.lists(st.binary()))
def test_whatever_comes_is_no_error(pieces: list[bytes]) -> None:
    found(*pieces)
    found(record(22, b"".join(pieces)[:65535]))


def test_the_suites_are_those_that_openssl_knows() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("kDHE:!aNULL:@SECLEVEL=0")
    ephemeral = {each["id"] & 0xFFFF for each in context.get_ciphers() if each.get("kea") == "kx-dhe"}

    assert ephemeral
    assert ephemeral <= EPHEMERAL


def _cut(octets: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(octets[:size])
        octets = octets[size:]
    return [part for part in [*parts, octets] if part]
