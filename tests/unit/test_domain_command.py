from __future__ import annotations

import json
import socket
from pathlib import Path

from click.testing import CliRunner

from exporter.cli import main


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


def test_a_mistyped_command_and_an_address_without_a_domain_are_told_with_their_remedy() -> None:
    mistyped = CliRunner().invoke(main, ["prob"])
    unknown = CliRunner().invoke(main, ["zzzzz"])
    empty = CliRunner().invoke(main, ["discover", "user@"])

    assert [2, 2, 2] == [mistyped.exit_code, unknown.exit_code, empty.exit_code]
    assert "No such command 'prob'. Did you mean 'probe'?" in mistyped.stderr
    assert unknown.stderr.endswith("No such command 'zzzzz'.\n")
    assert "'user@' has no domain; write one like example.com or user@example.com" in empty.stderr
