"""The variables at the top of a dashboard, and the selectors that use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.boards.parts import DATASOURCE
from dashboards.promql import Scope
from dashboards.settings import Settings

Variable = Builder[model.VariableModel]

OF_ENDPOINTS: Final = ('protocol=~"$protocol"', 'endpoint=~"$endpoint"')


def scope_of_endpoints(settings: Settings) -> Scope:
    """The matchers of selectors on dashboards of many endpoints."""
    return Scope(_everywhere(settings), (*OF_ENDPOINTS, *(f'{label}=~"${label}"' for label in settings.labels)))


def scope_of_one_endpoint(settings: Settings) -> Scope:
    """The matchers on the dashboard of a single endpoint."""
    return Scope(_everywhere(settings), ('endpoint="$endpoint"',))


def scope_of_flows(settings: Settings) -> Scope:
    """The matchers on the dashboard of mail flow."""
    return Scope(_everywhere(settings), of_flows=('flow=~"$flow"',))


def scope_of_exporters(settings: Settings) -> Scope:
    """The matchers on the dashboard of the exporters themselves."""
    return Scope(_everywhere(settings))


def of_endpoints(settings: Settings) -> list[Variable]:
    """For dashboards of many endpoints."""
    narrowed = ", ".join(_everywhere(settings))
    own = [
        _several(label, label.capitalize(), f"label_values(mail_endpoint_info{{{narrowed}}}, {label})", all_value=".*")
        for label in settings.labels
    ]
    labels = "".join(f', {label}=~"${label}"' for label in settings.labels)
    return [
        *_of_exporters(settings),
        *own,
        _several("protocol", "Protocol", f"label_values(mail_endpoint_info{{{narrowed}{labels}}}, protocol)"),
        _several(
            "endpoint",
            "Endpoint",
            f'label_values(mail_endpoint_info{{{narrowed}{labels}, protocol=~"$protocol"}}, endpoint)',
        ),
        *_for_all(settings),
    ]


def of_one_endpoint(settings: Settings) -> list[Variable]:
    """For the dashboard of a single endpoint."""
    query = f"label_values(mail_endpoint_info{{{', '.join(_everywhere(settings))}}}, endpoint)"
    return [*_of_exporters(settings), _query("endpoint", "Endpoint", query), *_for_all(settings)]


def scope_of_domains(settings: Settings) -> Scope:
    """The matchers on the dashboard of mail domains."""
    return Scope((*_everywhere(settings), 'domain=~"$domain"'))


def of_domains(settings: Settings) -> list[Variable]:
    """For the dashboard of mail domains."""
    query = f"label_values(mail_domain_interval_seconds{{{', '.join(_everywhere(settings))}}}, domain)"
    return [*_of_exporters(settings), _several("domain", "Domain", query), *_for_all(settings)]


def of_flows(settings: Settings) -> list[Variable]:
    """For the dashboard of mail flow."""
    query = f"label_values(mail_flow_info{{{', '.join(_everywhere(settings))}}}, flow)"
    return [*_of_exporters(settings), _several("flow", "Flow", query), *_for_all(settings)]


def of_exporters(settings: Settings) -> list[Variable]:
    """For the dashboard of the exporters themselves."""
    return [*_of_exporters(settings), *_for_all(settings)]


def choice(name: str, label: str, options: Sequence[tuple[str, str]]) -> Variable:
    """One of a few, the first by default.

    Args:
        name: As queries name it.
        label: As people read it.
        options: What is read, and what is filled in.
    """
    made = [
        model.VariableOption(text=text, value=value, selected=place == 0) for place, (text, value) in enumerate(options)
    ]
    listed = ", ".join(f"{text} : {value}" for text, value in options)
    return dashboard.CustomVariable(name).label(label).values(listed).options(made).current(made[0])


def _of_exporters(settings: Settings) -> list[Variable]:
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    places = [
        _several(place, place.capitalize(), f"label_values(mail_exporter_build_info, {place})", all_value=".*")
        for place in settings.places
    ]
    narrowed = ", ".join(_places(settings))
    of_job = ", ".join((*_places(settings), 'job=~"$job"'))
    return [
        source,
        *places,
        _several("job", "Job", f"label_values(mail_exporter_build_info{{{narrowed}}}, job)"),
        _several("instance", "Instance", f"label_values(mail_exporter_build_info{{{of_job}}}, instance)"),
    ]


def _places(settings: Settings) -> tuple[str, ...]:
    return tuple(f'{place}=~"${place}"' for place in settings.places)


def _everywhere(settings: Settings) -> tuple[str, ...]:
    return (*_places(settings), 'job=~"$job"', 'instance=~"$instance"')


def shown_over_time() -> Variable:
    """Which endpoints the timelines show: those that failed, because three hundred that work are one green block."""
    return choice("shown", "Shown over time", (("With failures", "1"), ("All", "2")))


def _for_all(settings: Settings) -> list[Variable]:
    """Filters by any label, which Grafana adds to every query by itself, and where to find what is linked to."""
    filters = dashboard.AdHocVariable("filters").label("Filters").datasource(DATASOURCE)
    return [filters, _constant("exporter_url", settings.exporter_url), _constant("docs_url", settings.docs_url)]


def _several(name: str, label: str, query: str, *, all_value: str = ".+") -> Variable:
    everything = model.VariableOption(selected=True, text="All", value="$__all")
    return _query(name, label, query).multi(True).include_all(True).all_value(all_value).current(everything)


def _query(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _constant(name: str, value: str) -> Variable:
    return dashboard.ConstantVariable(name).value(value)
