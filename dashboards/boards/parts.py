"""What panels of every kind are made of: a query, what a panel says about itself, and what all panels have.

Nothing here is of one kind of panel only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import (
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from dashboards.boards.looks import NEUTRAL, Steps

DATASOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The one that is chosen at the top of the dashboard."""

Panel = timeseries.Panel | stat.Panel | table.Panel | statetimeline.Panel | heatmap.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, table.Panel, statetimeline.Panel, heatmap.Panel)


@dataclass(frozen=True, slots=True)
class Query:
    """What a panel asks.

    Attributes:
        legend: What its series are called, with `{{label}}` for labels.
    """

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """What a panel says about itself.

    Attributes:
        title: Short enough to be read whole.
        description: What it shows and how to read it, for the "i" in the corner.
        nothing: What it says when there is no data, because that means something.
    """

    title: str
    description: str
    nothing: str = "No data"


def begun(
    panel: P,
    text: Text,
    queries: Iterable[Query],
    *,
    instant: bool = False,
    form: prometheus_model.PromQueryFormat = prometheus_model.PromQueryFormat.TIME_SERIES,
) -> P:
    """A panel with its texts and queries.

    Args:
        panel: An empty one.
        text: What it says about itself.
        queries: What it asks.
        instant: Ask for now, and not for the whole time that the dashboard shows.
        form: How it wants the answers.
    """
    panel = panel.title(text.title).description(text.description).datasource(DATASOURCE).no_value(text.nothing)
    for number, query in enumerate(queries):
        target = (
            prometheus.Dataquery()
            .ref_id(chr(ord("A") + number))
            .expr(query.expression)
            .legend_format(query.legend)
            .format(form)
            .editor_mode(prometheus_model.QueryEditorMode.CODE)
            .datasource(DATASOURCE)
        )
        panel = panel.with_target(target.instant() if instant else target.range())
    return panel


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Colours by bounds."""
    made = [model.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def by_thresholds() -> dashboard.FieldColor:
    """A value has the colour of the bound that it passed."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def by_last_value() -> dashboard.FieldColor:
    """A line has the colour of the bound that its last value passed."""
    return by_thresholds().series_by(model.FieldColorSeriesByMode.LAST)


def shades() -> dashboard.FieldColor:
    """For series of which none is better than the others."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.SHADES).fixed_color(NEUTRAL)


def palette() -> dashboard.FieldColor:
    """For series that have to be told apart, and of which nobody knows how many there are."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC)


def shades_of_red() -> dashboard.FieldColor:
    """For several kinds of what does not work."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.SHADES).fixed_color("red")


def neutral() -> dashboard.FieldColor:
    """For a figure without a judgement."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(NEUTRAL)
