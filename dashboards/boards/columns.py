"""Columns that more than one table has."""

from __future__ import annotations

from typing import Final

from dashboards.boards.links import endpoint_dashboard, exporter_page, meaning
from dashboards.boards.questions import NEVER
from dashboards.boards.tables import Column, cell_link
from dashboards.settings import Settings

CELL: Final = "${__value.raw:percentencode}"
"""The cell's own text, in a link."""

_INSTANCE_OF_ROW: Final = "${__data.fields.Instance:percentencode}"
"""The instance in the same row of a table, in a link."""

ENDPOINT: Final = "${__field.labels.endpoint:percentencode}"
INSTANCE: Final = "${__field.labels.instance:percentencode}"
"""The endpoint and the instance of a series, in a link."""


def endpoint(settings: Settings) -> tuple[Column, ...]:
    """The endpoint, which leads to its dashboard and to the exporter's page; and which exporter looks at it.

    Addresses and places are columns only where there are some.
    """
    links = [cell_link(endpoint_dashboard(CELL, _INSTANCE_OF_ROW)), cell_link(exporter_page(CELL))]
    return (
        Column("endpoint", "Endpoint", {"links": links}),
        address(),
        *exporter(settings),
    )


def address() -> Column:
    """The address of an endpoint that is probed at each of its addresses."""
    return Column("address", "Address", {"custom.width": 140})


def exporter(settings: Settings) -> tuple[Column, ...]:
    """Which exporter a figure is from."""
    places = (Column(place, place.capitalize(), {"custom.width": 100}) for place in settings.places)
    return (Column("instance", "Instance", {"custom.width": 135}), *places)


def reason() -> Column:
    """The failure reason, which leads to what it means."""
    return Column("reason", "Reason", {"links": [cell_link(meaning(CELL))]})


def last_success(title: str) -> Column:
    """The time since the last success, as `since_success` asks for it."""
    never = {
        "type": "range",
        "options": {"from": NEVER, "to": None, "result": {"text": "not since the start", "index": 0}},
    }
    look = {"unit": "dtdurations", "decimals": 0, "custom.width": 160, "mappings": [never]}
    return Column("Value", title, look)


def phase() -> Column:
    """The phase of a probe."""
    return Column("phase", "Phase", {"custom.width": 100})
