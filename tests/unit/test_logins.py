from __future__ import annotations

import asyncio
import threading

import pytest

from exporter.model import (
    Credentials,
    Endpoint,
    FailureReason,
    Login,
    Mechanism,
    Secret,
    Withheld,
)
from exporter.visiting.logins import Logins
from exporter.visiting.reading import FRESH_FOR
from tests.clock import Clock
from tests.unit.logging_in import Source, endpoint, logins_at


async def test_an_endpoint_without_credentials_has_no_login() -> None:
    assert await logins_at(Clock()).for_probe(endpoint(None)) is None


async def test_the_secret_is_read_for_the_probe() -> None:
    credentials = Credentials("monitor", "user", Source(b"one"))

    login = await logins_at(Clock()).for_probe(endpoint(credentials))

    assert Login("user", Secret(b"one"), Mechanism.PLAIN) == login


async def test_a_rotated_secret_works_with_the_next_probe() -> None:
    source, clock = Source(b"one"), Clock()
    logins = logins_at(clock)
    credentials = Credentials("monitor", "user", source)
    await logins.for_probe(endpoint(credentials))

    source.value = b"two"
    clock.now += FRESH_FOR
    login = await logins.for_probe(endpoint(credentials))

    assert Login("user", Secret(b"two"), Mechanism.PLAIN) == login


async def test_an_unreadable_secret_withholds_the_login_and_says_why() -> None:
    credentials = Credentials("monitor", "user", Source(None))

    withheld = await logins_at(Clock()).for_probe(endpoint(credentials))

    assert Withheld(FailureReason.SECRET_UNREADABLE, "credentials monitor: /run/secrets/monitor is empty") == withheld


async def test_an_unreadable_secret_is_tried_again() -> None:
    source, clock = Source(None), Clock()
    logins = logins_at(clock)
    credentials = Credentials("monitor", "user", source)
    await logins.for_probe(endpoint(credentials))

    source.value = b"there"
    clock.now += FRESH_FOR

    assert isinstance(await logins.for_probe(endpoint(credentials)), Login)


async def test_endpoints_that_share_credentials_share_the_reading() -> None:
    source = Source(b"one")
    logins = logins_at(Clock())
    credentials = Credentials("monitor", "user", source)

    await asyncio.gather(*(logins.for_probe(endpoint(credentials, f"e{n}")) for n in range(50)))

    assert 1 == source.reads


async def test_the_event_loop_does_not_read_files() -> None:
    source = Source(b"one")

    await logins_at(Clock()).for_probe(endpoint(Credentials("monitor", "user", source)))

    assert threading.current_thread().name not in source.threads


async def test_a_probe_that_gives_up_does_not_take_the_reading_from_the_others() -> None:
    let_go = threading.Event()

    class Slow(Source):
        def read(self) -> Secret:
            let_go.wait(10)
            return super().read()

    credentials = Credentials("monitor", "user", Slow(b"one"))
    logins = logins_at(Clock())
    first = asyncio.create_task(logins.for_probe(endpoint(credentials)))
    second = asyncio.create_task(logins.for_probe(endpoint(credentials)))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    let_go.set()

    assert isinstance(await second, Login)


class Hanging(Source):
    """A secret on a file system that hangs, until it is let go."""

    def __init__(self, let_go: threading.Event) -> None:
        super().__init__(b"late")
        self.let_go = let_go

    def read(self) -> Secret:
        self.reads += 1
        self.let_go.wait(30)
        return Secret(b"late")


def hanging(let_go: threading.Event) -> Endpoint:
    return endpoint(Credentials("monitor", "user", Hanging(let_go)))


async def given_up(logins: Logins, endpoint: Endpoint) -> None:
    """As a visit does whose time is up."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await logins.for_probe(endpoint)


async def test_secrets_that_hang_take_no_threads_from_others() -> None:
    let_go = threading.Event()
    logins = logins_at(Clock())
    await asyncio.gather(*(given_up(logins, hanging(let_go)) for _ in range(64)))
    login = await logins.for_probe(endpoint(Credentials("other", "user", Source(b"one"))))
    elsewhere = await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 10)
    let_go.set()

    assert (True, "free") == (isinstance(login, Login), elsewhere)


async def test_a_file_that_hangs_holds_one_thread_however_often_it_is_wanted() -> None:
    let_go, clock = threading.Event(), Clock()
    logins, wanted = logins_at(clock), hanging(let_go)
    for _ in range(3):
        await given_up(logins, wanted)
        clock.now += 10 * FRESH_FOR
    assert wanted.credentials is not None
    source = wanted.credentials.password
    let_go.set()

    assert isinstance(source, Hanging)
    assert 1 == source.reads


async def test_without_a_thread_a_secret_is_unreadable_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    withheld = await logins_at(Clock()).for_probe(endpoint(Credentials("monitor", "user", Source(b"one"))))

    assert isinstance(withheld, Withheld)
    assert FailureReason.SECRET_UNREADABLE is withheld.reason
    assert "no thread" in withheld.detail
