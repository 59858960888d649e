"""All that is generated, as texts by file name. Writing them is the business of `command`."""

from __future__ import annotations

from dashboards.alerts import grafana, prometheus
from dashboards.boards import BOARDS
from dashboards.boards.board import as_json, panel_ids
from dashboards.perses import as_perses
from dashboards.settings import Settings

RULES = "alerts/mail-exporter.rules.yaml"
GRAFANA_ALERTS = "alerts/mail-exporter.grafana.yaml"


def generate(settings: Settings) -> dict[str, str]:
    """The content of every file, by its path below the directory that they go to.

    Raises:
        ValueError: An alert is to be left out that does not exist.
    """
    boards = [make(settings) for make in BOARDS]
    files = {f"{board.uid}.json": as_json(board) for board in boards}
    files |= {f"perses/{name}": as_perses(text) for name, text in files.items()}
    files[RULES] = prometheus.rules_file(settings)
    files[GRAFANA_ALERTS] = grafana.provisioning_file(settings, panel_ids(boards))
    return files
