"""What Perses takes for a dashboard, as a JSON schema: by the types that Perses' specification and its plugins publish.

Written from perses/spec (dashboard, layout, variable), perses/shared (format, mappings, transform) and the schemas of
the plugins in perses/plugins that are used here, all closed: what they do not name, Perses refuses.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

STRING: Final[Schema] = {"type": "string"}
NON_EMPTY: Final[Schema] = {"type": "string", "minLength": 1}
NUMBER: Final[Schema] = {"type": "number"}
WHOLE: Final[Schema] = {"type": "integer"}
BOOL: Final[Schema] = {"type": "boolean"}
COLOUR: Final[Schema] = {"type": "string", "pattern": "^#(?:[0-9a-fA-F]{3}){1,2}$"}
DURATION: Final[Schema] = {"type": "string", "pattern": "^(?:[0-9]+(?:y|w|d|h|m|s|ms))+$"}


def _of(values: str) -> Schema:
    return {"enum": values.split()}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _closed(required: Schema, **optional: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **optional},
    }


def _kind(kind: str, spec: Schema) -> Schema:
    return _closed({"kind": {"const": kind}, "spec": spec})


_DATES = "datetime-iso datetime-us datetime-local date-iso date-us date-local time-local time-iso time-us relative-time"
_FLOATS = "milliseconds seconds minutes hours days weeks months years percent percent-decimal celsius fahrenheit"
_SHORTENED = "decimal bits decbits bytes decbytes bits/sec decbits/sec bytes/sec counts/sec events/sec requests/sec"
_FORMAT = {
    "oneOf": [
        _closed({"unit": _of(_DATES)}),
        _closed({"unit": _of(_FLOATS)}, decimalPlaces=NUMBER),
        _closed({"unit": _of(_SHORTENED)}, decimalPlaces=NUMBER, shortValues=BOOL),
    ]
}
_RESULT = _closed({"value": STRING}, color=COLOUR)
_MAPPINGS = _list(
    {
        "oneOf": [
            _kind("Value", _closed({"value": NON_EMPTY, "result": _RESULT})),
            _kind("Range", _closed({"result": _RESULT}, **{"from": NUMBER, "to": NUMBER})),
        ]
    }
)
_THRESHOLDS = _closed(
    {},
    mode=_of("percent absolute"),
    defaultColor=COLOUR,
    steps=_list(_closed({"value": NUMBER}, color=COLOUR, name=STRING)),
)
_LEGEND = {"position": _of("bottom right")}
_LEGEND_FURTHER = {"mode": _of("list table"), "size": _of("small medium")}
_LINE = _of("solid dashed dotted")
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}

_STAT = _closed(
    {"calculation": _of("first last first-number last-number mean sum min max")},
    format=_FORMAT,
    thresholds=_THRESHOLDS,
    sparkline=_closed({}, color=STRING, width=NUMBER),
    valueFontSize=NUMBER,
    colorMode=_of("value background_solid none"),
    legendMode=_of("auto on off"),
    mappings=_MAPPINGS,
)
_TIME_SERIES = _closed(
    {},
    legend=_closed(_LEGEND, **_LEGEND_FURTHER, values=_list(STRING)),
    yAxis=_closed({}, show=BOOL, label=STRING, format=_FORMAT, min=NUMBER, max=NUMBER),
    thresholds=_THRESHOLDS,
    visual=_closed(
        {},
        display=_of("line bar"),
        lineWidth={"type": "number", "minimum": 0.25, "maximum": 3},
        lineStyle=_LINE,
        areaOpacity=_SHARE,
        stack=_of("all percent"),
        connectNulls=BOOL,
    ),
    querySettings=_list(
        _closed(
            {"queryIndex": {"type": "integer", "minimum": 0}},
            colorMode=_of("fixed fixed-single"),
            colorValue=COLOUR,
            lineStyle=_LINE,
            areaOpacity=_SHARE,
        )
    ),
)
_TABLE = _closed(
    {},
    density=_of("compact standard comfortable"),
    defaultColumnHidden=BOOL,
    pagination=BOOL,
    columnSettings=_list(
        _closed(
            {"name": NON_EMPTY},
            header=STRING,
            format=_FORMAT,
            align=_of("left center right"),
            enableSorting=BOOL,
            sort=_of("asc desc"),
            width={"anyOf": [NUMBER, {"const": "auto"}]},
            hide=BOOL,
        )
    ),
    transforms=_list(_kind("MergeSeries", _closed({}, disabled=BOOL))),
)
_PANELS = {
    "oneOf": [
        _kind("StatChart", _STAT),
        _kind("TimeSeriesChart", _TIME_SERIES),
        _kind("Table", _TABLE),
        _kind("StatusHistoryChart", _closed({}, legend=_closed(_LEGEND, **_LEGEND_FURTHER), mappings=_MAPPINGS)),
        _kind("HeatMapChart", _closed({}, yAxisFormat=_FORMAT, countFormat=_FORMAT, showVisualMap=BOOL)),
    ]
}
_QUERY = _kind(
    "PrometheusTimeSeriesQuery", _closed({"query": NON_EMPTY}, seriesNameFormat=STRING, minStep=DURATION, instant=BOOL)
)
_DISPLAY = _closed({"name": STRING}, description=STRING)
_SHOWN = _closed({}, name=STRING, description=STRING, hidden=BOOL)
_VARIABLE = {
    "oneOf": [
        _kind("TextVariable", _closed({"name": NON_EMPTY, "value": STRING}, display=_SHOWN, constant=BOOL)),
        _kind(
            "ListVariable",
            _closed(
                {
                    "name": NON_EMPTY,
                    "allowAllValue": BOOL,
                    "allowMultiple": BOOL,
                    "plugin": {
                        "oneOf": [
                            _kind(
                                "PrometheusLabelValuesVariable",
                                _closed({"labelName": NON_EMPTY}, matchers=_list(STRING)),
                            ),
                            _kind(
                                "StaticListVariable",
                                _closed({"values": _list(_closed({"value": STRING}, label=STRING))}),
                            ),
                        ]
                    },
                },
                display=_SHOWN,
                defaultValue={"anyOf": [STRING, _list(STRING)]},
                customAllValue=STRING,
                capturingRegexp=STRING,
                sort=_of("none alphabetical-asc alphabetical-desc numerical-asc numerical-desc"),
            ),
        ),
    ]
}
_PLACE = _closed(
    {"x": WHOLE, "y": WHOLE, "width": WHOLE, "height": WHOLE},
    content=_closed({"$ref": {"type": "string", "pattern": "^#/spec/panels/[a-zA-Z0-9_.-]+$"}}),
)
_GRID = _closed(
    {"items": _list(_PLACE)},
    display=_closed({"title": STRING}, collapse=_closed({"open": BOOL})),
    repeatVariable=STRING,
)

DASHBOARD: Final[Schema] = _closed(
    {
        "kind": {"const": "Dashboard"},
        "metadata": _closed({"name": {"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,75}$"}, "project": NON_EMPTY}),
        "spec": _closed(
            {
                "panels": {
                    "type": "object",
                    "additionalProperties": _kind(
                        "Panel",
                        _closed(
                            {"plugin": _PANELS},
                            display=_DISPLAY,
                            queries=_list(_kind("TimeSeriesQuery", _closed({"plugin": _QUERY}, name=STRING))),
                        ),
                    ),
                },
                "layouts": _list(_kind("Grid", _GRID)),
                "duration": DURATION,
            },
            display=_DISPLAY,
            variables=_list(_VARIABLE),
            refreshInterval=DURATION,
        ),
    }
)
"""A dashboard with panels, queries and variables of the kinds that are used here."""
