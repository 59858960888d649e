"""One Prometheus scrapes blackbox_exporter and this exporter, by the same scrape configuration but for the address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.servers.blackbox import Blackbox, blackbox
from tests.servers.exporter import Exporter, exporter_running
from tests.servers.mail import MailServers
from tests.servers.programs import LOOPBACK, free_ports, wait_until
from tests.servers.prometheus import Prometheus, prometheus_scraping

PAGE = Path(__file__).parents[2] / "docs" / "from-blackbox-exporter.md"
MODULES = ("imaps", "pop3s", "smtp_starttls")
BLACKBOX, OURS = "blackbox", "mail"
FIGURES = (
    "probe_success",
    "probe_duration_seconds",
    "probe_dns_lookup_time_seconds",
    "probe_ip_protocol",
    "probe_ssl_earliest_cert_expiry",
    "probe_tls_version_info",
)


def written(heading: str) -> Mapping[str, dict[str, object]]:
    """The modules that the page for those who come from blackbox_exporter shows first under a heading."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)^#", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    block, *_ = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    modules: Mapping[str, dict[str, object]] = yaml.safe_load(block)["modules"]
    return modules


@dataclass(frozen=True)
class SideBySide:
    """Both at work.

    Attributes:
        instances: Module by the target that it is asked to probe.
        nobody: A target at which nobody listens.
    """

    blackbox: Blackbox
    exporter: Exporter
    prometheus: Prometheus
    instances: Mapping[str, str]
    nobody: str

    def figures(self, job: str, name: str) -> dict[str, tuple[float, str | None]]:
        """The value of a metric by its instance, and its label `version`."""
        found = self.prometheus.query(f'{name}{{job=~"{job}-.*"}}')
        return {one.labels["instance"]: (one.value, one.labels.get("version")) for one in found}


def scrape_config(job: str, module: str, targets: list[str], address: str) -> dict[str, object]:
    """As blackbox_exporter's own documentation has it."""
    return {
        "job_name": f"{job}-{module}",
        "metrics_path": "/probe",
        "params": {"module": [module]},
        "static_configs": [{"targets": targets}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": address},
        ],
    }


@pytest.fixture(scope="module")
def both(mail: MailServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    directory = tmp_path_factory.mktemp("blackbox")
    ca_file = str(mail.authority.file)
    instances = {
        f"{LOOPBACK}:{mail.dovecot.imaps}": "imaps",
        f"{LOOPBACK}:{mail.dovecot.pop3s}": "pop3s",
        f"{LOOPBACK}:{mail.postfix.smtp}": "smtp_starttls",
    }
    nobody = f"{LOOPBACK}:{free_ports(1)[0]}"
    theirs = {name: written("In blackbox_exporter")[name] for name in MODULES}
    for module in theirs.values():
        module["tcp"]["tls_config"] = {"ca_file": ca_file}  # type: ignore[index]  # as the page has it, and the test's authority
    ours = {name: {**written("Here")[name], "tls": {"ca_file": ca_file}} for name in MODULES}
    file = directory / "mail-exporter.yaml"
    endpoints = [{"url": f"imaps://{nobody}", "interval": "1h"}]
    file.write_text(yaml.safe_dump({"endpoints": endpoints, "modules": ours}))
    with blackbox(directory, theirs) as one, exporter_running(file) as other:
        jobs = [
            scrape_config(job, module, [target, nobody] if module == "imaps" else [target], address)
            for job, address in ((BLACKBOX, one.address), (OURS, other.address))
            for target, module in instances.items()
        ]
        with prometheus_scraping(directory / "prometheus", jobs) as server:

            def scraped() -> bool:
                return [8.0] == [found.value for found in server.query("count(probe_success)")]

            wait_until(scraped, what="both have answered for every target")
            yield SideBySide(one, other, server, instances, nobody)


@pytest.mark.parametrize("job", [BLACKBOX, OURS])
def test_every_scrape_is_answered(both: SideBySide, job: str) -> None:
    assert [1.0] * 4 == [one.value for one in both.prometheus.query(f'up{{job=~"{job}-.*"}}')]


@pytest.mark.parametrize("job", [BLACKBOX, OURS])
def test_both_say_what_is_well_and_what_is_not(both: SideBySide, job: str) -> None:
    expected = {**dict.fromkeys(both.instances, (1.0, None)), both.nobody: (0.0, None)}
    assert expected == both.figures(job, "probe_success")


@pytest.mark.parametrize("name", ["probe_ssl_earliest_cert_expiry", "probe_ip_protocol", "probe_tls_version_info"])
def test_both_find_the_same(both: SideBySide, name: str) -> None:
    theirs, ours = both.figures(BLACKBOX, name), both.figures(OURS, name)

    assert {target: theirs[target] for target in both.instances} == {target: ours[target] for target in both.instances}


def test_the_expiry_is_the_certificate_s(both: SideBySide, mail: MailServers) -> None:
    expires = mail.identity.certificate.not_valid_after_utc.timestamp()

    assert dict.fromkeys(both.instances, (expires, None)) == both.figures(OURS, "probe_ssl_earliest_cert_expiry")


@pytest.mark.parametrize("name", ["probe_duration_seconds", "probe_dns_lookup_time_seconds"])
def test_both_tell_how_long_it_took(both: SideBySide, name: str) -> None:
    for job in (BLACKBOX, OURS):
        figures = both.figures(job, name)
        assert both.instances.keys() <= figures.keys()
        assert all(0.0 < figures[target][0] < 5.0 for target in both.instances)


def test_every_metric_of_theirs_that_dashboards_use_is_there(both: SideBySide) -> None:
    for target in both.instances:
        found = both.prometheus.query(f'{{instance="{target}",job=~"{OURS}-.*"}}')
        assert set(FIGURES) <= {one.labels["__name__"] for one in found}


def test_what_only_we_know_comes_with_the_same_scrape(both: SideBySide) -> None:
    reasons = both.prometheus.query(f'mail_probe_failure_info{{job=~"{OURS}-.*"}}')

    assert [(both.nobody, f"imaps://{both.nobody}", "connect_refused", "connect")] == [
        (one.labels["instance"], one.labels["endpoint"], one.labels["reason"], one.labels["phase"]) for one in reasons
    ]
