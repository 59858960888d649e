"""Ninety days of an endpoint in half hours, two bits each: whether its probes worked, failed, or some of each.

Pure arithmetic. A whole timeline is one integer of 1080 octets; a young one is as short as its past.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SLOT_SECONDS: Final = 1800
"""Half an hour: what one slot stands for."""

SLOTS_A_DAY: Final = 48

LENGTH: Final = 90 * SLOTS_A_DAY
"""Slots that are kept."""

_BITS: Final = 2
_MASK: Final = (1 << _BITS * LENGTH) - 1


class Slot(IntEnum):
    """What became of the probes of half an hour. The bits of a success and of a failure: `MIXED` has both."""

    UNKNOWN = 0
    """There was none: the exporter did not run, or did not know the endpoint."""
    GOOD = 1
    BAD = 2
    MIXED = 3


_SLOTS: Final = tuple(Slot)
_LETTERS: Final = ".+-~"
"""How a slot is written in the history file, by its value."""
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
        bits: Two a slot, the newest lowest.
        newest: The number of the newest slot: half hours since 1970. Meaningless while there is none.
    """

    bits: int = 0
    newest: int = 0

    def noted(self, at: float, *, failed: bool) -> Timeline:
        """The timeline with one probe more.

        Args:
            at: When it ended, a Unix timestamp. A clock that was set back must not make it forget the rest.
            failed: What became of it.
        """
        slot = int(at // SLOT_SECONDS)
        bit = Slot.BAD if failed else Slot.GOOD
        if not self.bits:
            return Timeline(int(bit), slot)
        ahead = slot - self.newest
        if ahead > 0:
            # Beyond the end nothing is left, and shifting by the centuries of a wrong clock would take memory.
            kept = (self.bits << _BITS * ahead) & _MASK if ahead < LENGTH else 0
            return Timeline(kept | bit, slot)
        if -ahead >= LENGTH:
            return self
        bits = self.bits | bit << _BITS * -ahead
        return self if bits == self.bits else Timeline(bits, self.newest)

    def slots(self, until: int, count: int) -> list[Slot]:
        """So many slots, the oldest first, up to and including the one with the number `until`."""
        behind = until - self.newest
        if not self.bits or behind >= LENGTH or -behind >= LENGTH:
            return [Slot.UNKNOWN] * count
        bits = self.bits << _BITS * behind if behind > 0 else self.bits >> _BITS * -behind
        return [_SLOTS[bits >> _BITS * place & _BITS + 1] for place in range(count - 1, -1, -1)]

    def __str__(self) -> str:
        """Run lengths for the history file, the oldest first: `96+2-1~`."""
        letters = f"{self.bits:x}".translate(_HEX_TO_LETTERS).lstrip(_LETTERS[Slot.UNKNOWN])
        return _RUN.sub(lambda run: f"{len(run[0])}{run[1]}", letters)

    @classmethod
    def parse(cls, text: str, newest: int) -> Timeline:
        """The opposite of `str`.

        Raises:
            ValueError: It is not what `str` writes.
        """
        runs = _WRITTEN_RUN.findall(text)
        lengths = [int(length) for length, _ in runs]
        if sum(lengths) > LENGTH or text != "".join(f"{length}{letter}" for length, letter in runs):
            raise ValueError("a timeline is not run lengths of at most 90 days")
        digits = "".join(letter * length for length, (_, letter) in zip(lengths, runs, strict=True))
        bits = int(digits.translate(_LETTERS_TO_DIGITS), 4) if digits else 0
        return cls(bits, newest if bits else 0)


def slot_number(at: float) -> int:
    """The number of the slot that a Unix timestamp lies in."""
    return int(at // SLOT_SECONDS)
