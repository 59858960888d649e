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
    """A query of a panel.

    Attributes:
        legend: The names of its series, with `{{label}}` for labels.
    """

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """The texts of a panel.

    Attributes:
        title: Short enough to be read whole.
        description: What it shows and how to read it, for the "i" in the corner.
        nothing: The text if there is no data.
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
        text: Its texts.
        queries: Its queries.
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
    """Colours for series of equal importance."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.SHADES).fixed_color(NEUTRAL)


def palette() -> dashboard.FieldColor:
    """Colours for an unknown number of series that must look different."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC)


def shades_of_red() -> dashboard.FieldColor:
    """Colours for several kinds of failures."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.SHADES).fixed_color("red")


def neutral() -> dashboard.FieldColor:
    """A colour for a figure that is neither good nor bad."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(NEUTRAL)
