"""Runs a SASL mechanism alone: what a server would challenge it with goes in, what it says comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from exporter.model import Mechanism
from exporter.protocol.dialogue import Conceal, DeriveKey, GiveChannelBinding, GiveRandom
from exporter.protocol.sasl.sasl_exchange import Mechanics, Respond, SaslAttempt
from tests.protocol.player import IN_CLEAR, Circumstances
from tests.protocol.samples import login


def attempt(mechanism: Mechanism, username: str, secret: bytes) -> SaslAttempt:
    """An attempt at server.example.com, port 143."""
    return SaslAttempt(mechanism, login(mechanism, username=username, password=secret), "server.example.com", 143)


def said(
    mechanics: Mechanics, challenges: Iterable[bytes] = (), circumstances: Circumstances = IN_CLEAR
) -> list[Respond]:
    """What it says to each of the challenges, after what it says first."""
    remaining = iter(challenges)
    return said_to(mechanics, lambda _: next(remaining, None), circumstances)


def said_to(
    mechanics: Mechanics, server: Callable[[bytes], bytes | None], circumstances: Circumstances = IN_CLEAR
) -> list[Respond]:
    """Likewise, to a server that challenges depending on what it hears, until it has nothing more to ask."""
    responses = []
    step = next(mechanics)
    while True:
        match step:
            case Respond():
                responses.append(step)
                challenge = server(step.octets or b"")
                if challenge is None:
                    return responses
                answer = challenge
            case GiveChannelBinding(kind):
                answer = circumstances.bindings.get(kind, b"")
            case GiveRandom():
                answer = circumstances.random
            case DeriveKey(digest, password, salt, iterations):
                answer = hashlib.pbkdf2_hmac(digest, password.reveal(), salt, iterations)
            case Conceal():
                answer = b""
            case _:
                raise AssertionError(f"not a step of a mechanism: {step}")
        step = mechanics.send(answer)
