"""The systemd units: well formed, hardened, and doing their work under a real systemd."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.machine import Machine, machine
from tests.servers.exporter import Metrics
from tests.servers.fetching import fetch
from tests.servers.mail import ALICE, MailServers
from tests.servers.programs import LOOPBACK, free_ports, program, wait_until

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICE = UNITS / "mail-exporter.service"
SHARD = UNITS / "mail-exporter@.service"
BOTH = pytest.mark.parametrize("unit", [SERVICE, SHARD], ids=lambda unit: unit.name)

HIGHEST_EXPOSURE = 1.5
"""Of 10, as systemd-analyze counts. A service that talks to the whole Internet cannot come below 1.2."""

DIRECTORY = "/etc/mail-exporter"
CONFIGURATION = f"{DIRECTORY}/mail-exporter.yaml"
DISTINCT = ("Description=", "EnvironmentFile=", "ExecStart=", "  --shard=", "StateDirectory=")
"""How the lines begin that only one of the units may have."""


def settings(unit: Path) -> list[str]:
    lines = unit.read_text().splitlines()
    return [line for line in lines[lines.index("[Unit]") :] if not line.startswith(DISTINCT)]


@BOTH
def test_systemd_finds_nothing_to_complain_about(unit: Path, tmp_path: Path) -> None:
    analyze = program("systemd-analyze", package="systemd")
    # It also asks whether the program exists. Here it does not, at the place that people put it.
    placed = tmp_path / unit.name.replace("@", "@0")
    placed.write_text(unit.read_text().replace("/opt/mail-exporter/bin/mail-exporter", sys.executable))
    verified = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", placed], check=False, capture_output=True, text=True
    )

    assert (0, "") == (verified.returncode, verified.stderr)


@BOTH
def test_little_of_the_machine_is_exposed_to_it(unit: Path) -> None:
    analyze = program("systemd-analyze", package="systemd")
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", unit], check=True, capture_output=True, text=True
    )
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", judged.stdout)

    assert level
    assert float(level[1]) <= HIGHEST_EXPOSURE


def test_a_shard_differs_from_the_single_daemon_by_its_number_and_its_port_only() -> None:
    assert settings(SERVICE) == settings(SHARD)


@pytest.fixture(scope="module")
def booted(server_directory: Path) -> Iterator[Machine]:
    directory = server_directory / "machine"
    directory.mkdir()
    with machine(directory) as made:
        made.write(f"{DIRECTORY}/secrets/nobody", "not used\n", mode=0o600)
        made.path(f"{DIRECTORY}/secrets").chmod(0o700)
        yield made


@pytest.fixture
def address() -> str:
    (port,) = free_ports(1)
    return f"{LOOPBACK}:{port}"


def install(machine: Machine, configuration: str, unit: str = SERVICE.read_text(), name: str = SERVICE.name) -> None:
    machine.write(CONFIGURATION, configuration)
    machine.write(f"/etc/systemd/system/{name}", unit)
    machine.systemctl("daemon-reload")


def listening_at(address: str) -> str:
    """The unit, with one more flag: the ports of this machine may be taken."""
    return re.sub(r"^(ExecStart=.*)$", rf"\1 --web.listen-address={address}", SERVICE.read_text(), flags=re.MULTILINE)


def endpoints(*names: str) -> str:
    listed = [f"  - {{name: {name}, url: 'imaps://127.0.0.1:1', interval: 1s, timeout: 1s}}\n" for name in names]
    return "".join(["endpoints:\n", *listed])


def probed(address: str) -> set[str]:
    metrics = Metrics.parse(fetch(f"http://{address}/metrics").body.decode())
    return {one["endpoint"] for one in metrics.find("mail_endpoint_info")}


@pytest.fixture
def at_work(booted: Machine, address: str) -> Iterator[str]:
    """The address of a service that was started with endpoints a and b."""
    install(booted, endpoints("a", "b"), listening_at(address))
    booted.systemctl("start", "mail-exporter")
    yield address
    booted.systemctl("stop", "mail-exporter")


def test_it_has_started_when_it_serves(at_work: str, booted: Machine) -> None:
    # systemctl waited for READY=1, so there is nothing left to wait for.
    assert 200 == fetch(f"http://{at_work}/-/ready").status
    assert "2" in booted.property("mail-exporter", "StatusText")


@pytest.mark.usefixtures("at_work")
def test_its_user_is_made_for_it_and_has_no_rights(booted: Machine) -> None:
    process = booted.property("mail-exporter", "MainPID")
    status = booted.path(f"/proc/{process}/status").read_text()
    (user,) = re.findall(r"^Uid:\t(\d+)", status, re.MULTILINE)

    assert 61184 <= int(user) <= 65519  # systemd.exec(5), DynamicUser=
    assert {"0" * 16} == set(re.findall(r"^Cap\w+:\t(\w+)$", status, re.MULTILINE))


def test_it_knows_when_it_began(at_work: str) -> None:
    metrics = Metrics.parse(fetch(f"http://{at_work}/metrics").body.decode())

    assert abs(time.time() - metrics.value("process_start_time_seconds")) < 60


def test_a_reload_puts_a_new_configuration_in_force(at_work: str, booted: Machine) -> None:
    process = booted.property("mail-exporter", "MainPID")
    booted.write(CONFIGURATION, endpoints("b", "c"))
    booted.systemctl("reload", "mail-exporter")

    wait_until(lambda: probed(at_work) == {"b", "c"}, what="the new endpoints are probed")
    assert process == booted.property("mail-exporter", "MainPID")
    assert "active" == booted.property("mail-exporter", "ActiveState")


def test_a_reload_of_a_faulty_configuration_fails_and_changes_nothing(at_work: str, booted: Machine) -> None:
    booted.write(CONFIGURATION, "endpoints: [{url: imaps://mail.example.com, intervall: 5s}]\n")
    reloaded = booted.run("systemctl", "reload", "mail-exporter")

    assert 0 != reloaded.returncode
    assert f"{CONFIGURATION}:1: " in booted.journal("mail-exporter")
    assert "active" == booted.property("mail-exporter", "ActiveState")
    assert {"a", "b"} == probed(at_work)


def test_it_ends_in_good_order(booted: Machine, address: str) -> None:
    install(booted, endpoints("a"), listening_at(address))
    booted.systemctl("start", "mail-exporter")
    booted.systemctl("stop", "mail-exporter")

    assert ("success", "0") == (
        booted.property("mail-exporter", "Result"),
        booted.property("mail-exporter", "ExecMainStatus"),
    )


def test_it_keeps_the_past_of_endpoints_over_a_restart(at_work: str, booted: Machine) -> None:
    def changes() -> list[Any]:
        found: list[Any] = json.loads(fetch(f"http://{at_work}/api/v1/endpoints/a").body)["state_changes"]
        return found

    wait_until(lambda: changes() != [], what="the endpoint was probed")
    before = changes()
    booted.systemctl("restart", "mail-exporter")

    assert before == changes()


def test_it_logs_in_with_a_password_that_only_root_can_read(booted: Machine, mail: MailServers, address: str) -> None:
    booted.write(f"{DIRECTORY}/secrets/monitor", f"{ALICE.password}\n", mode=0o600)
    booted.write(f"{DIRECTORY}/authority.pem", mail.authority.file.read_text())
    configuration = f"""
