from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli.check import check
from exporter.config.schema import json_schema
from tests.authority import issue, key_pem
from tests.bending import VERSION, armoured, bent, replaced


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(check, [str(argument) for argument in arguments])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return good_file(tmp_path)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text("endpoints:\n  - url: imaps://a\n    interval: 5\nglobal:\n")
    return file


def test_a_good_file_is_said_to_be_good(good: Path) -> None:
    result = run(good)
    assert (0, f"{good}: 2 endpoints, no problems\n", "") == (result.exit_code, result.stdout, result.stderr)


def test_one_endpoint_is_one_endpoint(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("endpoints: [{url: imaps://a}]\n")
    assert f"{file}: 1 endpoint, no problems\n" == run(file).stdout


def test_every_problem_is_printed_with_file_and_line(bad: Path) -> None:
    result = run(bad)
    expected = (
        f'{bad}:3: interval: "5" is not a duration; write 5s\n'
        f"{bad}:4: global: unknown key; write one of flow_key_file, flow_key_env, flow_key, defaults, "
        "credentials, endpoints, modules, domains, dns, limits, flows, login_backoff\n"
    )
    assert (1, "", expected) == (result.exit_code, result.stdout, result.stderr)


def test_a_bad_file_does_not_keep_the_next_from_being_looked_at(bad: Path, tmp_path: Path) -> None:
    worse = tmp_path / "worse.yaml"
    worse.write_text("endpoints: [{url: ftp://a}]\n")
    missing = tmp_path / "missing.yaml"
    assert [str(bad), str(worse)] == sorted({line.partition(":")[0] for line in run(bad, worse).stderr.splitlines()})
    assert (
        f"{missing}:1: there is no such file; name a configuration file\n" == run(missing, good_file(tmp_path)).stderr
    )


def good_file(directory: Path) -> Path:
    file = directory / "good.yaml"
    file.write_text("endpoints: [{url: imaps://a}, {url: imaps://b}]\n")
    return file


def test_a_warning_is_printed_and_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "doubtful.yaml"
    file.write_text("endpoints:\n  - url: imaps://a\n    tls: {verify: false}\n")
    result = run(file)
    message = "tls.verify: a bad certificate will not fail the probe; better trust its authority by ca_file"
    assert (0, f"{file}:3: warning: {message}\n") == (result.exit_code, result.stderr)


def test_an_authority_that_cannot_be_read_is_named_and_the_others_count(tmp_path: Path) -> None:
    root = issue("Root", authority=True)
    (tmp_path / "ca.pem").write_bytes(armoured(root.der[:-40]) + armoured(root.der))
    file = tmp_path / "doubtful.yaml"
    file.write_text("endpoints:\n  - url: imaps://a\n    tls: {ca_file: ca.pem}\n")
    result = run(file)
    message = f'tls.ca_file: "{tmp_path}/ca.pem": certificate 1 of 2 cannot be read and is not trusted; write it again'
    assert (0, f"{file}:3: warning: {message}\n") == (result.exit_code, result.stderr)


def test_a_client_certificate_that_only_openssl_reads_is_no_problem(tmp_path: Path) -> None:
    customer = issue("customer")
    version_4 = bent(customer, customer, replaced(VERSION, bytes.fromhex("a003020103")))
    (tmp_path / "client.pem").write_bytes(armoured(version_4) + key_pem(customer))
    file = tmp_path / "good.yaml"
    file.write_text("endpoints:\n  - url: imaps://a\n    tls: {client_cert_file: client.pem}\n")
    result = run(file)
    assert (0, "") == (result.exit_code, result.stderr)


def test_a_missing_file_is_a_problem_and_no_wrong_usage(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere.yaml")
    assert (1, f"{tmp_path}/nowhere.yaml:1: there is no such file; name a configuration file\n") == (
        result.exit_code,
        result.stderr,
    )


def test_a_file_whose_name_is_no_text_is_checked(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"\xff.yaml")
    file.write_text("endpoints: []\n")
    result = CliRunner().invoke(check, [str(file)])
    assert 1 == result.exit_code
    assert result.stderr_bytes is not None
    assert result.stderr_bytes.startswith(os.fsencode(file) + b":1: ")


def test_the_schema_is_printed() -> None:
    result = run("--schema")
    assert (0, json_schema()) == (result.exit_code, json.loads(result.stdout))


@pytest.mark.parametrize("arguments", [(), ("--schema", "config.yaml"), ("--unknown",)])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert 2 == run(*arguments).exit_code


def test_everything_that_a_file_asks_for_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text("domains:\n  - name: example.com\n  - name: example.net\n")

    assert f"{file}: 2 judged domains, no problems\n" == run(file).stdout


def test_a_key_of_flows_that_cannot_be_read_stops_flows_and_no_login(tmp_path: Path) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text(
        "flow_key_file: gone\n"
        "credentials: {a: {username: me, password_env: A}}\n"
        "endpoints:\n  - {name: in, url: imaps://a.example, credentials: a}\n"
        "flows:\n  - {name: report, receive: {endpoint: in}, expect: {every: 26h}}\n"
    )
    said = run(file)

    assert "(No such file or directory); flows fail until it can" in said.stderr
    assert f"{file}: 1 endpoint, 1 flow, no problems\n" == said.stdout
