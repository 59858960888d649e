"""The verdict on every certificate situation, asked of the system's own `openssl s_client` as well."""

from __future__ import annotations

import contextlib
import ipaddress
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.authority import pem
from tests.certificates import Situation, situations, world
from tests.handshakes import serving

OPENSSL = shutil.which("openssl")
PATIENCE = 20.0

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command here")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return file


@pytest.mark.parametrize("situation", situations(), ids=lambda situation: situation.title)
def test_openssl_comes_to_the_same_verdict(authorities: Path, situation: Situation) -> None:
    accepted, said = openssl_accepts(situation, authorities)

    agrees = situation.verified == accepted
    assert agrees == (situation.dissent is None), situation.dissent or said


def openssl_accepts(situation: Situation, authorities: Path) -> tuple[bool, str]:
    """Whether `openssl s_client` takes what a server in this situation presents, and what it says about it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        port = listener.getsockname()[1]
        with subprocess.Popen(
            command(situation, authorities, port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as client:
            try:
                serve_once(listener, serving(situation))
                said, _ = client.communicate(timeout=PATIENCE)
            finally:
                client.kill()
    assert "CONNECTION ESTABLISHED" in said or "verify error" in said, said
    return client.returncode == 0, said


def command(situation: Situation, authorities: Path, port: int) -> list[str]:
    name = situation.server_name
    try:
        ipaddress.ip_address(name)
    except ValueError:
        identity = ["-servername", name, "-verify_hostname", name]
    else:
        identity = ["-noservername", "-verify_ip", name]
    trust = ["-CAfile", str(authorities), "-no-CApath", "-no-CAstore"]
    where = ["-connect", f"127.0.0.1:{port}"]
    assert OPENSSL is not None
    return [OPENSSL, "s_client", *where, *identity, *trust, "-verify_return_error", "-status", "-brief"]


def serve_once(listener: socket.socket, context: SSL.Context) -> None:
    peer, _ = listener.accept()
    with peer:
        peer.setblocking(True)
        connection = SSL.Connection(context, peer)
        connection.set_accept_state()
        with contextlib.suppress(SSL.Error):  # the client hangs up when it has seen enough, politely or not
            connection.do_handshake()
            connection.recv(1)
