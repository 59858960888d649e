"""Tables of what is so now. How a table looks, not what it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, table
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from dashboards.boards.looks import ANY, Steps
from dashboards.boards.parts import Query, Text, begun, thresholds

UNKNOWN = "–"  # noqa: RUF001 - a dash
"""What a cell without a value shows. The panel's own text is for a table without rows."""


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table looks.

    Attributes:
        source: The name of the field: a label, or the value of a query.
        title: Its heading.
        look: Properties of the field, by Grafana's names.
    """

    source: str
    title: str
    look: Mapping[str, Any] = field(default_factory=dict)


def rows(
    text: Text,
    queries: Sequence[Query],
    columns: Sequence[Column],
    *,
    sort_by: str,
    descending: bool = False,
) -> table.Panel:
    """A table of what is so now, a row for each thing.

    Args:
        text: What it is.
        queries: Each adds a value to the rows; they are brought together by the labels that they share.
        columns: The columns in their order. Labels and values without a column are not shown.
        sort_by: The heading of a column.
        descending: The highest first.
    """
    panel = (
        begun(table.Panel(), text, queries, instant=True, form=prometheus_model.PromQueryFormat.TABLE)
        .unit("none")
        .thresholds(thresholds(ANY))
        .show_header(True)
        .cell_height(common_model.TableCellHeight.SM)
        .sort_by([common.TableSortByFieldState().display_name(sort_by).desc(descending)])
        .footer(common.TableFooterOptions().show(False).reducer(["sum"]))
        # Rows are the same if their labels are, and the name of the metric is one that is not meant.
        .with_transformation(
            model.DataTransformerConfig(
                id_val="filterFieldsByName", options={"exclude": {"pattern": "/^(Time|__name__)$/"}}
            )
        )
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="filterFieldsByName", options={"include": {"names": [one.source for one in columns]}}
            )
        )
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {},
                    "indexByName": {one.source: place for place, one in enumerate(columns)},
                    "renameByName": {one.source: one.title for one in columns},
                },
            )
        )
    )
    for one in columns:
        if one.look:
            properties = [model.DynamicConfigValue(id_val=name, value=value) for name, value in one.look.items()]
            panel = panel.override_by_name(one.title, properties)
    return panel.override_by_regexp("/.*/", [model.DynamicConfigValue(id_val="noValue", value=UNKNOWN)])


def ranked(
    text: Text,
    query: Query,
    named_by: Sequence[Column],
    value: str,
    *,
    unit: str,
    steps: Steps,
    low: float = 0,
    high: float | None = None,
    decimals: int | None = None,
    descending: bool = True,
) -> table.Panel:
    """What has most of something now, a bar for each; as a table, so that names are whole however many there are.

    Args:
        text: What it is.
        query: The values.
        named_by: The columns that say what has the value.
        value: The heading of the values.
        unit: As Grafana names it.
        steps: The colours of the bars.
        low: Where a bar begins.
        high: Where it ends; by default at the highest value.
        decimals: Digits after the point; by default what fits.
        descending: The highest first.
    """
    look = {
        "unit": unit,
        "min": low,
        "custom.cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "color"},
        "thresholds": bounds(steps),
        "color": {"mode": "thresholds"},
        **({} if high is None else {"max": high}),
        **({} if decimals is None else {"decimals": decimals}),
    }
    return rows(text, [query], [*named_by, Column("Value", value, look)], sort_by=value, descending=descending)


def cell_link(link: dashboard.DashboardLink) -> dict[str, Any]:
    """A link as a property of a column."""
    made = link.build()
    return {"title": made.title, "url": made.url, "targetBlank": made.target_blank}


def bounds(steps: Steps) -> dict[str, Any]:
    """Thresholds as a property of a column."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}
