"""Makes what the chart knows of the configuration: the schema of `config`, and its keys for where it is text.

values.schema.json joins values.schema.base.json, which is written by hand, and the schema that `mail-exporter check
--schema` prints. Helm takes one file, and refuses a wrong key with it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from exporter.config.schema import json_schema

HERE: Final = Path(__file__).parent
CHART: Final = HERE / "mail-exporter"
SCHEMA: Final = "values.schema.json"
KEYS: Final = "files/config-keys.json"

PLACE: Final = "config."
"""What the names of the configuration's definitions begin with, among those of the chart."""
REFERENCE: Final = f"#/definitions/{PLACE}"

SILENT: Final = frozenset({"description", "examples", "title", "default"})
"""What only people read: it is in docs/configuration.md."""


def generate() -> dict[str, str]:
    """The content of both files, by their path in the chart."""
    base = json.loads((HERE / "values.schema.base.json").read_text())
    schema: dict[str, Any] = json.loads(json.dumps(json_schema()))
    definitions = {f"{PLACE}{name}": _placed(one) for name, one in schema.pop("$defs").items()}
    config = {key: _placed(value) for key, value in schema.items() if key not in {"$schema", *SILENT}}
    config["patternProperties"] = {"^x-": {}}
    base["definitions"] |= definitions
    # Whether anything is to be probed at all is for mail-exporter to say: an empty one is refused by the template.
    for key in ("required", "anyOf"):
        config.pop(key, None)
    base["properties"]["config"] = {"if": {"type": "string"}, "else": {"type": "object", **config}}
    return {SCHEMA: _as_json(base), KEYS: _as_json(_keys(schema, definitions))}


def _placed(schema: Any) -> Any:
    """The same below `definitions`, without what only people read."""
    if isinstance(schema, list):
        return [_placed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    placed: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref":
            placed[key] = value.replace("#/$defs/", REFERENCE)
        elif key in {"properties", "patternProperties"}:
            placed[key] = {name: _placed(one) for name, one in value.items()}
        elif key not in SILENT:
            placed[key] = _placed(value)
    return placed


def _keys(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The keys of each section, the whole configuration being the one without a name.

    A key stands for the section that its value is; with a star, for the one that each thing in its value is; and for
    nothing if its value has no keys of its own.
    """
    sections = {name.removeprefix(PLACE): section for name, section in definitions.items() if "properties" in section}
    return {
        name: {key: _section(value) for key, value in sorted(section["properties"].items())}
        for name, section in {"": _placed(schema), **sections}.items()
    }


def _section(value: dict[str, Any]) -> str:
    found = set()
    for one in value.get("anyOf", [value]):
        each = one.get("items") or one.get("additionalProperties")
        inner = each if isinstance(each, dict) else {}
        for star, candidates in (("", [one]), ("*", inner.get("anyOf", [inner]))):
            found |= {star + each["$ref"].removeprefix(REFERENCE) for each in candidates if "$ref" in each}
    if len(found) > 1:
        raise ValueError(f"a value may be one of several sections, which the chart cannot tell apart: {found}")
    return found.pop() if found else ""


def _as_json(content: Any) -> str:
    return json.dumps(content, indent=2, sort_keys=False) + "\n"


if __name__ == "__main__":
    for path, text in generate().items():
        (CHART / path).write_text(text)
