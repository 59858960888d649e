"""Reads secrets from a file, an environment variable, or the configuration itself.

Each source is read again for each use, so that a rotated secret works with the next probe. Reading blocks, so callers
must keep it off the event loop. Secrets are never shown: messages name only the source, and representations have no
content.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from exporter.model import Secret

MAX_SECRET_BYTES = 64 * 1024
"""Passwords have tens of bytes, and tokens and private keys a few thousand. A larger file is a mistake, and must not be
read at every probe."""


class SecretUnreadable(OSError):
    """A secret is missing, cannot be read, or is empty. The message says which, and never has the content."""


@dataclass(frozen=True, slots=True)
class FileSecret:
    """The content of a regular file, without one newline at the end, because editors add it."""

    path: Path

    def read(self) -> Secret:
        """Reads the file's current content.

        Raises:
            SecretUnreadable: The file is missing, not readable, not regular, empty or too large.
        """
        try:
            with open(self.path, "rb", opener=_without_waiting) as file:
                regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                content = file.read(MAX_SECRET_BYTES + 1) if regular else b""
        except OSError as error:
            raise SecretUnreadable(f"{self} cannot be read: {error.strerror}") from None
        if not regular:
            raise SecretUnreadable(f"{self} is not a regular file")
        if len(content) > MAX_SECRET_BYTES:
            raise SecretUnreadable(f"{self} is larger than the {MAX_SECRET_BYTES} bytes a secret may have")
        return _secret(content, str(self))

    def exposed(self) -> bool:
        """Whether all users of the machine may read it.

        Raises:
            OSError: The file is not there.
        """
        return bool(self.path.stat().st_mode & stat.S_IROTH)

    def __str__(self) -> str:
        return f"the secret file {str(self.path)!r}"


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """The value of an environment variable of this process."""

    name: str

    def read(self) -> Secret:
        """Reads the variable's current value.

        Raises:
            SecretUnreadable: It is not set, or it is empty.
        """
        value = os.environ.get(self.name)
        if value is None:
            raise SecretUnreadable(f"{self} is not set")
        return _secret(os.fsencode(value), str(self))

    def __str__(self) -> str:
        return f"the environment variable {self.name!r}"


@dataclass(frozen=True, slots=True)
class InlineSecret:
    """A secret that was written into the configuration."""

    secret: Secret = field(repr=False)

    def read(self) -> Secret:
        """The secret.

        Raises:
            SecretUnreadable: It is empty.
        """
        return _secret(self.secret.reveal(), str(self))

    def __str__(self) -> str:
        return "the secret in the configuration"


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file without blocking, because opening a named pipe would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _secret(content: bytes, source: str) -> Secret:
    """Removes exactly one newline at the end of `content`. All other bytes may belong to the secret."""
    if content.endswith(b"\n"):
        content = content[:-2] if content.endswith(b"\r\n") else content[:-1]
    if not content:
        raise SecretUnreadable(f"{source} is empty")
    return Secret(content)
