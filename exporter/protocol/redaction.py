"""Finding a secret in what a server says, in whatever form it repeats it. Pure: octets in, octets out."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote_from_bytes, quote_plus

from exporter.protocol.dialogue import CUT_QUOTE, printable

MIN_HIDDEN: Final = 5
"""Octets a secret must have to be looked for in what a server says; shorter ones would blot out ordinary words."""

BLOT: Final = b"<redacted>"

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_UNCHANGED: Final = re.compile(rb"[A-Za-z0-9_.~-]+")
"""What stays as it is in every form but base64 (RFC 3986 2.3)."""


def forms_of(secret: bytes) -> tuple[bytes, ...]:
    """What a secret looks like as it is, escaped, in base64, in a URL, in a form and in JSON; the longest first.

    A long form may hold a short one, and blotting that out first would leave the rest of the long one to be seen.
    """
    forms = {form for form in _forms(secret) if len(form) >= MIN_HIDDEN}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def may_hold(octets: bytes, secret: bytes) -> bool:
    """Whether some form of a secret could be in the octets: quickly, and never wrong when it says no.

    Every probe has to know, and finding out exactly takes the time of ten lines.
    """
    longest = max(_UNCHANGED.findall(secret), key=len, default=b"")
    if longest in octets:
        return True
    url_safe = octets.translate(_URL_SAFE)
    return any(form.translate(_URL_SAFE) in url_safe for form in within_base64(secret))


def blotted(octets: bytes, forms: Iterable[bytes]) -> bytes:
    """The octets without any of the forms."""
    for form in forms:
        if form in octets:
            octets = octets.replace(form, BLOT)
    return octets


def blotted_where_cut(octets: bytes, forms: Iterable[bytes]) -> bytes:
    """The octets without what is left of a form where a quote of the server's words was cut off."""
    *cut, rest = octets.split(CUT_QUOTE)
    return CUT_QUOTE.join((*(_without_beginning(words, forms) for words in cut), rest))


def within_base64(secret: bytes) -> Iterator[bytes]:
    """The secret as it looks within something longer in base64, less the characters that it shares with what is around.

    Three octets are four characters, so there are three ways for it to lie.
    """
    for before in range(3):
        whole = b64encode(bytes(before) + secret)
        yield whole[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]


def _without_beginning(octets: bytes, forms: Iterable[bytes]) -> bytes:
    for form in forms:
        for size in range(min(len(form), len(octets)), MIN_HIDDEN - 1, -1):
            if octets.endswith(form[:size]):
                return octets[:-size] + BLOT
    return octets


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield printable(secret).encode()
    for encoded in (b64encode(secret), *within_base64(secret)):
        yield encoded
        yield encoded.translate(_URL_SAFE)
    text = secret.decode("utf-8", "surrogateescape")
    for form in (quote_from_bytes(secret, safe=""), quote_from_bytes(secret), quote_plus(secret)):
        yield form.encode()
        yield _lower_escapes(form).encode()
    for ascii_only in (True, False):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogateescape")


def _lower_escapes(form: str) -> str:
    """Percent-encoding with small letters, which RFC 3986 2.1 takes for the same."""
    head, *rest = form.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])
