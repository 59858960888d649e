"""The mail server that clients are measured with: builds mailserver.c and runs it, with certificates made on the spot.

How it behaves is said in mailserver.c; nothing is measured here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from benchmarks.building import built
from tests.authority import address, issue, key_pem, pem
from tests.servers.programs import LOOPBACK, tail

DOMAIN: Final = "bench.example"
NAME: Final = f"mail.{DOMAIN}"
USERNAME: Final = f"monitor@{DOMAIN}"
PASSWORD: Final = "correct-horse"  # noqa: S105 - opens nothing but this server

_SOURCES: Final = ("mailserver.c", "mailserver_dialogue.c", "mailserver_dns.c")
_STOPS_WITHIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds for which a server waits before each of its steps, with a resolution of a microsecond.

    Attributes:
        dns: The answer to a DNS question.
        greeting: The greeting.
        capability: The answer to CAPABILITY, CAPA or EHLO, each time.
        starttls: The answer to STARTTLS or STLS.
        tls: The server's first flight of the handshake, from the client's first on.
        auth: The answer that takes or rejects a login.
        quit: The answer to LOGOUT or QUIT.
    """

    dns: float = 0.0
    greeting: float = 0.0
    capability: float = 0.0
    starttls: float = 0.0
    tls: float = 0.0
    auth: float = 0.0
    quit: float = 0.0


NO_DELAYS: Final = Delays()


@dataclass(frozen=True, slots=True)
class Lateness:
    """By how much the server was late with what it delayed, in seconds; rounded up to 10 us.

    Attributes:
        waits: How many answers that is about.
    """

    waits: int
    median: float
    percentile_99: float
    maximum: float


@dataclass(slots=True)
class MailServer:
    """A running one.

    Attributes:
        ports: By URL scheme: imap, imaps, pop3, pop3s, submission, submissions; and dns, which is UDP.
        ca_file: PEM, the authority to trust; the server shows a leaf and an intermediate.
        name: One that the certificate is for, as it is for every other name in `DOMAIN` and the loopback address.
        username: Of the only login that it takes.
        password: Likewise.
        pid: Of its process.
        lateness: Known once it has stopped.
    """

    ports: Mapping[str, int]
    ca_file: Path
    name: str
    username: str
    password: str
    pid: int
    lateness: Lateness | None = None

    def address(self, scheme: str) -> str:
        """`host:port` of one of the ports."""
        return f"{LOOPBACK}:{self.ports[scheme]}"


@contextmanager
def mail_server(directory: Path, delays: Delays = NO_DELAYS) -> Iterator[MailServer]:
    """Builds the server unless that is done, and runs it until the block ends.

    Args:
        directory: For the program, its certificates and its log.
        delays: What it delays.

    Raises:
        CannotBuild: There is no compiler or no OpenSSL.
        RuntimeError: It does not serve.
    """
    program = built("mailserver", _SOURCES, directory)
    chain, key, ca_file = _certificates(directory)
    log = directory / "mailserver.log"
    command = [str(program), f"--chain={chain}", f"--key={key}", f"--username={USERNAME}", f"--password={PASSWORD}"]
    for step, seconds in asdict(delays).items():
        command.append(f"--delay={step}={round(seconds * 1e6)}")
    with (
        log.open("ab") as errors,
        # It ends when its input does, also where this process cannot end it any more.
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        ports = json.loads(_line(process.stdout, log))
        server = MailServer(ports, ca_file, NAME, USERNAME, PASSWORD, process.pid)
        try:
            yield server
        finally:
            process.terminate()
            try:
                process.wait(_STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        server.lateness = _lateness(json.loads(_line(process.stdout, log)))


def _line(output: IO[bytes] | None, log: Path) -> bytes:
    line = b"" if output is None else output.readline()
    if not line:
        raise RuntimeError(f"the mail server ended\n{tail(log)}")
    return line


def _lateness(told: Mapping[str, Mapping[str, int]]) -> Lateness:
    late = {part: microseconds / 1e6 for part, microseconds in told["late_us"].items()}
    return Lateness(int(str(told["waits"])), late["median"], late["p99"], late["max"])


def _certificates(directory: Path) -> tuple[Path, Path, Path]:
    """The files of a chain of three: what the server shows, its key, and the authority."""
    root = issue("Root of the benchmarks", authority=True)
    intermediate = issue("Intermediate of the benchmarks", root, authority=True, path_length=0)
    leaf = issue(NAME, intermediate, alternatives=[f"*.{DOMAIN}", address(LOOPBACK)])
    contents = {
        directory / "chain.pem": pem(leaf.certificate, intermediate.certificate),
        directory / "key.pem": key_pem(leaf),
        directory / "root.pem": pem(root.certificate),
    }
    for file, content in contents.items():
        file.write_bytes(content)
    chain, key, ca_file = contents
    return chain, key, ca_file
