"""Columns that more than one table has."""

from __future__ import annotations

from typing import Final

from dashboards.boards.links import endpoint_dashboard, exporter_page, meaning
from dashboards.boards.tables import Column, cell_link

CELL: Final = "${__value.raw:percentencode}"
"""The cell's own text, in a link."""


def endpoint() -> Column:
    """The endpoint, which leads to its dashboard and to the exporter's page."""
    return Column(
        "endpoint", "Endpoint", {"links": [cell_link(endpoint_dashboard(CELL)), cell_link(exporter_page(CELL))]}
    )


def reason() -> Column:
    """The failure reason, which leads to what it means."""
    return Column("reason", "Reason", {"links": [cell_link(meaning(CELL))]})


def phase() -> Column:
    """The phase of a probe."""
    return Column("phase", "Phase", {"custom.width": 100})
