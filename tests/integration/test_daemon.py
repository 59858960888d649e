"""`mail-exporter run` as a process: how it starts, what it serves, how it ends, and what it says when it cannot."""

from __future__ import annotations

import gzip
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from tests.servers.exporter import COMMAND, STOPS_WITHIN, Exporter, StartExporter, exporter_running, run_command
from tests.servers.fetching import fetch
from tests.servers.mail import ALICE, MailServers
from tests.servers.programs import LOOPBACK, free_ports, program, wait_until

NOBODY_LISTENS = """
endpoints:
  - name: nobody
    url: imaps://127.0.0.1:{port}
    interval: 1s
    timeout: 1s
"""


MUTE = "mute"
"""A name that is probed within a second of the start: names decide about that."""


def nobody_listens() -> str:
    (port,) = free_ports(1)
    return NOBODY_LISTENS.format(port=port)


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """A daemon that has probed, for the tests that only look."""
    file = tmp_path_factory.mktemp("daemon") / "mail-exporter.yaml"
    file.write_text(nobody_listens())
    with exporter_running(file) as exporter:
        wait_until(lambda: exporter.metrics().find("mail_probe_success"), what="the endpoint has been probed")
        yield exporter


def test_it_ends_on_sigterm_with_exit_code_0(start_exporter: StartExporter) -> None:
    start_exporter(nobody_listens()).stop()


def test_it_ends_on_sigint_with_exit_code_0(start_exporter: StartExporter) -> None:
    exporter = start_exporter(nobody_listens())
    exporter.process.send_signal(signal.SIGINT)

    assert 0 == exporter.process.wait(2 * STOPS_WITHIN)


def test_it_ends_in_time_although_a_server_keeps_it_waiting(start_exporter: StartExporter) -> None:
    with closing(socket.create_server((LOOPBACK, 0))) as silent:
        port = silent.getsockname()[1]
        exporter = start_exporter(
            f"endpoints: [{{name: {MUTE}, url: 'imap://{LOOPBACK}:{port}', interval: 1m, timeout: 1m}}]\n"
        )
        silent.settimeout(120)
        connection, _ = silent.accept()
        with closing(connection):
            exporter.stop()


