"""The daemon's HTTP by TLS and with logins: curl and Prometheus are its clients, and promtool judges its file."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest
import trustme

from tests.servers.curl import curl
from tests.servers.exporter import Exporter, exporter_running, run_command
from tests.servers.programs import LOOPBACK, program, wait_until
from tests.servers.prometheus import prometheus_scraping

PASSWORD = "p\u00e4ss:word"
CONFIGURATION = f"endpoints: [{{url: 'imaps://{LOOPBACK}:1', interval: 1h, timeout: 1s}}]\n"

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n"
CLIENTS = f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


def users(password: str, name: str = "prometheus") -> str:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    return f"basic_auth_users:\n  {name}: {hashed.replace('$2b$', '$2y$')}\n"


@dataclass
class Secured:
    """A daemon with a web configuration, and what its clients need."""

    directory: Path
    stack: ExitStack

    @classmethod
    def make(cls, directory: Path, stack: ExitStack) -> Secured:
        authority, stranger = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(directory / "ca.pem")
        for name, issuer, names in (
            ("server", authority, ("localhost", LOOPBACK)),
            ("client", authority, ("prometheus.example.com",)),
            ("stranger", stranger, ("prometheus.example.com",)),
        ):
            issuer.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(directory / f"{name}.pem")
        return cls(directory, stack)

    def write(self, web_config: str) -> Path:
        file = self.directory / "web.yml"
        file.write_text(web_config)
        return file

    def start(self, web_config: str, *flags: str) -> Exporter:
        configuration = self.directory / "mail-exporter.yaml"
        configuration.write_text(CONFIGURATION)
        flag = f"--web.config.file={self.write(web_config)}"
        scheme = "https" if "tls_server_config" in web_config else "http"

        def serves(address: str) -> bool:
            return curl(f"{scheme}://{address}/-/ready", *self.by("client")).status != 0

        return self.stack.enter_context(exporter_running(configuration, flag, *flags, ready=serves))

    def by(self, name: str | None) -> tuple[str, ...]:
        """curl's flags to trust the server, and to show a certificate."""
        shown = () if name is None else ("--cert", str(self.directory / f"{name}.pem"))
        return "--cacert", str(self.directory / "ca.pem"), *shown

    def scrape(self, exporter: Exporter, **jobs: Mapping[str, object]) -> Mapping[str, tuple[str, str]]:
        """What becomes of scraping it, by the name of a job: the target's health, and its last error."""
        targets = {"static_configs": [{"targets": [exporter.address]}]}
        configs = [{"job_name": name, **targets, **settings} for name, settings in jobs.items()]
        with prometheus_scraping(self.directory / "prometheus", configs) as server:

            def scraped() -> Mapping[str, tuple[str, str]] | None:
                known = [target for target in server.targets() if target["health"] != "unknown"]
                found = {target["scrapePool"]: (target["health"], target["lastError"]) for target in known}
                return found if found.keys() == jobs.keys() else None

            return wait_until(scraped, what="Prometheus has scraped by every job")


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    with ExitStack() as stack:
        yield Secured.make(tmp_path, stack)


def test_basic_auth_with_curl(secured: Secured) -> None:
    exporter = secured.start(users(PASSWORD))
    url = f"http://{exporter.address}/metrics"

    right = curl(url, "--user", f"prometheus:{PASSWORD}")
    refused = [curl(url), *(curl(url, "--user", login) for login in ("prometheus:wrong", "nobody:wrong"))]

    assert (200, True) == (right.status, "mail_exporter_build_info" in right.text)
    assert [401] * 3 == [answer.status for answer in refused]
    assert 'WWW-Authenticate: Basic realm="mail-exporter"' in refused[0].text
    assert "mail_exporter" not in "".join(answer.text for answer in refused).replace("mail-exporter", "")


def test_basic_auth_with_prometheus(secured: Secured) -> None:
    exporter = secured.start(users(PASSWORD))

    found = secured.scrape(
        exporter,
        right={"basic_auth": {"username": "prometheus", "password": PASSWORD}},
        wrong={"basic_auth": {"username": "prometheus", "password": "wrong"}},
        none={},
    )

    refused = ("down", "server returned HTTP status 401 Unauthorized")
    assert {"right": ("up", ""), "wrong": refused, "none": refused} == found


def test_mutual_tls_with_curl(secured: Secured) -> None:
    exporter = secured.start(CLIENTS)
    url = f"https://{exporter.address}/metrics"

    assert 200 == curl(url, *secured.by("client")).status
    for refused in (curl(url, *secured.by(None)), curl(url, *secured.by("stranger"))):
        assert (0, True) == (refused.status, refused.exit_code != 0)
    # And the server is one that curl, too, wants to know.
    assert 60 == curl(url, "--cert", str(secured.directory / "client.pem")).exit_code


