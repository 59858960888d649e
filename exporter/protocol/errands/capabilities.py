"""Does the server announce what it should? In every protocol."""

from __future__ import annotations

from collections.abc import Collection

from exporter.model import FailureReason
from exporter.protocol.dialogue import Dialogue, DialogueError, keywords
from exporter.protocol.session import Session, offer


def expect_capabilities(session: Session, expected: Collection[str]) -> Dialogue[None]:
    """Compare what the server announced with what it should.

    It may be announced before the login or after it: AUTH=PLAIN is told first, QUOTA often last.

    Raises:
        DialogueError: Something is missing.
    """
    yield from session.client.refresh_capabilities()
    missing, announced = _missing(session, expected)
    if missing:
        yield from session.client.refresh_capabilities(all_of_them=True)
        missing, announced = _missing(session, expected)
    if missing:
        offered = offer(announced)
        raise DialogueError(
            FailureReason.CAPABILITY_MISSING, f"the server does not announce {', '.join(missing)}; {offered}"
        )


def _missing(session: Session, expected: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """What is missing, and what was announced in all; `None` if nothing ever was."""
    last: tuple[str, ...] | None = session.client.capabilities
    announced = tuple(dict.fromkeys((*(session.announced or ()), *(last or ()))))
    known = None if session.announced is None and last is None else announced
    return missing_capabilities(expected, announced), known


def missing_capabilities(expected: Collection[str], offered: Collection[str]) -> tuple[str, ...]:
    """Which of the expected capabilities the server did not announce.

    An expected item is met by an announced one with the same keyword and at least its parameters, so `AUTH PLAIN` is
    met by `AUTH LOGIN PLAIN`.
    """
    have = keywords(offered)

    def met(item: str) -> bool:
        return all(
            keyword in have and set(have[keyword]).issuperset(parameters)
            for keyword, parameters in keywords((item,)).items()
        )

    return tuple(item for item in expected if not met(item))
