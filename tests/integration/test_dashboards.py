"""The demo, Debian's Prometheus with the rules, and every query of the dashboards and rules through its API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest
import yaml

from dashboards.alerts.prometheus import rules_file
from dashboards.alerts.reasons import ANSWERED_BY, DOWN
from dashboards.settings import Settings
from exporter.demo.scene import Scene
from exporter.demo.scenes import SCENES
from tests.dashboards.asked import (
    Asked,
    of_annotations,
    of_grafana_alerts,
    of_panels,
    of_rules,
    of_variables,
    selectors,
)
from tests.servers.exporter import COMMAND
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, program, running, wait_until
from tests.servers.prometheus import Prometheus

SETTINGS = Settings(down_for="1s", login_for="1s", many_endpoints=1000, keep_firing_for="1s")
"""A test does not wait for what is long enough not to be a mishap, and most of the demo fails at once on purpose."""

DATA_WITHIN = 60.0
"""Seconds. Probes every five, scrapes every one, and some queries that look back half a minute."""

ENDPOINTS = (
    "healthy-imap",
    "healthy-submission",
    "stripped-smtp",
    "wrong-password-imap",
    "refusing-smtp",
    "expired-pop3",
)
"""Of the demo: between them, they have everything that an endpoint can have, but for what is listed below."""

FURTHER = {"expiring-imap": "MailCertificateExpiresSoon"}
"""Alerts on scenes that succeed."""

NOT_IN_THE_DEMO: Mapping[str, str] = {
    'reason=~"auth_disabled"': "no scene's provider has switched logins off",
    'reason=~"auth_mechanism_not_offered|': "no scene's login is withheld",
    "exporter:mail_endpoints_down:many": "so many do not fail that one alert would stand for all",
    'reason="internal_error"': "no bug is known that a server could provoke",
    "mail_mailbox_unreadable_messages": "every message of the demo can be read",
    "mail_mailbox_readable": "no scene reads messages back",
    "mail_exporter_web_config_last_reload_successful": "the demo has no web configuration",
    "mail_flow_overdue": "no flow of the demo waits for the mail of others",
    "mail_flow_newest_timestamp_seconds": "no flow of the demo waits for the mail of others",
    'problem="dane_withdrawn"': "no record of the demo's domains is withdrawn",
    "mail_oauth2_token_expiry_timestamp_seconds": "no scene logs in with OAuth 2",
    "mail_oauth2_token_requests_total": "no scene logs in with OAuth 2",
    "mail_tls_ocsp_next_update_timestamp_seconds": "the demo's authority has no OCSP responder, so nothing is stapled",
}
"""What the demo cannot have any data of: a part of the query, and why."""


def missing(asked: Asked) -> str | None:
    """Why the demo has no data for the query; `None` if it must have."""
    return next((why for part, why in NOT_IN_THE_DEMO.items() if part in asked.expression), None)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the demo and evaluates our rules, often enough for a test to wait for them."""
    directory = tmp_path_factory.mktemp("dashboards")
    exporter, own = (f"{LOOPBACK}:{port}" for port in free_ports(2))
    rules = directory / "rules.yaml"
    rules.write_text(re.sub(r"^( *interval:) \d+m$", r"\1 1s", rules_file(SETTINGS), flags=re.MULTILINE))
    configuration = directory / "prometheus.yml"
    configuration.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s"},
                "rule_files": [str(rules)],
                "scrape_configs": [{"job_name": "mail", "static_configs": [{"targets": [exporter]}]}],
            }
        )
    )
    command = [
        program("prometheus", package="prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={own}",
        "--log.level=warn",
    ]
    demo = [*COMMAND, "demo", f"--web.listen-address={exporter}"]
    with (
        running(demo, log=directory / "demo.log", ready=lambda: is_ready(exporter)),
        running(command, log=directory / "prometheus.log", ready=lambda: is_ready(own)),
    ):
        yield Prometheus(url=f"http://{own}")


def is_ready(address: str) -> bool:
    return fetch(f"http://{address}/-/ready").status == 200


def without_answer(prometheus: Prometheus, asked: Asked) -> bool:
    """Whether there is no data, for none of the endpoints."""
    queries = (
        {asked.filled_in(endpoint) for endpoint in ENDPOINTS}
        if "$endpoint" in asked.expression
        else {asked.filled_in()}
    )
    return not any(prometheus.query(query) for query in sorted(queries))


def parts(asked: Asked) -> list[Asked]:
    """What a rule is about: each of its selectors, now. The rule itself has data only while something is wrong."""
    found = {re.sub(r" offset \S+$", "", str(selector)) for selector in selectors(asked.expression)}
    return [Asked(f"{asked.where}: {selector}", selector) for selector in sorted(found)]


def wait_for_all(prometheus: Prometheus, asked: list[Asked]) -> None:
    """Asks until every query has had data once.

    Raises:
        TimeoutError: Some have none; they are named.
    """
    pending = [one for one in asked if missing(one) is None]

    def nothing_pending() -> bool:
        pending[:] = [one for one in pending if without_answer(prometheus, one)]
        return not pending

    try:
        wait_until(nothing_pending, what="every query has data", within=DATA_WITHIN)
    except TimeoutError as error:
        raise TimeoutError("\n".join(f"no data: {one.where}: {one.expression}" for one in pending)) from error


def test_every_query_of_every_panel_has_data(observed: Prometheus) -> None:
    wait_for_all(observed, of_panels())


def test_every_choice_at_the_top_has_something_to_choose(observed: Prometheus) -> None:
    wait_for_all(observed, of_variables())


def test_every_recording_rule_has_data_and_so_has_every_series_that_alerts_are_about(observed: Prometheus) -> None:
    wait_for_all(observed, [part for asked in of_rules() for part in parts(asked)])
    wait_for_all(observed, [asked for asked in of_rules() if ":" in asked.where])


def test_every_query_is_one_that_prometheus_understands(observed: Prometheus) -> None:
    for asked in (*of_panels(), *of_annotations(), *of_variables(), *of_rules(), *of_grafana_alerts()):
        observed.query(asked.filled_in())  # raises if it is not


def test_what_the_demo_is_said_not_to_have_it_has_not(observed: Prometheus) -> None:
    always = "or on () vector(0)"  # an answer also where there is nothing
    listed = [asked for asked in of_panels() if missing(asked) is not None and always not in asked.expression]

    assert listed
    assert [] == [asked for asked in listed if not without_answer(observed, asked)]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_each_scene_of_the_demo_has_the_alert_of_its_reason_and_no_other(observed: Prometheus, scene: Scene) -> None:
    expected = {FURTHER[scene.name]} if scene.name in FURTHER else set()
    if scene.expected is not None:
        expected.add(ANSWERED_BY.get(scene.expected.reason, DOWN))

    def firing() -> set[str]:
        alerts = observed.query(f'ALERTS{{alertstate="firing", endpoint="{scene.name}"}}')
        return {one.labels["alertname"] for one in alerts}

    wait_until(lambda: firing() == expected, what=f"{expected} for {scene.name}", within=DATA_WITHIN)
