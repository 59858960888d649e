from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from exporter.config import reader_process
from exporter.config.load import load
from exporter.config.problems import ConfigurationError
from exporter.config.subprocess_loader import ENDPOINTS_AT_ONCE, load_in_subprocess
from exporter.model import Credentials, Secret
from tests.unit.test_config_rendering import EVERYTHING

MANY = 2 * ENDPOINTS_AT_ONCE + 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mail-exporter.yaml"


def test_another_process_reads_the_same(file: Path) -> None:
    file.write_text(EVERYTHING)

    assert load(file) == load_in_subprocess(file)


def test_inline_secrets_come_along(file: Path) -> None:
    file.write_text(
        "credentials: {m: {username: u, password: hunter2}}\nendpoints: [{url: imaps://h, credentials: m}]\n"
    )
    found = load_in_subprocess(file).credentials[0].password

    assert found is not None
    assert Secret(b"hunter2") == found.read()


def test_what_endpoints_share_they_share_in_all_pieces(file: Path) -> None:
    names = "".join(f"- {{name: e{number}, url: imaps://h, credentials: m}}\n" for number in range(MANY))
    file.write_text(f"credentials: {{m: {{username: u, password_file: /p}}}}\nendpoints:\n{names}")
    found = load_in_subprocess(file)

    assert [f"e{number}" for number in range(MANY)] == [endpoint.name for endpoint in found.endpoints]
    assert {id(found.credentials[0])} == {id(endpoint.credentials) for endpoint in found.endpoints}
    assert isinstance(found.endpoints[0].credentials, Credentials)


def test_every_problem_comes_along(file: Path) -> None:
    file.write_text("endpoints: [{url: imaps://h, intervall: 5s}, {url: ftp://h}]\n")
    with pytest.raises(ConfigurationError) as here:
        load(file)
    with pytest.raises(ConfigurationError) as there:
        load_in_subprocess(file)

    assert 2 == len(here.value.problems)
    assert here.value.problems == there.value.problems


def test_a_file_that_is_not_there_is_a_problem(file: Path) -> None:
    with pytest.raises(ConfigurationError) as here:
        load(file)
    with pytest.raises(ConfigurationError) as there:
        load_in_subprocess(file)

    assert here.value.problems == there.value.problems


@pytest.mark.parametrize(
    "dies",
    [
        "import sys; sys.exit(3)",
        "import pickle, sys; sys.stdout.buffer.write(pickle.dumps(())[:-1])",
        "raise MemoryError",
    ],
)
def test_a_process_that_ends_before_it_is_done_is_a_problem(
    file: Path, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    monkeypatch.setattr(reader_process, "COMMAND", (sys.executable, "-c", dies))

    with pytest.raises(ConfigurationError, match=r"the process that reads it ended with \d before it was done"):
        load_in_subprocess(file)


def printed_after_importing_the_daemon(expression: str) -> str:
    code = (
        f"from exporter.imports import lean\nwith lean():\n import exporter.cli.run, exporter.cli.serving\n{expression}"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_daemon_itself_loads_nothing_that_only_reading_or_few_endpoints_take() -> None:
    reading = ("pydantic", "yaml", "rich", "greenlet", "watchfiles", "jinja2")
    seldom = (
        "bcrypt",
        "exporter.flows.flow_runner",
        "exporter.domains.domain_runner",
        "exporter.protocol.refusals.login_wording",
    )
    of_cryptography = ("cryptography.hazmat.primitives.serialization", "cryptography.x509.ocsp")
    unwanted = (*reading, *seldom, *of_cryptography)

    assert "[]" == printed_after_importing_the_daemon(
        f"import sys; print([module for module in {unwanted} if module in sys.modules])"
    )


def test_nothing_that_was_kept_from_the_daemon_is_kept_from_others() -> None:
    assert "True True None" == printed_after_importing_the_daemon(
        "import gc, os, rich; print(gc.isenabled(), bool(rich), os.environ.get('FROZENLIST_NO_EXTENSIONS'))"
    )


def test_the_context_that_aiohttp_makes_for_itself_trusts_nobody() -> None:
    assert "[0]" == printed_after_importing_the_daemon(
        "import gc, ssl; contexts = [each for each in gc.get_objects() if isinstance(each, ssl.SSLContext)]\n"
        "print([len(each.get_ca_certs()) for each in contexts if each.check_hostname])"
    )


def test_the_reader_starts_before_anything_that_takes_long_is_imported() -> None:
    code = (
        "import sys; from exporter.cli import main; main.get_command(None, 'run'); "
        "print([module for module in ('aiohttp', 'OpenSSL', 'exporter.model') if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "[]" == done.stdout.strip()


def test_openssl_is_not_loaded_to_read_a_configuration_that_names_no_certificate(tmp_path: Path) -> None:
    file = tmp_path / "mail-exporter.yaml"
    file.write_text("endpoints: [{name: e, url: imaps://mail.example.com}]\n")
    code = "import sys; from exporter.config.load import load; load(sys.argv[1]); print('OpenSSL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(file)], check=True, capture_output=True, text=True)

    assert "False" == done.stdout.strip()
