"""Limits the work of verifying a path.

OpenSSL verifies while the event loop waits. A hostile server can make one handshake cost a sixth of a second: with RSA
exponents as long as the modulus, or thousands of names under thousands of name constraints. So the work is estimated
along the path from the trust anchor to the leaf, and a path that needs too much is refused.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from exporter.certificates import certificate
from exporter.certificates.certificate import Certificate, UnreadableError
from exporter.certificates.der import MalformedError, count, elements, first
from exporter.certificates.fields import NAME_CONSTRAINTS, SUBJECT_ALTERNATIVE_NAME

MAX_MICROSECONDS: Final = 12_000.0
"""The limit for signatures. A path of a public authority needs less than 1,000, one with only P-521 keys 6,000."""

MAX_COMPARISONS: Final = 1 << 20
"""The limit for name constraints, 6 ms: OpenSSL allows this for each authority of the path, we for all together."""

MAX_COUNTED: Final = 5000
"""Names or constraints of one certificate that are counted. More would exceed the limit anyway."""

SHORTEST_NAME: Final = 2
SHORTEST_CONSTRAINT: Final = 4
"""Octets in DER."""

REFUSAL: Final = (
    "the chain is not verified, because that would take too long: its keys, names or constraints are too large"
)


class Effort:
    """The work for a path so far."""

    __slots__ = ("_microseconds", "_path")

    def __init__(self) -> None:
        self._microseconds = 0.0
        self._path: list[Certificate] = []

    def allows(self, der: bytes) -> bool:
        """Whether the verification may continue below this certificate. Certificates come from the anchor down."""
        try:
            step = certificate.read(der)
        except UnreadableError:
            return True  # which will be judged
        self._path.append(step)
        self._microseconds += step.effort
        return self._microseconds <= MAX_MICROSECONDS

    def allows_constraints(self) -> bool:
        """Whether all names may be compared with the constraints above them. Called when the leaf is known."""
        comparisons = 0
        for place, authority in enumerate(self._path[:-1]):
            if not authority.constrained:
                continue
            constraints = authority.fields().extension(NAME_CONSTRAINTS) or b""
            names = [step.fields().extension(SUBJECT_ALTERNATIVE_NAME) or b"" for step in self._path[place + 1 :]]
            most = len(constraints) // SHORTEST_CONSTRAINT * sum(len(each) // SHORTEST_NAME + 1 for each in names)
            if comparisons + most > MAX_COMPARISONS:  # it may be too much: count
                most = _constraints(constraints) * sum(_names(each) + 1 for each in names)
            comparisons += most
        return comparisons <= MAX_COMPARISONS


def _names(alternatives: bytes) -> int:
    try:
        return count(first(alternatives).content, MAX_COUNTED) if alternatives else 0
    except MalformedError:
        return MAX_COUNTED


def _constraints(extension: bytes) -> int:
    try:
        return sum(count(each.content, MAX_COUNTED) for each in islice(elements(first(extension).content), 2))
    except MalformedError:
        return MAX_COUNTED
