"""Logins with sources of secrets and a clock of their own, for tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from exporter.model import (
    Credentials,
    Encryption,
    Endpoint,
    LoginBackoff,
    Mechanism,
    Protocol,
    Secret,
)
from exporter.visiting.logins import Logins
from tests.clock import Clock


@dataclass(eq=False)
class Source:
    """A secret that can be rotated, lost and read slowly, and that counts its readers."""

    value: bytes | None
    reads: int = 0
    threads: set[str] = field(default_factory=set)

    def read(self) -> Secret:
        self.reads += 1
        self.threads.add(threading.current_thread().name)
        if not self.value:
            raise OSError("/run/secrets/monitor is empty")
        return Secret(self.value)


def logins_at(clock: Clock) -> Logins:
    return Logins(clock, LoginBackoff(initial=300, maximum=3600))


def endpoint(credentials: Credentials | None, name: str = "e") -> Endpoint:
    return Endpoint(
        name,
        Protocol.IMAP,
        "mail.example.com",
        993,
        Encryption.TLS,
        credentials=credentials,
        mechanism=Mechanism.PLAIN,
    )
