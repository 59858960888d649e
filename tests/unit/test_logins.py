from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace

from exporter.model import (
    Credentials,
    Encryption,
    Endpoint,
    Failure,
    FailureReason,
    Login,
    LoginBackoff,
    Mechanism,
    Phase,
    ProbeResult,
    Protocol,
    Secret,
    Withheld,
)
from exporter.visiting.logins import Logins
from exporter.visiting.reading import FRESH_FOR


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


REJECTED = Failure(FailureReason.AUTH_REJECTED, Phase.AUTH, "535 no")
TIMED_OUT = Failure(FailureReason.TIMEOUT, Phase.GREETING, "")
UNAVAILABLE = Failure(FailureReason.AUTH_UNAVAILABLE, Phase.AUTH, "454 later")


def outcome(failure: Failure | None) -> ProbeResult:
    tried = None if failure is TIMED_OUT else Mechanism.PLAIN
    return ProbeResult(
        "e", 0.0, 0.1, (), failure, auth_mechanism=tried, auth_success=None if tried is None else failure is None
    )


class Bench:
    """Endpoints that share one login, at hand for a test to log in as."""

    def __init__(self) -> None:
        self.clock, self.source = Clock(), Source(b"one")
        self.logins = logins_at(self.clock)
        self.endpoint = endpoint(Credentials("monitor", "user", self.source))

    async def ask(self) -> Login | Withheld | None:
        self.clock.now += FRESH_FOR
        return await self.logins.for_probe(self.endpoint)

    async def log_in(self, failure: Failure | None) -> Login | Withheld | None:
        login = await self.ask()
        self.logins.learn(self.endpoint, login, outcome(failure))
        return login


async def test_a_rejected_login_is_withheld_with_what_the_server_said() -> None:
    bench = Bench()
    await bench.log_in(REJECTED)

    withheld = await bench.ask()

    assert isinstance(withheld, Withheld)
    assert (FailureReason.AUTH_REJECTED, Mechanism.PLAIN) == (withheld.reason, withheld.mechanism)
    assert withheld.detail.endswith("tried again in 299 s; rejected before: 535 no")


async def test_the_wait_doubles_with_each_rejection_up_to_the_maximum() -> None:
    bench, waits = Bench(), []
    for _ in range(6):
        login = await bench.log_in(REJECTED)
        assert isinstance(login, Login)
        wait = bench.logins.retry_in(bench.endpoint)
        assert wait is not None
        waits.append(wait)
        bench.clock.now += wait

    assert [300, 600, 1200, 2400, 3600, 3600] == waits


async def test_tries_that_were_under_way_together_count_once() -> None:
    bench = Bench()
    logins = [await bench.ask() for _ in range(4)]
    for login in logins:
        bench.logins.learn(bench.endpoint, login, outcome(REJECTED))

    assert 300 == bench.logins.retry_in(bench.endpoint)


async def test_after_the_wait_one_endpoint_tries_for_all() -> None:
    bench = Bench()
    await bench.log_in(REJECTED)
    bench.clock.now += 300

    assert isinstance(await bench.ask(), Login)
    assert isinstance(await bench.ask(), Withheld)


async def test_a_try_that_came_to_no_answer_leaves_the_next_one_its_chance() -> None:
    bench = Bench()
    await bench.log_in(REJECTED)
    bench.clock.now += 300

    await bench.log_in(TIMED_OUT)
    assert isinstance(await bench.ask(), Login)
    bench.logins.learn(bench.endpoint, Login("user", Secret(b"one")), None)

    assert isinstance(await bench.ask(), Login)


async def test_a_login_that_is_taken_again_ends_the_wait() -> None:
    bench = Bench()
    await bench.log_in(REJECTED)
    bench.clock.now += 300
    await bench.log_in(None)

    assert 0 == bench.logins.retry_in(bench.endpoint)
    await bench.log_in(REJECTED)
    assert 300 == bench.logins.retry_in(bench.endpoint)


async def test_a_changed_secret_ends_the_wait_at_once() -> None:
    bench = Bench()
    await bench.log_in(REJECTED)
    bench.source.value = b"two"

    assert await bench.ask() == Login("user", Secret(b"two"), Mechanism.PLAIN)
    assert 0 == bench.logins.retry_in(bench.endpoint)


async def test_a_temporary_refusal_does_not_hold_the_login_back() -> None:
    bench = Bench()
    await bench.log_in(UNAVAILABLE)

    assert isinstance(await bench.ask(), Login)


async def test_endpoints_that_log_in_as_the_same_user_at_the_same_host_share_the_wait() -> None:
    bench = Bench()
    await bench.log_in(REJECTED)
    assert bench.endpoint.credentials is not None
    elsewhere = replace(bench.endpoint, host="other.example.com")
    somebody = replace(bench.endpoint, credentials=Credentials("other", "somebody", Source(b"one")))
    smtp = replace(bench.endpoint, name="smtp", protocol=Protocol.SMTP, port=587)

    assert isinstance(await bench.logins.for_probe(smtp), Withheld)
    assert isinstance(await bench.logins.for_probe(elsewhere), Login)
    assert isinstance(await bench.logins.for_probe(somebody), Login)
