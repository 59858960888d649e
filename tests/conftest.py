"""Fixtures for all tests: the real servers, started once for the whole run and only if a test asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from exporter import logs
from tests.servers.authority import Authority, Identity
from tests.servers.dovecot import Account, Dovecot, StartDovecot, dovecot
from tests.servers.exporter import Exporter, StartExporter, exporter_running
from tests.servers.mail import MailServers, mail_servers
from tests.servers.programs import scratch_directory
from tests.servers.prometheus import Prometheus, StartPrometheus, prometheus

# An example may take its time: a busy machine is not a bug.
settings.register_profile("patient", deadline=None)
# For `make mutate` and `make coverage`: the same few examples each time, and none kept.
settings.register_profile("brief", deadline=None, max_examples=20, derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))


@pytest.fixture(autouse=True)
def logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps a command that a test calls in its own process from setting up logging.

    Loggers would keep that, and no later test could see what is logged. Logging itself is tested in other processes.
    """
    monkeypatch.setattr(logs, "configure", lambda *_: None)


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Where servers put what is theirs: other users may enter it, and its path is short."""
    with scratch_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def mail(server_directory: Path) -> Iterator[MailServers]:
    """Dovecot and Postfix with two accounts and delivered mail. Tests look at them and change nothing."""
    directory = server_directory / "mail"
    directory.mkdir()
    with mail_servers(directory) as servers:
        yield servers


@pytest.fixture(scope="session")
def authority(server_directory: Path) -> Authority:
    """Signs whatever certificate a test wants to serve."""
    return Authority.make(server_directory / "authority", "Authority of the tests")


@pytest.fixture
def start_dovecot() -> Iterator[StartDovecot]:
    """Starts a Dovecot of the test's own, with the certificate that the test gives it."""
    with ExitStack() as stack:

        def start(identity: Identity, *accounts: Account, tls: bool = True) -> Dovecot:
            directory = stack.enter_context(scratch_directory())
            return stack.enter_context(dovecot(directory, identity, accounts, tls=tls))

        yield start


@pytest.fixture
def start_exporter(tmp_path: Path) -> Iterator[StartExporter]:
    """Starts the daemon with a configuration; when the test is over, it has to end on SIGTERM with exit code 0."""
    with ExitStack() as stack:

        def start(configuration: str, *arguments: str) -> Exporter:
            file = tmp_path / "mail-exporter.yaml"
            file.write_text(configuration)
            return stack.enter_context(exporter_running(file, *arguments))

        yield start


@pytest.fixture
def start_prometheus(tmp_path: Path) -> Iterator[StartPrometheus]:
    """Starts a Prometheus that scrapes a daemon every second."""
    with ExitStack() as stack:

        def start(exporter: Exporter) -> Prometheus:
            return stack.enter_context(prometheus(tmp_path / "prometheus", [exporter.address]))

        yield start
