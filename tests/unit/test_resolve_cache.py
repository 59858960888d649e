from __future__ import annotations

import asyncio
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from exporter.net.dns import dns_answers
from exporter.net.dns.dns_query import MAX_NEGATIVE_TTL
from exporter.net.dns.system_names import CHECK_INTERVAL
from tests.servers import dns as servers
from tests.servers.dns import nameserver
from tests.unit.resolving import ANY, BOTH, IPV4, MAIL, Bench, failed, not_found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_an_answer_is_used_again_within_its_ttl_and_not_a_moment_longer(bench: Bench) -> None:
    async with nameserver(servers.records(f"{MAIL}. 60 IN A 192.0.2.1")) as server:
        resolver = bench.resolver(server)
        await resolver.resolve(MAIL, IPV4)
        bench.now += 59.9
        assert ("192.0.2.1",) == (await resolver.resolve(MAIL, IPV4)).addresses
        assert 1 == len(server.queries)
        server.behaviour = servers.records(f"{MAIL}. 60 IN A 192.0.2.2")
        bench.now += 0.1
        assert ("192.0.2.2",) == (await resolver.resolve(MAIL, IPV4)).addresses


async def test_an_expired_answer_is_not_used_even_if_there_is_no_other(bench: Bench) -> None:
    async with nameserver(servers.records(f"{MAIL}. 60 IN A 192.0.2.1")) as server:
        resolver = bench.resolver(server)
        await resolver.resolve(MAIL, IPV4)
        server.behaviour = servers.rcode(dns.rcode.SERVFAIL)
        bench.now += 60
        await failed(resolver, MAIL, IPV4)


async def test_an_answer_with_a_ttl_of_zero_is_used_once(bench: Bench) -> None:
    async with nameserver(servers.records(f"{MAIL}. 0 IN A 192.0.2.1")) as server:
        resolver = bench.resolver(server)
        await resolver.resolve(MAIL, IPV4)
        await resolver.resolve(MAIL, IPV4)
        assert 2 == len(server.queries)


async def test_an_absence_is_used_again_for_a_short_time(bench: Bench) -> None:
    async with nameserver(servers.records(minimum=86400)) as server:
        resolver = bench.resolver(server)
        first = await not_found(resolver, MAIL, IPV4)
        bench.now += MAX_NEGATIVE_TTL - 0.1
        assert first == await not_found(resolver, MAIL, IPV4)
        assert 1 == len(server.queries)
        bench.now += 0.1
        server.behaviour = BOTH
        assert ("192.0.2.1",) == (await resolver.resolve(MAIL, IPV4)).addresses


async def test_a_failure_is_not_used_again(bench: Bench) -> None:
    async with nameserver(servers.rcode(dns.rcode.SERVFAIL)) as server:
        resolver = bench.resolver(server)
        await failed(resolver, MAIL, IPV4)
        server.behaviour = BOTH
        assert ("192.0.2.1",) == (await resolver.resolve(MAIL, IPV4)).addresses


async def test_the_oldest_answers_go_when_there_are_too_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_answers, "MAX_KEPT", 2)
    names = [f"h{number}.example.test" for number in range(3)]
    async with nameserver(servers.records(*(f"{name}. 300 IN A 192.0.2.1" for name in names))) as server:
        resolver = bench.resolver(server)
        for name in (*names, names[1], names[0]):
            await resolver.resolve(name, IPV4)
        assert [(name, "A") for name in (*names, names[0])] == server.asked


async def test_many_lookups_of_one_name_ask_once(bench: Bench) -> None:
    async with nameserver(BOTH) as server:
        server.gate.clear()
        resolver = bench.resolver(server)
        lookups = [asyncio.create_task(resolver.resolve(MAIL, ANY)) for _ in range(20)]
        await server.was_asked(2)
        server.gate.set()
        assert {("2001:db8::1", "192.0.2.1")} == {found.addresses for found in await asyncio.gather(*lookups)}
        assert 2 == len(server.queries)


async def test_a_lookup_that_is_cancelled_leaves_the_question_to_the_others(bench: Bench) -> None:
    async with nameserver(BOTH) as server:
        server.gate.clear()
        resolver = bench.resolver(server)
        first, second = (asyncio.create_task(resolver.resolve(MAIL, ANY)) for _ in range(2))
        await server.was_asked(2)
        first.cancel()
        await asyncio.wait((first,))
        server.gate.set()
        assert ("2001:db8::1", "192.0.2.1") == (await second).addresses
        assert first.cancelled()
        assert 2 == len(server.queries)


async def test_a_question_that_nobody_waits_for_is_abandoned(bench: Bench) -> None:
    async with nameserver(BOTH) as server:
        server.gate.clear()
        resolver = bench.resolver(server)
        before = asyncio.all_tasks()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await resolver.resolve(MAIL, ANY)
        left = {task for task in asyncio.all_tasks() - before if task.get_name().startswith("dns ")}
        await asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), 1)
        assert all(task.cancelled() for task in left)
        server.gate.set()
        assert ("2001:db8::1", "192.0.2.1") == (await resolver.resolve(MAIL, ANY)).addresses


async def test_the_nameservers_of_the_system_are_asked_and_when_they_change_their_answers_are_forgotten(
    bench: Bench,
) -> None:
    bench.resolv_conf.write_text("nameserver 127.0.0.1\n")
    resolver = bench.resolver(timeout=0.1)
    names = await resolver._files.now()
    first = resolver._answers_of(names)
    assert ["127.0.0.1"] == [str(server) for server in first.nameservers]
    assert first is resolver._answers_of(names)

    bench.resolv_conf.write_text("nameserver 127.0.0.2\n")
    bench.now += CHECK_INTERVAL
    await resolver._files.now()
    reading = resolver._files._reading
    assert reading is not None
    await asyncio.wait((reading,))

    second = resolver._answers_of(await resolver._files.now())
    assert ["127.0.0.2"] == [str(server) for server in second.nameservers]
    assert first is not second