def test_it_says_goodbye_to_the_server_when_it_ends(start_exporter: StartExporter) -> None:
    said: list[bytes] = []
    with closing(socket.create_server((LOOPBACK, 0))) as late:
        late.settimeout(120)
        exporter = start_exporter(
            f"endpoints: [{{name: {MUTE}, protocol: smtp, host: {LOOPBACK}, port: {late.getsockname()[1]},"
            " encryption: none, interval: 1m, timeout: 1m}]\n"
        )
        connection, _ = late.accept()
        with closing(connection):
            exporter.process.send_signal(signal.SIGTERM)
            connection.settimeout(30)
            connection.sendall(b"220 late.example.test\r\n")
            while line := connection.recv(4096):
                said.append(line)
                connection.sendall(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 late.example.test\r\n")

        assert 0 == exporter.process.wait(2 * STOPS_WITHIN)
    assert b"QUIT\r\n" == said[-1]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mail-exporter.yaml"
    file.write_text(nobody_listens())
    with closing(socket.create_server((LOOPBACK, 0))) as taken:
        address = f"{LOOPBACK}:{taken.getsockname()[1]}"
        ended = run_command("run", f"--config.file={file}", f"--web.listen-address={address}")

    assert 1 == ended.returncode
    assert address in ended.stderr
    assert "another program listens there" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("", 1, "endpoints"),
        ("endpoints: [", 1, ""),
        ("endpoints:\n  - url: imaps://mail.example.test\n    intervall: 5s\n", 3, "interval"),
        ("endpoints:\n  - url: imaps://a:b@mail.example.test\n", 2, "password_file"),
        ("endpoints:\n  - url: imaps://mail.example.test\n    credentials: nobody\n", 3, "nobody"),
    ],
)
def test_a_bad_configuration_exits_1_with_its_place(tmp_path: Path, content: str, line: int, says: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(content)

    ended = run_command("run", f"--config.file={file}")

    assert 1 == ended.returncode
    problem = re.search(rf"{re.escape(str(file))}:{line}: (.+)", ended.stdout + ended.stderr)
    assert problem is not None, ended
    assert says in problem[1]
    assert "Traceback" not in ended.stderr


def test_a_missing_configuration_exits_1_and_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "absent.yaml"

    ended = run_command("run", f"--config.file={file}")

    assert 1 == ended.returncode
    assert str(file) in ended.stderr


def test_a_wrong_flag_exits_2() -> None:
    assert 2 == run_command("run", "--no-such-flag").returncode


def test_promtool_has_nothing_to_say_against_the_metrics(
    start_exporter: StartExporter, mail: MailServers, tmp_path: Path
) -> None:
    promtool = program("promtool", package="prometheus")
    exporter = start_exporter(
        f"""
credentials:
  alice: {{username: "{ALICE.username}", password_file: {password_file(tmp_path)}}}
defaults:
  interval: 1s
  timeout: 1s
  tls: {{ca_file: "{mail.authority.file}"}}
  labels: {{team: 'mail "und" \\ Ärger'}}
endpoints:
  - {{name: imap, url: "imaps://{LOOPBACK}:{mail.dovecot.imaps}", credentials: alice, mailbox: INBOX}}
  - {{name: smtp, url: "submission://{LOOPBACK}:{mail.postfix.submission}", credentials: alice}}
  - {{name: nobody, url: "pop3://{LOOPBACK}:{free_ports(1)[0]}"}}
"""
    )
    wait_until(
        lambda: len(exporter.metrics().find("mail_probe_success")) == 3, what="all three endpoints have been probed"
    )

    checked = subprocess.run(
        [promtool, "check", "metrics"], input=exporter.text(), check=False, capture_output=True, text=True
    )

    assert (0, "") == (checked.returncode, checked.stdout + checked.stderr)


def test_metrics_come_as_text_as_openmetrics_and_compressed(at_work: Exporter) -> None:
    url = f"{at_work.url}/metrics"

    plain = fetch(url)
    openmetrics = fetch(url, {"Accept": "application/openmetrics-text; version=1.0.0"})
    compressed = fetch(url, {"Accept-Encoding": "gzip"})

    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "gzip" == compressed.headers["content-encoding"]
    families = parse_openmetrics(openmetrics.body.decode())  # type: ignore[no-untyped-call] # the library leaves it so
    names = {family.name for family in families}
    assert {"mail_probe_success", "mail_probes", "mail_probe_duration_seconds"} <= names
    assert "mail_probe_success" in gzip.decompress(compressed.body).decode()


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/", "/metrics"])
def test_it_answers_where_it_promises_to(at_work: Exporter, path: str) -> None:
    assert 200 == fetch(at_work.url + path).status


def test_the_page_names_every_endpoint_and_all_its_links_lead_somewhere(at_work: Exporter) -> None:
    root = f"{at_work.url}/"
    page = fetch(root).body.decode()
    links = {urljoin(root, link) for link in re.findall(r'(?:href|src)="([^"]+)"', page)}
    own = {link for link in links if link.startswith(root)}

    assert "nobody" in page
    assert {f"{root}metrics", f"{root}endpoint?name=nobody"} <= own
    assert {200} == {fetch(link).status for link in own}


def test_the_version_is_printed() -> None:
    ended = run_command("--version")

    assert 0 == ended.returncode
    assert re.search(r"\d+\.\d+", ended.stdout)


def test_the_command_and_the_module_are_one() -> None:
    assert run_command("--help").stdout.replace("python -m exporter", "mail-exporter") == (
        subprocess.run(
            [Path(COMMAND[0]).parent / "mail-exporter", "--help"], check=True, capture_output=True, text=True
        ).stdout
    )


def password_file(directory: Path) -> Path:
    file = directory / "password"
    file.write_text(f"{ALICE.password}\n")
    file.chmod(0o600)
    return file
