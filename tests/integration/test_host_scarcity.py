"""What the machine can do to the daemon, continued: no room for the history, a network that is down."""

from __future__ import annotations

import ctypes
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from tests.servers.exporter import COMMAND, Metrics, exporter_running
from tests.servers.programs import LOOPBACK, program, unavailable, wait_until

ENDPOINTS = 5
CLONE_NEWNET = 0x40000000
STOPS_WITHIN = 20.0


class Pop3(socketserver.StreamRequestHandler):
    """A mailbox that takes every login."""

    def handle(self) -> None:
        self.wfile.write(b"+OK ready\r\n")
        try:
            while line := self.rfile.readline():
                self.wfile.write(b"+OK\r\nUSER\r\n.\r\n" if line.startswith(b"CAPA") else b"+OK 0 0\r\n")
        except OSError:
            return


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def serving() -> Iterator[int]:
    with Server((LOOPBACK, 0), Pop3) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def configuration(directory: Path, port: int, host: str = LOOPBACK) -> Path:
    """Endpoints that log in with a password from a file, as a thread reads it for each probe."""
    directory.mkdir(exist_ok=True)
    secret = directory / "password"
    secret.write_text("secret")
    secret.chmod(0o600)
    file = directory / "mail-exporter.yaml"
    head = (
        "defaults: {interval: 1s, timeout: 900ms}\n"
        f"credentials: {{c: {{username: u, password_file: {secret}}}}}\nendpoints:\n"
    )
    url = f"pop3://{host}:{port}"
    entry = "- {{name: e{n}, url: '{url}', encryption: none, credentials: c, allow_insecure_auth: true}}\n"
    file.write_text(head + "".join(entry.format(n=n, url=url) for n in range(ENDPOINTS)))
    return file


def all_succeed(metrics: Metrics) -> bool:
    return [1.0] * ENDPOINTS == [metrics.get("mail_probe_success", endpoint=f"e{n}") for n in range(ENDPOINTS)]


