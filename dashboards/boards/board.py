"""Builds a dashboard from its parts: the places and ids of the panels, and the JSON.

The other files in this directory have the content of the dashboards.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.boards.links import TAG, every_dashboard
from dashboards.boards.parts import DATASOURCE, Panel
from dashboards.boards.variables import Variable

COLUMNS: Final = 24
"""The width of Grafana's grid."""


@dataclass(frozen=True, slots=True)
class Line:
    """Panels beside each other.

    Attributes:
        height: In Grafana's units of 38 pixels.
        panels: Each panel with its width. Together they fill the line.
    """

    height: int
    panels: tuple[tuple[int, Panel], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Lines below a heading.

    Attributes:
        title: The heading; empty for the first screen.
        collapsed: Whether the panels load only when somebody opens the section.
    """

    title: str
    lines: tuple[Line, ...]
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """A marked time range in every graph of a dashboard: from the start of a series to its end.

    Attributes:
        expression: The series. Its values are not 0.
        title: The text of a mark, with `{{label}}` for labels.
    """

    name: str
    color: str
    expression: str
    title: str


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard.

    Attributes:
        uid: The identifier in the dashboard's URL.
        since: The start of the time range at first, such as `now-6h`.
    """

    uid: str
    title: str
    description: str
    since: str
    variables: Sequence[Variable]
    sections: tuple[Section, ...]
    marks: tuple[Marks, ...] = ()
    links: tuple[dashboard.DashboardLink, ...] = ()


def as_json(board: Board) -> str:
    """The JSON file to import into Grafana or to provision.

    Raises:
        ValueError: A line does not fill the grid, or two panels have the same title.
    """
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time(board.since, "now")
        .timezone("browser")
        .refresh("1m")
        .variables(list(board.variables))
        .annotations([_annotation(marks) for marks in board.marks])
        .links(every_dashboard(board.links))
        .build()
    )
    made.panels = list(_placed(board))
    document = json.loads(json.dumps(made, cls=JSONEncoder))
    # The SDK writes a theme and an id of zeros for each variable. Grafana itself no longer does.
    del document["style"]
    for variable in document["templating"]["list"]:
        del variable["id"]
    # The SDK has no field for the text of a mark yet.
    for annotation, marks in zip(document["annotations"].get("list", []), board.marks, strict=True):
        annotation["titleFormat"] = marks.title
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def panel_ids(boards: Iterable[Board]) -> dict[tuple[str, str], int]:
    """The id of every panel, by the dashboard's uid and the panel's title."""
    return {(board.uid, panel.title or ""): panel.id_val or 0 for board in boards for panel in _panels(_placed(board))}


def _annotation(marks: Marks) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(marks.name)
        .datasource(DATASOURCE)
        .enable(True)
        .hide(False)
        .icon_color(marks.color)
        .expr(marks.expression)
    )


def _placed(board: Board) -> list[model.Panel | model.RowPanel]:
    """The panels and headings in their places, counted from 1. Collapsed headings hold their panels."""
    placed: list[model.Panel | model.RowPanel] = []
    numbers = itertools.count(1)
    top = 0
    for section in board.sections:
        row = None
        if section.title:
            place = model.GridPos(h=1, w=COLUMNS, x=0, y=top)
            row = model.RowPanel(section.collapsed, section.title, grid_pos=place, id_val=next(numbers))
            placed.append(row)
            top += 1
        panels: list[model.Panel] = []
        for line in section.lines:
            left = 0
            for width, builder in line.panels:
                panel = builder.build()
                panel.id_val = next(numbers)
                panel.grid_pos = model.GridPos(h=line.height, w=width, x=left, y=top)
                panels.append(panel)
                left += width
            if left != COLUMNS:
                raise ValueError(f"a line of {board.title!r} is {left} wide, and the grid {COLUMNS}")
            top += line.height
        if row is not None and section.collapsed:
            row.panels = panels
        else:
            placed += panels
    titles = [panel.title for panel in _panels(placed)]
    if twice := {title for title in titles if titles.count(title) > 1}:
        raise ValueError(f"{board.title!r} has more than one panel called {sorted(map(str, twice))}")
    return placed


def _panels(placed: Iterable[model.Panel | model.RowPanel]) -> Iterator[model.Panel]:
    """All panels, also those below headings."""
    for one in placed:
        if isinstance(one, model.Panel):
            yield one
        else:
            yield from one.panels
