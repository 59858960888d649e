"""One target under atheris, in a process of its own: `python -m tests.fuzz.one TARGET DIRECTORIES... OPTIONS...`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["exporter", "dns"]):
    from tests.fuzz.targets import TARGETS

atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
atheris.Fuzz()
