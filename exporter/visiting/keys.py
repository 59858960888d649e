"""Derives keys from passwords for SCRAM, outside the event loop, and keeps them.

PBKDF2 is slow on purpose: 1.5 ms for 4,096 iterations, 0.2 s for 600,000. In the event loop, that would be measured as
latency of all other probes. OpenSSL releases the interpreter lock meanwhile, so a thread does it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from functools import partial
from typing import Final

from cachetools import LRUCache

from exporter.model import Secret
from exporter.protocol.dialogue import DeriveKey
from exporter.single_flight import SingleFlight
from exporter.threads import computed

KEPT: Final = 4096
"""Keys kept: one for each login and server while the server's salt stays what it is, at a few hundred octets each."""

AT_ONCE: Final = 2
"""Derivations that may run at once. They compete with the loop for the processor, and servers choose how long."""


class DerivedKeys:
    """The keys of all endpoints. RFC 5802 5.1 lets a client keep them; the passwords are not kept."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._mark = secrets.token_bytes(32)
        self._keys: LRUCache[bytes, Secret] = LRUCache(KEPT)
        self._derivations = SingleFlight[bytes, Secret]()

    async def derive(self, wanted: DeriveKey) -> bytes:
        """The key, from the cache or derived now."""
        name = self._name(wanted)
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = await self._derivations.join(name, lambda: self._derive(wanted))
        return key.reveal()

    async def _derive(self, wanted: DeriveKey) -> Secret:
        async with self._turn:
            return Secret(await computed(partial(_derived, wanted), "key"))

    def _name(self, wanted: DeriveKey) -> bytes:
        """The cache key: a hash of everything the derived key depends on. It does not help to guess the password."""
        password = wanted.password.reveal()
        parts = b"%s %d %d " % (wanted.digest.encode(), wanted.iterations, len(password)) + password + wanted.salt
        return hmac.digest(self._mark, parts, "sha256")


def _derived(wanted: DeriveKey) -> bytes:
    return hashlib.pbkdf2_hmac(wanted.digest, wanted.password.reveal(), wanted.salt, wanted.iterations)
