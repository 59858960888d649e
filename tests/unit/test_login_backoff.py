from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from exporter.model import (
    Credentials,
    Endpoint,
    Facts,
    Failure,
    FailureReason,
    Login,
    Mechanism,
    Phase,
    ProbeResult,
    Protocol,
    Secret,
    Withheld,
)
from exporter.visiting.reading import FRESH_FOR
from tests.clock import Clock
from tests.unit.logging_in import Source, endpoint, logins_at

REJECTED = Failure(FailureReason.AUTH_REJECTED, Phase.AUTH, "535 no")


TIMED_OUT = Failure(FailureReason.TIMEOUT, Phase.GREETING, "")


UNAVAILABLE = Failure(FailureReason.AUTH_UNAVAILABLE, Phase.AUTH, "454 later")


UNCLEAR = Failure(FailureReason.AUTH_UNAVAILABLE, Phase.AUTH, "550 what?", unclear=True)


def outcome(failure: Failure | None) -> ProbeResult:
    tried = None if failure is TIMED_OUT else Mechanism.PLAIN
    facts = Facts(auth_mechanism=tried, auth_success=None if tried is None else failure is None)
    return ProbeResult("e", 0.0, 0.1, (), failure, facts)


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
    assert FailureReason.AUTH_REJECTED is withheld.reason
    assert "login paused so that the account is not locked; next try in 299 s. Last answer: 535 no" == withheld.detail


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


class Shared:
    """Three endpoints that log in as the same user at the same host."""

    def __init__(self) -> None:
        self.clock, self.source = Clock(), Source(b"one")
        self.logins = logins_at(self.clock)
        credentials = Credentials("monitor", "user", self.source)
        self.imap = endpoint(credentials, "imap")
        self.pop3 = replace(endpoint(credentials, "pop3"), protocol=Protocol.POP3, port=995)
        self.smtp = replace(endpoint(credentials, "smtp"), protocol=Protocol.SMTP, port=465)

    async def log_in(self, at: Endpoint, failure: Failure | None = None) -> bool:
        """Whether the login was tried."""
        self.clock.now += FRESH_FOR
        login = await self.logins.for_probe(at)
        self.logins.learn(at, login, outcome(failure) if isinstance(login, Login) else None)
        return isinstance(login, Login)


async def test_a_login_that_was_accepted_elsewhere_leaves_only_the_refusing_endpoint_waiting() -> None:
    shared = Shared()
    await shared.log_in(shared.imap)
    assert await shared.log_in(shared.pop3, REJECTED)

    assert not await shared.log_in(shared.pop3, REJECTED)
    assert await shared.log_in(shared.imap)
    assert await shared.log_in(shared.smtp)
    assert (0, 0) == (shared.logins.retry_in(shared.imap), shared.logins.retry_in(shared.smtp))


async def test_a_protocol_that_is_switched_off_for_a_user_costs_the_others_nothing_and_is_asked_ever_less() -> None:
    # POP3 always says no, IMAP is fine: 73 probes of each, a minute apart, POP3 first.
    shared = Shared()
    tries, accepted = [], 0
    for _ in range(73):
        if await shared.log_in(shared.pop3, REJECTED):
            tries.append(round(shared.clock.now / 60))
        accepted += await shared.log_in(shared.imap)
        shared.clock.now += 60 - 2 * FRESH_FOR

    # Before the first accepted login nobody knows whose fault it is: IMAP is let at it first when the wait is over.
    assert 73 - 5 == accepted
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert [6, 10, 20] == waits[:3]


async def test_a_secret_that_was_changed_at_the_server_costs_two_tries_and_then_all_wait() -> None:
    shared = Shared()
    for each in (shared.imap, shared.pop3, shared.smtp):
        await shared.log_in(each)

    tried = [await shared.log_in(each, REJECTED) for each in (shared.imap, shared.pop3, shared.smtp)]

    assert [True, True, False] == tried
    waits = [shared.logins.retry_in(each) or 0 for each in (shared.imap, shared.pop3, shared.smtp)]
    assert all(290 < wait <= 300 for wait in waits)


async def test_when_the_wait_is_over_an_endpoint_that_was_not_refused_goes_first() -> None:
    shared = Shared()
    await shared.log_in(shared.pop3, REJECTED)
    await shared.log_in(shared.imap)
    shared.clock.now += 301

    assert not await shared.log_in(shared.pop3, REJECTED)
    assert await shared.log_in(shared.imap)
    # It may have been the secret until now, so POP3 is asked again at once.
    assert await shared.log_in(shared.pop3, REJECTED)
    assert 600 == shared.logins.retry_in(shared.pop3)


async def test_a_refused_endpoint_does_not_wait_for_one_that_never_comes() -> None:
    shared = Shared()
    await shared.log_in(shared.pop3, REJECTED)
    await shared.log_in(shared.imap)
    shared.clock.now += 451

    assert await shared.log_in(shared.pop3, REJECTED)


async def test_a_changed_secret_is_neither_proven_nor_refused() -> None:
    shared = Shared()
    await shared.log_in(shared.imap)
    await shared.log_in(shared.pop3, REJECTED)
    shared.source.value = b"two"

    assert await shared.log_in(shared.pop3, REJECTED)
    assert not await shared.log_in(shared.imap)


async def test_an_unclear_refusal_is_tried_again_after_a_shorter_wait() -> None:
    shared, waits = Shared(), []
    for _ in range(5):
        assert await shared.log_in(shared.imap, UNCLEAR)
        wait = shared.logins.retry_in(shared.imap) or 0
        waits.append(wait)
        shared.clock.now += wait

    assert [300, 600, 900, 900, 900] == waits


async def test_an_unclear_refusal_is_told_as_one() -> None:
    shared = Shared()
    await shared.log_in(shared.imap, UNCLEAR)
    shared.clock.now += FRESH_FOR

    withheld = await shared.logins.for_probe(shared.imap)

    assert isinstance(withheld, Withheld)
    assert FailureReason.AUTH_UNAVAILABLE is withheld.reason
    assert withheld.detail.endswith("Last answer: 550 what?")


async def test_what_is_held_back_is_told_by_endpoint_where_it_is_about_one() -> None:
    shared = Shared()
    await shared.log_in(shared.pop3, REJECTED)
    assert [("user", "mail.example.com", None)] == list(shared.logins.held_back())

    shared.clock.now += 301
    await shared.log_in(shared.imap)
    await shared.log_in(shared.pop3, REJECTED)
    assert [("user", "mail.example.com", ("pop3", ""))] == list(shared.logins.held_back())
