"""The alerts: what promtool says of them, what they say to people, and that one cause is one alert."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.alerts import domain
from dashboards.alerts.book import alert_groups, alerts_of
from dashboards.alerts.reasons import ANSWERED_BY, reasons_of
from dashboards.alerts.rule import Alert, Severity
from dashboards.alerts.vocabulary import Vocabulary
from dashboards.generate import RULES
from dashboards.settings import Settings
from exporter.model import DomainProblem, FailureReason, Phase, Reach
from tests.servers.programs import program

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
FILE = ROOT / "dashboards" / RULES
TESTS = sorted((ROOT / "tests" / "dashboards").glob("*.test.yaml"))
PAGE = (ROOT / "docs" / "alerts.md").read_text()
ALERTS = alerts_of(alert_groups(Settings(), recorded=True))
NAMES = list(dict.fromkeys(alert.name for alert in ALERTS))
ABOUT_EXPORTERS = {
    "MailExporterAbsent",
    "MailExporterOverloaded",
    "MailExporterReloadFailed",
    "MailExporterTaskFailing",
    "MailExporterShardsInconsistent",
}

ABOUT_DOMAINS = {alert.name for alert in domain.alerts(Vocabulary(Settings(), recorded=True))}
ABOUT_FLOWS = {name for name in NAMES if name.startswith("MailFlow")}

PROMTOOL_WITHIN = 280.0
"""Seconds for a file of tests: ten on a machine that does nothing else."""

LABELS = 'endpoint="mx", instance="exporter:9925", job="mail", protocol="smtp"'


def promtool(*arguments: str | Path) -> None:
    """Runs it, and shows what it says if it is not content."""
    command = [program("promtool", package="prometheus"), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PROMTOOL_WITHIN)

    assert 0 == done.returncode, done.stdout + done.stderr


@cache
def checks() -> list[tuple[str, list[Any]]]:
    """The name of the alert and what is expected, of every check in the unit tests."""
    groups = [group for file in TESTS for group in yaml.safe_load(file.read_text())["tests"]]
    return [(check["alertname"], check["exp_alerts"]) for group in groups for check in group["alert_rule_test"]]


def test_promtool_takes_the_rules() -> None:
    promtool("check", "rules", FILE)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_every_alert_fires_when_it_must_and_says_what_it_should(file: Path) -> None:
    promtool("test", "rules", file)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_the_order_of_evaluation_is_said_or_it_would_be_another_each_time(file: Path) -> None:
    groups = [group["name"] for group in yaml.safe_load(FILE.read_text())["groups"]]

    assert groups == yaml.safe_load(file.read_text())["group_eval_order"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.severity}")
def test_every_alert_has_a_test_in_which_it_fires_and_a_near_miss(alert: Alert) -> None:
    expected = [alerts for name, alerts in checks() if name == alert.name]
    fired = [one for alerts in expected for one in alerts if one["exp_labels"]["severity"] == alert.severity]

    assert [] in expected
    assert fired
    assert all({"summary", "description", "runbook_url"} <= one["exp_annotations"].keys() for one in fired)


def test_every_severity_is_used_and_every_name_once() -> None:
    assert set(Severity) == {alert.severity for alert in ALERTS}
    assert [1] * len(ALERTS) == list(Counter((alert.name, alert.severity) for alert in ALERTS).values())


@pytest.mark.parametrize(
    "alert",
    [one for one in ALERTS if one.name not in ABOUT_EXPORTERS | ABOUT_DOMAINS | ABOUT_FLOWS],
    ids=lambda alert: alert.name,
)
def test_an_alert_on_an_endpoint_names_it_and_a_reason_and_a_phase_and_what_to_look_at(alert: Alert) -> None:
    text = f"{alert.summary} {alert.description}"
    reasons = "|".join(FailureReason)

    assert "$labels.endpoint" in alert.summary or "endpoints" in alert.summary
    assert re.search(rf"\$labels\.reason|\b(?:{reasons})\b|reason", text)
    assert re.search(rf"\$labels\.phase|phase (?:{'|'.join(Phase)})|whatever phase", text)
    assert re.search(r"\b(?:[Ll]ook|Read|Try|Compare|Renew|changed secret)\b", alert.description)


@pytest.mark.parametrize("alert", [one for one in ALERTS if one.name in ABOUT_EXPORTERS], ids=lambda alert: alert.name)
def test_an_alert_on_an_exporter_says_which_and_what_to_look_at(alert: Alert) -> None:
    assert re.search(r"\$labels\.(?:instance|job)", alert.summary)
    assert re.search(r"\b(?:[Ll]ook|Run)\b", alert.description)


@pytest.mark.parametrize("alert", [one for one in ALERTS if one.name in ABOUT_DOMAINS], ids=lambda alert: alert.name)
def test_an_alert_on_a_domain_names_it_and_what_to_look_at_and_its_page(alert: Alert) -> None:
    assert "$labels.domain" in f"{alert.summary} {alert.description}"
    assert re.search(r"\bLook (?:at|for)\b", alert.description)
    assert alert.links["domain_url"].endswith("/domain?name={{ $labels.domain | urlquery }}")


@pytest.mark.parametrize("alert", [one for one in ALERTS if one.name in ABOUT_FLOWS], ids=lambda alert: alert.name)
def test_an_alert_on_a_flow_names_it_and_what_to_look_at(alert: Alert) -> None:
    assert "$labels.flow" in alert.summary
    assert re.search(r"\b[Ll]ook\b", alert.description)
    assert {"flow_url"} == alert.links.keys()


def test_the_alert_on_mta_sts_stands_for_all_that_breaks_it() -> None:
    breaking = {
        problem.value for problem in DomainProblem if problem.startswith("mta_sts_") and problem.reach is Reach.FAILS
    }
    assert breaking | {"mta_sts_policy_expires"} == set(domain.BROKEN_MTA_STS)


def test_the_page_has_a_section_for_each_alert_in_the_order_of_the_rules() -> None:
    assert NAMES == re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_the_section_of_an_alert_says_when_it_fires_and_what_it_means_and_what_to_do(name: str) -> None:
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    severities = " or ".join(alert.severity for alert in ALERTS if alert.name == name)

    assert ["Fires when", "Means:", "Do:"] == re.findall(r"^\*\*(Fires when|Means:|Do:)\*\*", section, re.MULTILINE)
    assert f"| [{name}](#{name.lower()}) | {severities} |" in PAGE


def test_every_runbook_is_the_section_of_its_alert() -> None:
    rules = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"] if "alert" in rule]

    assert [
        f"alerts#{alert.name.lower()}" if alert.from_an_exporter else f"alerts.md#{alert.name.lower()}"
        for alert in ALERTS
    ] == [rule["annotations"]["runbook_url"].rpartition("/")[2] for rule in rules]


def test_every_failure_reason_belongs_to_one_alert_that_exists() -> None:
    names = NAMES

    assert set(ANSWERED_BY.values()) <= set(names)
    assert sorted(FailureReason) == sorted(reason for name in names for reason in reasons_of(name))


FACTS = {
    FailureReason.AUTH_REJECTED: {
        "mail_auth_success{LABELS, mechanism='PLAIN'}": "0",
        "mail_auth_backoff_seconds": "900",
    },
    FailureReason.TLS_CERTIFICATE_EXPIRED: {
        "mail_tls_verified": "0",
        "mail_tls_verification_error_info{LABELS, error='expired'}": "1",
        "mail_tls_chain_not_after_timestamp_seconds": "60",
    },
    FailureReason.TLS_UNTRUSTED: {
        "mail_tls_verified": "0",
        "mail_tls_verification_error_info{LABELS, error='self_signed'}": "1",
        "mail_tls_chain_not_after_timestamp_seconds": "8640000",
    },
    FailureReason.STARTTLS_NOT_OFFERED: {"mail_starttls_offered": "0"},
}
"""What else is known after a failure for the reason."""


def outage(reason: FailureReason) -> dict[str, Any]:
    """An endpoint that works for five minutes and then fails for the reason, for a test of promtool's."""
    steady = {
        "mail_endpoint_interval_seconds": "60x30",
        "mail_probes_total": "10+1x30",
        "mail_probe_success": "1x4 0x25",
        "mail_probe_last_duration_seconds": "0.1x4 15x25",
        "mail_probe_last_phase_duration_seconds{LABELS, phase='auth'}": "0.1x4 15x25",
        "mail_probe_last_run_timestamp_seconds": "0+60x30",
        "mail_probe_last_success_timestamp_seconds": "0+60x4 240x25",
        f"mail_probe_failure_info{{LABELS, reason='{reason}', phase='auth'}}": "_x5 1x25",
        f"mail_probe_failures_total{{LABELS, reason='{reason}', phase='auth'}}": "_x5 1+1x25",
        "mail_exporter_build_info{instance='exporter:9925', job='mail'}": "1x30",
        "up{instance='exporter:9925', job='mail'}": "1x30",
    }
    learnt = {series: f"_x5 {value}x25" for series, value in FACTS.get(reason, {}).items()}
    series = {
        (name if "{" in name else f"{name}{{LABELS}}").replace("LABELS", LABELS): values
        for name, values in (steady | learnt).items()
    }
    firing = {"expr": "count by (alertname) (ALERTS{alertstate='firing'})", "eval_time": "14m"}
    (alert,) = [name for name in NAMES if reason in reasons_of(name)]
    return {
        "name": str(reason),
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{**firing, "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}]}],
    }


def test_an_endpoint_that_fails_has_one_alert_whatever_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "reasons.test.yaml"
    tests = [outage(reason) for reason in FailureReason]
    order = [group["name"] for group in yaml.safe_load(FILE.read_text())["groups"]]
    settings = {"rule_files": [str(FILE)], "evaluation_interval": "1m", "group_eval_order": order}
    file.write_text(yaml.safe_dump(settings | {"tests": tests}))

    promtool("test", "rules", file)


EXAMPLES = [
    yaml.safe_load(block)
    for block in re.findall(
        r"^```yaml\n(.*?)^```$", (ROOT / "docs/dashboards.md").read_text(), re.DOTALL | re.MULTILINE
    )
]
"""The configurations that the page about dashboards and alerts shows."""


def example(key: str) -> dict[str, Any]:
    """The one that has this section."""
    (found,) = [one for one in EXAMPLES if key in one]
    return dict(found)


def alerts_matched(matchers: list[str]) -> set[str]:
    """The alerts that Alertmanager takes these matchers to mean; what they say of the instance left aside."""
    matcher, *_ = matchers
    found = re.fullmatch(r'alertname(=~?)"(.+)"', matcher)
    assert found is not None, matcher
    pattern = found[2] if found[1] == "=~" else re.escape(found[2])
    return {alert.name for alert in ALERTS if re.fullmatch(pattern, alert.name)}


@pytest.mark.parametrize("rule", example("inhibit_rules")["inhibit_rules"], ids=lambda rule: rule["source_matchers"][0])
def test_alertmanager_is_shown_to_mute_alerts_that_exist_by_others_that_do(rule: dict[str, Any]) -> None:
    muting, muted = alerts_matched(rule["source_matchers"]), alerts_matched(rule["target_matchers"])

    assert muting
    assert muted - muting
    # An exporter mutes what is its own, and the absence of all exporters everything.
    assert {"job", "instance"} <= set(rule.get("equal", [])) or 'instance=""' in rule["source_matchers"]


def test_without_the_exporter_every_alert_on_endpoints_is_muted() -> None:
    absent = [
        rule
        for rule in example("inhibit_rules")["inhibit_rules"]
        if "MailExporterAbsent" in alerts_matched(rule["source_matchers"])
    ]
    muted = set().union(*(alerts_matched(rule["target_matchers"]) for rule in absent))

    assert {alert.name for alert in ALERTS} - ABOUT_EXPORTERS <= muted


def test_every_severity_has_a_route_in_both_examples() -> None:
    alertmanager = example("inhibit_rules")["route"]
    (grafana,) = example("policies")["policies"]
    routed = {route["matchers"][0]: route["receiver"] for route in alertmanager["routes"]}
    policies = {tuple(route["object_matchers"][1]): route["receiver"] for route in grafana["routes"]}

    assert {'severity="critical"': "pager", 'severity="info"': "nobody"} == routed
    assert {("severity", "=", "critical"): "pager", ("severity", "=", "info"): "nobody"} == policies
    assert "tickets" == alertmanager["receiver"] == grafana["receiver"]
    assert {"reason", "phase"} <= set(alertmanager["group_by"]) & set(grafana["group_by"])
