"""Reads the receiving server's Authentication-Results (RFC 8601) of a message.

RFC 8601 section 5: anybody can write such a field into a message. So only fields with the configured authserv-id count,
and for each method the topmost of them. Without a configured authserv-id no field counts.

Servers write what the grammar does not allow, such as a semicolon at the end. So a part of a field that cannot be read
costs only itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from exporter.flows.messages.headers import Headers
from exporter.model import AuthMethod, AuthResult

MAX_FIELDS: Final = 20
MAX_PARSED: Final = 4096
"""The most octets to parse, in all fields together. Only messages with dozens of signatures have more."""
MAX_BEGIN: Final = 512
"""The most characters from the beginning of a field to the end of its authserv-id. Comments may stand before it."""

_RESULTS: Final = {result.value: result for result in AuthResult}
_METHODS: Final = {method.value: method for method in AuthMethod}
# RFC 8601 2.7.2 gives SPF's old names for two results.
_OLD_NAMES: Final = MappingProxyType(
    {"hardfail": AuthResult.FAIL, "unknown": AuthResult.PERMERROR, "error": AuthResult.TEMPERROR}
)

_PIECE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[()";\\]|[^()";\\]+', re.DOTALL)
_SERVER: Final = re.compile(r'(?:"([^"]*)"|([^\s"]+))(?:\s*1)?')
"""RFC 8601 2.2: the authserv-id and the version, of which there is one."""
_RESULT: Final = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:/\s*[0-9]+\s*)?=\s*([a-z]+)(?![a-z0-9-])", re.IGNORECASE)


def authentication_results(headers: Headers, authserv_id: str | None) -> Mapping[AuthMethod, AuthResult]:
    """The results that the server with this authserv-id gives, by method."""
    results: dict[AuthMethod, AuthResult | None] = {}
    if authserv_id is None:
        return {}
    left = MAX_PARSED
    for value in headers.all("Authentication-Results")[:MAX_FIELDS]:
        # Checked first, because parsing the fields of other servers would cost time. RFC 8601 2.5: case is ignored.
        if authserv_id.casefold() not in value[:MAX_BEGIN].casefold():
            continue
        left -= len(value)
        if left < 0:
            # Those below may be forged, and this one may be the server's own.
            break
        for method, result in _read(value, authserv_id).items():
            # The server puts its own field above those that the message already had. An unknown word counts, too: a
            # forged field below must not stand for it.
            results.setdefault(method, result)
    return {method: result for method, result in sorted(results.items()) if result is not None}


def _read(value: str, authserv_id: str) -> dict[AuthMethod, AuthResult | None]:
    """The results of one field, `None` for unknown words; empty if another server wrote it."""
    begin, *parts = _parts(value)
    server = _SERVER.fullmatch(begin.strip())
    if server is None or (server[1] or server[2] or "").casefold() != authserv_id.casefold():
        return {}
    results: dict[AuthMethod, AuthResult | None] = {}
    # RFC 7208 2.4: SPF of the sender counts; SPF of HELO only counts if there is no result for the sender.
    for part in sorted(parts, key=_is_about_helo):
        found = _RESULT.match(part)
        if found is None:
            continue
        method, word = _METHODS.get(found[1].lower()), found[2].lower()
        result = _RESULTS.get(word) or _OLD_NAMES.get(word)
        # One valid signature is enough (RFC 6376 6.1).
        good = method is AuthMethod.DKIM and result is AuthResult.PASS
        if method is not None and (good or method not in results):
            results[method] = result
    return results


def _parts(value: str) -> list[str]:
    """The parts of a field between semicolons, without comments (RFC 5322 3.2.2), which may be nested."""
    parts, depth = [""], 0
    for piece in _PIECE.findall(value):
        if piece == "(":
            depth += 1
        elif piece == ")" and depth:
            depth -= 1
            parts[-1] += " "
        elif piece == ";" and not depth:
            parts.append("")
        elif not depth:
            parts[-1] += piece
    return parts


def _is_about_helo(part: str) -> bool:
    written = part.lower()
    return "smtp.helo" in written and "smtp.mailfrom" not in written
