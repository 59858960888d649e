"""The command that makes dashboards and rules: what its flags change, and which it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from dashboards.command import main
from dashboards.generate import GRAFANA_ALERTS, RULES, generate
from dashboards.settings import Settings

# What users choose.


def run(tmp_path: Path, *flags: str) -> dict[str, str]:
    """What the command writes with these flags, by file name."""
    done = CliRunner().invoke(main, ["--output", str(tmp_path), *flags])
    assert 0 == done.exit_code, done.output
    return {str(file.relative_to(tmp_path)): file.read_text() for file in sorted(tmp_path.rglob("*")) if file.is_file()}


def test_without_flags_the_command_writes_what_is_committed(tmp_path: Path) -> None:
    assert generate(Settings()) == run(tmp_path)


def test_every_selector_of_the_rules_gets_the_users_matcher(tmp_path: Path) -> None:
    files = run(tmp_path, "--selector", 'job="mail"', "--selector", 'cluster!="test"')

    for line in files[RULES].splitlines():
        for series in re.findall(r"\b(?:mail_\w+|up)(?={)[^}]*}|\b(?:mail_\w+|up)(?= |\[|\))", line):
            if (
                line.strip().startswith(("- record:", "summary", "description"))
                or ":" in line.partition(series)[0][-9:]
            ):
                continue
            assert 'job="mail", cluster!="test"' in series, line


def test_users_labels_become_variables_that_narrow_every_query_about_endpoints(tmp_path: Path) -> None:
    overview = run(tmp_path, "--label", "team")["mail-overview.json"]

    variables = json.loads(overview)["templating"]["list"]
    (query,) = [one["query"] for one in variables if one["name"] == "team"]

    assert 'instance=~"$instance"}, team)' in query
    assert overview.count('endpoint=~\\"$endpoint\\", team=~\\"$team\\"') > 10
    assert 0 == overview.count('endpoint=~\\"$endpoint\\"}')


@pytest.mark.parametrize(
    ("flags", "file", "expected"),
    [
        (["--critical", "page"], RULES, "severity: page"),
        (["--alert-label", "team=post"], RULES, "team: post"),
        (["--down-for", "3m"], RULES, "for: 3m"),
        (["--slow-seconds", "2.5"], RULES, "[10m]) > 2.5"),
        (["--last-days", "7"], RULES, "<= 7 * 86400) > 0"),
        (["--quota-share", "0.8"], RULES, "> 0.8"),
        (["--objective", "0.99"], RULES, "> 0.144"),
        (["--docs-url", "https://docs.example"], RULES, "runbook_url: https://docs.example/alerts.md#mailendpointdown"),
        (["--exporter-url", "https://mail.example"], RULES, "endpoint_url: https://mail.example/endpoint?name="),
        (
            ["--grafana-url", "https://grafana.example"],
            RULES,
            "dashboard_url: https://grafana.example/d/mail-endpoint?",
        ),
        (["--grafana-datasource", "P1"], GRAFANA_ALERTS, "datasourceUid: P1"),
        (["--grafana-folder", "Post"], GRAFANA_ALERTS, "folder: Post"),
        (["--grafana-recorded"], GRAFANA_ALERTS, "endpoint:mail_probe_success:avg1h"),
        (["--exporter-url", "https://mail.example"], "mail-overview.json", '"query": "https://mail.example"'),
        (["--docs-url", "https://docs.example"], "mail-overview.json", '"query": "https://docs.example"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_choice_reaches_what_is_generated(tmp_path: Path, flags: list[str], file: str, expected: str) -> None:
    assert expected not in generate(Settings())[file]
    assert expected in run(tmp_path, *flags)[file]


def test_an_alert_that_is_not_wanted_is_left_out_of_both_files(tmp_path: Path) -> None:
    files = run(tmp_path, "--without", "MailMailboxQuotaNearlyFull")

    assert "MailMailboxQuotaNearlyFull" in generate(Settings())[RULES]
    assert "MailMailboxQuotaNearlyFull" not in files[RULES] + files[GRAFANA_ALERTS]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--without", "MailIsDown"], "--without MailIsDown: there is no such alert, only MailAutoconfig"),
        (["--down-for", "2 minutes"], "--down-for is a duration such as 90s or 5m, not '2 minutes'"),
        (["--selector", "mail"], "--selector is a matcher such as job=\"mail\", not 'mail'"),
        (["--alert-label", "team"], "--alert-label is written NAME=VALUE, not 'team'"),
        (["--objective", "99.5"], "--objective is a share between 0 and 1, not 99.5"),
        (["--soon-days", "2"], "--renewal-days, --soon-days and --last-days must become fewer, and stay above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_choice_that_makes_no_sense_is_refused_by_name(tmp_path: Path, flags: list[str], says: str) -> None:
    done = CliRunner().invoke(main, ["--output", str(tmp_path), *flags])

    assert (2, []) == (done.exit_code, list(tmp_path.iterdir()))
    assert says in " ".join(done.output.split())


def test_every_setting_is_explained_by_help() -> None:
    done = CliRunner().invoke(main, ["--help"])

    for flag in ("--down-for", "--selector", "--alert-label", "--critical", "--label", "--grafana-datasource"):
        assert flag in done.output
