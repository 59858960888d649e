from __future__ import annotations

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs

from exporter.model import Secret, TokenOutcome
from exporter.protocol.assertion import KeyUnusable
from exporter.protocol.oauth2 import TokenError
from exporter.visiting.reading import FRESH_FOR
from tests.unit.token_bench import DOWN, REFUSED, Bench, Source, in_virtual_time, now


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
