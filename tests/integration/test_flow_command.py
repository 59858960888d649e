"""`mail-exporter flow` against real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.servers import mail_filter as treat
from tests.servers.exporter import run_command
from tests.servers.flow_site import DOMAIN, FlowSite, flow_site
from tests.servers.programs import program, scratch_directory, unavailable


@pytest.fixture(scope="module")
def site() -> Iterator[FlowSite]:
    with scratch_directory() as directory, flow_site(directory, ("good", "bad"), {"bad": treat.rejects}) as running:
        yield running


@pytest.fixture(scope="module")
def file(site: FlowSite) -> Path:
    flows = [
        {
            "name": name,
            "send": {"endpoint": "smtp-sender", "to": f"{name}@{DOMAIN}", "bounces": "imap-sender"},
            "receive": {"endpoint": f"imap-{name}"},
        }
        for name in ("good", "bad")
    ]
    report = {"receive": {"endpoint": "imap-good", "mailboxes": ["INBOX"]}, "expect": {"every": "1h"}}
    endpoints = [site.submission(), site.imaps("sender"), site.imaps("good"), site.imaps("bad")]
    configuration = site.configuration(endpoints, [*flows, {"name": "report", **report}])
    path = site.dovecot.directory.parent / "flow.yaml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def test_a_message_that_arrives_is_shown_with_its_legs(file: Path, site: FlowSite) -> None:
    shown = run_command("flow", "good", f"--config.file={file}")
    assert 0 == shown.returncode, shown.stderr
    assert "delivered after" in shown.stdout
    words = [line.split()[0] for line in shown.stdout.splitlines() if line.split()]
    legs = ["submit", "transit", "retrieve", "remove"]
    assert legs == [word for word in words if word in legs]
    assert [] == site.files("good")


def test_as_json_it_has_what_the_api_has(file: Path) -> None:
    shown = run_command("flow", "good", "--json", f"--config.file={file}")
    answer = json.loads(shown.stdout)
    assert (True, "delivered") == (answer["success"], answer["ways"][0]["message"]["outcome"])


def test_a_message_that_is_returned_fails_with_its_code(file: Path) -> None:
    shown = run_command("flow", "bad", f"--config.file={file}")
    assert 1 == shown.returncode
    assert "bounced, leg transit, 5.1.1" in shown.stdout


def test_a_flow_that_sends_nothing_is_asked_for_its_newest_message(file: Path) -> None:
    shown = run_command("flow", "report", f"--config.file={file}")
    assert (1, True) == (shown.returncode, "no message matches" in shown.stdout)


def test_a_flow_that_is_not_there_is_a_wrong_use(file: Path) -> None:
    shown = run_command("flow", "nope", f"--config.file={file}")
    assert 2 == shown.returncode
    assert "it has good, bad, report" in shown.stderr


def test_a_flow_to_mx_hosts_goes_by_the_records_of_the_domain_to_port_25_of_each(tmp_path: Path) -> None:
    program("ip", package="iproute2")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        unavailable("a network namespace cannot be made here")
    command = ["unshare", "-n", sys.executable, "-m", "tests.servers.mx_lab", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    answer = json.loads(ended.stdout)
    found = {way["mx"]: (way["message"]["outcome"], way["message"]["reason"]) for way in answer["ways"]}
    assert {"mx1.partner.example": ("delivered", None), "mx2.partner.example": ("deferred", "4.3.2")} == found
