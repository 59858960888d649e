from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.model import Credentials, OAuth2Client, OAuth2Provider, Secret, TokenOutcome
from exporter.protocol.assertion import KeyUnusable
from exporter.protocol.oauth2 import Material, TokenAnswer, TokenError
from exporter.visiting.reading import FRESH_FOR, SecretReader
from exporter.visiting.tokens import IDLE, UNKNOWN_LIFETIME, Token, Tokens
from tests import virtual_time


@dataclass(eq=False)
class Source:
    """A secret that can be rotated and lost."""

    value: bytes | None

    def read(self) -> Secret:
        if self.value is None:
            raise OSError("the secret file is empty")
        return Secret(self.value)


REFUSED = TokenError(TokenOutcome.REFUSED, "the token endpoint refuses: invalid_client")
DOWN = TokenError(TokenOutcome.UNREACHABLE, "the token endpoint does not answer")


@dataclass
class Endpoint:
    """A token endpoint whose answers a test chooses, and that takes a second for each.

    Attributes:
        fails: What happens in place of a token.
        asked: When it was asked, and with which material.
    """

    lifetime: float | None = 3600.0
    fails: Exception | None = None
    rotates: bool = False
    asked: list[tuple[float, Material]] = field(default_factory=list)
    fixed: bytes | None = None

    async def fetch(self, client: OAuth2Client, material: Material) -> TokenAnswer:
        assert "https://idp.example.com/" == client.token_url
        self.asked.append((asyncio.get_running_loop().time(), material))
        number = len(self.asked)
        await asyncio.sleep(1)
        if self.fails is not None:
            raise self.fails
        refresh = Secret(b"refresh %d" % number) if self.rotates else None
        return TokenAnswer(Secret(self.fixed or b"token-%d" % number), self.lifetime, refresh)

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.asked]


@dataclass
class Observed:
    """What an observer is told."""

    requests: list[str] = field(default_factory=list)
    held: list[float | None] = field(default_factory=list)

    def token_requested(self, credentials: str, outcome: TokenOutcome) -> None:
        self.requests.append(f"{credentials} {outcome}")

    def token_held(self, credentials: str, lifetime: float | None) -> None:
        assert "contoso" == credentials
        self.held.append(lifetime)


class Bench:
    """Tokens of one entry of the credentials, in virtual time."""

    def __init__(self) -> None:
        self.endpoint, self.observed, self.source = Endpoint(), Observed(), Source(b"one")
        self.client = OAuth2Client(
            OAuth2Provider.CUSTOM, "https://idp.example.com/", client_id="i", client_secret=self.source
        )
        self.credentials = Credentials("contoso", "u", oauth2=self.client)
        clock = asyncio.get_running_loop().time
        self.tokens = Tokens(self.endpoint.fetch, clock, SecretReader(clock), self.observed)

    async def ask(self) -> Token:
        material = await self.tokens.material(self.client)
        return await self.tokens.token(self.credentials, self.client, material.fingerprint())

    async def failure(self) -> str:
        with pytest.raises(TokenError) as raised:
            await self.ask()
        return raised.value.detail

    async def ask_for(self, seconds: float, every: float) -> None:
        """Ask again and again, whatever comes of it."""
        end = now() + seconds
        while now() < end:
            await asyncio.gather(self.ask(), return_exceptions=True)
            await asyncio.sleep(every)


def now() -> float:
    return asyncio.get_running_loop().time()


