"""What the receiving server says about a message's authentication: Authentication-Results (RFC 8601), pinned.

RFC 8601 section 5: anybody can write such a field into a message. Only fields by the authserv-id that the user pinned
count, of those the topmost for each method, and without a pin none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import authres  # type: ignore[import-untyped] # it brings no types

from exporter.flows.headers import Headers
from exporter.model import AuthMethod, AuthResult

MAX_FIELDS: Final = 20
MAX_PARSED: Final = 4096
"""Octets of all fields that are parsed. More exist where a message has dozens of signatures, and nowhere else."""
MAX_COMMENTS: Final = 100

_RESULTS: Final = {result.value: result for result in AuthResult}
_METHODS: Final = {method.value: method for method in AuthMethod}
# RFC 8601 2.7.2 gives SPF's old names for two results.
_OLD_NAMES: Final = MappingProxyType(
    {"hardfail": AuthResult.FAIL, "unknown": AuthResult.PERMERROR, "error": AuthResult.TEMPERROR}
)


def authentication_results(headers: Headers, authserv_id: str | None) -> Mapping[AuthMethod, AuthResult]:
    """The result of each method that the pinned server tells one for."""
    results: dict[AuthMethod, AuthResult] = {}
    if authserv_id is None:
        return results
    left = MAX_PARSED
    for value in headers.all("Authentication-Results")[:MAX_FIELDS]:
        # Looked at first, so that nobody else's field costs a parse. RFC 8601 2.5: without regard to case.
        if not value.casefold().lstrip('" \t').startswith(authserv_id.casefold()) or len(value) > left:
            continue
        left -= len(value)
        for method, result in _read(value, authserv_id).items():
            # A field that was in the message when it came to the server stands below the server's own.
            results.setdefault(method, result)
    return dict(sorted(results.items()))


def _read(value: str, authserv_id: str) -> dict[AuthMethod, AuthResult]:
    """One field; nothing if it is not by the pinned server or cannot be read."""
    # The library goes one call deeper for each comment within a comment.
    if value.count("(") > MAX_COMMENTS:
        return {}
    try:
        field = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
    except authres.AuthResError:
        return {}
    if str(field.authserv_id).casefold() != authserv_id.casefold():
        return {}
    results: dict[AuthMethod, AuthResult] = {}
    # RFC 7208 2.4: SPF of the sender counts, and of HELO only where nothing is said about the sender.
    for entry in sorted(field.results, key=_is_about_helo):
        method = _METHODS.get(str(getattr(entry, "method", "")).lower())
        word = str(getattr(entry, "result", "")).lower()
        result = _RESULTS.get(word) or _OLD_NAMES.get(word)
        # Of several signatures one that is good is enough (RFC 6376 6.1).
        good = method is AuthMethod.DKIM and result is AuthResult.PASS
        if method is not None and result is not None and (good or method not in results):
            results[method] = result
    return results


def _is_about_helo(entry: authres.AuthenticationResult) -> bool:
    names = {str(each.name).lower() for each in getattr(entry, "properties", ())}
    return "helo" in names and "mailfrom" not in names
