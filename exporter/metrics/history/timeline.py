"""Ninety days of an endpoint in half hours. Two bits for each say whether its probes succeeded, failed, or both.

This module is pure arithmetic. A timeline is one integer of up to 1080 octets, and shorter if it has less history.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SLOT_SECONDS: Final = 1800
"""The length of one slot: half an hour."""

SLOTS_A_DAY: Final = 48

LENGTH: Final = 90 * SLOTS_A_DAY
"""The number of slots to keep."""

_BITS: Final = 2
_MASK: Final = (1 << _BITS * LENGTH) - 1


class Slot(IntEnum):
    """The results of half an hour's probes. One bit means success and one failure, and `MIXED` has both."""

    UNKNOWN = 0
    """No probe: the exporter did not run, or did not know the endpoint."""
    GOOD = 1
    BAD = 2
    MIXED = 3


_SLOTS: Final = tuple(Slot)
_LETTERS: Final = ".+-~"
"""The letters of slots in the history file, by their value."""
_HEX_TO_LETTERS: Final = {
    ord(digit): _LETTERS[int(digit, 16) >> _BITS] + _LETTERS[int(digit, 16) & _BITS + 1] for digit in "0123456789abcdef"
}
_LETTERS_TO_DIGITS: Final = str.maketrans(_LETTERS, "0123")
_RUN: Final = re.compile(r"(.)\1*")
_WRITTEN_RUN: Final = re.compile(rf"([0-9]{{1,4}})([{re.escape(_LETTERS)}])")


@dataclass(frozen=True, slots=True)
class Timeline:
    """The slots, packed.

    Attributes:
        bits: Two bits for each slot. The newest slot has the lowest bits.
        newest: The number of the newest slot, in half hours since 1970. Not meaningful without slots.
    """

    bits: int = 0
    newest: int = 0

    def noted(self, at: float, *, failed: bool) -> Timeline:
        """Returns the timeline with one more probe.

        Args:
            at: When the probe ended, as a Unix timestamp. It may be in the past, after the clock was set back.
            failed: Whether the probe failed.
        """
        slot = int(at // SLOT_SECONDS)
        bit = Slot.BAD if failed else Slot.GOOD
        if not self.bits:
            return Timeline(int(bit), slot)
        ahead = slot - self.newest
        if ahead > 0:
            # Nothing is left after a longer gap, and a shift by the centuries of a wrong clock would need much memory.
            kept = (self.bits << _BITS * ahead) & _MASK if ahead < LENGTH else 0
            return Timeline(kept | bit, slot)
        if -ahead >= LENGTH:
            return self
        bits = self.bits | bit << _BITS * -ahead
        return self if bits == self.bits else Timeline(bits, self.newest)

    def slots(self, until: int, count: int) -> list[Slot]:
        """Returns `count` slots, the oldest first. The last one has the number `until`."""
        behind = until - self.newest
        if not self.bits or behind >= LENGTH or -behind >= LENGTH:
            return [Slot.UNKNOWN] * count
        bits = self.bits << _BITS * behind if behind > 0 else self.bits >> _BITS * -behind
        return [_SLOTS[bits >> _BITS * place & _BITS + 1] for place in range(count - 1, -1, -1)]

    def __str__(self) -> str:
        """Writes run lengths for the history file, the oldest first: `96+2-1~`."""
        letters = f"{self.bits:x}".translate(_HEX_TO_LETTERS).lstrip(_LETTERS[Slot.UNKNOWN])
        return _RUN.sub(lambda run: f"{len(run[0])}{run[1]}", letters)

    @classmethod
    def parse(cls, text: str, newest: int) -> Timeline:
        """Parses the text that `str` writes.

        Raises:
            ValueError: The text is malformed.
        """
        runs = _WRITTEN_RUN.findall(text)
        lengths = [int(length) for length, _ in runs]
        if sum(lengths) > LENGTH or text != "".join(f"{length}{letter}" for length, letter in runs):
            raise ValueError("a timeline is not run lengths of at most 90 days")
        digits = "".join(letter * length for length, (_, letter) in zip(lengths, runs, strict=True))
        bits = int(digits.translate(_LETTERS_TO_DIGITS), 4) if digits else 0
        return cls(bits, newest if bits else 0)


def slot_number(at: float) -> int:
    """The number of the slot that contains a Unix timestamp."""
    return int(at // SLOT_SECONDS)
