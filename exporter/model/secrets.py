"""A secret that cannot be shown, and the interface to where one comes from.

`exporter.config.values.secret_sources` reads secrets.
"""

from __future__ import annotations

from typing import NoReturn
from typing import Protocol as Interface


class Secret:
    """Bytes that no representation shows: not `repr`, `str`, `format`, a pickle or a traceback's locals.

    The only way to the bytes is `reveal`, so that a search for that word finds every place that handles them.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves, for the one line that sends them."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class SecretSource(Interface):
    """The source of a secret. It is read again at every use, so that the next probe uses a rotated secret."""

    def read(self) -> Secret:
        """The secret as it is now.

        Raises:
            OSError: It cannot be read, or it is empty; the message names the source and never its content.
        """
