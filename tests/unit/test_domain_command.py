from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from exporter.cli import discover, main
from exporter.cli.discovering import subject
from exporter.cli.terminal import output
from exporter.domains.discovery.discoverer import Discovery
from exporter.domains.discovery.offers import Answered, Offer
from exporter.model import Encryption, Protocol, Source


def test_nothing_found_out_is_no_success(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    config.write_text(
        f'dns: {{nameservers: ["127.0.0.1:{port}"], timeout: 1s}}\nendpoints: [{{url: imaps://mail.example.com}}]\n'
    )

    result = CliRunner().invoke(main, ["domain", "example.com", "--json", "--config.file", str(config)])

    checks = json.loads(result.stdout)["checks"]
    assert {None} == {check["success"] for check in checks}
    assert "dns_failed" in {problem["problem"] for check in checks for problem in check["problems"]}
    assert 1 == result.exit_code


@pytest.mark.parametrize("columns", ["40", "500"])
def test_what_discover_prints_is_a_configuration_at_any_width(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    imap = Offer(Source.SRV, Protocol.IMAP, "imap.example.com", 993, Encryption.TLS)
    other = replace(imap, source=Source.AUTOCONFIG, host="imap-of-old.example.com")
    answers = (
        Answered(Source.SRV, success=True, offers=(imap,)),
        Answered(Source.AUTOCONFIG, success=True, offers=(other,)),
        Answered(Source.PACC, success=False, problem="a long story, " * 20),
        Answered(Source.MX, success=False, failed=True),
    )
    monkeypatch.setenv("COLUMNS", columns)
    discover._print(output(), Discovery("example.com", answers))

    printed = capsys.readouterr().out
    assert ["imaps://imap.example.com", "imaps://imap-of-old.example.com"] == [
        each["url"] for each in yaml.safe_load(printed)["endpoints"]
    ]
    outcomes = [line.split()[1:3] for line in printed.splitlines() if line.startswith("  #  ")]
    expected = [["srv", "answers"], ["autoconfig", "answers"], ["pacc", "nothing"], ["mx", "fails"]]
    assert all(each in outcomes for each in expected)
    assert "disagrees" in printed


def test_a_mistyped_command_and_an_address_without_a_domain_are_told_with_their_remedy() -> None:
    mistyped = CliRunner().invoke(main, ["prob"])
    unknown = CliRunner().invoke(main, ["zzzzz"])
    empty = CliRunner().invoke(main, ["discover", "user@"])

    assert [2, 2, 2] == [mistyped.exit_code, unknown.exit_code, empty.exit_code]
    assert "No such command 'prob'. Did you mean 'probe'?" in mistyped.stderr
    assert unknown.stderr.endswith("No such command 'zzzzz'.\n")
    assert "'user@' has no domain; write one like example.com or user@example.com" in empty.stderr


@pytest.mark.parametrize("command", ["discover", "probe"])
def test_an_address_with_two_domains_is_told_what_is_wrong_with_it(command: str) -> None:
    result = CliRunner().invoke(main, [command, "user@b@example.com"])

    assert 2 == result.exit_code
    assert "'user@b@example.com' has more than one @; write one like user@example.com" in result.stderr


def test_an_at_sign_in_quotes_belongs_to_the_name_before_the_domain() -> None:
    assert '"user@b"@example.com' == subject('"user@b"@EXAMPLE.com', None).address
