"""Imports modules without what a daemon never uses (docs/decisions/010). The commands use it, before anything else."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

UNWANTED: Final = ("better_exceptions", "colorama", "greenlet", "rich")
"""Libraries that structlog uses if they are there: for colours on a terminal, and for threads that we do not have."""

SETTINGS: Final[Mapping[str, str]] = {
    # Where OpenSSL finds the trusted authorities by default.
    "SSL_CERT_FILE": os.devnull,
    "SSL_CERT_DIR": os.devnull,
    # aiohttp's lists of callbacks need not be in C, which brings the library of C++.
    "FROZENLIST_NO_EXTENSIONS": "1",
}
"""The environment while modules are imported."""


@contextmanager
def lean() -> Iterator[None]:
    """Inside this block, modules are imported without the parts that are not used.

    aiohttp makes a TLS context with the system's authorities when it is imported. All of our clients have contexts of
    their own, so that one gets none: it would trust nobody. The garbage collector would look at all that was imported
    so far, again and again.
    """
    hidden = [name for name in UNWANTED if name not in sys.modules]
    before = {name: os.environ.get(name) for name in SETTINGS}
    collects = gc.isenabled()
    gc.disable()
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # the import system takes None for "there is none"
    os.environ.update(SETTINGS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        for name in hidden:
            del sys.modules[name]
        if collects:
            gc.enable()
