"""The Dockerfile: linted, built, and the image run as cautious clusters run it: nothing to write to, and no rights."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from tests.deploy.containers import Container, Engine, engine
from tests.servers.exporter import STOPS_WITHIN, Metrics
from tests.servers.fetching import fetch
from tests.servers.mail import ALICE, MailServers
from tests.servers.programs import LOOPBACK, free_ports, wait_until

pytestmark = pytest.mark.timeout(600)
"""Seconds. Whichever test comes first waits for the image, and once on a machine for the image's base."""

ROOT = Path(__file__).parents[2]
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
IMAGE = "localhost/mail-exporter:test"
DIRECTORY = "/etc/mail-exporter"
NOBODY_LISTENS = "endpoints: [{url: 'imaps://127.0.0.1:1', interval: 1s, timeout: 1s}]\n"

INSTALLERS = ("pip", "ensurepip", "setuptools", "wheel", "hatchling")
BUILDERS = ("cc", "gcc", "ld", "make", "git", "pip", "pip3", "uv")


@pytest.fixture(scope="module")
def built() -> Iterator[Engine]:
    """The tools, with the image in their storage."""
    with engine() as made:
        made.build(ROOT, IMAGE, REVISION="0123abc", CREATED="2026-01-02T03:04:05Z")
        yield made


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A directory with a configuration, which the container's user may enter, as it may not enter pytest's own."""
    directory = tmp_path / "configuration"
    directory.mkdir()
    (directory / "mail-exporter.yaml").write_text(NOBODY_LISTENS)
    return directory


@pytest.fixture
def at_work(built: Engine, configuration: Path) -> Iterator[Container]:
    """The image's own command, with a configuration where it looks for it."""
    with built.running(IMAGE, mounts={configuration: DIRECTORY}) as container:
        healthy(container)
        yield container


def healthcheck(container: Container) -> subprocess.CompletedProcess[str]:
    """What the image says that its health is asked by."""
    kind, *command = container.engine.inspect(IMAGE)["Healthcheck"]["Test"]
    assert "CMD" == kind  # without a shell
    return container.run(*command)


def healthy(container: Container) -> None:
    try:
        wait_until(lambda: healthcheck(container).returncode == 0, what="the container is healthy")
    except TimeoutError as error:
        raise TimeoutError(f"{error}\n{container.log()}") from error


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run([hadolint, "--no-color", ROOT / "Dockerfile"], check=False, capture_output=True, text=True)

    assert (0, "", "") == (linted.returncode, linted.stdout, linted.stderr)


def test_the_image_says_what_it_is(built: Engine) -> None:
    labels = built.inspect(IMAGE)["Config"]["Labels"]

    assert {
        "title": "mail-exporter",
        "description": "Probes SMTP, POP3 and IMAP servers the way a mail client does, for Prometheus",
        "licenses": "Apache-2.0",
        "version": __version__,
        "revision": "0123abc",
        "created": "2026-01-02T03:04:05Z",
        "url": URLS["Homepage"],
        "source": URLS["Homepage"],
        "documentation": URLS["Documentation"],
    } == {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in labels.items()
        if name.startswith("org.opencontainers.image.")
    }
    assert f"mail-exporter, version {__version__}\n" == built.once(IMAGE, "--version")


def test_the_user_is_a_number_other_than_root(built: Engine) -> None:
    assert "65532:65532" == built.inspect(IMAGE)["Config"]["User"]
    assert "65532\n" == built.once(IMAGE, "-u", entrypoint="id")


def test_any_other_user_will_do_as_well(built: Engine) -> None:
    assert "mail-exporter, version" in built.once(IMAGE, "--version", user="1000650000:0")


def test_nothing_is_left_that_builds_or_installs(built: Engine) -> None:
    look = f"""
import importlib.util, os, shutil
print([name for name in {INSTALLERS} if importlib.util.find_spec(name)])
print([name for name in {BUILDERS} if shutil.which(name)])
print([name for name in ("src", "wheels", "etc/pip.conf") if os.path.exists("/" + name)])
"""
    for python in ("/opt/mail-exporter/bin/python", "/usr/local/bin/python"):
        assert "[]\n[]\n[]\n" == built.once(IMAGE, "-c", look, entrypoint=python)


