"""Who may use the interface: users and passwords, against bcrypt hashes.

Hashing a password takes a tenth of a second on purpose. So one is computed at a time, in a thread of the lowest
priority, and a correct login is remembered. Waiting logins take turns by client address, the newest first. So guessing
passwords delays no probes and locks nobody out. Parsing requests is not part of this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import re
import secrets
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address
from types import MappingProxyType
from typing import Final

from cachetools import FIFOCache

MAX_PENDING: Final = 256
"""Logins that wait to be checked. One more replaces the oldest of the network with the most."""

MAX_REMEMBERED: Final = 100
"""Judgements of each kind that are remembered, as many as exporter-toolkit remembers. Wrong ones do not crowd out right
ones."""

NICENESS: Final = 19
"""The lowest priority there is."""

MAX_PASSWORD: Final = 72
"""Octets that bcrypt looks at. Go's implementation passes over the rest, and so do the hashes made for it."""

_DECOY: Final = b"y9T9RtjeaZmwNW8X.9OiPuUea0LSJqZPRIqRD8T2VakefTZbVCgcG"
"""Salt and digest for unknown users."""

_COST: Final = re.compile(rb"\$2[aby]\$([0-9]{2})\$")


class BusyError(Exception):
    """Too many logins wait to be checked, and newer ones are checked first."""


@dataclass(frozen=True, slots=True)
class _PendingLogin:
    """A login that waits to be checked."""

    digest: bytes
    hashed: bytes | None
    password: bytes
    judged: asyncio.Future[bool]


class _Line:
    """The waiting logins. Networks take turns, and the newest login of a network comes first.

    A client that keeps guessing waits for most of its guesses. A client with one login is checked at its network's next
    turn.
    """

    def __init__(self) -> None:
        self._networks: dict[str, list[_PendingLogin]] = {}
        self._length = 0

    def add(self, network: str, login: _PendingLogin) -> _PendingLogin | None:
        """Add a waiting login. Returns the one that has to go, if there are too many."""
        self._networks.setdefault(network, []).append(login)
        self._length += 1
        if self._length <= MAX_PENDING:
            return None
        most = max(self._networks, key=lambda each: len(self._networks[each]))
        return self._take(most, 0)

    def next(self) -> _PendingLogin | None:
        """Remove and return the next login; `None` if none waits."""
        if not self._networks:
            return None
        network = next(iter(self._networks))
        login = self._take(network, -1)
        if network in self._networks:
            # To the end of the line.
            self._networks[network] = self._networks.pop(network)
        return login

    def clear(self) -> list[_PendingLogin]:
        """Remove and return all waiting logins."""
        waiting = [login for logins in self._networks.values() for login in logins]
        self._networks.clear()
        self._length = 0
        return waiting

    def _take(self, network: str, index: int) -> _PendingLogin:
        logins = self._networks[network]
        self._length -= 1
        login = logins.pop(index)
        if not logins:
            del self._networks[network]
        return login


class Users:
    """The users, and the results of recent logins."""

    def __init__(self) -> None:
        self._hashes: Mapping[str, bytes] = MappingProxyType({})
        self._decoy = b""
        self._pepper = secrets.token_bytes(32)
        self._right: FIFOCache[bytes, None] = FIFOCache(MAX_REMEMBERED)
        self._wrong: FIFOCache[bytes, None] = FIFOCache(MAX_REMEMBERED)
        self._pending: dict[bytes, asyncio.Future[bool]] = {}
        self._line = _Line()
        self._judging: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bcrypt", initializer=_give_way)

    def replace(self, hashes: Mapping[str, bytes]) -> None:
        """Use these users from now on."""
        if hashes == self._hashes:
            return
        self._hashes = hashes
        self._decoy = b"$2b$%02d$" % max((_cost(hashed) for hashed in hashes.values()), default=10) + _DECOY
        self._right.clear()
        self._wrong.clear()

    def close(self) -> None:
        """End the thread after its current work."""
        for login in self._line.clear():
            login.judged.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def __bool__(self) -> bool:
        """Whether there are users. Without users, no login is needed."""
        return bool(self._hashes)

    async def admit(self, name: str, password: bytes, remote: str | None = None) -> bool:
        """Whether this is the password of a user. The check takes as long if there is no such user.

        Args:
            name: The user's.
            password: The password to check.
            remote: The client's address; `None` if unknown.

        Raises:
            BusyError: Too many logins are waiting.
        """
        hashed = self._hashes.get(name)
        attempt = repr((name, hashed, password)).encode()
        # The password itself is not kept, so reading this process's memory later does not reveal it.
        digest = hmac.digest(self._pepper, attempt, "sha256")
        if digest in self._right:
            return True
        if digest in self._wrong:
            return False
        if digest not in self._pending:
            self._queue(_PendingLogin(digest, hashed, password, asyncio.get_running_loop().create_future()), remote)
        # Others may wait for the same check: a cancelled caller must not cancel it for them.
        return await asyncio.shield(self._pending[digest])

    def _queue(self, login: _PendingLogin, remote: str | None) -> None:
        self._pending[login.digest] = login.judged
        login.judged.add_done_callback(lambda judged: self._forget(login.digest, judged))
        dropped = self._line.add(_network(remote), login)
        if dropped is not None:
            dropped.judged.set_exception(BusyError())
        if self._judging is None or self._judging.done():
            self._judging = asyncio.get_running_loop().create_task(self._judge_all())

    def _forget(self, digest: bytes, judged: asyncio.Future[bool]) -> None:
        del self._pending[digest]
        if not judged.cancelled():
            judged.exception()  # seen, should everybody who waits for it have given up

    async def _judge_all(self) -> None:
        while (login := self._line.next()) is not None:
            try:
                admitted = await self._judge(login)
            except Exception as error:  # noqa: BLE001 - raised where the login is waited for
                login.judged.set_exception(error)
            else:
                login.judged.set_result(admitted)

    async def _judge(self, login: _PendingLogin) -> bool:
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(self._thread, _matches, login.password, login.hashed or self._decoy)
        admitted = matches and login.hashed is not None
        (self._right if admitted else self._wrong)[login.digest] = None
        return admitted


def _network(remote: str | None) -> str:
    """The network of one client: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        address = ip_address((remote or "").partition("%")[0])
    except ValueError:
        return remote or ""
    if isinstance(address, IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(IPv6Network((address, 64), strict=False))


def _matches(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 - most daemons have no users

    return bcrypt.checkpw(password[:MAX_PASSWORD], hashed)


def _cost(hashed: bytes) -> int:
    match = _COST.match(hashed)
    if match is None:
        raise ValueError("no bcrypt hash")
    return int(match[1])


def _give_way() -> None:
    """Lower the thread's priority. On Linux, each thread has its own."""
    if sys.platform == "linux":
        # A container may forbid it; then it competes like everything else.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
