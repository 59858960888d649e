"""The alerts and the availability during incidents that scrapes see only in part, by promtool's own evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from dashboards.generate import RULES
from tests.unit.test_alerts import promtool

pytestmark = pytest.mark.timeout(300)

FILE: Final = Path(__file__).parents[2] / "dashboards" / RULES
GROUPS: Final = [group["name"] for group in yaml.safe_load(FILE.read_text())["groups"]]
ENDPOINT: Final = 'endpoint="mx", instance="exporter:9925", job="mail", protocol="smtp"'
FIRING: Final = "count by (alertname) (ALERTS{alertstate='firing'})"

MINUTES: Final = 80


def scraped(values: Iterable[object], every: int) -> str:
    """What promtool writes for a figure that changes with each probe and is scraped after every so many."""
    return " ".join(str(value) if place % every == 0 else "_" for place, value in enumerate(values))


def incident(outcomes: Sequence[bool], interval: int, every: int, labels: str = ENDPOINT) -> list[dict[str, str]]:
    """All series of an endpoint whose probes have these outcomes.

    Args:
        outcomes: Whether each probe succeeded.
        interval: Seconds between two probes.
        every: How many probes there are from one scrape to the next.
        labels: The endpoint's.
    """
    failures = [sum(not one for one in outcomes[: place + 1]) for place in range(len(outcomes))]
    succeeded = [
        max((place for place in range(last + 1) if outcomes[place]), default=None) for last in range(len(outcomes))
    ]
    reason = 'reason="connection_reset", phase="greeting"'
    series: dict[str, Iterable[object]] = {
        f"mail_probe_success{{{labels}}}": [int(one) for one in outcomes],
        f"mail_probes_total{{{labels}}}": range(1, len(outcomes) + 1),
        f"mail_probe_failures_total{{{labels}, {reason}}}": [count or "_" for count in failures],
        f"mail_probe_failure_info{{{labels}, {reason}}}": ["stale" if one else 1 for one in outcomes],
        f"mail_probe_last_success_timestamp_seconds{{{labels}}}": [
            "_" if last is None else last * interval for last in succeeded
        ],
        f"mail_probe_last_run_timestamp_seconds{{{labels}}}": [place * interval for place in range(len(outcomes))],
        f"mail_endpoint_interval_seconds{{{labels}}}": [interval] * len(outcomes),
    }
    return [{"series": name, "values": scraped(values, every)} for name, values in series.items()]


def evaluated(tests: list[dict[str, Any]], tmp_path: Path) -> None:
    """Have promtool run these tests of the shipped rules."""
    file = tmp_path / "incidents.test.yaml"
    settings = {"rule_files": [str(FILE)], "evaluation_interval": "1m", "group_eval_order": GROUPS}
    file.write_text(yaml.safe_dump(settings | {"tests": tests}))
    promtool("test", "rules", file)


def firing(*names: str, eval_time: str) -> dict[str, Any]:
    """Exactly these alerts fire at this time, each once."""
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names]
    return {"expr": FIRING, "eval_time": eval_time, "exp_samples": samples}


def within(expression: str, truth: float, tolerance: float, eval_time: str) -> dict[str, Any]:
    """A figure is as far from the truth as allowed, at most."""
    near = f"({expression} >= bool {truth - tolerance}) * ({expression} <= bool {truth + tolerance})"
    return {"expr": f"sum({near})", "eval_time": eval_time, "exp_samples": [{"labels": "{}", "value": 1}]}


@pytest.mark.parametrize(("nth", "interval"), [(2, 60), (3, 60), (10, 60), (2, 2)])
def test_an_availability_is_that_of_the_counters_however_seldom_they_are_scraped(
    nth: int, interval: int, tmp_path: Path
) -> None:
    outcomes = [place % nth != nth - 1 for place in range(MINUTES * 60 // interval)]
    at = f"{MINUTES - 5}m"

    evaluated(
        [
            {
                "name": f"every {nth}th probe fails, scrapes see every {every}th",
                "interval": f"{interval}s",
                "input_series": [*incident(outcomes, interval, every), *exporter(SAME, length=len(outcomes))],
                "promql_expr_test": [
                    within("endpoint:mail_probe_success:avg1h", 1 - 1 / nth, 0.02, at),
                    firing("MailErrorBudgetBurningFast", eval_time=at),
                ],
            }
            for every in (1, 2, 5)
        ],
        tmp_path,
    )


@pytest.mark.parametrize("every", [1, 2, 5])
def test_an_outage_in_one_piece_burns_no_budget_on_top_of_being_down(every: int, tmp_path: Path) -> None:
    outcomes = [not 60 <= place < 75 for place in range(180)]

    evaluated(
        [
            {
                "name": "fifteen minutes",
                "interval": "1m",
                "input_series": [*incident(outcomes, 60, every), *exporter(SAME, length=len(outcomes))],
                "promql_expr_test": [
                    firing("MailEndpointDown", eval_time="74m"),
                    *(firing(eval_time=f"{minute}m") for minute in (55, 90, 100, 120, 160)),
                ],
            }
        ],
        tmp_path,
    )


def test_the_very_first_failure_of_an_endpoint_counts(tmp_path: Path) -> None:
    outcomes = [place != 90 for place in range(120)]

    evaluated(
        [
            {
                "name": "one in an hour",
                "interval": "1m",
                "input_series": incident(outcomes, 60, 1),
                "promql_expr_test": [within("endpoint:mail_probe_success:avg1h", 59 / 60, 0.002, "115m")],
            }
        ],
        tmp_path,
    )


def endpoints(count: int, down: int, labels: str, **facts: str) -> list[dict[str, str]]:
    """The series of endpoints of one exporter, of which the first so many fail after half an hour."""
    series = []
    for number in range(count):
        own = f'endpoint="mx{number}", protocol="smtp", {labels}'
        outcomes = [place < 30 or number >= down for place in range(60)]
        series += incident(outcomes, 60, 1, own)
        series += [
            {"series": f"{name}{{{own}, mechanism='PLAIN'}}", "values": values} for name, values in facts.items()
        ]
    return series


def exporter(
    labels: str, *, shard: int = 0, total: int = 1, length: int = 60, there: str = "1x{}"
) -> list[dict[str, str]]:
    """The series of an exporter itself, for so many scrapes; `there` says at which of them it is there."""
    known = there.format(length)
    return [
        {"series": f'mail_exporter_build_info{{{labels}, version="1"}}', "values": known},
        {"series": f"up{{{labels}}}", "values": known},
        {"series": f"mail_exporter_shard{{{labels}}}", "values": known.replace("1x", f"{shard}x")},
        {"series": f"mail_exporter_total_shards{{{labels}}}", "values": known.replace("1x", f"{total}x")},
        {
            "series": f"mail_exporter_config_last_reload_success_timestamp_seconds{{{labels}}}",
            "values": known.replace("1x", "0x"),
        },
    ]


SAME: Final = 'job="mail", instance="exporter:9925"'


def test_many_endpoints_that_fail_at_once_are_one_alert(tmp_path: Path) -> None:
    evaluated(
        [
            {
                "name": "six of ten",
                "interval": "1m",
                "input_series": [*endpoints(10, 6, f'{SAME}, team="post"'), *exporter(SAME)],
                "promql_expr_test": [firing("MailManyEndpointsDown", eval_time="40m")],
            },
            {
                "name": "four of ten",
                "interval": "1m",
                "input_series": [*endpoints(10, 4, SAME), *exporter(SAME)],
                "promql_expr_test": [
                    {
                        "expr": FIRING,
                        "eval_time": "40m",
                        "exp_samples": [{"labels": '{alertname="MailEndpointDown"}', "value": 4}],
                    }
                ],
            },
        ],
        tmp_path,
    )


@pytest.mark.parametrize(("down", "severity"), [(1, "warning"), (3, "critical")])
def test_one_login_of_several_wakes_nobody_and_most_of_them_do(down: int, severity: str, tmp_path: Path) -> None:
    series = endpoints(4, down, SAME, mail_auth_success="1x60")
    for one in series:
        one["series"] = one["series"].replace("connection_reset", "auth_rejected").replace("greeting", "auth")

    evaluated(
        [
            {
                "name": "logins",
                "interval": "1m",
                "input_series": [*series, *exporter(SAME)],
                "promql_expr_test": [
                    {
                        "expr": "count by (alertname, severity) (ALERTS{alertstate='firing'})",
                        "eval_time": "45m",
                        "exp_samples": [
                            {"labels": f'{{alertname="MailLoginRejected", severity="{severity}"}}', "value": down}
                        ],
                    }
                ],
            }
        ],
        tmp_path,
    )


def flow_and_domain(labels: str, *, broken: bool) -> list[dict[str, str]]:
    """A flow that delivers and a domain that everybody delivers to; after half an hour neither does, if broken."""
    flow = f'flow="office", {labels}'
    domain = f'domain="example.com", {labels}'
    host = f'host="mx.example.com", port="25", address="192.0.2.1", key_type="rsa", {domain}'
    flag = "1x29 0x30" if broken else "1x60"
    series = {
        f"mail_flow_interval_seconds{{{flow}}}": "300x60",
        f"mail_flow_last_success_timestamp_seconds{{{flow}}}": "0+60x29 1740x30" if broken else "0+60x60",
        f'mail_flow_outcome_info{{{flow}, outcome="lost", leg="transit"}}': "_x30 1x30" if broken else "_x60",
        f"mail_flow_in_flight{{{flow}}}": "1x60",
        f'mail_flow_removed_total{{{flow}, kind="leftover"}}': "0x60",
        f'mail_flow_duration_seconds_bucket{{{flow}, le="+Inf"}}': "0+1x60",
        f'mail_flow_duration_seconds_bucket{{{flow}, le="4"}}': "0+1x60",
        f'mail_flow_auth_result_info{{{flow}, method="spf", result="pass"}}': "1x60",
        f"mail_domain_interval_seconds{{{domain}}}": "3600x60",
        f"mail_domain_last_run_timestamp_seconds{{{domain}}}": "0+60x60",
        f'mail_domain_deliverable{{{domain}, mx="mx.example.com", address="192.0.2.1", sender="dane"}}': flag,
        f'mail_domain_check_success{{{domain}, check="mta_sts"}}': "1x60",
        f"mail_mta_sts_policy_changed_without_id{{{domain}}}": "0x60",
        f'mail_dane_tlsa_match{{{host}, usage="3", selector="1", matching="1", record="01234567"}}': flag,
        f'mail_dane_tlsa_match{{{host}, usage="3", selector="1", matching="1", record="89abcdef"}}': "0x60",
        f"mail_discovery_success{{{domain}}}": "1x60",
    }
    return [{"series": name, "values": values} for name, values in series.items()]


def clusters(label: str, shards: int) -> list[dict[str, str]]:
    """Two clusters whose exporters have the same job and instances, as one Prometheus behind both sees them."""
    return [
        series
        for cluster, number in product(("berlin", "oslo"), range(shards))
        for own in [f'job="mail", instance="mail-exporter-{number}:9925", {label}="{cluster}"']
        for series in (
            *endpoints(3, 1 if cluster == "oslo" else 0, own),
            *flow_and_domain(own, broken=cluster == "oslo"),
            *exporter(f'{own}, pod="mail-exporter-{number}"', shard=number, total=shards),
        )
    ]


BROKEN_IN_OSLO: Final = ("MailDaneMismatch", "MailDomainUndeliverable", "MailEndpointDown", "MailFlowNotDelivering")


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("label", ["cluster", "site"])
def test_two_clusters_of_the_same_job_and_instances_do_not_mix(label: str, shards: int, tmp_path: Path) -> None:
    by_label = f"count by (alertname, {label}) (ALERTS{{alertstate='firing'}})"

    evaluated(
        [
            {
                "name": f"{shards} shards told apart by {label}",
                "interval": "1m",
                "input_series": clusters(label, shards),
                "promql_expr_test": [
                    firing(eval_time="29m"),
                    {
                        "expr": by_label,
                        "eval_time": "55m",
                        "exp_samples": [
                            {"labels": f'{{alertname="{name}", {label}="oslo"}}', "value": shards}
                            for name in BROKEN_IN_OSLO
                        ],
                    },
                ],
            }
        ],
        tmp_path,
    )


def test_a_job_that_vanishes_is_missed_although_others_are_there(tmp_path: Path) -> None:
    gone = "1x20 stale _x40"

    evaluated(
        [
            {
                "name": "two jobs, one gone",
                "interval": "1m",
                "input_series": [
                    *exporter('job="mail", instance="a:9925"'),
                    *exporter('job="mail-dmz", instance="b:9925"', there=gone),
                ],
                "promql_expr_test": [
                    firing(eval_time="20m"),
                    {
                        "expr": "ALERTS{alertstate='firing'}",
                        "eval_time": "40m",
                        "exp_samples": [
                            {
                                "labels": 'ALERTS{alertname="MailExporterAbsent", alertstate="firing", job="mail-dmz", '
                                'severity="critical"}',
                                "value": 1,
                            }
                        ],
                    },
                ],
            },
            {
                "name": "a pod is replaced",
                "interval": "1m",
                "input_series": [
                    *exporter('job="mail", instance="10.0.0.1:9925", pod="mail-a"', there=gone),
                    *exporter('job="mail", instance="10.0.0.2:9925", pod="mail-b"', there="_x20 1x40"),
                ],
                "promql_expr_test": [firing(eval_time=f"{minute}m") for minute in (22, 30, 55)],
            },
        ],
        tmp_path,
    )
