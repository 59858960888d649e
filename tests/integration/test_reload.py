"""Changing the configuration of a running daemon: by signal, by request, by the file itself, often, and badly."""

from __future__ import annotations

import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml

from tests.servers.exporter import Exporter, StartExporter, exporter_running
from tests.servers.fetching import Response, fetch
from tests.servers.programs import LOOPBACK, wait_until

BAD = "endpoints:\n  - url: imaps://mail.example.com\n    interva: 5s\n"


@contextmanager
def counting_server() -> Iterator[tuple[int, Counter[str]]]:
    """Refuses every client in POP3's words, and counts them: the port, and the count under `visits`."""
    visits: Counter[str] = Counter()
    with closing(socket.create_server((LOOPBACK, 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return  # closed: the test is over
                visits["visits"] += 1
                # A daemon that was stopped resets the connections that it had.
                with closing(client), suppress(ConnectionError):
                    client.sendall(b"-ERR not today\r\n")
                    client.shutdown(socket.SHUT_WR)
                    client.recv(1024)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], visits
        finally:
            # Closing alone does not wake a thread that accepts.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def configuration(*names: str, port: int, interval: str = "1s") -> str:
    endpoints = [
        {"name": name, "url": f"pop3://{LOOPBACK}:{port}", "encryption": "none", "interval": interval} for name in names
    ]
    return yaml.safe_dump({"endpoints": endpoints, "limits": {"connections_per_host": 100}})


def names(exporter: Exporter) -> set[str]:
    return {labels["endpoint"] for labels in exporter.metrics().find("mail_endpoint_info")}


def post(exporter: Exporter, path: str = "/-/reload", **headers: str) -> Response:
    host, _, port = exporter.address.rpartition(":")
    with closing(HTTPConnection(host, int(port), timeout=30)) as connection:
        connection.request("POST", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Response(answer.status, {}, answer.read())


@pytest.fixture
def server() -> Iterator[tuple[int, Counter[str]]]:
    with counting_server() as server:
        yield server


def test_sighup_puts_the_changed_file_in_force(tmp_path: Path, server: tuple[int, Counter[str]]) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text(configuration("stays", "goes", port=server[0]))
    with exporter_running(file) as exporter:
        wait_until(lambda: exporter.metrics().get("mail_probes_total", endpoint="stays"), what="a first probe")
        before = exporter.metrics().value("mail_exporter_config_last_reload_success_timestamp_seconds")
        file.write_text(configuration("stays", "comes", port=server[0]))
        exporter.process.send_signal(signal.SIGHUP)
        wait_until(lambda: names(exporter) == {"stays", "comes"}, what="the new endpoints")

        metrics = exporter.metrics()
        assert metrics.value("mail_probes_total", endpoint="stays") >= 1
        assert metrics.value("mail_exporter_config_last_reload_success_timestamp_seconds") > before
        assert [] == metrics.find("mail_probe_success", endpoint="goes")


def test_a_request_reloads_where_that_is_allowed(
    start_exporter: StartExporter, server: tuple[int, Counter[str]]
) -> None:
    exporter = start_exporter(configuration("one", port=server[0]), "--web.enable-lifecycle")
    file = exporter.log.with_suffix(".yaml")

    file.write_text(configuration("two", port=server[0]))
    answer = post(exporter)

    assert (200, b"The configuration is reloaded.\n") == (answer.status, answer.body)
    assert {"two"} == names(exporter)


def test_a_request_reloads_nothing_where_that_is_not_allowed(
    start_exporter: StartExporter, server: tuple[int, Counter[str]]
) -> None:
    exporter = start_exporter(configuration("one", port=server[0]))

    answer = post(exporter)

    assert 403 == answer.status
    assert b"--web.enable-lifecycle" in answer.body


def test_pages_of_other_sites_and_get_requests_reload_nothing(
    start_exporter: StartExporter, server: tuple[int, Counter[str]]
) -> None:
    exporter = start_exporter(configuration("one", port=server[0]), "--web.enable-lifecycle")

    assert 403 == post(exporter, Sec_Fetch_Site="cross-site").status
    assert 405 == fetch(f"{exporter.url}/-/reload").status


def test_a_bad_file_changes_nothing_and_is_told_everywhere(
    start_exporter: StartExporter, server: tuple[int, Counter[str]]
) -> None:
    exporter = start_exporter(configuration("one", port=server[0]), "--web.enable-lifecycle")
    file = exporter.log.with_suffix(".yaml")

    file.write_text(BAD)
    answer = post(exporter)

    problem = "interva: unknown key"
    assert 500 == answer.status
    assert f"{file}:3: " in answer.body.decode()
    assert problem in answer.body.decode()
    assert {"one"} == names(exporter)
    assert 0 == exporter.metrics().value("mail_exporter_config_last_reload_successful")
    page = fetch(f"{exporter.url}/").body.decode()
    assert "could not be reloaded" in page
    assert "interva" in page
    assert "configuration not reloaded" in exporter.log.read_text()
    assert "interva" in exporter.log.read_text()

    file.write_text(configuration("two", port=server[0]))
    assert 200 == post(exporter).status
    assert 1 == exporter.metrics().value("mail_exporter_config_last_reload_successful")
    assert "could not be reloaded" not in fetch(f"{exporter.url}/").body.decode()


def test_a_watched_file_is_reloaded_when_it_changes_also_through_a_swapped_symlink(
    tmp_path: Path, server: tuple[int, Counter[str]]
) -> None:
    def publish(name: str) -> None:
        (tmp_path / f"..{name}").mkdir()
        (tmp_path / f"..{name}" / "mail.yaml").write_text(configuration(name, port=server[0]))
        (tmp_path / "..data_tmp").symlink_to(f"..{name}")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    publish("one")
    file = tmp_path / "mail.yaml"
    file.symlink_to("..data/mail.yaml")
    with exporter_running(file, "--config.watch") as exporter:
        for name in ("two", "three"):
            publish(name)
            wait_until(lambda name=name: names(exporter) == {name}, what=f"the configuration {name}")  # type: ignore[misc]  # mypy cannot infer a lambda with a default


@pytest.mark.timeout(240)
def test_a_storm_of_reloads_under_load_loses_no_result(tmp_path: Path, server: tuple[int, Counter[str]]) -> None:
    port, visits = server
    file = tmp_path / "mail.yaml"
    steady = [f"steady-{n}" for n in range(40)]
    # Often enough for probes to be under way at each reload, and seldom enough for moments in which none is. A probe
    # whose time is up before it connects would be a result without a visit, so there is as much time as that.
    every = configuration(*steady, port=port, interval="3s")
    reordered = configuration(*reversed(steady), port=port, interval="3s")
    file.write_text(every)
    with exporter_running(file, "--web.enable-lifecycle", "--log.level=warn") as exporter:
        wait_until(lambda: visits["visits"] > 40, what="the load")
        with ThreadPoolExecutor(8) as crowd:
            for turn in range(10):
                # A bad file now and then, and the order and the company of the endpoints change all the time.
                text = BAD if turn % 3 == 2 else reordered
                file.write_text(text if turn % 2 else every)
                answers = list(crowd.map(lambda _: post(exporter).status, range(8)))
                assert set(answers) <= {200, 500}
        exporter.process.send_signal(signal.SIGHUP)

        def all_counted() -> bool:
            """Every visit that the server saw has become a result, at a moment when no probe is under way."""
            metrics = exporter.metrics()
            counted = sum(metrics.value("mail_probes_total", endpoint=name) for name in steady)
            return counted == visits["visits"]

        wait_until(all_counted, what="every probe is counted", within=60)
        skipped = exporter.metrics()
        assert 0 == skipped.value("mail_exporter_probes_skipped_total", reason="overlap")


def test_a_reload_during_shutdown_is_harmless(tmp_path: Path, server: tuple[int, Counter[str]]) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text(configuration("one", port=server[0]))
    with exporter_running(file) as exporter:
        exporter.process.send_signal(signal.SIGHUP)
        exporter.process.send_signal(signal.SIGTERM)
        exporter.process.send_signal(signal.SIGHUP)

        assert 0 == exporter.process.wait(10)
    assert "Traceback" not in exporter.log.read_text()
