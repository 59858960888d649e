"""The daemon beside servers that mean it harm: anyone who else is probed is none the worse for it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from OpenSSL import SSL

from tests.authority import Party, issue, pem, rsa_key
from tests.bending import element
from tests.certificates import NAME, world
from tests.handshakes import server_context
from tests.servers.exporter import Exporter, Metrics, exporter_running
from tests.servers.fetching import fetch
from tests.servers.hostile_tls import (
    TICKET,
    Act,
    choosing_group,
    flooding,
    greeting_with_hello_requests,
    presenting_another_each_time,
    reset,
    serving,
)
from tests.servers.programs import LOOPBACK, wait_until

HEALTHY = 10
PROBES = 3
"""Of each hostile server."""

NAMES = 14_600
"""Of a certificate of 88 kB."""

CERTIFICATES = 60
"""Each of that size. They took 1.8 MiB each, for ever."""

MAY_GROW = 5.0
"""MiB."""

UNTRUSTED = "tickets-by-starttls"
"""Its certificate is not trusted, and yet told goodbye over TLS: anybody on the path may be this server."""

ANSWERS_WITHIN = 10.0
"""Seconds for `/-/healthy`, on a machine that does much else. It was dead for 30."""

TLS13 = (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)


def healthy(sock: socket.socket) -> None:
    """A POP3 server that does what it should."""
    sock.sendall(b"+OK ready\r\n")
    for line in sock.makefile("rb"):
        sock.sendall(b"+OK\r\nUIDL\r\n.\r\n" if line.startswith(b"CAPA") else b"+OK\r\n")


def server(versions: tuple[int, int] = TLS13) -> SSL.Context:
    return server_context(issue(NAME, world().root, alternatives=[NAME]), versions=versions)


def starting_tls(then: Act) -> Act:
    """POP3 up to STLS, and then something else."""

    def act(sock: socket.socket) -> None:
        sock.sendall(b"+OK ready\r\n")
        while not (line := sock.recv(100)).startswith(b"STLS"):
            sock.sendall(b"+OK\r\nSTLS\r\n.\r\n" if line.startswith(b"CAPA") else b"+OK\r\n")
        sock.sendall(b"+OK go ahead\r\n")
        then(sock)

    return act


def resetting(after: int) -> Act:
    """A reset in the middle of a handshake."""

    def act(sock: socket.socket) -> None:
        connection = SSL.Connection(server())
        connection.set_accept_state()
        connection.bio_write(sock.recv(1 << 16))
        with contextlib.suppress(SSL.WantReadError):
            connection.do_handshake()
        sock.sendall(connection.bio_read(after))
        reset(sock)

    return act


def hostile() -> dict[str, tuple[str, Act, str]]:
    """By name: the scheme, what the server does, and the reason that it deserves."""
    leaf = issue(NAME, world().root, alternatives=[NAME], key=rsa_key(2048, "choosing a group"))
    later = flooding(server, TICKET, first=b"+OK ready\r\n")
    return {
        "tickets": ("pop3s", flooding(server, TICKET), "response_too_large"),
        "tickets-later": ("pop3s", later, "response_too_large"),
        UNTRUSTED: ("pop3", starting_tls(later), "tls_untrusted"),
        "hello-requests": ("pop3s", greeting_with_hello_requests(), "response_too_large"),
        "group-of-10000": ("pop3s", choosing_group(leaf, 10_000), "tls_handshake_failed"),
        "group-of-4096": ("pop3s", choosing_group(leaf, 4096), "connection_closed"),
        "reset-in-handshake": ("pop3s", resetting(60), "connection_reset"),
        "reset-at-once": ("pop3s", reset, "connection_reset"),
    }


def large() -> Party:
    """A server with a certificate of 88 kB."""
    # cryptography takes seconds over as many names.
    names = element(0x30, *(element(0x82, name) for name in (NAME.encode(), *(b"%04x" % n for n in range(NAMES)))))
    extension = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, names)
    return issue("large", world().stranger, extensions=[(extension, False)])


@dataclass(frozen=True, slots=True)
class Beside:
    """A daemon at work.

    Attributes:
        large: The URL that has it probe a server with a new large certificate each time.
    """

    exporter: Exporter
    large: str


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """A daemon that probes ten healthy servers, and each of the hostile ones."""
    file: Path = tmp_path_factory.mktemp("hostile") / "mail-exporter.yaml"
    authorities = file.with_name("authorities.pem")
    authorities.write_bytes(pem(*world().trusted))
    common = {"interval": "3s", "timeout": "3s"}
    with ExitStack() as servers:
        port = servers.enter_context(serving(healthy))
        endpoints: list[dict[str, object]] = [
            {"name": f"healthy-{number}", "url": f"pop3://{LOOPBACK}:{port}", "encryption": "none", **common}
            for number in range(HEALTHY)
        ]
        for name, (scheme, act, _) in hostile().items():
            at = servers.enter_context(serving(act))
            trust = {} if name == UNTRUSTED else {"ca_file": str(authorities)}
            url = f"{scheme}://{LOOPBACK}:{at}"
            endpoints.append({"name": name, "url": url, "tls": {"server_name": NAME, **trust}, **common})
        presenting = servers.enter_context(serving(presenting_another_each_time(large(), world().stranger)))
        module: dict[str, object] = {"url": "pop3s://", "allowed_targets": [LOOPBACK]}
        module["tls"] = {"server_name": NAME, "ca_file": str(authorities)}
        file.write_text(yaml.safe_dump({"endpoints": endpoints, "modules": {"large": module}}))
        with exporter_running(file) as exporter:
            yield Beside(exporter, f"{exporter.url}/probe?module=large&target={LOOPBACK}:{presenting}")


def test_a_server_with_a_new_large_certificate_each_time_does_not_fill_memory(beside: Beside) -> None:
    def probe(times: int) -> float:
        with ThreadPoolExecutor(4) as clients:
            answers = list(clients.map(lambda _: fetch(beside.large, timeout=60).body, range(times)))
        assert [] == [answer for answer in answers if not re.search(rb"\nmail_tls_verified{.*} 0\n", answer)]
        return beside.exporter.metrics().value("process_resident_memory_bytes") / 2**20

    before = probe(20)

    assert probe(CERTIFICATES) - before < MAY_GROW


def lags_over(bound: str, metrics: Metrics) -> float:
    """How often the event loop was later than that."""
    bucket = "mail_exporter_event_loop_lag_seconds_bucket"
    return metrics.value(bucket, le="+Inf") - metrics.value(bucket, le=bound)


def goes_first(exporter: Exporter) -> bool:
    """Whether the daemon now runs before all else that the machine does, so that only its own doings hold it up."""
    try:
        os.sched_setscheduler(exporter.process.pid, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


def test_nobody_else_is_the_worse_for_a_hostile_server(beside: Beside) -> None:
    exporter = beside.exporter
    longest_lag = "0.25" if goes_first(exporter) else "5.0"
    late = lags_over(longest_lag, exporter.metrics())
    slowest = 0.0

    def all_probed() -> bool:
        nonlocal slowest
        begun = time.monotonic()
        assert 200 == fetch(f"{exporter.url}/-/healthy").status
        slowest = max(slowest, time.monotonic() - begun)
        metrics = exporter.metrics()
        return all((metrics.get("mail_probes_total", endpoint=name) or 0.0) >= PROBES for name in hostile())

    wait_until(all_probed, what="every hostile server has been probed several times", within=90)
    metrics = exporter.metrics()

    for name, (_, _, reason) in hostile().items():
        found = {one["reason"] for one in metrics.find("mail_probe_failures_total", endpoint=name)}
        # On a machine that does much else, time may be up before a flood is too much.
        assert found
        assert found <= {reason, "timeout"}, name
    failed = [one for one in metrics.find("mail_probe_failures_total") if one["endpoint"].startswith("healthy")]
    assert [] == failed
    assert slowest < ANSWERS_WITHIN
    # Ours to answer for are 10 ms. A machine that is itself not run has a hand in it, too.
    assert late == lags_over(longest_lag, metrics)
    exporter.stop()
