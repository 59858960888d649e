"""Reads the receiving server's Authentication-Results (RFC 8601) of a message.

RFC 8601 section 5: anybody can write such a field into a message. So only fields with the configured authserv-id count,
and for each method the topmost of them. Without a configured authserv-id no field counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import authres  # type: ignore[import-untyped] # it has no types

from exporter.flows.headers import Headers
from exporter.model import AuthMethod, AuthResult

MAX_FIELDS: Final = 20
MAX_PARSED: Final = 4096
"""The most octets to parse, in all fields together. Only messages with dozens of signatures have more."""
MAX_COMMENTS: Final = 100

_RESULTS: Final = {result.value: result for result in AuthResult}
_METHODS: Final = {method.value: method for method in AuthMethod}
# RFC 8601 2.7.2 gives SPF's old names for two results.
_OLD_NAMES: Final = MappingProxyType(
    {"hardfail": AuthResult.FAIL, "unknown": AuthResult.PERMERROR, "error": AuthResult.TEMPERROR}
)


def authentication_results(headers: Headers, authserv_id: str | None) -> Mapping[AuthMethod, AuthResult]:
    """The results that the server with this authserv-id gives, by method."""
    results: dict[AuthMethod, AuthResult] = {}
    if authserv_id is None:
        return results
    left = MAX_PARSED
    for value in headers.all("Authentication-Results")[:MAX_FIELDS]:
        # Checked first, because parsing the fields of other servers would cost time. RFC 8601 2.5: case is ignored.
        if not value.casefold().lstrip('" \t').startswith(authserv_id.casefold()) or len(value) > left:
            continue
        left -= len(value)
        for method, result in _read(value, authserv_id).items():
            # The server puts its own field above those that the message already had.
            results.setdefault(method, result)
    return dict(sorted(results.items()))


def _read(value: str, authserv_id: str) -> dict[AuthMethod, AuthResult]:
    """The results of one field; empty if another server wrote it or it cannot be parsed."""
    # The parser recurses for each nested comment.
    if value.count("(") > MAX_COMMENTS:
        return {}
    try:
        field = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
    except authres.AuthResError:
        return {}
    if str(field.authserv_id).casefold() != authserv_id.casefold():
        return {}
    results: dict[AuthMethod, AuthResult] = {}
    # RFC 7208 2.4: SPF of the sender counts; SPF of HELO only counts if there is no result for the sender.
    for entry in sorted(field.results, key=_is_about_helo):
        method = _METHODS.get(str(getattr(entry, "method", "")).lower())
        word = str(getattr(entry, "result", "")).lower()
        result = _RESULTS.get(word) or _OLD_NAMES.get(word)
        # One valid signature is enough (RFC 6376 6.1).
        good = method is AuthMethod.DKIM and result is AuthResult.PASS
        if method is not None and result is not None and (good or method not in results):
            results[method] = result
    return results


def _is_about_helo(entry: authres.AuthenticationResult) -> bool:
    names = {str(each.name).lower() for each in getattr(entry, "properties", ())}
    return "helo" in names and "mailfrom" not in names
