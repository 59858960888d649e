"""The sources of a section's secrets: `KEY_file`, `KEY_env` or `KEY` itself, with warnings about them.

A missing file does not count as a problem of the configuration: secrets may be mounted later and are rotated while the
program runs. Reading secrets does not live here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.config.problems import MAX_PATH, quoted
from exporter.config.sections import Layer
from exporter.config.values.secret_sources import EnvSecret, FileSecret, InlineSecret
from exporter.model import SecretSource

_FORMS: Mapping[str, Callable[[Any, Path], SecretSource]] = {
    "_file": lambda path, directory: FileSecret(directory / path),
    "_env": lambda name, _: EnvSecret(name),
    "": lambda secret, _: InlineSecret(secret),
}
"""What a key ends with, and where the secret is then; paths are relative to a directory."""

FLOW_KEY = "flow_key"
"""The one secret here that is not for a login: it signs the messages of flows."""


class Secrets:
    """The secrets of one section of the file."""

    def __init__(self, own: Layer[Any], folder: Path) -> None:
        self._own = own
        self._folder = folder

    def keys(self, key: str) -> tuple[str, ...]:
        """The ways to write the secret `key` that the section has."""
        return tuple(key + form for form in _FORMS if key + form in type(self._own.section).model_fields)

    def written(self, key: str) -> list[str]:
        """Those of them that are there, be it without a value or with one that was reported."""
        return [each for each in self.keys(key) if self._own.written(each)]

    def source(self, key: str) -> SecretSource | None:
        """Where the secret `key` comes from; `None` if it is not written, or has problems."""
        written = self.written(key)
        for other in written[1:]:
            ways = ", ".join(self.keys(key))
            self._own.problem(f"{written[0]} is there too; write only one of {ways}", other)
        if len(written) != 1 or self._own.spoilt(written[0]):
            return None
        value = self._own.value(written[0])
        if value is None:
            # To YAML, `password: #secret` is a key with a comment.
            one = "one, in quotes if it begins with #," if written[0] == key else "one,"
            words = f"has no value; write {one} or another way to the {_noun(key)}"
            self._own.problem(words, written[0])
            return None
        form = _FORMS[written[0].removeprefix(key)]
        source = form(value, self._folder)
        doubt = _doubt(source, key)
        if doubt:
            self._own.warning(doubt, written[0])
        return source

    def file(self, key: str) -> SecretSource | None:
        """The content of the file `key`, which is public but read like a secret; `None` if it is not written."""
        path = self._own.value(key)
        return None if path is None else FileSecret(self._folder / path)


def _noun(key: str) -> str:
    return key.replace("_", " ")


def _doubt(source: SecretSource, key: str) -> str | None:
    """A warning about a source that works or may work later."""
    what = "flows" if key == FLOW_KEY else "logins"
    match source:
        case InlineSecret():
            return f"a {_noun(key)} in the configuration is in plain text; use {key}_file instead"
        case EnvSecret(name) if name not in os.environ:
            return f"the variable {name} is not set here; {what} fail if the daemon has none either"
        case FileSecret(path):
            shown = quoted(str(path), MAX_PATH)
            fail = f"{what} fail until it"
            try:
                status = path.stat()
            except OSError as error:
                return f"{shown} cannot be read at present ({error.strerror}); {fail} can"
            if not stat.S_ISREG(status.st_mode):
                return f"{shown} is not a regular file; {fail} is"
            if not status.st_size:
                return f"{shown} is empty; {fail} is not"
            if status.st_mode & stat.S_IROTH:
                return f"every user of this machine can read {shown}; use chmod o-r"
    return None
