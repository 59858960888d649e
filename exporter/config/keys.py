"""What the sections of the schema are made of: a mapping with known keys, and what is said about each key.

Which sections and keys there are stands in `schema` and `login_schema`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def key(meaning: str, example: Any, default: Any = None, *, alias: str | None = None) -> Any:
    """A key of the file, with what a reference says about it.

    Args:
        meaning: What it is for.
        example: A value as one would write it.
        default: Likewise, what holds without it.
        alias: How it is written, where Python has another use for the word.
    """
    return Field(
        default=None, description=meaning, examples=[example], json_schema_extra={"default": default}, alias=alias
    )


class Section(BaseModel):
    """A mapping of the file with known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
