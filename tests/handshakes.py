"""TLS handshakes inside the test: a server that presents what it is told, and a client to meet it.

Both ends are pyOpenSSL without a socket, in one thread: a test needs no listener, no waiting and no cleaning up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from OpenSSL import SSL

from exporter.model import TlsFacts
from exporter.net import tls
from tests.authority import Party, PrivateKey
from tests.bending import armoured
from tests.certificates import NAME, Situation

TURNS = 20
"""Turns that a handshake may take; two are usual, four with everything."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Both ends after the handshake, and why it failed if it did."""

    client: SSL.Connection
    server: SSL.Connection
    error: SSL.Error | None

    def facts(self, name: str, now: float) -> TlsFacts:
        """What the client learnt."""
        return tls.facts(self.client, name, now)


def server_context(*chain: Party, staple: bytes = b"", versions: tuple[int, int] = (0, 0)) -> SSL.Context:
    """A server that presents this chain, whatever it is like.

    Args:
        chain: The server's own certificate first.
        staple: The OCSP response to send along.
        versions: The lowest and highest protocol version; 0 for the library's.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
    context.set_min_proto_version(versions[0])
    context.set_max_proto_version(versions[1])
    leaf, *others = chain
    context.use_certificate(leaf.certificate)
    context.use_privatekey(leaf.key)
    for party in others:
        context.add_extra_chain_cert(party.certificate)
    if staple:
        context.set_ocsp_server_callback(lambda *_: staple)
    return context


def server_of(chain: Sequence[bytes], key: PrivateKey, folder: Path, *, staple: bytes = b"") -> SSL.Context:
    """A server that presents certificates as they are given, DER, also those that only OpenSSL takes.

    Args:
        chain: The server's own certificate first.
        key: Its own.
        folder: Where to write them down.
        staple: The OCSP response to send along.
    """
    file = folder / "presented.pem"
    file.write_bytes(b"".join(map(armoured, chain)))
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
    context.use_certificate_chain_file(file)
    context.use_privatekey(key)
    if staple:
        context.set_ocsp_server_callback(lambda *_: staple)
    return context


def serving(situation: Situation) -> SSL.Context:
    """A server in a situation."""
    return server_context(*situation.chain, staple=situation.staple)


@contextlib.contextmanager
def meeting(client: SSL.Context, server: SSL.Context, name: str = NAME) -> Iterator[Meeting]:
    """A handshake between the two, as far as it gets."""
    here = tls.begin(client, name)
    there = SSL.Connection(server)
    there.set_accept_state()
    yield Meeting(here, there, _shake(here, there))


def _shake(here: SSL.Connection, there: SSL.Connection) -> SSL.Error | None:
    for _ in range(TURNS):
        waits = False
        try:
            here.do_handshake()
        except SSL.WantReadError:
            waits = True
        except SSL.Error as error:
            return error
        finally:
            carry(here, there)
        try:
            there.do_handshake()
        except SSL.WantReadError:
            waits = True
        except SSL.Error:
            pass  # the client will hear why
        finally:
            carry(there, here)
        if not waits:
            return None
    raise AssertionError("the handshake does not end")


def carry(sender: SSL.Connection, receiver: SSL.Connection) -> None:
    """Hand over what one end has said so far."""
    with contextlib.suppress(SSL.WantReadError):
        while True:
            receiver.bio_write(sender.bio_read(1 << 16))
