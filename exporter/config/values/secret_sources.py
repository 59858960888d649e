"""Where secrets come from: a file, an environment variable, or the configuration itself.

Each source is read again at the moment of use, so that a rotated secret works with the next probe. Reading blocks for
as long as a local file takes; callers keep it off the event loop. Nothing here shows a secret: messages
name the source, and representations hold no content. What a secret is used for does not live here.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from exporter.model import Secret

MAX_SECRET_BYTES = 64 * 1024
"""Passwords are tens of bytes, tokens and private keys a few thousand. A path that leads to something larger is a
mistake, and reading it whole at every probe would be another."""


class SecretUnreadable(OSError):
    """A secret is missing, cannot be read, or is empty; the message says which, and never what it holds."""


@dataclass(frozen=True, slots=True)
class FileSecret:
    """The content of a regular file, less one newline at its end, which editors add."""

    path: Path

    def read(self) -> Secret:
        """The file's content as it is now.

        Raises:
            SecretUnreadable: The file does not exist, may not be read, is not regular, or is empty or too large.
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
        """Whether every user of the machine may read it.

        Raises:
            OSError: The file is not there.
        """
        return bool(self.path.stat().st_mode & stat.S_IROTH)

    def regular(self) -> bool:
        """Whether it is a file that can be read, and no directory, pipe or device.

        Raises:
            OSError: The file is not there.
        """
        return stat.S_ISREG(self.path.stat().st_mode)

    def __str__(self) -> str:
        return f"the secret file {str(self.path)!r}"


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """The value of an environment variable of this process."""

    name: str

    def read(self) -> Secret:
        """The variable's value as it is now.

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
    """Opening a named pipe that nobody writes to would otherwise never return."""
    return os.open(path, flags | os.O_NONBLOCK)


def _secret(content: bytes, source: str) -> Secret:
    """`content` less exactly one newline at its end; every other byte may belong to the secret."""
    if content.endswith(b"\n"):
        content = content[:-2] if content.endswith(b"\r\n") else content[:-1]
    if not content:
        raise SecretUnreadable(f"{source} is empty")
    return Secret(content)
