"""Probes over a wire with troubles, and what a capture at the client's own interface says that they took.

The probe runs on the wire's one machine, and a server that says more than a packet holds on the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exporter.model import DnsSettings, Encryption, Endpoint, Phase, ProbeResult, Protocol, TlsPolicy
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from tests.authority import issue, key_pem, pem
from tests.certificates import NAME, world
from tests.servers.wires import SERVER, Segment, Wire, wire
from tests.visits import visitor

PORT = 2525

Trust = tuple[Path, ssl.SSLContext]
Way = tuple[str, Encryption]

HELD_UP = 0.015
"""Seconds for which the loop is held up at a time, half of the time."""

LONG = b"".join(b"X-CAPABILITY-%02d-%s\r\n" % (number, 40 * b"x") for number in range(30))
WORDS = b" ".join(LONG.split())
"""Several packets."""


@dataclass(frozen=True)
class Dialect:
    """What a server says.

    Attributes:
        greeting: Before it is asked.
        replies: By the first word of a command, or the second in IMAP.
        starttls: The command to upgrade.
    """

    protocol: Protocol
    greeting: bytes
    replies: Mapping[bytes, bytes]
    starttls: bytes


DIALECTS = {
    "smtp": Dialect(
        Protocol.SMTP,
        b"220 mail.example.com ESMTP\r\n",
        {
            b"EHLO": b"250-mail.example.com\r\n"
            + b"".join(b"250-" + line + b"\r\n" for line in LONG.split())
            + b"250 STARTTLS\r\n",
            b"QUIT": b"221 bye\r\n",
        },
        b"STARTTLS",
    ),
    "imap": Dialect(
        Protocol.IMAP,
        b"* OK ready\r\n",
        {
            b"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS " + WORDS + b"\r\n%TAG OK done\r\n",
            b"LOGOUT": b"* BYE bye\r\n%TAG OK done\r\n",
        },
        b"STARTTLS",
    ),
    "pop3": Dialect(
        Protocol.POP3,
        b"+OK ready\r\n",
        {b"CAPA": b"+OK\r\nSTLS\r\n" + LONG + b".\r\n", b"QUIT": b"+OK bye\r\n"},
        b"STLS",
    ),
}
GO_AHEAD = {
    Protocol.SMTP: b"220 go ahead\r\n",
    Protocol.IMAP: b"%TAG OK go ahead\r\n",
    Protocol.POP3: b"+OK go ahead\r\n",
}

PHASES = {
    Encryption.NONE: [Phase.CONNECT, Phase.GREETING, Phase.CAPABILITY, Phase.QUIT],
    Encryption.TLS: [Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.CAPABILITY, Phase.QUIT],
    Encryption.STARTTLS: [
        *[Phase.CONNECT, Phase.GREETING, Phase.CAPABILITY, Phase.STARTTLS, Phase.TLS, Phase.CAPABILITY, Phase.QUIT]
    ],
}
"""Of a probe without a login: in which phase each turn is."""


@dataclass(frozen=True)
class Server:
    """A server on the wire's far end."""

    dialect: Dialect
    encryption: Encryption
    context: ssl.SSLContext

    def serve(self, sock: socket.socket) -> None:
        """Hold one conversation."""
        if self.encryption is Encryption.TLS:
            sock = self.context.wrap_socket(sock, server_side=True)
        sock.sendall(self.dialect.greeting)
        while line := _line(sock):
            words = line.split()
            tag = words.pop(0) if self.dialect.protocol is Protocol.IMAP else b""
            if words[0] == self.dialect.starttls:
                sock.sendall(GO_AHEAD[self.dialect.protocol].replace(b"%TAG", tag))
                sock = self.context.wrap_socket(sock, server_side=True)
            else:
                sock.sendall(self.dialect.replies[words[0]].replace(b"%TAG", tag))
        with contextlib.suppress(OSError):
            sock.close()