def test_the_daemon_is_process_1_without_any_rights(at_work: Container) -> None:
    lines = at_work.run("cat", "/proc/1/status").stdout.splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    program, script, command, *_ = at_work.run("cat", "/proc/1/cmdline").stdout.split("\0")

    assert ("python", "mail-exporter", "run") == (Path(program).name, Path(script).name, command)
    assert {"65532"} == set(status["Uid"].split())
    assert {"0" * 16} == {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert "1" == status["NoNewPrivs"]


def test_there_is_nothing_it_can_write_to(at_work: Container) -> None:
    find = """
import os
kernel = ("/proc", "/sys", "/dev")
print([at for at, _, _ in os.walk("/") if not at.startswith(kernel) and os.access(at, os.W_OK)])
"""

    assert "[]\n" == at_work.run("python", "-c", find).stdout


def test_a_daemon_that_hangs_is_not_healthy(at_work: Container) -> None:
    at_work.engine.check(at_work.engine.podman("kill", "--signal=STOP", at_work.name))
    while_hanging = healthcheck(at_work).returncode
    at_work.engine.check(at_work.engine.podman("kill", "--signal=CONT", at_work.name))

    assert 1 == while_hanging
    healthy(at_work)


def test_it_ends_on_sigterm_with_exit_code_0(at_work: Container) -> None:
    begun = time.monotonic()

    assert 0 == at_work.stop()
    assert time.monotonic() - begun < STOPS_WITHIN
    assert "msg=stopping" in at_work.log()


def test_a_pod_of_a_stateful_set_finds_its_shard(built: Engine, configuration: Path) -> None:
    manifest = yaml.safe_load((ROOT / "deploy" / "kustomize" / "base" / "deployment.yaml").read_text())
    (specified,) = manifest["spec"]["template"]["spec"]["containers"]
    command = [*specified["args"], "--total-shards=3"]
    with built.running(IMAGE, *command, mounts={configuration: DIRECTORY}, hostname="mail-exporter-2") as container:
        healthy(container)
        ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9925/metrics').read().decode())"
        metrics = Metrics.parse(container.run("python", "-c", ask).stdout)

    assert 2 == metrics.value("mail_exporter_shard")
    assert 3 == metrics.value("mail_exporter_total_shards")


def test_it_logs_in_to_real_servers(built: Engine, mail: MailServers, server_directory: Path) -> None:
    (port,) = free_ports(1)
    configuration = server_directory / "container"
    configuration.mkdir()
    (configuration / "monitor").write_text(ALICE.password)
    shutil.copy(mail.authority.file, configuration / "authority.pem")
    (configuration / "mail-exporter.yaml").write_text(f"""
credentials:
  monitor: {{username: "{ALICE.username}", password_file: monitor}}
defaults:
  interval: 5s
  timeout: 5s
  credentials: monitor
  tls: {{ca_file: authority.pem}}
endpoints:
  - {{name: imap, url: "imaps://localhost:{mail.dovecot.imaps}", mailbox: INBOX}}
  - {{name: pop3, url: "pop3s://localhost:{mail.dovecot.pop3s}"}}
  - {{name: smtp, url: "submission://localhost:{mail.postfix.submission}"}}
""")
    command = ["run", f"--config.file={DIRECTORY}/mail-exporter.yaml", f"--web.listen-address={LOOPBACK}:{port}"]

    def outcomes() -> dict[str, float] | None:
        metrics = Metrics.parse(fetch(f"http://{LOOPBACK}:{port}/metrics").body.decode())
        names = ("imap", "pop3", "smtp")
        found = {name: metrics.get("mail_auth_success", endpoint=name) for name in names}
        return {name: value for name, value in found.items() if value is not None} if all(found.values()) else None

    with built.running(IMAGE, *command, mounts={configuration: DIRECTORY}, network="host") as container:
        try:
            seen = wait_until(outcomes, what="all endpoints have been logged in to")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{container.log()}") from error

    assert {"imap": 1.0, "pop3": 1.0, "smtp": 1.0} == seen
