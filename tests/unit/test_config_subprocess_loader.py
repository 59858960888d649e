from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from exporter.config import subprocess_loader
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
    monkeypatch.setattr(subprocess_loader, "COMMAND", (sys.executable, "-c", dies))

    with pytest.raises(ConfigurationError, match=r"the process that reads it ended with \d before it was done"):
        load_in_subprocess(file)


def test_the_daemon_itself_loads_nothing_that_only_reading_takes() -> None:
    heavy = ("pydantic", "yaml", "rich", "watchfiles", "jinja2")
    code = (
        "import sys; from exporter.cli import main; main.get_command(None, 'run'); "
        f"print([module for module in {heavy} if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "[]" == done.stdout.strip()
