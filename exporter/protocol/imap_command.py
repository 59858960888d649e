"""How an IMAP client writes what its commands take (RFC 9051 sections 4 and 5.1): strings and mailbox names.

This module only writes, and is pure. imap.py sends the lines and waits between them.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

MAX_SHORT_LITERAL: Final = 4096
"""Octets of a literal that may be sent unasked where LITERAL- or IMAP4rev2 is announced (RFC 7888 section 5)."""

# RFC 9051 section 9, TEXT-CHAR; octets above ASCII are for servers that were told of UTF-8 (RFC 3501 section 9).
_QUOTABLE: Final = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_NOT_IN_UTF8: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHIFTED: Final = re.compile(r"[^\x20-\x7e]+|&")


def quote(octets: bytes) -> bytes | None:
    """The octets as a quoted string (RFC 9051 4.3); `None` if only a literal can carry them."""
    if not _QUOTABLE.fullmatch(octets):
        return None
    return _in_quotes(octets)


def mailbox(name: str, *, in_utf8: bool) -> bytes:
    """A mailbox name as a quoted string.

    Args:
        name: As people write it.
        in_utf8: Whether the server knows nothing but IMAP4rev2 (RFC 9051 5.1). One that knows IMAP4rev1 too speaks it
            until it is told otherwise (RFC 9051 appendix A), and then names are in modified UTF-7 (appendix A.1).
    """
    # A name with control characters or half a surrogate pair has no form in UTF-8, and no mailbox has such a name.
    if in_utf8 and not _NOT_IN_UTF8.search(name):
        return _in_quotes(name.encode())
    return _in_quotes(_SHIFTED.sub(_shift, name).encode())


def lines(command: bytes, arguments: tuple[bytes, ...], *, unasked: int) -> tuple[list[bytes], bool]:
    """A command with strings for its arguments, cut where a literal begins (RFC 9051 4.3, RFC 7888).

    Args:
        command: The tag and the command's name.
        arguments: Any octets but NUL, which has no place in IMAP.
        unasked: Octets of the largest literal that the server takes without being asked first.

    Returns:
        The lines, and whether the server has to ask for each one after the first. A literal may hold line ends.
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
    octets = found[0].encode("utf-16-be", "surrogatepass")
    return f"&{b64encode(octets, altchars=b'+,').rstrip(b'=').decode()}-"
