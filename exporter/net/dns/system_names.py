"""This machine's own sources of names: its hosts file and its resolv.conf.

The parsers are pure and ignore lines that they do not understand, as the C library does. The files are read in a
thread, and checked for changes at most once a second. Lookups continue with the known content meanwhile, so that a slow
disk does not look like a slow nameserver.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

from exporter.file_version import FileVersion, file_version
from exporter.net.dns.nameserver import Nameserver, is_nameserver_address
from exporter.threads import in_own_thread

HOSTS = Path("/etc/hosts")
RESOLV_CONF = Path("/etc/resolv.conf")

CHECK_INTERVAL = 1.0
"""Seconds between two looks at whether the files have changed."""

MAX_OCTETS = 16 * 1024 * 1024
"""The largest file. Lists of blocked advertisers, which some keep in their hosts file, have up to 7 MB."""

MAX_NAMESERVERS = 3
"""As many as the C library uses (MAXNS in resolv.h)."""

MAX_NDOTS = 15
"""As in the C library (RES_MAXNDOTS in resolv.h)."""

ADDRESSES_REMEMBERED = 4096
"""Texts whose usual spelling is kept: endpoints that are addresses ask for theirs at every probe."""

_DEFAULT_NDOTS = 1
_NO_HOSTS: Mapping[str, tuple[str, ...]] = MappingProxyType({})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What counts for us in a resolv.conf, with the defaults of resolv.conf(5).

    Attributes:
        nameservers: At least one: without any, it is the one on this machine.
        search: Domains in lower case, without final dots.
        ndots: A name with fewer dots is tried below the search domains first.
        trust_ad: Whether the nameservers are believed when they say that they validated an answer.
    """

    nameservers: tuple[Nameserver, ...] = (Nameserver("127.0.0.1"),)
    search: tuple[str, ...] = ()
    ndots: int = _DEFAULT_NDOTS
    trust_ad: bool = False


@dataclass(frozen=True, slots=True)
class SystemNames:
    """Both files, as they were when last looked at.

    Attributes:
        hosts: The addresses of each name in lower case, in the order of the file.
        resolv_conf: What to ask, and how.
        problems: Why a file could not be read, for people; one that does not exist counts as empty.
    """

    hosts: Mapping[str, tuple[str, ...]]
    resolv_conf: ResolvConf
    problems: tuple[str, ...]


def parse_hosts(text: str) -> Mapping[str, tuple[str, ...]]:
    """Reads hosts(5). Addresses with a zone are passed over, for a probe's connection has none."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        match line.partition("#")[0].split():
            case [written, *names]:
                address = normal_address(written)
                for name in {name.lower().removesuffix(".") for name in names}:
                    known = found.get(name, ())
                    if address is not None and address not in known:
                        found[name] = (*known, address)
    return MappingProxyType(found)


def parse_resolv_conf(text: str) -> ResolvConf:
    """Reads resolv.conf(5). The last `domain` or `search` counts."""
    nameservers: list[Nameserver] = []
    search: tuple[str, ...] = ()
    ndots, trust_ad = _DEFAULT_NDOTS, False
    for line in text.splitlines():
        match line.partition("#")[0].partition(";")[0].split():
            case ["nameserver", address, *_] if is_nameserver_address(address):
                nameservers.append(Nameserver(address))
            case ["search", *domains]:
                search = tuple(domains)
            case ["domain", domain, *_]:
                search = (domain,)
            case ["options", *options]:
                for option in options:
                    key, _, value = option.partition(":")
                    if key == "ndots" and value.isascii() and value.isdecimal():
                        ndots = min(int(value[:4]), MAX_NDOTS)
                    trust_ad = trust_ad or option == "trust-ad"
    return ResolvConf(
        nameservers=tuple(nameservers[:MAX_NAMESERVERS]) or ResolvConf().nameservers,
        search=tuple(domain for domain in (written.lower().strip(".") for written in search) if domain),
        ndots=ndots,
        trust_ad=trust_ad,
    )


@lru_cache(ADDRESSES_REMEMBERED)
def normal_address(text: str) -> str | None:
    """A normalized IP address; `None` if the text is not an address, or has a zone.

    An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) becomes the IPv4 address that a connection to it uses.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        address = address.ipv4_mapped or address
    return str(address)


class SystemNameFiles:
    """The two files, kept up to date while the loop runs."""

    def __init__(self, hosts: Path, resolv_conf: Path, clock: Callable[[], float]) -> None:
        self._hosts = _WatchedFile(hosts, parse_hosts, empty=_NO_HOSTS)
        self._resolv_conf = _WatchedFile(resolv_conf, parse_resolv_conf, empty=ResolvConf())
        self._clock = clock
        self._names: SystemNames | None = None
        self._looked_at = 0.0
        self._reading: asyncio.Future[SystemNames] | None = None

    async def now(self) -> SystemNames:
        """What the files say. Waits for them the first time only; a change is seen by the lookups after a look.

        Raises:
            OSError: Nothing is known of them yet, and there is no thread to read them.
        """
        now = self._clock()
        if self._reading is None and (self._names is None or now - self._looked_at >= CHECK_INTERVAL):
            try:
                self._reading = in_own_thread(self._read, "name-files")
            except OSError:
                if self._names is None:
                    raise
            else:
                self._looked_at = now
                self._reading.add_done_callback(self._take)
        if self._names is not None:
            return self._names
        reading = self._reading
        assert reading is not None  # noqa: S101 - without names a read is under way, by the lines above
        # Not awaited itself: a cancelled probe would cancel it for all the others that wait.
        await asyncio.wait((reading,))
        return reading.result()

    def _read(self) -> SystemNames:
        """Runs in a thread, one at a time."""
        hosts, resolv_conf = self._hosts.read(), self._resolv_conf.read()
        problems = (self._hosts.problem, self._resolv_conf.problem)
        return SystemNames(hosts, resolv_conf, tuple(problem for problem in problems if problem is not None))

    def _take(self, reading: asyncio.Future[SystemNames]) -> None:
        self._reading = None
        if not reading.cancelled() and reading.exception() is None:
            self._names = reading.result()


class _WatchedFile(Generic[T]):
    """A file's content, read again when the file is another one or was written to.

    Attributes:
        problem: Why it cannot be read, for people; `None` if it can, or does not exist.
    """

    def __init__(self, path: Path, parse: Callable[[str], T], *, empty: T) -> None:
        self._path = path
        self._parse = parse
        self._empty = empty
        self._content: T | None = None
        self._version: FileVersion | None = None
        self.problem: str | None = None

    def read(self) -> T:
        """The content as it is now. Blocks.

        If the file cannot be read, `problem` says why, and the earlier content stays in use. So a moment without free
        file descriptors does not switch to other nameservers.
        """
        try:
            version = file_version(self._path)
            if self._content is None or version != self._version:
                self._content = self._parse(_text(self._path))
                self._version = version
            self.problem = None
        except FileNotFoundError:
            self._content, self._version, self.problem = self._empty, None, None
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            self.problem = f"{self._path} cannot be read: {reason}"
        return self._empty if self._content is None else self._content


def _text(path: Path) -> str:
    """The content of a regular file; anything else, such as a pipe that nobody writes to, is never waited for."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is not a regular file")
        return file.read(MAX_OCTETS).decode(errors="replace")
