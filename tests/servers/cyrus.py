"""Cyrus' IMAP and POP3 servers, on high ports of loopback, with one user `monitor` whose password is `right`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.authority import Identity
from tests.servers.greeting import greets
from tests.servers.programs import LOOPBACK, free_ports, program, running

SCRIPT = Path(__file__).with_name("cyrus.sh")
PACKAGES = ("cyrus-imapd", "cyrus-pop3d", "sasl2-bin", "libsasl2-modules")
USERNAME, PASSWORD = "monitor", "right"


@dataclass(frozen=True, slots=True)
class Cyrus:
    """Where it listens."""

    imap: int
    imaps: int
    pop3: int
    pop3s: int


@contextmanager
def cyrus(root: Path, directory: Path, identity: Identity) -> Iterator[Cyrus]:
    """Runs it until the block ends.

    Args:
        root: Where `PACKAGES` are unpacked.
        directory: Where mail and log go; other users may enter it.
        identity: What it presents.
    """
    ports = Cyrus(*free_ports(4))
    unshare, shell = program("unshare", package="util-linux"), program("sh", package="dash")
    command = [unshare, "--mount", "--pid", "--fork", shell, str(SCRIPT), str(root), str(directory / "home")]
    command += [str(identity.chain_file), str(identity.key_file)]
    command += map(str, (ports.imap, ports.imaps, ports.pop3, ports.pop3s))

    def ready() -> bool:
        return greets(LOOPBACK, ports.imap, b"* OK", goodbye=b"a LOGOUT\r\n") and greets(
            LOOPBACK, ports.pop3, b"+OK", goodbye=b"QUIT\r\n"
        )

    with running(command, log=directory / "cyrus.log", ready=ready):
        yield ports
