"""Whether a wrong password can lock an account: a day of probes, by the real scheduler, logins and prober.

Only the network is not there, and time is virtual. The clock of the probes themselves stands still within a probe.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from OpenSSL import SSL

from exporter.model import (
    Credentials,
    Encryption,
    Endpoint,
    FailureReason,
    IpFamily,
    Limits,
    LoginBackoff,
    LongTask,
    Protocol,
    Resolution,
    Secret,
    SkipReason,
    TlsPolicy,
)
from exporter.net.dns.resolve import AddressResolver
from exporter.net.tls import TlsContexts
from exporter.schedule.scheduler import Scheduler
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from tests import virtual_time
from tests.replay import Replay

DAY = 24 * 3600

MOST_LOGINS = 30
"""What the product promises to cost a server in a day, whatever the interval."""

SMTP = (b"220 mail.example.com ESMTP\r\n", b"250-mail.example.com\r\n250 AUTH PLAIN\r\n")
REJECTED, ACCEPTED = b"535 5.7.8 authentication failed\r\n", b"235 2.7.0 welcome\r\n"
GOODBYE = b"221 2.0.0 bye\r\n"


@dataclass(eq=False)
class Source:
    value: bytes = b"wrong"

    def read(self) -> Secret:
        return Secret(self.value)


class Names(AddressResolver):
    async def resolve(self, _host: str, _family: IpFamily) -> Resolution:
        return Resolution(("192.0.2.25",))


class Contexts(TlsContexts):
    def fresh(self, _policy: TlsPolicy) -> SSL.Context | None:
        raise AssertionError("nothing here speaks TLS")

    async def current(self, _policy: TlsPolicy) -> SSL.Context:
        raise AssertionError("nothing here speaks TLS")


class Unobserved:
    def observe_start_delay(self, seconds: float) -> None:
        """Nothing."""

    def skipped(self, reason: SkipReason) -> None:
        """Nothing."""

    def set_in_flight(self, probes: int) -> None:
        """Nothing."""

    def task_failed(self, task: LongTask) -> None:
        raise AssertionError(task)


@dataclass
class Server:
    """Takes one password, if any, and remembers when somebody tried to log in."""

    takes: bytes | None = None
    logins: list[float] = field(default_factory=list)

    async def connect(self, _address: str, _port: int, _source: str | None) -> Replay:
        def answers() -> Iterator[bytes]:
            yield b"220 mail.example.com ESMTP\r\n"
            yield b"250-mail.example.com\r\n250 AUTH PLAIN\r\n"
            if replay.sent[-1].startswith(b"AUTH PLAIN "):
                self.logins.append(asyncio.get_running_loop().time())
                password = b64decode(replay.sent[-1].split()[-1]).rpartition(b"\0")[2]
                yield b"235 2.7.0 welcome\r\n" if password == self.takes else b"535 5.7.8 authentication failed\r\n"
            assert b"QUIT\r\n" == replay.sent[-1]
            yield b"221 2.0.0 bye\r\n"

        replay = Replay(answers())
        return replay


class Day:
    """A schedule of endpoints that log in as the same user, from midnight on."""

    def __init__(self, endpoints: int = 1, interval: float = 1.0) -> None:
        self.server, self.source = Server(), Source()
        self.reasons: Counter[FailureReason | None] = Counter()
        credentials = Credentials("monitor", "monitor@example.com", self.source)
        self.endpoints = [
            Endpoint(
                f"submission {number}",
                Protocol.SMTP,
                "mail.example.com",
                587,
                Encryption.NONE,
                interval=interval,
                timeout=interval,
                credentials=credentials,
                allow_insecure_auth=True,
            )
            for number in range(endpoints)
        ]
        clock = asyncio.get_running_loop().time
        self.logins = Logins(clock, LoginBackoff())
        self._visitor = Visitor(World(Names(), Contexts(), clock=clock, connect=self.server.connect), self.logins)
        self._scheduler = Scheduler(self._probe, Unobserved())

    async def begin(self) -> None:
        self._scheduler.limit(Limits(connections_per_host=1000))
        self._scheduler.exchange([], self.endpoints)

    async def end(self) -> None:
        self._scheduler.stop()
        assert await self._scheduler.drain(10)

    async def _probe(self, endpoint: Endpoint) -> None:
        result = await self._visitor.probe(endpoint)
        self.reasons[result.failure.reason if result.failure else None] += 1


@pytest.mark.parametrize(
    ("interval", "seconds", "first_waits"),
    [(1, 3 * 3600, [301, 600, 1200, 2400]), (10, DAY, [300, 600, 1200, 2400, 3600, 3600])],
)
def test_a_wrong_password_probed_all_the_time_costs_the_server_few_logins(
    interval: int, seconds: int, first_waits: list[int]
) -> None:
    async def scenario() -> Day:
        day = Day(interval=float(interval))
        await day.begin()
        await asyncio.sleep(seconds)
        await day.end()
        return day

    day = virtual_time.run(scenario())

    assert len(first_waits) < len(day.server.logins) <= MOST_LOGINS
    # All the rest of a probe went on, and each told why it failed. The last may come as time is up.
    assert {FailureReason.AUTH_REJECTED} == set(day.reasons)
    assert 1 >= seconds // interval - day.reasons[FailureReason.AUTH_REJECTED] >= 0
    waits = [round(b - a) for a, b in zip(day.server.logins, day.server.logins[1:], strict=False)]
    assert first_waits == waits[: len(first_waits)]


def test_endpoints_that_share_a_login_share_the_few_tries() -> None:
    async def scenario() -> Day:
        day = Day(endpoints=20, interval=60.0)
        await day.begin()
        await asyncio.sleep(3 * 3600)
        await day.end()
        return day

    day = virtual_time.run(scenario())

    # 0:00, 0:05, 0:15, 0:35, 1:15, 2:15; at midnight as many as were under way together, which is one here.
    assert 6 == len(day.server.logins)


def test_a_password_that_is_put_right_works_with_the_next_probe() -> None:
    async def scenario() -> tuple[Day, float]:
        day = Day(interval=60.0)
        day.server.takes = b"right"
        await day.begin()
        await asyncio.sleep(1000)
        day.source.value, mended_at = b"right", asyncio.get_running_loop().time()
        await asyncio.sleep(1000)
        await day.end()
        return day, mended_at

    day, mended_at = virtual_time.run(scenario())
    after = [at for at in day.server.logins if at > mended_at]

    assert after[0] <= mended_at + 60.0
    assert day.reasons[None] == len(after) >= 16


def test_a_wait_is_told_between_probes_too() -> None:
    async def scenario() -> list[float | None]:
        day = Day(interval=60.0)
        await day.begin()
        told = []
        await asyncio.sleep(60)
        tried_at = day.server.logins[0]
        for passed in (90, 100, 299):
            await asyncio.sleep(tried_at + passed - asyncio.get_running_loop().time())
            told.append(day.logins.retry_in(day.endpoints[0]))
        await day.end()
        return told

    assert [pytest.approx(210), pytest.approx(200), pytest.approx(1)] == virtual_time.run(scenario())
