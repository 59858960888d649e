"""Where dashboards lead to: each other, the exporter's pages, the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

TAG: Final = "mail-exporter"
"""The tag of all dashboards. Each lists the others by it."""

_KEPT: Final = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
"""The variables that links pass to another dashboard."""

_OF_ENDPOINT: Final = f"/d/mail-endpoint?{_KEPT}"
EXPORTER: Final = "${exporter_url:raw}"
FAILURES: Final = "${docs_url:raw}/failures.md"
PROBLEMS: Final = "${docs_url:raw}/domains.md"


def every_dashboard(further: Iterable[dashboard.DashboardLink] = ()) -> list[Builder[model.DashboardLink]]:
    """The links at the top of each dashboard, and further ones of its own."""
    others = (
        dashboard.DashboardLink("Mail dashboards")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )
    return [
        others,
        _away("The exporter", f"{EXPORTER}/", "The exporter's own page: every endpoint as it is now"),
        _away("What a failure means", FAILURES, "Every failure reason: what it means, what causes it, what to do"),
        *further,
    ]


def exporter_page(endpoint: str) -> dashboard.DashboardLink:
    """To the exporter's page of an endpoint, with the conversation of its last probe.

    Args:
        endpoint: The name, as Grafana is to fill it in.
    """
    return _own_page("endpoint", endpoint, "Its last conversation and its chain")


def flow_page(flow: str) -> dashboard.DashboardLink:
    """To the exporter's page of a flow, likewise."""
    return _own_page("flow", flow, "What became of each message, and where")


def domain_page(domain: str) -> dashboard.DashboardLink:
    """To the exporter's page of a mail domain, likewise."""
    return _own_page("domain", domain, "Each check, with what it found")


def problem(name: str) -> dashboard.DashboardLink:
    """To what a problem of a domain means, likewise."""
    return _away("What it means", f"{PROBLEMS}#{name}", "What usually causes it, and what to do")


def endpoint_dashboard(endpoint: str, instance: str = "") -> dashboard.DashboardLink:
    """To the dashboard of one endpoint, likewise.

    Args:
        endpoint: The name.
        instance: Whose figures of it to show; by default those of all that are chosen.
    """
    chosen = f"var-instance={instance}" if instance else "${instance:queryparam}"
    return dashboard.DashboardLink("Show this endpoint").url(f"{_OF_ENDPOINT}&{chosen}&var-endpoint={endpoint}")


def meaning(reason: str) -> dashboard.DashboardLink:
    """To what a failure reason means, likewise."""
    return _away("What it means", f"{FAILURES}#{reason}", "What usually causes it, and what to do")


def _own_page(kind: str, name: str, tooltip: str) -> dashboard.DashboardLink:
    # By query: proxies tidy up the slashes of a path, also those that are encoded.
    return _away(f"The exporter's page of the {kind}", f"{EXPORTER}/{kind}?name={name}", tooltip)


def _away(title: str, url: str, tooltip: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .icon("external link")
        .url(url)
        .tooltip(tooltip)
        .target_blank(True)
    )
