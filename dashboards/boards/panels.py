"""Panels of each kind, made alike: a title, a description, queries, a unit, colours that mean something.

How a panel looks, not what it asks. Positions and ids are given by `board`; tables are the subject of `tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, heatmap, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from dashboards.boards.looks import ANY, GOOD, QUANTILE_COLORS, QUANTILES, SOON_BAD, UNKNOWN, Steps
from dashboards.boards.parts import Query, Text, begun, by_thresholds, shades, thresholds
from dashboards.boards.questions import percentile


def figure(
    text: Text,
    query: Query,
    unit: str,
    steps: Steps = ANY,
    mappings: Sequence[model.ValueMapping] = (),
    *,
    names: bool = False,
    filled: bool = False,
    graph: bool = False,
    decimals: int | None = None,
) -> stat.Panel:
    """One big figure.

    Args:
        text: What it is.
        query: The figure; with `graph`, over time.
        unit: As Grafana names it.
        steps: Its colour.
        mappings: Words in place of it.
        names: Show the legend and not the value, for what is told by a label.
        filled: Colour the whole panel.
        graph: Show how it came about.
        decimals: Digits after the point; by default what fits.
    """
    panel = (
        begun(stat.Panel(), text, [query], instant=not graph)
        .unit(unit)
        .thresholds(thresholds(steps))
        .color_scheme(by_thresholds())
        .mappings(list(mappings))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .color_mode(common_model.BigValueColorMode.BACKGROUND if filled else common_model.BigValueColorMode.VALUE)
        .graph_mode(common_model.BigValueGraphMode.AREA if graph else common_model.BigValueGraphMode.NONE)
        .justify_mode(common_model.BigValueJustifyMode.AUTO)
        .orientation(common_model.VizOrientation.AUTO)
        .text_mode(common_model.BigValueTextMode.NAME if names else common_model.BigValueTextMode.VALUE)
    )
    return panel if decimals is None else panel.decimals(decimals)


def graph(
    text: Text,
    queries: Sequence[Query],
    unit: str,
    *,
    stacked: bool = False,
    bars: bool = False,
    steps: Steps = ANY,
    shown_steps: bool = False,
    color: dashboard.FieldColor | None = None,
    colors: Iterable[tuple[str, str]] = (),
    dashed: Iterable[str] = (),
    filled: bool = True,
    low: float | None = 0,
    high: float | None = None,
) -> timeseries.Panel:
    """Values over time.

    Args:
        text: What it is.
        queries: The series, in the order of the stack.
        unit: As Grafana names it.
        stacked: Whether the series add up to something.
        bars: For counts of what happened.
        steps: Bounds.
        shown_steps: Draw the bounds as lines.
        color: How series get their colours; by default shades of one that judges nothing.
        colors: Legends of series that mean the same elsewhere, with their colours.
        dashed: Legends of series that are drawn as dashed lines.
        filled: Tint the area below a line.
        low: Where the axis begins; `None` for the data's own.
        high: Where it ends, likewise.
    """
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(common_model.LegendDisplayMode.LIST)
        .placement(common_model.LegendPlacement.BOTTOM)
        .calcs([])
    )
    mode = common_model.StackingMode.NORMAL if stacked else common_model.StackingMode.NONE
    lines = common_model.GraphTresholdsStyleMode.DASHED if shown_steps else common_model.GraphTresholdsStyleMode.OFF
    panel = (
        begun(timeseries.Panel(), text, queries)
        .unit(unit)
        .thresholds(thresholds(steps))
        .color_scheme(color or shades())
        .draw_style(common_model.GraphDrawStyle.BARS if bars else common_model.GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(70 if stacked else 10 if filled else 0)
        .gradient_mode(common_model.GraphGradientMode.NONE)
        .show_points(common_model.VisibilityMode.NEVER)
        .span_nulls(False)
        .stacking(common.StackingConfig().mode(mode).group("A"))
        .thresholds_style(common.GraphThresholdsStyleConfig().mode(lines))
        .legend(legend)
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.NONE if stacked else common_model.SortOrder.DESCENDING)
        )
    )
    for series, fixed in colors:
        panel = panel.override_by_name(series, [_fixed_color(fixed)])
    for series in dashed:
        panel = panel.override_by_name(series, [_DASHES])
    panel = panel if low is None else panel.min(low)
    return panel if high is None else panel.max(high)


def percentiles(text: Text, buckets: str, bound: float | None = None) -> timeseries.Panel:
    """The percentiles of a histogram over time, with a line at a bound if there is one."""
    return graph(
        text,
        [Query(percentile(quantile, buckets), legend) for legend, quantile in QUANTILES],
        "s",
        steps=ANY if bound is None else ((None, GOOD), (bound, SOON_BAD)),
        shown_steps=bound is not None,
        colors=zip((legend for legend, _ in QUANTILES), QUANTILE_COLORS, strict=True),
    )


def timeline(
    text: Text,
    queries: Sequence[Query],
    mappings: Sequence[model.ValueMapping],
    *,
    values: bool = False,
    link: dashboard.DashboardLink | None = None,
) -> statetimeline.Panel:
    """States over time, a row for each series.

    Args:
        text: What it is.
        queries: The rows.
        mappings: Words and colours of the states.
        values: Write them into the bars.
        link: From a row to somewhere else.
    """
    panel = (
        begun(statetimeline.Panel(), text, queries)
        .color_scheme(by_thresholds())
        .thresholds(thresholds(((None, UNKNOWN),)))
        .mappings(list(mappings))
        .show_value(common_model.VisibilityMode.AUTO if values else common_model.VisibilityMode.NEVER)
        .row_height(0.85)
        .merge_values(True)
        .line_width(0)
        .fill_opacity(80)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_model.LegendDisplayMode.LIST)
            .placement(common_model.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(
            common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.SINGLE).sort(common_model.SortOrder.NONE)
        )
    )
    return panel if link is None else panel.data_links([link])


def spread(text: Text, query: Query, unit: str) -> heatmap.Panel:
    """How a histogram's values are spread, over time."""
    color = (
        heatmap.HeatmapColorOptions()
        .mode(heatmap_model.HeatmapColorMode.SCHEME)
        .scheme("Blues")
        .scale(heatmap_model.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .fill("dark-blue")
        .steps(64)
        .reverse(False)
    )
    return (
        begun(heatmap.Panel(), text, [query], form=prometheus_model.PromQueryFormat.HEATMAP)
        .calculate(False)
        .color(color)
        .y_axis(heatmap.YAxisConfig().unit(unit).reverse(False).axis_placement(common_model.AxisPlacement.LEFT))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(common_model.HeatmapCellLayout.AUTO))
        .cell_gap(1)
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .show_value(common_model.VisibilityMode.NEVER)
        .show_legend()
        .show_tooltip()
        .hide_y_histogram()
    )


def _fixed_color(color: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


_DASHES: Final = model.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 6]})
