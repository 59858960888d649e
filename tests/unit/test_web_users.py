"""Logging in to the interface: who is let in, how long it takes to find out, and what is remembered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import bcrypt
import pytest

from exporter.web.serving.users import MAX_PENDING, MAX_REMEMBERED, BusyError, Users

REAL = bcrypt.checkpw


def hashed(password: str, cost: int = 4) -> bytes:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))


@pytest.fixture
def users() -> Iterator[Users]:
    made = Users()
    made.replace({"alice": hashed("right"), "bob": hashed("other", cost=5)})
    yield made
    made.close()


@dataclass
class Bcrypt:
    """Stands in for bcrypt: tells what was computed, and computes nothing while a test holds it."""

    computed: list[bytes] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    begun: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)

    def checkpw(self, password: bytes, hash_: bytes) -> bool:
        self.computed.append(hash_)
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        assert self.free.wait(30)
        return REAL(password, hash_)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Bcrypt:
    made = Bcrypt()
    made.free.set()
    monkeypatch.setattr(bcrypt, "checkpw", made.checkpw)
    return made


@pytest.mark.parametrize(
    ("name", "password", "admitted"),
    [
        ("alice", b"right", True),
        ("bob", b"other", True),
        ("alice", b"wrong", False),
        ("alice", b"", False),
        ("alice", b"right\0", False),
        ("alice", b"other", False),
        ("carol", b"right", False),
        ("", b"", False),
        ("ALICE", b"right", False),
    ],
)
async def test_who_knows_the_password_is_let_in(users: Users, name: str, password: bytes, admitted: bool) -> None:
    assert [admitted, admitted] == [await users.admit(name, password) for _ in range(2)]


def test_without_users_everybody_may_come_in() -> None:
    nobody = Users()
    assert not nobody
    nobody.close()


async def test_a_password_counts_as_far_as_bcrypt_reads_it(users: Users) -> None:
    users.replace({"alice": hashed("x" * 72)})

    assert await users.admit("alice", b"x" * 72)
    assert await users.admit("alice", b"x" * 72 + b"and more")
    assert not await users.admit("alice", b"x" * 71)


async def test_hashes_of_every_kind_that_htpasswd_and_go_make_are_taken(users: Users) -> None:
    made = hashed("right")
    for kind in (b"$2a$", b"$2b$", b"$2y$"):
        users.replace({"alice": kind + made[4:]})
        assert await users.admit("alice", b"right")


async def test_a_user_that_there_is_not_costs_as_much_as_one_that_there_is(users: Users, watched: Bcrypt) -> None:
    """With the greatest cost there is: which users there are cannot be told from how long it takes."""
    await users.admit("carol", b"right")

    (decoy,) = watched.computed
    assert decoy.startswith(b"$2b$05$")
    assert 60 == len(decoy)


async def test_what_was_found_out_is_remembered_right_and_wrong(users: Users, watched: Bcrypt) -> None:
    for _ in range(3):
        await users.admit("alice", b"right")
        await users.admit("alice", b"wrong")
        await users.admit("carol", b"right")

    assert 3 == len(watched.computed)


async def test_guesses_do_not_crowd_out_who_has_logged_in(users: Users, watched: Bcrypt) -> None:
    await users.admit("alice", b"right")
    for guess in range(MAX_REMEMBERED + 1):
        await users.admit("alice", b"%d" % guess)
    computed = len(watched.computed)

    assert await users.admit("alice", b"right")
    assert computed == len(watched.computed)
    # The oldest guess is forgotten, the newest not.
    await users.admit("alice", b"%d" % MAX_REMEMBERED)
    await users.admit("alice", b"0")
    assert computed + 1 == len(watched.computed)


async def test_a_new_password_counts_at_once_and_the_old_one_no_more(users: Users) -> None:
    assert await users.admit("alice", b"right")

    users.replace({"alice": hashed("new")})

    assert not await users.admit("alice", b"right")
    assert await users.admit("alice", b"new")


async def test_the_same_users_again_forget_nothing(users: Users, watched: Bcrypt) -> None:
    same = {"alice": hashed("right")}
    users.replace(same)
    await users.admit("alice", b"right")
    users.replace(dict(same))
    await users.admit("alice", b"right")

    assert 1 == len(watched.computed)


async def test_one_is_computed_at_a_time_and_none_on_the_event_loop(users: Users, watched: Bcrypt) -> None:
    watched.free.clear()
    logins = [asyncio.ensure_future(users.admit("alice", b"%d" % number)) for number in range(5)]
    await watched.has_begun()

    assert 1 == len(watched.computed)
    watched.free.set()
    assert [False] * 5 == await asyncio.gather(*logins)
    assert 1 == len(watched.threads)
    assert threading.current_thread().name not in watched.threads


async def test_the_same_login_is_judged_once_however_many_ask_and_give_up(users: Users, watched: Bcrypt) -> None:
    """As after a restart, when a Prometheus scrapes hundreds of targets at once."""
    watched.free.clear()
    logins = [asyncio.ensure_future(users.admit("alice", b"right")) for _ in range(50)]
    await watched.has_begun()
    logins[0].cancel()
    watched.free.set()

    assert [True] * 49 == await asyncio.gather(*logins[1:])
    assert 1 == len(watched.computed)


async def test_the_oldest_guess_has_to_go_for_a_new_login_and_a_known_one_waits_for_nobody(
    users: Users, watched: Bcrypt
) -> None:
    await users.admit("alice", b"right")
    watched.free.clear()
    guesses = [asyncio.ensure_future(users.admit("alice", b"%d" % number)) for number in range(MAX_PENDING + 2)]
    await watched.has_begun()
    await asyncio.sleep(0)

    assert await users.admit("alice", b"right")
    for oldest in guesses[:2]:
        with pytest.raises(BusyError):
            await oldest
    watched.free.set()
    assert [False] * MAX_PENDING == await asyncio.gather(*guesses[2:])
    assert not await users.admit("alice", b"one more")


@pytest.mark.parametrize("remote", ["192.0.2.9", "198.51.100.1"], ids=["same address", "another"])
async def test_guessing_passwords_keeps_nobody_out_who_knows_one(users: Users, watched: Bcrypt, remote: str) -> None:
    """Somebody guesses on forty connections, each with the next guess as soon as the last one is answered."""
    guessed = 0
    done, guessed_often = asyncio.Event(), asyncio.Event()

    async def guess(number: int) -> None:
        nonlocal guessed
        while not done.is_set():
            guessed += 1
            await users.admit("alice", b"%d %d" % (number, guessed), "198.51.100.1")
            if guessed > 60:
                guessed_often.set()

    guessing = [asyncio.ensure_future(guess(number)) for number in range(40)]
    await watched.has_begun()
    await guessed_often.wait()
    before = len(watched.computed)
    admitted = await users.admit("bob", b"other", remote)
    computed = len(watched.computed) - before
    done.set()
    await asyncio.gather(*guessing)

    assert admitted
    assert computed < 20


async def test_every_network_has_its_turn(users: Users, watched: Bcrypt) -> None:
    watched.free.clear()
    remotes = ["192.0.2.1"] * 20 + ["2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1"] + [None]
    logins = [asyncio.ensure_future(users.admit("alice", b"%d" % n, remote)) for n, remote in enumerate(remotes)]
    await watched.has_begun()
    watched.free.set()
    order: list[int] = []

    async def judged(number: int, login: asyncio.Future[bool]) -> None:
        await login
        order.append(number)

    await asyncio.gather(*(judged(number, login) for number, login in enumerate(logins)))

    # One of each network, the newest first; the last of the IPv6 addresses is the first network's.
    assert [22, 21, 23, 19] == order[:4]


async def test_what_is_remembered_holds_no_password(users: Users) -> None:
    await users.admit("alice", b"right")
    await users.admit("alice", b"wrong-but-secret")

    assert not any(b"right" in each or b"wrong" in each for each in (*users._right, *users._wrong))
