from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

from exporter.model import (
    Credentials,
    Encryption,
    Endpoint,
    FailureReason,
    Login,
    Mechanism,
    Protocol,
    Secret,
    Withheld,
)
from exporter.probing.logins import FRESH_FOR, Logins


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


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


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


async def test_an_endpoint_without_credentials_has_no_login() -> None:
    assert await Logins(Clock()).for_probe(endpoint(None)) is None


async def test_the_secret_is_read_for_the_probe() -> None:
    credentials = Credentials("monitor", "user", Source(b"one"))

    login = await Logins(Clock()).for_probe(endpoint(credentials))

    assert Login("user", Secret(b"one"), Mechanism.PLAIN) == login


async def test_a_rotated_secret_works_with_the_next_probe() -> None:
    source, clock = Source(b"one"), Clock()
    logins = Logins(clock)
    credentials = Credentials("monitor", "user", source)
    await logins.for_probe(endpoint(credentials))

    source.value = b"two"
    clock.now += FRESH_FOR
    login = await logins.for_probe(endpoint(credentials))

    assert Login("user", Secret(b"two"), Mechanism.PLAIN) == login


async def test_an_unreadable_secret_withholds_the_login_and_says_why() -> None:
    credentials = Credentials("monitor", "user", Source(None))

    withheld = await Logins(Clock()).for_probe(endpoint(credentials))

    assert Withheld(FailureReason.SECRET_UNREADABLE, "credentials monitor: /run/secrets/monitor is empty") == withheld


async def test_an_unreadable_secret_is_tried_again() -> None:
    source, clock = Source(None), Clock()
    logins = Logins(clock)
    credentials = Credentials("monitor", "user", source)
    await logins.for_probe(endpoint(credentials))

    source.value = b"there"
    clock.now += FRESH_FOR

    assert isinstance(await logins.for_probe(endpoint(credentials)), Login)


async def test_endpoints_that_share_credentials_share_the_reading() -> None:
    source = Source(b"one")
    logins = Logins(Clock())
    credentials = Credentials("monitor", "user", source)

    await asyncio.gather(*(logins.for_probe(endpoint(credentials, f"e{n}")) for n in range(50)))

    assert 1 == source.reads


async def test_the_event_loop_does_not_read_files() -> None:
    source = Source(b"one")

    await Logins(Clock()).for_probe(endpoint(Credentials("monitor", "user", source)))

    assert threading.current_thread().name not in source.threads


async def test_a_probe_that_gives_up_does_not_take_the_reading_from_the_others() -> None:
    let_go = threading.Event()

    class Slow(Source):
        def read(self) -> Secret:
            let_go.wait(10)
            return super().read()

    credentials = Credentials("monitor", "user", Slow(b"one"))
    logins = Logins(Clock())
    first = asyncio.create_task(logins.for_probe(endpoint(credentials)))
    second = asyncio.create_task(logins.for_probe(endpoint(credentials)))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    let_go.set()

    assert isinstance(await second, Login)
