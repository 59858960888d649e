"""Where pip gets packages from on this machine, told to the pip inside a build: no mirror stands in the Dockerfile."""

from __future__ import annotations

import ast
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

SETTINGS = (
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy",
    "default-timeout", "timeout", "retries",
)  # fmt: skip
"""Those that decide whether and where packages are found. Others are a matter of taste, and the Dockerfile's."""


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """What a build needs to find packages as this machine does.

    Attributes:
        configuration: The content of a `pip.conf`.
        files: What of this machine that leads to, and the authorities it trusts.
    """

    configuration: str
    files: tuple[Path, ...]


def package_index() -> PackageIndex:
    """As pip itself sees it, from its files and its environment variables."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    merged: dict[str, str] = {}
    # `global.index-url='...'`; pip lists the environment (`:env:.index-url`) last, as it overrides the rest.
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in SETTINGS:
            merged[name] = str(ast.literal_eval(value))
    paths = {Path(path) for value in merged.values() for word in value.split() if (path := _path(word))}
    authorities = ssl.get_default_verify_paths().cafile
    if authorities:
        paths.add(Path(authorities))
    lines = ["[global]", *(f"{name} = {' '.join(value.split())}" for name, value in merged.items())]
    return PackageIndex("\n".join([*lines, ""]), tuple(sorted(path for path in paths if path.exists())))


def _path(word: str) -> str | None:
    """What has to be there for a word of a setting, if it names a file or a directory."""
    if word.startswith("/"):
        return word
    parts = urlsplit(word)
    if parts.scheme != "file":
        return None
    index = PurePath(unquote(parts.path))
    # An index may lead to files beside itself (PEP 503: the links' targets are free).
    return str(index if index.parent == index.parents[-1] else index.parent)
