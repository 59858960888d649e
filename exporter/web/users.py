"""Who may use the interface: users and passwords, against bcrypt hashes.

A hash takes a tenth of a second on purpose, so one is computed at a time, in a thread that gives way to all others, and
who has logged in once is remembered: nobody who guesses passwords delays a probe, or keeps those out who know theirs.
What a request looks like is not the matter here.
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
from types import MappingProxyType
from typing import Final

import bcrypt

MAX_PENDING: Final = 16
"""Logins that wait to be judged: a second's work at the usual cost. Who comes then may come again."""

MAX_REMEMBERED: Final = 100
"""Judgements of each kind that are remembered, as many as exporter-toolkit remembers. Wrong ones do not crowd out right
ones."""

NICENESS: Final = 19
"""The lowest priority there is."""

MAX_PASSWORD: Final = 72
"""Octets that bcrypt looks at. Go's implementation passes over the rest, and so do the hashes made for it."""

_DECOY: Final = b"y9T9RtjeaZmwNW8X.9OiPuUea0LSJqZPRIqRD8T2VakefTZbVCgcG"
"""Salt and digest for users that there are not."""

_COST: Final = re.compile(rb"\$2[aby]\$([0-9]{2})\$")


class BusyError(Exception):
    """Too many logins wait to be judged."""


class Users:
    """The users, and what is known of those who tried to be one."""

    def __init__(self) -> None:
        self._hashes: Mapping[str, bytes] = MappingProxyType({})
        self._decoy = b""
        self._pepper = secrets.token_bytes(32)
        self._right: dict[bytes, None] = {}
        self._wrong: dict[bytes, None] = {}
        self._pending: dict[bytes, asyncio.Future[bool]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bcrypt", initializer=_give_way)

    def replace(self, hashes: Mapping[str, bytes]) -> None:
        """From now on these are the users."""
        if hashes == self._hashes:
            return
        self._hashes = hashes
        self._decoy = b"$2b$%02d$" % max((_cost(hashed) for hashed in hashes.values()), default=10) + _DECOY
        self._right.clear()
        self._wrong.clear()

    def close(self) -> None:
        """Let the thread go once it has done what it is at."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def __bool__(self) -> bool:
        """Whether there are any: without users, everybody may come in."""
        return bool(self._hashes)

    async def admit(self, name: str, password: bytes) -> bool:
        """Whether that is the password of a user. It takes as long to find out if there is no such user.

        Raises:
            BusyError: It cannot be found out now.
        """
        hashed = self._hashes.get(name)
        attempt = repr((name, hashed, password)).encode()
        # What is remembered is not the password, and of no use to whoever reads this process's memory another day.
        digest = hmac.digest(self._pepper, attempt, "sha256")
        if digest in self._right:
            return True
        if digest in self._wrong:
            return False
        if digest not in self._pending:
            if len(self._pending) >= MAX_PENDING:
                raise BusyError
            judging = asyncio.ensure_future(self._judge(digest, hashed, password))
            self._pending[digest] = judging
            judging.add_done_callback(lambda _: self._pending.pop(digest))
        # Others may wait for the same: one who gives up does not take it away from them.
        return await asyncio.shield(self._pending[digest])

    async def _judge(self, digest: bytes, hashed: bytes | None, password: bytes) -> bool:
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(self._thread, _matches, password, hashed or self._decoy)
        admitted = matches and hashed is not None
        remembered = self._right if admitted else self._wrong
        while len(remembered) >= MAX_REMEMBERED:
            del remembered[next(iter(remembered))]
        remembered[digest] = None
        return admitted


def _matches(password: bytes, hashed: bytes) -> bool:
    return bcrypt.checkpw(password[:MAX_PASSWORD], hashed)


def _cost(hashed: bytes) -> int:
    match = _COST.match(hashed)
    if match is None:
        raise ValueError("no bcrypt hash")
    return int(match[1])


def _give_way() -> None:
    """Linux gives each thread a priority of its own."""
    if sys.platform == "linux":
        # A container may forbid it; then it competes like everything else.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
