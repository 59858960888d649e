"""Reading a configuration file as text: within bounds, and with a problem that says what to do where that fails."""

from __future__ import annotations

from pathlib import Path

from exporter.config.problems import ConfigurationError, Problem

MAX_FILE_BYTES = 32 * 1024 * 1024
"""10,000 endpoints are 2 MB. What is larger is another file, named by mistake."""


def read_text(path: Path) -> str:
    """The content of a file.

    Raises:
        ConfigurationError: It cannot be read, is too large, or is no UTF-8.
    """
    return _decoded(_content(path), str(path))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file; name a configuration file") from None
    except IsADirectoryError:
        raise _unreadable(path, "is a directory; name a file in it") from None
    except (OSError, ValueError) as error:  # ValueError: the path holds NUL
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(path, f"cannot be read ({reason}); name a file that this user may read") from None
    if len(content) > MAX_FILE_BYTES:
        raise _unreadable(path, f"is larger than {MAX_FILE_BYTES} bytes; name a configuration file")
    return content


def _unreadable(path: Path, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(str(path), 1, message)])


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        octet = f"0x{content[error.start]:02x}"
        raise ConfigurationError(
            [Problem(name, line, f"the octet {octet} is not UTF-8; save the file as UTF-8 text")]
        ) from None
