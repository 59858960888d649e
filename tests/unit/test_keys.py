from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from typing import Final

import pytest

from exporter.model import Secret
from exporter.protocol.dialogue import DeriveKey
from exporter.visiting import keys
from exporter.visiting.keys import AT_ONCE, DerivedKeys

WANTED: Final = DeriveKey("sha1", Secret(b"password"), b"salt", 4096)
KEY: Final = bytes.fromhex("4b007901b765489abead49d926f721d065a429c1")  # RFC 6070 section 2

Pbkdf2 = Callable[[str, bytes, bytes, int], bytes]


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The salts of what was derived and not remembered."""
    salts: list[bytes] = []
    real: Pbkdf2 = hashlib.pbkdf2_hmac

    def noting(digest: str, password: bytes, salt: bytes, iterations: int) -> bytes:
        salts.append(salt)
        return real(digest, password, salt, iterations)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", noting)
    return salts


async def test_a_key_is_that_of_pbkdf2() -> None:
    assert KEY == await DerivedKeys().derive(WANTED)


async def test_a_key_is_derived_once(derived: list[bytes]) -> None:
    kept = DerivedKeys()

    assert [KEY, KEY] == [await kept.derive(WANTED), await kept.derive(WANTED)]
    assert [b"salt"] == derived


@pytest.mark.parametrize(
    "other",
    [
        DeriveKey("sha256", Secret(b"password"), b"salt", 4096),
        DeriveKey("sha1", Secret(b"passwords"), b"alt", 4096),
        DeriveKey("sha1", Secret(b"password"), b"pepper", 4096),
        DeriveKey("sha1", Secret(b"password"), b"salt", 4097),
    ],
)
async def test_every_part_makes_it_another_key(other: DeriveKey, derived: list[bytes]) -> None:
    kept = DerivedKeys()

    assert KEY == await kept.derive(WANTED)
    assert await kept.derive(other) != KEY
    assert 2 == len(derived)


async def test_the_key_not_used_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch, derived: list[bytes]) -> None:
    monkeypatch.setattr(keys, "KEPT", 2)
    kept = DerivedKeys()

    for salt in (b"a", b"b", b"a", b"c", b"a", b"b"):
        await kept.derive(DeriveKey("sha1", Secret(b"password"), salt, 1))

    assert [b"a", b"b", b"c", b"b"] == derived


async def test_the_loop_goes_on_while_a_key_is_derived() -> None:
    deriving = asyncio.ensure_future(DerivedKeys().derive(DeriveKey("sha256", Secret(b"password"), b"salt", 100_000)))

    turns = 0
    while not deriving.done():
        await asyncio.sleep(0)
        turns += 1

    # One that was held by the work would turn twice: to begin, and to see that it is done.
    assert 10 < turns


async def test_servers_cannot_have_every_processor_work(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    begun: asyncio.Queue[bytes] = asyncio.Queue()
    go_on = threading.Event()

    def waiting(_: str, __: bytes, salt: bytes, ___: int) -> bytes:
        loop.call_soon_threadsafe(begun.put_nowait, salt)
        go_on.wait(60)
        return salt

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", waiting)
    kept = DerivedKeys()
    salts = [bytes([number]) for number in range(AT_ONCE + 2)]
    deriving = asyncio.gather(*(kept.derive(DeriveKey("sha1", Secret(b"x"), salt, 1)) for salt in salts))

    at_once = [await begun.get() for _ in range(AT_ONCE)]
    for _ in range(100):
        await asyncio.sleep(0)
    no_more = begun.empty()
    go_on.set()

    assert salts == await deriving
    assert salts[:AT_ONCE] == sorted(at_once)
    assert no_more


async def test_no_password_stays_behind() -> None:
    kept = DerivedKeys()
    await kept.derive(DeriveKey("sha1", Secret(b"correct horse"), b"salt", 1))

    assert "correct horse" not in repr(vars(kept))
    assert "correct horse" not in repr(DeriveKey("sha1", Secret(b"correct horse"), b"salt", 1))
