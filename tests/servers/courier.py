"""Courier's IMAP and POP3 servers, on high ports of loopback, with one user `monitor` whose password is `right`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.greeting import greets
from tests.servers.programs import LOOPBACK, free_ports, program, running

SCRIPT = Path(__file__).with_name("courier.sh")
PACKAGES = ("courier-imap", "courier-pop")
USERNAME, PASSWORD = "monitor", "right"


@dataclass(frozen=True, slots=True)
class Courier:
    """Where it listens."""

    imap: int
    pop3: int


@contextmanager
def courier(root: Path, directory: Path, *, with_authdaemon: bool = True) -> Iterator[Courier]:
    """Runs it until the block ends.

    Args:
        root: Where `PACKAGES` are unpacked.
        directory: Where mail and log go; other users may enter it.
        with_authdaemon: Whether there is anybody to check passwords.
    """
    ports = Courier(*free_ports(2))
    unshare, shell = program("unshare", package="util-linux"), program("sh", package="dash")
    # couriertcpd leaves its process group, so signals to that do not end it; the end of a process namespace does.
    command = [unshare, "--mount", "--pid", "--fork", shell, str(SCRIPT), str(root), str(directory / "home")]
    command += [str(ports.imap), str(ports.pop3), *([] if with_authdaemon else ["without-authdaemon"])]

    def ready() -> bool:
        return greets(LOOPBACK, ports.imap, b"* OK", goodbye=b"a LOGOUT\r\n") and greets(
            LOOPBACK, ports.pop3, b"+OK", goodbye=b"QUIT\r\n"
        )

    with running(command, log=directory / "courier.log", ready=ready):
        yield ports
