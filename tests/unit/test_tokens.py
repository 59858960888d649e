from __future__ import annotations

import asyncio
from dataclasses import replace

from exporter.model import Secret
from exporter.protocol.oauth2 import Material
from exporter.visiting.access_tokens import IDLE, UNKNOWN_LIFETIME
from exporter.visiting.reading import FRESH_FOR
from tests.unit.token_bench import DOWN, REFUSED, Bench, in_virtual_time, now


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
async def test_the_same_secret_twice_is_another_token(bench: Bench) -> None:
    bench.endpoint.fixed = b"same"
    first = await bench.ask()
    bench.tokens.rejected(bench.credentials, first)
    second = await bench.ask()

    assert first.secret == second.secret
    assert first.number < second.number


@in_virtual_time
async def test_credentials_that_are_gone_are_asked_for_no_more(bench: Bench) -> None:
    await bench.ask()
    bench.tokens.keep([])
    await asyncio.sleep(10_000)
    assert 1 == len(bench.endpoint.asked)
    # A probe was still running.
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
