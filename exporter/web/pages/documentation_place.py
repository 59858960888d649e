"""Where the documentation lies. Apart from its pages, so that a terminal need not load what renders them."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def documentation_directory() -> Traversable:
    """In the package, or beside it where that was not built from it but is the checkout."""
    packaged = files("exporter").joinpath("documentation")
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "docs"
