"""YAML for people: texts of several lines as blocks, keys in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Without aliases, which nobody expects in a file of rules."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def as_yaml(document: Mapping[str, Any], header: str) -> str:
    """A document below a comment.

    Args:
        document: Of mappings, lists, texts, numbers and truth values.
        header: The comment, without its number signs.
    """
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    body: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return f"{comment}{body}"
