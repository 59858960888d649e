"""How an IMAP client writes what its commands take (RFC 9051 section 4, RFC 3501 5.1.3): strings and mailbox names.

Only writing is here, and it is pure. When a line is sent, and what is waited for between two, is imap.py's matter.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

MAX_SHORT_LITERAL: Final = 4096
"""Octets of a literal that may be sent unasked where LITERAL- or IMAP4rev2 is announced (RFC 7888 section 5)."""

# RFC 9051 section 9, TEXT-CHAR; octets above ASCII are for servers that were told of UTF-8 (RFC 3501 section 9).
_QUOTABLE: Final = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_SHIFTED: Final = re.compile(r"[^\x20-\x7e]+|&")


def quote(octets: bytes) -> bytes | None:
    """The octets as a quoted string (RFC 9051 4.3); `None` if only a literal can carry them."""
    if not _QUOTABLE.fullmatch(octets):
        return None
    return _in_quotes(octets)


def mailbox(name: str) -> bytes:
    """A mailbox name as a quoted string in modified UTF-7 (RFC 3501 5.1.3).

    IMAP4rev2 has names in UTF-8, but a server that knows both speaks IMAP4rev1 until the client enables the other
    (RFC 9051 6.3.1), which a client that only looks has no need to do.
    """
    return _in_quotes(_SHIFTED.sub(_shift, name).encode())


def lines(command: bytes, arguments: tuple[bytes, ...], *, unasked: int) -> tuple[list[bytes], bool]:
    """A command with strings for its arguments, cut where a literal begins (RFC 9051 4.3, RFC 7888).

    Args:
        command: The tag and the command's name.
        arguments: Any octets but NUL, CR and LF: the first has no place in IMAP, and a line is sent as one.
        unasked: Octets of the largest literal that the server takes without being asked first.

    Returns:
        The lines, and whether the server has to ask for each one after the first.
    """
    quoted = [quote(argument) for argument in arguments]
    sizes = [len(argument) for argument, string in zip(arguments, quoted, strict=True) if string is None]
    waits = any(size > unasked for size in sizes)
    written = [command]
    for argument, string in zip(arguments, quoted, strict=True):
        if string is not None:
            written[-1] += b" " + string
        else:
            written[-1] += b" {%d%s}" % (len(argument), b"" if waits else b"+")
            written.append(argument)
    return written, waits and len(written) > 1


def _in_quotes(octets: bytes) -> bytes:
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _shift(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    # A lone surrogate is no text, but a name in a configuration may hold one: then no mailbox has that name.
    octets = found[0].encode("utf-16-be", "surrogatepass")
    return f"&{b64encode(octets, altchars=b'+,').rstrip(b'=').decode()}-"
