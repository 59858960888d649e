"""The same dashboards for Perses: translated from Grafana's form, so that there is one place that says what they ask.

Perses has no state timeline and no bars in tables: a status history and plain figures stand in for them. It wants
colours as numbers. What a panel asks is never changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "green": "#73bf69",
        "red": "#f2495c",
        "orange": "#ff9830",
        "yellow": "#fade2a",
        "blue": "#5794f2",
        "purple": "#b877d9",
        "super-light-blue": "#c0d8ff",
        "dark-blue": "#1f60c4",
    }
)
"""Grafana's names for the colours that we use."""

UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "s": "seconds",
        "dtdurations": "seconds",
        "percentunit": "percent-decimal",
        "bytes": "bytes",
        "none": "decimal",
        "short": "decimal",
        "dateTimeAsIso": "decimal",
    }
)
"""Grafana's units; Perses has no dates, which come as milliseconds since 1970."""

LABEL_VALUES: Final = re.compile(r"label_values\((.+), (\w+)\)")


def as_perses(grafana: str) -> str:
    """A dashboard as a document for `percli apply` or Perses' API.

    Args:
        grafana: The same as JSON for Grafana.

    Raises:
        ValueError: It has something that is not translated.
    """
    board = json.loads(grafana)
    panels: dict[str, Any] = {}
    document = {
        "kind": "Dashboard",
        "metadata": {"name": board["uid"], "project": "mail"},
        "spec": {
            "display": {"name": board["title"], "description": board["description"]},
            "duration": board["time"]["from"].removeprefix("now-"),
            "refreshInterval": board["refresh"],
            "variables": [one for variable in board["templating"]["list"] for one in _variable(variable)],
            "layouts": list(_layouts(board, panels)),
            "panels": panels,
        },
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _variable(variable: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    name, kind = variable["name"], variable["type"]
    if kind in {"datasource", "adhoc"}:
        return  # the project's own data source; and filters are for Grafana to add
    display = {"name": variable.get("label") or name, "hidden": bool(variable.get("hide"))}
    if kind == "constant":
        text = {"name": name, "display": display | {"hidden": True}, "value": variable["query"], "constant": True}
        yield {"kind": "TextVariable", "spec": text}
        return
    spec: dict[str, Any] = {"name": name, "display": display, "allowMultiple": bool(variable.get("multi"))}
    if kind == "custom":
        values = [{"value": one["value"], "label": one["text"]} for one in variable["options"]]
        spec |= {"allowAllValue": False, "defaultValue": values[0]["value"]}
        spec["plugin"] = {"kind": "StaticListVariable", "spec": {"values": values}}
    elif kind == "query" and (found := LABEL_VALUES.fullmatch(variable["query"])) is not None:
        every = bool(variable.get("includeAll"))
        spec |= {"allowAllValue": every, "sort": "alphabetical-asc"}
        if every:
            spec |= {"customAllValue": variable["allValue"], "defaultValue": "$__all"}
        plugin = {"labelName": found[2], "matchers": [found[1]]}
        spec["plugin"] = {"kind": "PrometheusLabelValuesVariable", "spec": plugin}
    else:
        raise ValueError(f"the variable {name} is not translated")
    yield {"kind": "ListVariable", "spec": spec}


def _layouts(board: Mapping[str, Any], panels: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A grid for each heading, with references to its panels, which are added to `panels`."""
    title, is_open, rows = "", True, []
    for one in [*board["panels"], {"type": "row", "title": ""}]:
        if one["type"] != "row":
            rows.append(one)
            continue
        rows, before = list(one.get("panels", [])), rows
        if before:
            yield _grid(title, before, panels, is_open=is_open)
        title, is_open = one["title"], not one.get("collapsed")


def _grid(title: str, rows: list[Any], panels: dict[str, Any], *, is_open: bool) -> dict[str, Any]:
    top = min(panel["gridPos"]["y"] for panel in rows)
    items = []
    for panel in rows:
        name = f"panel-{panel['id']}"
        panels[name] = _panel(panel)
        place = panel["gridPos"]
        where = {"x": place["x"], "y": place["y"] - top, "width": place["w"], "height": place["h"]}
        items.append(where | {"content": {"$ref": f"#/spec/panels/{name}"}})
    display = {"display": {"title": title, "collapse": {"open": is_open}}} if title else {}
    return {"kind": "Grid", "spec": display | {"items": items}}


def _panel(panel: Mapping[str, Any]) -> dict[str, Any]:
    plugin = _PLUGINS.get(panel["type"])
    if plugin is None:
        raise ValueError(f"the panel {panel['title']!r} is of the kind {panel['type']!r}, which is not translated")
    display = {"name": panel["title"], "description": panel["description"]}
    queries = [
        {"kind": "TimeSeriesQuery", "spec": {"plugin": {"kind": "PrometheusTimeSeriesQuery", "spec": _query(target)}}}
        for target in panel["targets"]
    ]
    return {"kind": "Panel", "spec": {"display": display, "plugin": plugin(panel), "queries": queries}}


def _query(target: Mapping[str, Any]) -> dict[str, Any]:
    legend = {"seriesNameFormat": target["legendFormat"]} if target.get("legendFormat") else {}
    return {"query": target["expr"], **legend, **({"instant": True} if target.get("instant") else {})}


def _stat(panel: Mapping[str, Any]) -> dict[str, Any]:
    names = panel["options"]["textMode"] == "name"
    spec: dict[str, Any] = {"calculation": "last-number", "format": _format(panel), "thresholds": _thresholds(panel)}
    if mappings := _mappings(panel):
        spec["mappings"] = mappings
    if panel["options"]["graphMode"] != "none":
        spec["sparkline"] = {}
    if panel["options"]["colorMode"] == "background":
        spec["colorMode"] = "background_solid"
    return {"kind": "StatChart", "spec": spec | ({"legendMode": "on"} if names else {})}


def _time_series(panel: Mapping[str, Any]) -> dict[str, Any]:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    bars = custom["drawStyle"] == "bars"
    visual: dict[str, Any] = {"display": "bar" if bars else "line", "lineWidth": 1}
    visual["areaOpacity"] = custom["fillOpacity"] / 100
    if custom["stacking"]["mode"] == "normal":
        visual["stack"] = "all"
    axis = {key: panel["fieldConfig"]["defaults"].get(key) for key in ("min", "max")}
    spec = {
        "legend": {"position": "bottom", "mode": "list"},
        "yAxis": {"format": _format(panel), **{key: value for key, value in axis.items() if value is not None}},
        "visual": visual,
        "querySettings": list(_query_settings(panel)),
    }
    return {"kind": "TimeSeriesChart", "spec": {key: value for key, value in spec.items() if value != []}}


def _query_settings(panel: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The colours of queries whose legend is one name."""
    colours = {
        override["matcher"]["options"]: one["value"]["fixedColor"]
        for override in panel["fieldConfig"].get("overrides", [])
        for one in override["properties"]
        if one["id"] == "color" and one["value"].get("mode") == "fixed"
    }
    for index, target in enumerate(panel["targets"]):
        if target["legendFormat"] in colours:
            colour = _colour(colours[target["legendFormat"]])
            yield {"queryIndex": index, "colorMode": "fixed", "colorValue": colour}


def _status_history(panel: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "StatusHistoryChart", "spec": {"legend": {"position": "bottom"}, "mappings": _mappings(panel)}}


def _heat_map(panel: Mapping[str, Any]) -> dict[str, Any]:
    unit = panel["options"]["yAxis"]["unit"]
    return {"kind": "HeatMapChart", "spec": {"yAxisFormat": {"unit": UNITS[unit]}, "showVisualMap": True}}


def _table(panel: Mapping[str, Any]) -> dict[str, Any]:
    (organise,) = [one["options"] for one in panel["transformations"] if one["id"] == "organize"]
    looks = {
        override["matcher"]["options"]: {one["id"]: one["value"] for one in override["properties"]}
        for override in panel["fieldConfig"].get("overrides", [])
    }
    order = panel["options"]["sortBy"][0]
    columns = []
    for source, header in sorted(organise["renameByName"].items(), key=lambda one: organise["indexByName"][one[0]]):
        look = looks.get(header, {})
        column: dict[str, Any] = {
            "name": _column(source, len(panel["targets"])),
            "header": header,
            "enableSorting": True,
        }
        if "unit" in look:
            column["format"] = {"unit": UNITS[look["unit"]]}
        if header == order["displayName"]:
            column["sort"] = "desc" if order["desc"] else "asc"
        columns.append(column)
    return {
        "kind": "Table",
        "spec": {
            "density": "compact",
            "defaultColumnHidden": True,
            "columnSettings": columns,
            "transforms": [{"kind": "MergeSeries", "spec": {}}],
        },
    }


def _column(source: str, queries: int) -> str:
    """Perses' name of a value: `value`, or `value #1` if there are several queries."""
    if not source.startswith("Value"):
        return source
    letter = source.partition("#")[2]
    return f"value #{ord(letter) - ord('A') + 1}" if letter and queries > 1 else "value"


def _format(panel: Mapping[str, Any]) -> dict[str, Any]:
    defaults = panel["fieldConfig"]["defaults"]
    decimals = {"decimalPlaces": defaults["decimals"]} if "decimals" in defaults else {}
    return {"unit": UNITS[defaults["unit"]], **decimals}


def _thresholds(panel: Mapping[str, Any]) -> dict[str, Any]:
    first, *others = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    steps = [{"value": one["value"], "color": _colour(one["color"])} for one in others]
    return {"defaultColor": _colour(first["color"]), "steps": steps}


def _mappings(panel: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mappings of values to texts. Mappings without a text are left out, because Perses requires one."""
    found: list[dict[str, Any]] = []
    for mapping in panel["fieldConfig"]["defaults"].get("mappings", []):
        options = mapping["options"]
        if mapping["type"] == "value":
            found += [
                {"kind": "Value", "spec": {"value": value, "result": _result(one)}}
                for value, one in options.items()
                if one.get("text")
            ]
        else:
            if not options["result"].get("text"):
                continue
            bounds = {key: options[key] for key in ("from", "to") if options.get(key) is not None}
            found.append({"kind": "Range", "spec": bounds | {"result": _result(options["result"])}})
    return found


def _result(result: Mapping[str, Any]) -> dict[str, str]:
    return {"value": result["text"]} | ({"color": _colour(result["color"])} if result.get("color") else {})


def _colour(colour: str) -> str:
    return COLOURS.get(colour, colour)


_PLUGINS: Final = MappingProxyType(
    {
        "stat": _stat,
        "timeseries": _time_series,
        "state-timeline": _status_history,
        "heatmap": _heat_map,
        "table": _table,
    }
)
"""The function that converts each kind of panel."""
