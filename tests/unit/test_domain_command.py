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
