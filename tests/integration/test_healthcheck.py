"""`mail-exporter healthcheck`: well, unwell and gone are told apart, by HTTP or HTTPS, whichever the daemon speaks."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result

from exporter.cli.healthcheck import healthcheck
from tests.servers.exporter import StartExporter, exporter_running, run_command
from tests.servers.programs import LOOPBACK, wait_until

CONFIGURATION = """
endpoints:
  - url: imaps://127.0.0.1:1
    timeout: 1s
"""

MUTUAL_TLS = """
tls_server_config:
  cert_file: own.pem
  key_file: own.pem
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: authority.pem
"""


def ask(address: str, *arguments: str) -> Result:
    return CliRunner().invoke(healthcheck, [f"--web.listen-address={address}", *arguments])


@contextmanager
def answering(status: int, wrap: Callable[[socket.socket], socket.socket] | None = None) -> Iterator[str]:
    """An HTTP server that answers everything but the path that is asked for with 404, and that with a status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/-/healthy" else 404)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None: ...

    with HTTPServer((LOOPBACK, 0), Answer) as server:
        if wrap:
            server.socket = wrap(server.socket)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("exporter.example.com").configure_cert(context)
    return context


def test_the_running_daemon_is_well(start_exporter: StartExporter) -> None:
    exporter = start_exporter(CONFIGURATION)

    asked = run_command("healthcheck", f"--web.listen-address={exporter.address}")

    assert (0, "") == (asked.returncode, asked.stderr)


@pytest.mark.parametrize(
    "web_config",
    [
        "basic_auth_users: {prometheus: $2y$10$s4wQIiLbOMNL8w2Fl.SmUOALk3Ouz5MqfP9M1FPkkULfPRaEgaonK}",
        "tls_server_config: {cert_file: own.pem, key_file: own.pem}",
        MUTUAL_TLS,
    ],
    ids=["users", "HTTPS", "certificates of clients"],
)
def test_the_running_daemon_is_well_also_where_strangers_are_kept_out(
    web_config: str, authority: trustme.CA, tmp_path: Path
) -> None:
    (tmp_path / "mail-exporter.yaml").write_text(CONFIGURATION)
    (tmp_path / "web-config.yaml").write_text(web_config)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    authority.issue_cert("exporter.example.com").private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")

    def well(address: str) -> bool:
        return run_command("healthcheck", f"--web.listen-address={address}").returncode == 0

    flag = f"--web.config.file={tmp_path / 'web-config.yaml'}"
    with exporter_running(tmp_path / "mail-exporter.yaml", flag, ready=well) as exporter:
        exporter.stop()
        # It asked, and was let in or not: that is nothing for the log.
        assert "certificate" not in exporter.log.read_text()

    assert not well(exporter.address)


def test_a_daemon_that_ended_is_not(start_exporter: StartExporter) -> None:
    exporter = start_exporter(CONFIGURATION)
    exporter.stop()

    asked = run_command("healthcheck", f"--web.listen-address={exporter.address}")

    assert 1 == asked.returncode
    assert "nothing answers at 127.0.0.1 port" in asked.stderr


@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 0), (429, 0), (404, 1), (500, 1), (503, 1)])
def test_what_it_answers_decides(status: int, code: int) -> None:
    with answering(status) as address:
        asked = ask(address)

    assert code == asked.exit_code
    assert bool(code) == (f"with {status}" in asked.output)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(("status", "code"), [(200, 0), (500, 1)])
