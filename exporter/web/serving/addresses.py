"""Where the HTTP interface can listen: TCP ports, unix sockets, and sockets that systemd hands over.

It turns addresses into listening sockets, or says why that fails.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import stat
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

HIGHEST_PORT: Final = 65535

FIRST_INHERITED: Final = 3
"""sd_listen_fds(3): the descriptors that systemd hands over begin after the standard ones."""

FLAG: Final = "--web.listen-address"

_UNIX: Final = "unix:"

_ADDRESS = re.compile(
    r"(?:\[(?P<literal>[0-9a-fA-F:.]+(?:%[^\s\]]+)?)\]|(?P<host>[^\s:/\[\]]*)):(?P<port>[0-9]{1,5})", re.ASCII
)


class ListenError(OSError):
    """An address cannot be listened on; the message says which and why."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen.

    Attributes:
        host: A name or an IP address without brackets; empty for all addresses of the machine.
        port: 0 for any that is free.
        path: The path of a unix socket, instead of the two; empty for a port.
    """

    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """Reads what `--web.listen-address` takes: `:9925`, `[::1]:9925`, `host:9925`, `unix:/run/exporter.sock`.

        Raises:
            ValueError: It is not an address; the message says what to write.
        """
        if text.startswith(_UNIX) and text != _UNIX and "\0" not in text:
            return cls("", 0, text.removeprefix(_UNIX))
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > HIGHEST_PORT:
            raise ValueError(
                f"cannot listen on {text!r}: write :PORT, HOST:PORT, IPV4:PORT, [IPV6]:PORT or unix:PATH, for example "
                ":9925"
            )
        return cls(match["literal"] or match["host"] or "", int(match["port"]))

    def __str__(self) -> str:
        if self.path:
            return f"{_UNIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether it means all IPv4 and IPv6 addresses of the machine, as in Go and Prometheus."""
        return self.host in {"", "::"} and not self.path


Place: TypeAlias = ListenAddress | socket.socket
"""Where to listen: an address, or a socket that listens already."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Sockets that listen at one place.

    Attributes:
        authority: What a URL calls it; for a unix socket `unix:` and its path.
    """

    place: Place
    sockets: tuple[socket.socket, ...]
    authority: str

    def close(self) -> None:
        for one in self.sockets:
            one.close()
        if isinstance(self.place, ListenAddress) and self.place.path:
            with suppress(OSError):
                Path(self.place.path).unlink()


async def listen_at(places: Sequence[Place]) -> list[Listening]:
    """Listens at each place.

    Raises:
        ListenError: One of them failed; then none is used.
    """
    listening: list[Listening] = []
    try:
        for place in places:
            listening.append(await _listen(place, listening))
    except ListenError:
        for each in listening:
            each.close()
        raise
    return listening


def inherited_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets that systemd hands over (sd_listen_fds(3)); none if it does not.

    Args:
        environment: The variables of systemd are removed from it, because child processes must not see them.

    Raises:
        ListenError: One of them is not a stream socket that listens.
    """
    count, owner = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if not count.isdecimal() or owner != str(os.getpid()):
        return []
    return [_inherited(descriptor) for descriptor in range(FIRST_INHERITED, FIRST_INHERITED + int(count))]


def _inherited(descriptor: int) -> socket.socket:
    try:
        inherited = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ListenError(f"cannot use descriptor {descriptor} that systemd handed over: {error.strerror}") from None
    if inherited.type != socket.SOCK_STREAM or not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        inherited.close()
        mend = "write ListenStream= and Accept=no in the .socket unit"
        raise ListenError(f"descriptor {descriptor} that systemd handed over does not listen for streams; {mend}")
    inherited.set_inheritable(False)
    return inherited


async def _listen(place: Place, others: Sequence[Listening]) -> Listening:
    if isinstance(place, socket.socket):
        return Listening(place, (place,), _authority(place))
    try:
        opened = _at_path(place.path) if place.path else await _at_port(place)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"cannot listen on {place}: {_reason(error, place, others)}") from error
    if place.path:
        return Listening(place, opened, str(place))
    host = "localhost" if place.everywhere else place.host
    return Listening(place, opened, str(ListenAddress(host, _port(opened[-1]))))


def _authority(listening: socket.socket) -> str:
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"{_UNIX}{name}"
    everywhere = name[0] in {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened at
    return str(ListenAddress("localhost" if everywhere else name[0], name[1]))


def _port(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


async def _at_port(address: ListenAddress) -> tuple[socket.socket, ...]:
    """A socket for each IP address that an address to listen on stands for."""
    if address.everywhere and socket.has_dualstack_ipv6():
        return (socket.create_server(("::", address.port), family=socket.AF_INET6, dualstack_ipv6=True),)
    host = address.host or "0.0.0.0"  # noqa: S104 - all addresses are what was asked for
    found = await asyncio.get_running_loop().getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
    opened: list[socket.socket] = []
    try:
        for family, _, _, _, where in dict.fromkeys(found):
            opened.append(socket.create_server(where[:2], family=family))
    except OSError:
        for listener in opened:
            listener.close()
        raise
    return tuple(opened)


def _at_path(path: str) -> tuple[socket.socket, ...]:
    """A socket at a path, which may have a stale socket."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listening.bind(path)
        listening.listen()
    except OSError:
        listening.close()
        raise
    return (listening,)


def _remove_stale(path: str) -> None:
    """Remove the socket file of a process that crashed.

    Raises:
        OSError: Somebody listens there, or it is not a socket.
    """
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file that is not a socket; choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


_REASONS: Mapping[int, str] = MappingProxyType(
    {
        errno.EADDRINUSE: f"another program listens there; end it, or choose another with {FLAG}",
        errno.EACCES: f"this user may not; a port below 1024 needs a privilege, choose another with {FLAG}",
        errno.EADDRNOTAVAIL: "this machine does not have that address",
    }
)


def _reason(error: OSError | UnicodeError, place: ListenAddress, others: Sequence[Listening]) -> str:
    """Why, and what to do about it."""
    if isinstance(error, UnicodeError):
        return "that is not a host name"
    if error.errno == errno.EADDRINUSE:
        for other in others:
            if _collide(place, other):
                return f"{FLAG}={other.place} listens there already; leave {FLAG}={place} out"
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def _collide(place: ListenAddress, other: Listening) -> bool:
    """Whether the address is already used by this process."""
    if not isinstance(other.place, ListenAddress):
        return False
    if place.path or other.place.path:
        return place.path == other.place.path
    return place.port in {_port(one) for one in other.sockets}
