"""What can be done inside a visit, played against a script instead of a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from exporter.model import Encryption, FailureReason, Phase
from exporter.net.stream import StreamError
from exporter.protocol.dialogue import AwaitServer, Dialogue, DialogueError, Pause, ReadLine
from exporter.protocol.errands.mailbox import look_at_maildrop
from exporter.protocol.pop3 import Pop3, command
from exporter.visiting.connect import World
from exporter.visiting.visit import Inside, Visited, Visitor
from tests import virtual_time
from tests.replay import Replay
from tests.unit.scripted_visits import (
    LOGIN,
    POP3_BYE,
    POP3_CAPA,
    POP3_GREETING,
    POP3_LOGGED_IN,
    POP3_STAT,
    Contexts,
    Names,
    Network,
    pop3,
    tls_facts,
)
from tests.visits import Given

OPENED = [POP3_GREETING, POP3_CAPA, *POP3_LOGGED_IN]
ADDRESS = "192.0.2.10"
T = TypeVar("T")


def visit(
    go: Callable[[Visitor], Awaitable[T]], server: Replay | StreamError | None, given: Given | None = None
) -> tuple[T, float]:
    """What comes of going there, and how long it took."""

    async def scenario() -> tuple[T, float]:
        loop = asyncio.get_running_loop()
        world = World(Names(), Contexts(), clock=loop.time, connect=Network({ADDRESS: server}).connect)
        return await go(Visitor(world, given or Given(LOGIN))), loop.time()

    return virtual_time.run(scenario())


def went(
    inside: Callable[[Inside], Awaitable[T]], server: Replay, within: float | None = None, given: Given | None = None
) -> tuple[Visited[T], float]:
    return visit(lambda visitor: visitor.visit(pop3(), inside, within=within), server, given)


def test_errands_are_run_one_after_the_other_and_their_values_brought_back() -> None:
    server, given = Replay([*OPENED, POP3_STAT, b"+OK\r\n", POP3_BYE], tls_facts()), Given(LOGIN)

    async def inside(here: Inside) -> int:
        found = await here.run(look_at_maildrop)
        for number in range(2, found.messages or 0):
            await here.run(lambda _: command(b"DELE %d" % number))  # noqa: B023 - it is run before the next
        return found.messages or 0

    visited, _ = went(inside, server, given=given)

    assert 3 == visited.value
    assert visited.result.failure is None
    assert [b"STAT\r\n", b"DELE 2\r\n", b"QUIT\r\n"] == server.sent[-3:]
    assert [Phase.AUTH, Phase.CHECK, Phase.QUIT] == list(visited.result.phase_durations)[-3:]
    assert [visited.result] == given.learnt
    assert server.closed


def test_the_failure_of_an_errand_is_that_of_the_visit_and_the_goodbye_is_said() -> None:
    server = Replay([*OPENED, b"-ERR [SYS/PERM] no\r\n", POP3_BYE], tls_facts())

    visited, _ = went(lambda here: here.run(look_at_maildrop), server)

    assert visited.value is None
    assert visited.result.failure is not None
    assert (FailureReason.MAILBOX_UNAVAILABLE, Phase.CHECK) == (
        visited.result.failure.reason,
        visited.result.failure.phase,
    )
    assert b"QUIT\r\n" == server.sent[-1]


def test_an_errand_that_fails_in_step_need_not_be_the_last() -> None:
    server = Replay([*OPENED, b"-ERR [SYS/PERM] no\r\n", POP3_STAT, POP3_BYE], tls_facts())

    async def inside(here: Inside) -> int | None:
        with pytest.raises(DialogueError) as raised:
            await here.run(look_at_maildrop)
        assert raised.value.in_step
        return (await here.run(look_at_maildrop)).messages

    visited, _ = went(inside, server)

    assert 3 == visited.value
    assert visited.result.failure is None


def test_whoever_listens_hears_what_comes_until_the_time_is_over() -> None:
    server = Replay([*OPENED, b"* 1 EXISTS\r\n* 2 ", b"EXISTS\r\n"], tls_facts())

    def listening(_: Pop3) -> Dialogue[list[bytes]]:
        yield Pause(1.0)
        heard = []
        while (yield AwaitServer(120.0)):
            heard.append((yield ReadLine()))
        return heard

    visited, took = went(lambda here: here.run(listening), server, within=300.0)

    assert [b"* 1 EXISTS", b"* 2 EXISTS"] == visited.value
    assert pytest.approx(121.0) == took
    assert visited.result.failure is None


def test_a_visit_has_the_time_that_it_is_given() -> None:
    visited, took = went(lambda here: here.run(lambda _: _forever()), Replay(OPENED, tls_facts()), within=30.0)

    assert visited.result.failure is not None
    assert FailureReason.TIMEOUT is visited.result.failure.reason
    assert pytest.approx(30.0) == took


def _forever() -> Dialogue[None]:
    yield Pause(3600.0)


def test_a_bug_inside_is_a_result_and_a_traceback_in_the_log() -> None:
    async def inside(_: Inside) -> None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        visited, _ = went(inside, Replay(OPENED, tls_facts()))

    assert visited.result.failure is not None
    assert FailureReason.INTERNAL_ERROR is visited.result.failure.reason
    assert 1 == len(logs)


def test_a_visit_to_an_address_looks_no_name_up() -> None:
    server = Replay([*OPENED, POP3_STAT, POP3_BYE], tls_facts())

    visited, _ = visit(
        lambda visitor: visitor.visit(pop3(), lambda here: here.run(look_at_maildrop), at=ADDRESS), server
    )

    assert visited.result.failure is None
    assert ADDRESS == visited.result.facts.address
    assert Phase.DNS not in visited.result.phase_durations
    assert visited.result.resolution is None


def test_a_visit_can_end_with_the_handshake_and_logs_in_nowhere() -> None:
    server, given = (
        Replay([POP3_GREETING, POP3_CAPA, b"+OK go ahead\r\n", POP3_CAPA, POP3_BYE], tls_facts()),
        Given(LOGIN),
    )

    visited, _ = visit(lambda visitor: visitor.shake_hands(pop3(Encryption.STARTTLS), at=ADDRESS), server, given)

    assert visited.result.failure is None
    assert tls_facts() == visited.result.facts.tls
    assert [b"CAPA\r\n", b"STLS\r\n", b"CAPA\r\n", b"QUIT\r\n"] == server.sent
    assert [] == given.learnt
