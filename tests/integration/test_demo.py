"""`mail-exporter demo`, as `make run` starts it: within 30 s every scene is seen, with the outcome it was made for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from exporter.demo.domain_hosts import HEALTHY
from exporter.demo.domain_scenes import DOMAIN_SCENES
from exporter.demo.flow_scenes import FlowScene
from exporter.demo.scene import Scene
from exporter.demo.scenes import SCENES
from exporter.demo.stage import FLOW_SCENES
from exporter.demo.stories import STORIES
from tests.servers.exporter import COMMAND, Exporter, Metrics, run_command
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, running, wait_until

SEEN_WITHIN = 60.0
"""Seconds from the page's address being printed; half of that on a machine that does nothing else."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    log = tmp_path_factory.mktemp("demo") / "demo.log"
    (port,) = free_ports(1)
    address = f"{LOOPBACK}:{port}"
    command = [*COMMAND, "demo", f"--web.listen-address={address}"]
    with running(command, log=log, ready=lambda: fetch(f"http://{address}/-/ready").status == 200) as process:
        exporter = Exporter(address=address, log=log, process=process)
        yield exporter
        exporter.stop()


def failures(metrics: Metrics, scene: Scene) -> list[tuple[str, str]]:
    return [(one["reason"], one["phase"]) for one in metrics.find("mail_probe_failure_info", endpoint=scene.name)]


def expected(scene: Scene) -> list[tuple[str, str]]:
    return [] if scene.expected is None else [(str(scene.expected.reason), str(scene.expected.phase))]


@pytest.fixture(scope="module")
def metrics(demo: Exporter) -> Metrics:
    metrics = demo.metrics()

    def all_seen() -> bool:
        nonlocal metrics
        metrics = demo.metrics()
        seen = {one["endpoint"] for one in metrics.find("mail_probe_success")}
        settled = {one["flow"] for one in metrics.find("mail_flow_success")}
        whole = seen >= {scene.name for scene in SCENES} and settled == {scene.name for scene in FLOW_SCENES}
        return whole and all(failures(metrics, scene) == expected(scene) for scene in SCENES)

    # What is not as it should be by then fails its own test.
    with suppress(TimeoutError):
        wait_until(all_seen, what="every scene and flow of the demo has been seen", within=SEEN_WITHIN)
    return metrics


def test_the_address_of_the_page_is_printed(demo: Exporter) -> None:
    def printed() -> set[str]:
        return set(re.findall(r"http://[0-9a-z.:]+", demo.log.read_text()))

    assert demo.url in wait_until(printed, what="an address is printed")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_every_scene_has_the_outcome_it_was_made_for(metrics: Metrics, scene: Scene) -> None:
    assert expected(scene) == failures(metrics, scene)
    assert metrics.value("mail_probe_success", endpoint=scene.name) == (scene.expected is None)


def test_what_changed_in_the_night_is_answered(demo: Exporter) -> None:
    """A server that flaps, a certificate that is replaced, a password that is changed: since when, what, how often."""

    def told() -> dict[str, Any] | None:
        found = {each.name: json.loads(fetch(f"{demo.url}/api/v1/endpoint?name={each.name}").body) for each in STORIES}
        replaced, changed = found["replaced-certificate-imap"], found["changed-password-pop3"]
        whole = (
            len(found["flapping-smtp"]["state_changes"]) > 2
            and [each["state"] for each in replaced["state_changes"]][-2:] == ["failing", "up"]
            and changed["state"] == "failing"
        )
        return found if whole else None

    found = wait_until(told, what="the stories have been told", within=150.0)
    flapping, replaced, changed = (found[each.name] for each in STORIES)
    assert {("server_busy", "greeting")} == {
        (each["reason"], each["phase"]) for each in flapping["state_changes"] if each["state"] == "failing"
    }
    assert "421" in flapping["failures_kept"][-1]["failure"]["detail"]
    assert 2 == [each["what"] for each in replaced["server_changes"]].count("certificate")
    assert {"tls_name_mismatch"} == {each["failure"]["reason"] for each in replaced["failures_kept"]}
    assert "auth_rejected" == changed["last_failure"]["failure"]["reason"]
    said = [line["text"] for line in changed["last_failure"]["transcript"] if line["direction"] == "server"]
    assert any(line.startswith("-ERR [AUTH]") for line in said)


def test_domains_are_judged_and_followed(demo: Exporter) -> None:
    def all_judged() -> Metrics | None:
        metrics = demo.metrics()
        judged = {one["domain"] for one in metrics.find("mail_domain_last_run_timestamp_seconds")}
        found = metrics.find("mail_probe_success", endpoint=f"imaps://mail.{HEALTHY}")
        return metrics if judged == {scene.name for scene in DOMAIN_SCENES} and found else None

    metrics = wait_until(all_judged, what="every domain has been judged", within=60.0)
    assert 1 == metrics.value("mail_domain_check_success", domain=HEALTHY, check="dane")
    assert 0 == metrics.value("mail_domain_check_success", domain="moved.example", check="dane")
    assert 1 == metrics.value("mail_probe_success", endpoint=f"imaps://mail.{HEALTHY}")
    listed = json.loads(fetch(f"{demo.url}/api/v1/domains").body)
    assert {scene.name for scene in DOMAIN_SCENES} == {each["domain"] for each in listed["domains"]}
    assert "dane_mismatch" in fetch(f"{demo.url}/domains/moved.example").body.decode()


@pytest.mark.parametrize("scene", FLOW_SCENES, ids=lambda scene: scene.name)
def test_every_flow_has_the_outcome_it_was_made_for(demo: Exporter, metrics: Metrics, scene: FlowScene) -> None:
    counted = {one["outcome"] for one in metrics.find("mail_flow_messages_total", flow=scene.name)}
    others = [outcome for outcome in counted if outcome != scene.expected]
    assert 1 <= metrics.value("mail_flow_messages_total", flow=scene.name, outcome=str(scene.expected))
    assert not any(metrics.value("mail_flow_messages_total", flow=scene.name, outcome=each) for each in others)
    assert str(scene.expected) in fetch(f"{demo.url}/flows/{scene.name}").body.decode()


def test_other_commands_work_with_the_demo(demo: Exporter) -> None:
    (file,) = set(re.findall(r"--config.file=(\S+)", demo.log.read_text()))
    shown = [run_command(*command, f"--config.file={file}") for command in (("flow", "healthy"), ("flow", "bounced"))]
    assert [0, 1] == [each.returncode for each in shown], shown
    assert "delivered after" in shown[0].stdout
    assert "bounced, leg transit, 5.1.1" in shown[1].stdout
    assert 0 == run_command("check", file).returncode


def test_the_page_links_to_the_metrics(demo: Exporter) -> None:
    assert "metrics" in fetch(demo.url).body.decode()