def _line(sock: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        octet = sock.recv(1)
        if not octet:
            return b""
        line += octet
    return line


@contextmanager
def serving(on: Wire, server: Server) -> Iterator[None]:
    listener = on.at_server(lambda: socket.create_server((SERVER, PORT)))

    def accept() -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            sock, _ = listener.accept()
            sock.settimeout(30)
            with sock:
                server.serve(sock)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(30)


class Trouble:
    """What happens to one segment that carries something: the n-th of the server's n-th flight, or one of ours.

    Args:
        flight: Which; the first is number 0.
        index: Which segment of it.
        longer: Seconds by which it is late; `None` if it is lost.
        times: How often.
        ours: Whether the client's flights are meant.
    """

    def __init__(
        self, flight: int, index: int, longer: float | None = None, times: int = 1, *, ours: bool = False
    ) -> None:
        self.left = times
        self._meant = (flight, index)
        self._longer = longer
        self._ours = ours
        self._highest = {True: -1, False: -1}
        self._flight = {True: -1, False: -1}
        self._index = 0
        self._speaks: bool | None = None
        self._known: dict[tuple[bool, int], tuple[int, int]] = {}

    def __call__(self, segment: Segment) -> float | None:
        side = segment.from_server
        if not segment.size:
            return 0.0
        if segment.sequence >= self._highest[side]:
            if self._speaks is not side:
                self._speaks = side
                self._flight[side] += 1
                self._index = 0
            self._known[side, segment.sequence] = (self._flight[side], self._index)
            self._index += 1
            self._highest[side] = segment.end
        if side is not self._ours and self._known.get((side, segment.sequence)) == self._meant and self.left:
            self.left -= 1
            return self._longer
        return 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """From the leaving of our last word to the coming of the other side's."""

    left: float
    came: float

    @property
    def took(self) -> float:
        """Seconds."""
        return self.came - self.left


def turns(captured: Sequence[Segment]) -> list[Turn]:
    """What the capture shows: first of the connection, then of whatever was said.

    The other side's word has come once all of it has, in order: what lies behind a gap, no application can read.
    """
    first = captured[0]
    answer = next(segment for segment in captured if segment.from_server)
    found = [Turn(first.at, answer.at)]
    left, came = answer.at, 0.0
    sent, arrived = first.end, answer.end
    early: dict[int, int] = {}
    for segment in captured:
        if not segment.size:
            continue
        if segment.from_server:
            early[segment.sequence] = max(segment.end, early.get(segment.sequence, 0))
            before = arrived
            while reaching := [end for start, end in early.items() if start <= arrived < end]:
                arrived = max(reaching)
            if arrived > before:
                came = segment.at
        elif segment.sequence >= sent:
            sent = segment.end
            if came > left:
                found.append(Turn(left, came))
            left = segment.at
    if came > left:
        found.append(Turn(left, came))
    return found


def trusted(directory: Path) -> Trust:
    """An authority in a file, and a server's context with a certificate of it."""
    leaf = issue(NAME, world().root, alternatives=[NAME])
    (directory / "trust.pem").write_bytes(pem(*world().trusted))
    (directory / "chain.pem").write_bytes(pem(leaf.certificate, world().root.certificate))
    (directory / "key.pem").write_bytes(key_pem(leaf))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "chain.pem", directory / "key.pem")
    return directory / "trust.pem", context


def probed(on: Wire, endpoint: Endpoint) -> tuple[ProbeResult, float]:
    """Probe from the client's machine, with a loop that is held up, and tell for how long it was at most."""
    longest = 0.0

    async def hold_up() -> None:
        nonlocal longest
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(HELD_UP)
            time.sleep(HELD_UP)  # noqa: ASYNC251 - that is what it is for
            longest = max(longest, time.perf_counter() - begun)

    async def probe() -> ProbeResult:
        holding = asyncio.get_running_loop().create_task(hold_up())
        try:
            return await visitor(World(Resolver(DnsSettings()), TlsContexts()), None).probe(endpoint)
        finally:
            holding.cancel()

    return on.at_client(lambda: asyncio.run(probe())), longest


@dataclass(frozen=True, slots=True)
class Figure:
    """What a probe says that something took, and what the capture shows; seconds."""

    said: float
    true: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A probe beside its capture.

    Attributes:
        turns: In each phase, how often we waited for the other side.
        held_up: Seconds for which the loop was held up at a time, at most, by the test and by whatever else ran.
    """

    phases: Mapping[Phase, Figure]
    total: Figure
    turns: Mapping[Phase, int]
    held_up: float


def compared(trust: Trust, way: Way, trouble: Trouble | None) -> Comparison:
    """Probe over a wire with this trouble, and compare.

    Raises:
        RuntimeError: The probe failed, or the trouble did not come about.
    """
    dialect, encryption = DIALECTS[way[0]], way[1]
    with wire() as on, serving(on, Server(dialect, encryption, trust[1])):
        if trouble is not None:
            on.rule = trouble
        policy = TlsPolicy(ca_file=trust[0], server_name=NAME)
        endpoint = Endpoint("wire", dialect.protocol, SERVER, PORT, encryption, tls=policy, timeout=20.0)
        result, held_up = probed(on, endpoint)
    if result.failure is not None or (trouble is not None and trouble.left):
        raise RuntimeError(f"{result.failure}, {trouble and trouble.left} times of trouble are left")
    truth: dict[Phase, float] = defaultdict(float)
    for phase, turn in zip(PHASES[encryption], turns(on.captured), strict=True):
        truth[phase] += turn.took
    said = result.phase_durations
    phases = {phase: Figure(said[phase], seconds) for phase, seconds in truth.items()}
    return Comparison(phases, Figure(result.duration, sum(truth.values())), Counter(PHASES[encryption]), held_up)
