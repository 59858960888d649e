"""The product as a process, as anyone who installed it runs it: with modules that Python has compiled before.

Some environments keep Python from storing what it compiles, so that every start would compile everything again. How a
process is started and stopped is the subject of `tests.servers`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.mailserver import MailServer
from tests.servers.exporter import Exporter, exporter_running

_FORBIDS_COMPILED: Final = "PYTHONDONTWRITEBYTECODE"


@contextmanager
def installed() -> Iterator[None]:
    """While this lasts, programs in Python that are started find the product compiled, as if it had been installed."""
    before = os.environ.pop(_FORBIDS_COMPILED, None)
    try:
        subprocess.run([sys.executable, "-c", "import exporter.cli.run, exporter.cli.check"], check=True)
        yield
    finally:
        if before is not None:
            os.environ[_FORBIDS_COMPILED] = before


def daemon(file: Path, configuration: str) -> AbstractContextManager[Exporter]:
    """Runs the daemon until the block ends.

    Args:
        file: Where to write its configuration; its log comes to be beside it.
        configuration: The text.
    """
    file.write_text(configuration)
    return exporter_running(file)


def logging_in(directory: Path, server: MailServer, interval: int) -> Mapping[str, object]:
    """What a configuration says before endpoints that log in to the benchmarks' server.

    Args:
        directory: For the file with the password.
        server: All endpoints are this one, and so it may be talked to as often as all servers together.
        interval: Of each, in seconds.
    """
    password = directory / "password"
    password.write_text(server.password)
    return {
        "limits": {"connections_per_host": 256},
        "credentials": {"monitor": {"username": server.username, "password_file": str(password)}},
        "defaults": {
            "interval": f"{interval}s",
            "timeout": f"{min(interval, 15)}s",
            "credentials": "monitor",
            "tls": {"ca_file": str(server.ca_file)},
        },
    }
