"""Names are an interface: what names.json has from before the texts were rewritten is still there and means the same.

names.json holds metrics with their kind and labels, alerts, and the keys of the configuration. Additions are free.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BEFORE: dict[str, Any] = json.loads(Path(__file__).with_name("names.json").read_text())


def test_every_metric_keeps_its_name_kind_and_labels() -> None:
    rows = re.findall(r"^\| `(mail_\w+)` \| (\w+) \| ([^|]*) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    now = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    before = BEFORE["metrics"].items()

    assert [] == [name for name, _ in before if name not in now]
    assert [] == [name for name, (kind, labels) in before if now[name][0] != kind or not set(labels) <= now[name][1]]


def test_every_alert_keeps_its_name() -> None:
    rules = (ROOT / "dashboards/alerts/mail-exporter.rules.yaml").read_text()

    assert [] == sorted(set(BEFORE["alerts"]) - set(re.findall(r"- alert: (\w+)", rules)))


def paths(keys: Any, at: str = "") -> set[str]:
    if isinstance(keys, dict):
        return {path for name, value in keys.items() for path in paths(value, f"{at}.{name}")}
    return {f"{at}.{name}" for name in keys} if isinstance(keys, list) else {at}


def test_every_key_of_the_configuration_keeps_its_name() -> None:
    sections = json.loads((ROOT / "deploy/helm/mail-exporter/files/config-keys.json").read_text())
    now = {
        section: {"each" if name.startswith("*") else "own": list(sections[name.removeprefix("*")])} if name else ""
        for section, name in sections[""].items()
    }

    assert [] == sorted(paths(BEFORE["keys"]) - paths(now))