def test_https_is_found_out_by_asking(tls: ssl.SSLContext, version: ssl.TLSVersion, status: int, code: int) -> None:
    tls.maximum_version = version

    def wrap(listener: socket.socket) -> socket.socket:
        return tls.wrap_socket(listener, server_side=True)

    with answering(status, wrap) as address:
        asked = ask(address)

    assert code == asked.exit_code


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_daemon_that_wants_a_client_certificate_is_well(
    tls: ssl.SSLContext, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    tls.maximum_version = version
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(tls)

    def wrap(listener: socket.socket) -> socket.socket:
        return tls.wrap_socket(listener, server_side=True)

    with answering(200, wrap) as address:
        asked = ask(address)

    assert (0, "") == (asked.exit_code, asked.output)


def test_a_daemon_that_hangs_is_not_well() -> None:
    with closing(socket.create_server((LOOPBACK, 0))) as silent:
        asked = ask(f"{LOOPBACK}:{silent.getsockname()[1]}", "--timeout=0.1")

    assert 1 == asked.exit_code
    assert "timed out" in asked.output


def test_a_daemon_that_hangs_after_the_handshake_is_not_well_either(tls: ssl.SSLContext) -> None:
    with closing(socket.create_server((LOOPBACK, 0))) as listener:

        def shake() -> None:
            listener.accept()[0].close()  # asked by HTTP, which is not spoken
            with tls.wrap_socket(listener.accept()[0], server_side=True) as connection:
                asked.wait()
                connection.recv(4096)

        asked = threading.Event()
        thread = threading.Thread(target=shake)
        thread.start()
        # The handshake has to be over by then.
        answer = ask(f"{LOOPBACK}:{listener.getsockname()[1]}", "--timeout=2")
        asked.set()
        thread.join()

    assert 1 == answer.exit_code
    assert "does not answer: The read operation timed out" in answer.output


def test_what_speaks_neither_http_nor_https_is_not_the_daemon() -> None:
    with closing(socket.create_server((LOOPBACK, 0))) as listener:

        def greet() -> None:
            for _ in range(2):  # asked by HTTP, then by HTTPS
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"220 mail.example.com ESMTP\r\n")
                    connection.recv(4096)

        thread = threading.Thread(target=greet)
        thread.start()
        asked = ask(f"{LOOPBACK}:{listener.getsockname()[1]}")
        thread.join()

    assert 1 == asked.exit_code
    assert "speaks neither HTTP nor HTTPS" in asked.output


@pytest.mark.parametrize("everywhere", ["", "0.0.0.0", "[::]"])  # noqa: S104 - nobody listens there
def test_a_daemon_that_listens_everywhere_is_asked_here(everywhere: str) -> None:
    with answering(200) as address:
        asked = ask(f"{everywhere}:{address.rpartition(':')[2]}")

    assert 0 == asked.exit_code


@pytest.mark.parametrize(
    "wrong", ["", "9925", "localhost", ":http", ":70000", "http://localhost:9925", "a@b:1", ":1/x", "[::1:1", ":1?x"]
)
def test_an_address_that_is_none_is_wrong_usage(wrong: str) -> None:
    asked = ask(wrong)

    assert 2 == asked.exit_code
    assert "for example :9925" in asked.output


def test_it_asks_at_the_default_port_unless_told() -> None:
    shown = CliRunner().invoke(healthcheck, ["--help"])

    assert "[default: :9925]" in shown.output


def test_a_daemon_at_a_unix_socket_below_a_prefix_is_asked_there(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    configuration = tmp_path / "mail-exporter.yaml"
    configuration.write_text(CONFIGURATION)
    command = [sys.executable, "-m", "exporter", "run", f"--config.file={configuration}"]
    flags = [f"--web.listen-address=unix:{path}", "--web.external-url=https://mon.example.com/mail/"]
    with subprocess.Popen([*command, *flags], stderr=subprocess.DEVNULL) as daemon:
        try:
            well = wait_until(
                lambda: ask(f"unix:{path}", "--web.route-prefix=/mail").exit_code == 0 or None, what="it is well"
            )
            elsewhere = ask(f"unix:{path}")
        finally:
            daemon.terminate()

    assert (True, 1) == (well, elsewhere.exit_code)
    assert f"unix:{path} answers /-/healthy with 404" in elsewhere.output
    assert not path.exists()