def in_virtual_time(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in virtual time, with a bench of its own."""

    async def with_bench() -> None:
        with capture_logs():
            bench = Bench()
            await test(bench)
            await bench.tokens.close()

    def run() -> None:
        virtual_time.run(with_bench())

    run.__name__ = test.__name__
    return run


@in_virtual_time
async def test_a_token_is_fetched_once_for_all_who_ask_at_the_same_time(bench: Bench) -> None:
    tokens = await asyncio.gather(*(bench.ask() for _ in range(100)))

    assert 1 == len(bench.endpoint.asked)
    assert {Secret(b"token-1")} == {token.secret for token in tokens}
    assert (["contoso success"], [3600.0]) == (bench.observed.requests, bench.observed.held)


@in_virtual_time
async def test_who_gives_up_does_not_take_the_request_from_the_others(bench: Bench) -> None:
    first, second = asyncio.create_task(bench.ask()), asyncio.create_task(bench.ask())
    await asyncio.sleep(0.5)
    first.cancel()

    assert Secret(b"token-1") == (await second).secret
    assert first.cancelled()


@in_virtual_time
async def test_a_token_is_renewed_before_it_ends_and_nobody_waits_for_it(bench: Bench) -> None:
    await bench.ask()
    longest = 0.0
    while now() < 8000:
        began = now()
        await bench.ask()
        longest = max(longest, now() - began)
        await asyncio.sleep(60)

    assert 0.0 == longest
    assert [0.0, 3301.0, 6602.0] == bench.endpoint.times


@in_virtual_time
async def test_a_token_that_is_about_to_end_is_not_handed_out(bench: Bench) -> None:
    await bench.ask()
    bench.endpoint.fails = DOWN
    await asyncio.sleep(3565 - now())
    assert Secret(b"token-1") == (await bench.ask()).secret
    await asyncio.sleep(3575 - now())
    assert (await bench.failure()).startswith("the token endpoint does not answer; asked again in ")


@in_virtual_time
async def test_a_token_of_unknown_life_is_used_for_a_while(bench: Bench) -> None:
    bench.endpoint.lifetime = None
    await bench.ask()
    await bench.ask_for(UNKNOWN_LIFETIME * 2, every=10)

    assert [None, None, None] == bench.observed.held
    assert [0.0, 241.0, 482.0] == bench.endpoint.times


@in_virtual_time
async def test_tokens_of_short_life_are_not_renewed_all_the_time(bench: Bench) -> None:
    bench.endpoint.lifetime = 2
    await bench.ask()
    await asyncio.sleep(100)

    assert [0.0, 31.0, 62.0, 93.0] == bench.endpoint.times


@in_virtual_time
async def test_a_token_that_nobody_wants_any_more_is_not_renewed(bench: Bench) -> None:
    await bench.ask()
    await asyncio.sleep(5 * IDLE)

    assert max(bench.endpoint.times) < IDLE
    assert Secret(b"token-1") != (await bench.ask()).secret


@in_virtual_time
async def test_a_token_endpoint_that_refuses_is_asked_less_and_less(bench: Bench) -> None:
    bench.endpoint.fails = REFUSED
    await bench.ask_for(24 * 3600, every=60)

    gaps = [round(b - a) for a, b in zip(bench.endpoint.times, bench.endpoint.times[1:], strict=False)]
    assert [61, 121, 241, 481, 961, 1921, 3601, 3601] == gaps[:8]
    assert len(bench.endpoint.asked) < 32


@in_virtual_time
async def test_a_token_endpoint_that_is_down_is_asked_again_soon(bench: Bench) -> None:
    bench.endpoint.fails = DOWN
    await bench.ask_for(3600, every=1)

    gaps = [round(b - a) for a, b in zip(bench.endpoint.times, bench.endpoint.times[1:], strict=False)]
    assert [6, 11, 21, 41, 81, 161, 301, 301] == gaps[:8]


@in_virtual_time
async def test_a_failure_is_remembered_and_says_when_the_next_try_is(bench: Bench) -> None:
    bench.endpoint.fails = REFUSED

    assert "the token endpoint refuses: invalid_client; asked again in 60 s" == await bench.failure()
    await asyncio.sleep(20)
    assert "the token endpoint refuses: invalid_client; asked again in 40 s" == await bench.failure()
    assert (1, ["contoso refused"]) == (len(bench.endpoint.asked), bench.observed.requests)


@in_virtual_time
async def test_a_token_endpoint_is_left_alone_for_as_long_as_it_asks_for(bench: Bench) -> None:
    bench.endpoint.fails = TokenError(TokenOutcome.UNAVAILABLE, "busy", retry_after=120.0)
    await bench.ask_for(100, every=1)
    assert [0.0] == bench.endpoint.times
    bench.endpoint.fails = TokenError(TokenOutcome.UNAVAILABLE, "busy", retry_after=1e6)
    await bench.ask_for(3600, every=1)

    assert [0.0, 121.0] == bench.endpoint.times


@in_virtual_time
async def test_a_changed_secret_is_tried_at_once(bench: Bench) -> None:
    bench.endpoint.fails = REFUSED
    await bench.failure()
    bench.source.value, bench.endpoint.fails = b"two", None
    await asyncio.sleep(FRESH_FOR)

    assert Secret(b"token-2") == (await bench.ask()).secret
    assert Material(client_secret=Secret(b"two")) == bench.endpoint.asked[1][1]


@in_virtual_time
async def test_a_changed_secret_makes_another_token(bench: Bench) -> None:
    await bench.ask()
    bench.source.value = b"two"
    await asyncio.sleep(FRESH_FOR)

    assert Secret(b"token-2") == (await bench.ask()).secret


@in_virtual_time
async def test_a_secret_that_changes_while_a_token_is_asked_for_is_used(bench: Bench) -> None:
    first = asyncio.create_task(bench.ask())
    await asyncio.sleep(0.5)
    bench.source.value = b"two"
    fresh = Material(client_secret=Secret(b"two")).fingerprint()
    await asyncio.sleep(0.4)
    second = asyncio.create_task(bench.tokens.token(bench.credentials, bench.client, fresh))

    assert (Secret(b"token-1"), Secret(b"token-2")) == ((await first).secret, (await second).secret)


@in_virtual_time
async def test_a_failed_renewal_leaves_the_old_token_in_use(bench: Bench) -> None:
    await bench.ask()
    bench.endpoint.fails = DOWN
    await asyncio.sleep(3400)

    assert Secret(b"token-1") == (await bench.ask()).secret
    assert len(bench.endpoint.asked) > 3


@in_virtual_time
async def test_a_token_endpoint_that_comes_back_is_noticed_without_a_probe(bench: Bench) -> None:
    bench.endpoint.fails = DOWN
    await bench.failure()
    bench.endpoint.fails = None
    await asyncio.sleep(10)
    began = now()

    assert Secret(b"token-2") == (await bench.ask()).secret
    assert began == now()


@in_virtual_time
async def test_a_rejected_token_is_handed_out_no_more_and_the_next_is_fetched(bench: Bench) -> None:
    token = await bench.ask()
    bench.tokens.rejected(bench.credentials, token)
    bench.tokens.rejected(bench.credentials, token)
    await asyncio.sleep(2)
    began = now()

    assert Secret(b"token-2") == (await bench.ask()).secret
    assert began == now()
    assert [3600.0, None, 3600.0] == bench.observed.held


@in_virtual_time
async def test_a_token_that_is_no_more_in_use_may_be_rejected_without_harm(bench: Bench) -> None:
    token = await bench.ask()
    bench.tokens.rejected(bench.credentials, token)
    await bench.ask()
    bench.tokens.rejected(bench.credentials, token)
    bench.tokens.rejected(replace(bench.credentials, name="other"), token)

    assert Secret(b"token-2") == (await bench.ask()).secret


@in_virtual_time
async def test_the_same_secret_twice_is_another_token(bench: Bench) -> None:
    bench.endpoint.fixed = b"same"
    first = await bench.ask()
    bench.tokens.rejected(bench.credentials, first)
    second = await bench.ask()

    assert first.secret == second.secret
    assert first.number < second.number


def with_refresh_token(bench: Bench) -> Source:
    source = Source(b"configured")
    bench.endpoint.rotates = True
    bench.client = replace(bench.client, client_secret=None, refresh_token=source)
    bench.credentials = replace(bench.credentials, oauth2=bench.client)
    return source


@in_virtual_time
async def test_a_refresh_token_that_is_replaced_by_the_server_is_used_from_memory(bench: Bench) -> None:
    source = with_refresh_token(bench)
    await bench.ask()
    await bench.ask_for(7000, every=60)

    used = [material.refresh_token for _, material in bench.endpoint.asked]
    assert [Secret(b"configured"), Secret(b"refresh 1"), Secret(b"refresh 2")] == used
    assert b"configured" == source.value


@in_virtual_time
async def test_a_refresh_token_that_is_replaced_in_its_file_is_used_instead(bench: Bench) -> None:
    source = with_refresh_token(bench)
    await bench.ask()
    source.value = b"new"
    await asyncio.sleep(FRESH_FOR)
    await bench.ask()

    used = [material.refresh_token for _, material in bench.endpoint.asked]
    assert [Secret(b"configured"), Secret(b"new")] == used


@in_virtual_time
async def test_a_secret_that_is_lost_when_a_token_is_to_be_renewed_is_looked_for_again(bench: Bench) -> None:
    await bench.ask()
    bench.source.value = None
    await asyncio.sleep(3400)
    assert 1 == len(bench.endpoint.asked)
    bench.source.value = b"one"
    await asyncio.sleep(400)

    assert Secret(b"token-2") == (await bench.ask()).secret


@in_virtual_time
async def test_a_key_that_cannot_be_used_is_no_request(bench: Bench) -> None:
    bench.endpoint.fails = KeyUnusable("the private key is encrypted; write it without a password")

    assert "the private key is encrypted; write it without a password; asked again in 60 s" == await bench.failure()
    assert [] == bench.observed.requests


@in_virtual_time
async def test_a_bug_is_a_failure_like_others_and_logged(bench: Bench) -> None:
    bench.endpoint.fails = ZeroDivisionError()
    with capture_logs() as logs:
        assert "a bug of mail-exporter; its log has the traceback; asked again in 5 s" == await bench.failure()

    assert ["bug: fetching a token raised", "no access token"] == [line["event"] for line in logs]


@in_virtual_time
async def test_credentials_that_are_gone_are_asked_for_no_more(bench: Bench) -> None:
    await bench.ask()
    bench.tokens.keep([])
    await asyncio.sleep(10_000)
    assert 1 == len(bench.endpoint.asked)
    # Of a probe that was under way.
    assert Secret(b"token-2") == (await bench.ask()).secret
    await asyncio.sleep(10_000)

    assert (2, ["contoso success"]) == (len(bench.endpoint.asked), bench.observed.requests)


@in_virtual_time
async def test_what_comes_for_credentials_that_are_gone_is_not_counted(bench: Bench) -> None:
    under_way = asyncio.create_task(bench.ask())
    await asyncio.sleep(0.5)
    bench.tokens.keep([])
    await under_way
    await asyncio.sleep(10_000)

    assert ([], []) == (bench.observed.requests, bench.observed.held)
    assert 1 == len(bench.endpoint.asked)


@in_virtual_time
async def test_credentials_that_stay_keep_their_token(bench: Bench) -> None:
    await bench.ask()
    bench.tokens.keep([replace(bench.credentials)])

    assert Secret(b"token-1") == (await bench.ask()).secret