def test_mutual_tls_with_prometheus(secured: Secured) -> None:
    exporter = secured.start(CLIENTS + users(PASSWORD), "--log.level=debug")
    shown, strange = (str(secured.directory / f"{name}.pem") for name in ("client", "stranger"))
    trusting = {"ca_file": str(secured.directory / "ca.pem")}
    common = {"scheme": "https", "basic_auth": {"username": "prometheus", "password": PASSWORD}}

    found = secured.scrape(
        exporter,
        shown={**common, "tls_config": {**trusting, "cert_file": shown, "key_file": shown}},
        strange={**common, "tls_config": {**trusting, "cert_file": strange, "key_file": strange}},
        none={**common, "tls_config": trusting},
    )

    assert {"shown": "up", "strange": "down", "none": "down"} == {job: health for job, (health, _) in found.items()}
    # asyncio does not send the alert that says why, so the log does; on this machine it may be the health check that
    # shows no certificate, which is not news.
    log = exporter.log.read_text()
    assert re.search(r"level=info .*problem=CERTIFICATE_VERIFY_FAILED", log)
    assert re.search(r"level=debug .*PEER_DID_NOT_RETURN_A_CERTIFICATE", log)


@pytest.mark.parametrize(("allowed", "status"), [("prometheus.example.com", 200), ("other.example.com", 403)])
def test_a_certificate_is_held_to_its_names(secured: Secured, allowed: str, status: int) -> None:
    exporter = secured.start(f"{CLIENTS}  client_allowed_sans: [{allowed}]\n")

    assert status == curl(f"https://{exporter.address}/metrics", *secured.by("client")).status


def test_users_and_certificates_are_exchanged_while_the_daemon_runs(secured: Secured) -> None:
    exporter = secured.start(TLS + users("old"))
    url = f"https://{exporter.address}/-/healthy"
    assert 200 == curl(url, *secured.by(None), "--user", "prometheus:old").status

    other = trustme.CA()
    other.issue_cert(LOOPBACK).private_key_and_cert_chain_pem.write_to_path(secured.directory / "next.pem")
    (secured.directory / "next.pem").replace(secured.directory / "server.pem")
    secured.write(TLS + users("new"))
    other.cert_pem.write_to_path(secured.directory / "ca.pem")

    wait_until(
        lambda: curl(url, *secured.by(None), "--user", "prometheus:new").status == 200,
        what="the new certificate and the new password are in force",
    )
    assert 401 == curl(url, *secured.by(None), "--user", "prometheus:old").status


def test_a_bad_web_configuration_leaves_the_old_one_in_force_and_is_logged(secured: Secured) -> None:
    exporter = secured.start(users(PASSWORD))
    secured.write("basic_auth_user: {}\n")

    wait_until(
        lambda: (
            'problem="basic_auth_user: unknown key; did you mean \\"basic_auth_users\\"?"' in exporter.log.read_text()
        ),
        what="the problem is logged",
    )
    assert 401 == curl(f"http://{exporter.address}/metrics").status
    assert 200 == curl(f"http://{exporter.address}/metrics", "--user", f"prometheus:{PASSWORD}").status


def test_a_bad_web_configuration_at_the_start_exits_1_with_its_place(secured: Secured) -> None:
    configuration = secured.directory / "mail-exporter.yaml"
    configuration.write_text(CONFIGURATION)
    file = secured.write(f"{TLS}  min_version: TLS1.3\n")

    ended = run_command("run", f"--config.file={configuration}", f"--web.config.file={file}")

    assert 1 == ended.returncode
    assert (
        f'{file}:4: tls_server_config.min_version: "TLS1.3" is not known here; did you mean "TLS13"?\n' == ended.stderr
    )


@pytest.mark.parametrize("more", ["", "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n"])
def test_promtool_takes_the_same_files(secured: Secured, more: str) -> None:
    promtool = program("promtool", package="prometheus")
    settings = """\
  min_version: TLS12
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
  prefer_server_cipher_suites: true
  curve_preferences:
    - CurveP256
"""
    text = CLIENTS + settings + users(PASSWORD) + more
    exporter = secured.start(text)
    checked = subprocess.run(
        [promtool, "check", "web-config", secured.directory / "web.yml"], check=False, capture_output=True, text=True
    )

    assert (0, True) == (checked.returncode, "SUCCESS" in checked.stdout + checked.stderr)
    login = ("--user", f"prometheus:{PASSWORD}")
    assert 200 == curl(f"https://{exporter.address}/metrics", *secured.by("client"), *login).status