credentials:
  monitor: {{username: "{ALICE.username}", password_file: /run/mail-exporter/secrets_monitor}}
endpoints:
  - name: imap
    url: "imaps://localhost:{mail.dovecot.imaps}"
    interval: 2s
    timeout: 2s
    credentials: monitor
    tls: {{ca_file: authority.pem}}
"""
    install(booted, configuration, listening_at(address))
    booted.systemctl("start", "mail-exporter")

    def outcome() -> float | None:
        return Metrics.parse(fetch(f"http://{address}/metrics").body.decode()).get("mail_auth_success")

    try:
        wait_until(lambda: outcome() is not None, what="a login was tried")
        assert 1.0 == outcome(), booted.journal("mail-exporter")
        # docs/operating.md: a command with the files that the running service sees
        inside = ["nsenter", "--mount", "--target", booted.property("mail-exporter", "MainPID")]
        probed_now = booted.run(
            *inside, "/opt/mail-exporter/bin/mail-exporter", "probe", "imap", f"--config.file={CONFIGURATION}"
        )
        assert 0 == probed_now.returncode, probed_now.stdout + probed_now.stderr
    finally:
        booted.systemctl("stop", "mail-exporter")


def test_two_shards_share_the_endpoints(booted: Machine) -> None:
    names = {f"endpoint{number}" for number in range(20)}
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(2)]
    booted.write(f"{DIRECTORY}/shards", "TOTAL_SHARDS=2\n")
    install(booted, endpoints(*names))
    for shard, address in enumerate(addresses):
        unit = SHARD.read_text().replace("--web.listen-address=:993%i", f"--web.listen-address={address}")
        install(booted, endpoints(*names), unit, f"mail-exporter@{shard}.service")
    both = [f"mail-exporter@{shard}" for shard, _ in enumerate(addresses)]
    booted.systemctl("start", *both)
    shares = [probed(address) for address in addresses]
    booted.systemctl("stop", *both)

    assert names == set().union(*shares)
    assert all(shares)
    assert len(names) == sum(map(len, shares))