def reasons(metrics: Metrics) -> set[str]:
    """Why probes have failed, but for the time being up: a machine that does much else is enough for that."""
    return {labels["reason"] for labels in metrics.find("mail_probe_failures_total")} - {"timeout"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        unavailable("a small disk is mounted by root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=False)
    if mounted.returncode != 0:
        unavailable("nothing can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_disk_that_is_full_costs_the_newest_history_and_nothing_else(small_disk: Path, tmp_path: Path) -> None:
    history = small_disk / "history"
    with serving() as port:
        file = configuration(tmp_path / "first", port)
        with exporter_running(file, f"--history.file={history}") as exporter:
            wait_until(lambda: all_succeed(exporter.metrics()) or None, what="all succeed")
            exporter.stop()
        written = history.read_bytes()
        fill(small_disk / "filler")
        with exporter_running(file, f"--history.file={history}") as exporter:
            wait_until(lambda: all_succeed(exporter.metrics()) or None, what="all succeed beside a full disk")
            exporter.stop()
            log = exporter.log.read_text()

    assert written
    assert written == history.read_bytes()
    assert "No space left on device" in log
    assert {"history", "filler"} <= {entry.name for entry in small_disk.iterdir()}


MOST_THREADS = 16
"""Of a user's, so many as the daemon never has at once."""


def unprivileged(*command: str | Path) -> list[str]:
    """As a user of its own who may read everything: root is bound by no limit of threads."""
    user = str(54_000 + os.getpid() % 1_000)
    may = "+dac_read_search"
    setpriv = program("setpriv", package="util-linux")
    ids = [f"--reuid={user}", f"--regid={user}", "--clear-groups", f"--inh-caps={may}", f"--ambient-caps={may}"]
    return [setpriv, *ids, *map(str, command)]


@contextmanager
def no_thread_left() -> Iterator[None]:
    """Others of the same user's take up what there is; they themselves are bound by nothing."""
    with ExitStack() as stack:
        for _ in range(MOST_THREADS):
            other = stack.enter_context(subprocess.Popen(unprivileged("sleep", "120")))
            stack.callback(other.kill)
        yield


def test_without_threads_probes_say_so_and_afterwards_all_is_as_before(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        unavailable("another user's limits are set by root")
    listener = tmp_path / "http.sock"
    tmp_path.chmod(0o777)

    def succeeding() -> bool | None:
        return (listener.exists() and all_succeed(scraped(listener))) or None

    with serving() as port:
        file = configuration(tmp_path / "configuration", port, host="localhost")
        command = unprivileged(*COMMAND, "run", f"--config.file={file}", f"--web.listen-address=unix:{listener}")
        limited = [program("prlimit", package="util-linux"), f"--nproc={MOST_THREADS}", *command]
        with (tmp_path / "log").open("wb") as log, subprocess.Popen(limited, stderr=log) as process:
            try:
                wait_until(succeeding, what="all succeed", within=60)
                with no_thread_left():
                    failed = wait_until(lambda: reasons(scraped(listener)), what="some fail", within=60)
                    alive = status(listener, "/-/healthy")
                wait_until(succeeding, what="all succeed again", within=60)
                process.terminate()
                code = process.wait(STOPS_WITHIN)
            finally:
                process.kill()

    assert ({"secret_unreadable"}, 200, 0) == (failed, alive, code)
    assert "Traceback" not in (tmp_path / "log").read_text()


class Namespace:
    """A network of its own, and a thread that lives in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._thread = ThreadPoolExecutor(1, initializer=self._enter)

    def _enter(self) -> None:
        descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(descriptor)

    def server(self) -> Server:
        """One that listens in there, whichever thread it is served by."""
        return self._thread.submit(Server, (LOOPBACK, 0), Pop3).result()

    def datagrams(self, address: str, port: int) -> socket.socket:
        """A socket in there for UDP."""

        def bound() -> socket.socket:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((address, port))
            return sock

        return self._thread.submit(bound).result()

    def link(self, state: str) -> None:
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", state], check=True)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    program("ip", package="iproute2")
    name = f"mail-exporter-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode != 0:
        unavailable("no network namespace can be made here")
    try:
        made = Namespace(name)
        made.link("up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def scraped(path: Path) -> Metrics:
    """`/metrics` by a unix socket, which needs no network."""
    return Metrics.parse(asked(path, "/metrics").partition(b"\r\n\r\n")[2].decode())


def status(path: Path, page: str) -> int:
    return int(asked(path, page).split()[1])


def asked(path: Path, page: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(f"GET {page} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def unconnected(metrics: Metrics) -> set[str]:
    """Why connections were not made."""
    found = metrics.find("mail_probe_failures_total")
    return {labels["reason"] for labels in found if labels["phase"] == "connect"}


def test_while_the_network_is_down_probes_say_so_and_afterwards_all_is_as_before(
    namespace: Namespace, tmp_path: Path
) -> None:
    """Linux loses what is sent to a loopback that is down: the first packet of a connection, and all others."""
    listener = tmp_path / "http.sock"

    def succeeding() -> bool | None:
        return (listener.exists() and all_succeed(scraped(listener))) or None

    with namespace.server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = configuration(tmp_path / "configuration", server.server_address[1])
        inside = ["ip", "netns", "exec", namespace.name]
        command = [*inside, *COMMAND, "run", f"--config.file={file}", f"--web.listen-address=unix:{listener}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                wait_until(succeeding, what="all succeed", within=60)
                namespace.link("down")
                failed = wait_until(lambda: unconnected(scraped(listener)), what="some fail", within=60)
                alive = status(listener, "/-/healthy")
                namespace.link("up")
                wait_until(succeeding, what="all succeed again", within=60)
                process.terminate()
                code = process.wait(STOPS_WITHIN)
            finally:
                process.kill()
        server.shutdown()

    assert failed <= {"timeout", "connect_unreachable"}
    assert (200, 0) == (alive, code)


RESOLVING_BY = """
import sys
from pathlib import Path
from exporter.net.dns import system_names
system_names.RESOLV_CONF = Path(sys.argv.pop(1))
from exporter.cli import main
main()
"""


def test_a_resolv_conf_that_goes_and_comes_back_is_noticed(namespace: Namespace, tmp_path: Path) -> None:
    """Without one, this machine's own nameserver is asked (resolv.conf(5)), and here there is none."""
    resolv_conf, listener = tmp_path / "resolv.conf", tmp_path / "http.sock"
    resolv_conf.write_text("nameserver 127.0.0.53\n")

    def succeeding() -> bool | None:
        return (listener.exists() and all_succeed(scraped(listener))) or None

    with namespace.server() as server, namespace.datagrams("127.0.0.53", 53) as questions:
        for serve in (server.serve_forever, lambda: answer(questions)):
            threading.Thread(target=serve, daemon=True).start()
        file = configuration(tmp_path / "configuration", server.server_address[1], host="mail.example.test")
        command = ["ip", "netns", "exec", namespace.name, sys.executable, "-c", RESOLVING_BY, str(resolv_conf)]
        arguments = ["run", f"--config.file={file}", f"--web.listen-address=unix:{listener}"]
        with subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL) as process:
            try:
                wait_until(succeeding, what="all succeed", within=60)
                resolv_conf.rename(tmp_path / "away")
                failed = wait_until(lambda: reasons(scraped(listener)), what="some fail", within=60)
                (tmp_path / "away").rename(resolv_conf)
                wait_until(succeeding, what="all succeed again", within=60)
                process.terminate()
                code = process.wait(STOPS_WITHIN)
            finally:
                process.kill()
        server.shutdown()

    assert {"dns_failed"} == failed
    assert 0 == code


def answer(questions: socket.socket) -> None:
    """Every name has one address, for a second."""
    with suppress(OSError):
        while True:
            wire, asker = questions.recvfrom(4096)
            query = dns.message.from_wire(wire)
            told = dns.message.make_response(query, recursion_available=True)
            name, rdtype = query.question[0].name, query.question[0].rdtype
            if rdtype == dns.rdatatype.A:
                told.answer.append(dns.rrset.from_text(name, 1, "IN", "A", LOOPBACK))
            questions.sendto(told.to_wire(), asker)
