r"""Finds secrets in what a server says, in any encoding. Pure: octets in, octets out.

A server that received a secret may repeat it: in an answer, in a later greeting, or in the subject of a certificate. It
may use another letter case, hex, base64 (once or twice), base32, `%70`, `=70`, `&#112;`, `\u0070` or UTF-7. It may also
reverse it or split it between two lines. `Redactor` finds all of these. Only `exporter.visiting.clearing` uses it.

Servers almost never do this. So a quick check covers everything that a probe shows, and only text that fails it is
examined octet by octet.
"""

from __future__ import annotations

import html
import re
from base64 import b32encode, b64encode
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from typing import Final, NamedTuple, TypeAlias

from exporter.protocol.dialogue import CUT_QUOTE, printable

MIN_HIDDEN: Final = 5
"""The shortest secret, in octets, that is looked for. Shorter ones would hide ordinary words."""

MIN_BEGINNING: Final = 5
"""Octets of a secret that are blotted out where a quote was cut off in the middle of it."""

MAX_RARE: Final = 128
"""Octets a secret may have to be looked for in base32, and in base64 twice: passwords, and no tokens of a kilobyte."""

BLOT: Final = b"<redacted>"

MAX_LOOKED_AT: Final = 65536
"""Octets of the quick look, in 20 ms at most where all are escapes. What one probe has to show is a tenth of it;
what is longer is taken to hold a secret."""

MAX_SEARCHED: Final = 4096
"""Octets that are looked at one by one, in some milliseconds. In longer text that may hold a secret, whole lines are
blotted out: those that may hold it, alone or together with the next."""

MAX_CLEAN: Final = 32
"""Pairs of objects that are remembered as clean: the certificates of a neighbourhood's servers. A hostile server may
show others at each probe, and each takes some 50 KiB."""

LAYERS: Final = 2
"""How often escapes are undone: what is escaped once more on its way, such as `%2570`, is still found."""

_BLANK: Final = b" \t\r\n"
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_NOISE: Final = b"\0 \t\r\n\"'\\=:;,.-_<>+"
"""What may stand between the octets of a secret without anybody failing to read it; NUL is half of UTF-16."""

_PREFIX: Final = re.compile(
    rb"\n(?:[0-9]{3}[ -](?:[245]\.[0-9]{1,3}\.[0-9]{1,3} )?|\* (?:(?:ok|no|bad) )?|[+-](?:ok|err) )", re.IGNORECASE
)
"""How the lines of a reply begin: it stands between two halves of what was split over two lines."""

_ESCAPE: Final = re.compile(
    rb"[\\%]u([dD][89aAbB][0-9A-Fa-f]{2})[\\%]u([dD][c-fC-F][0-9A-Fa-f]{2})|(?:[%=]|0x|\\x)([0-9A-Fa-f]{2})"
    rb"|[\\%]u([0-9A-Fa-f]{4})|\\U00([0-9A-Fa-f]{6})|\\u\{([0-9A-Fa-f]{1,6})\}|&#[xX]([0-9A-Fa-f]{1,6});?"
    rb"|&#([0-9]{1,7});?|\\([0-3][0-7]{2})|&([A-Za-z]{2,8});|\\([abfnrtv])|[+&]([A-Za-z0-9+/,]{3,}-|(?:A[C-HK-Pw-z0-9+/]|B[A-P])[A-Za-z0-9+/,]+)"
)
"""The last is UTF-7 (RFC 2152), also as IMAP has it (RFC 9051 A.1); up to U+04FF it need not have an end."""

_CONTROLS: Final = dict(
    zip((b"a", b"b", b"f", b"n", b"r", b"t", b"v"), (b"\a", b"\b", b"\f", b"\n", b"\r", b"\t", b"\v"), strict=True)
)
"""What a backslash and a letter stand for, in JSON and elsewhere."""

_MARKS: Final = ("%", "\\", "&", "0x", "+A", "+B")
_QUOTED_PRINTABLE: Final = re.compile(rb"=[0-9A-Fa-f]{2}")
_UTF_7: Final = re.compile(rb"\+[A-Za-z0-9+/]{3,}-")
"""One of these is in whatever `_ESCAPE` matches; they are found ten times as fast."""

Spans: TypeAlias = list[tuple[int, int]]
"""For each octet of a view, where it stands in what the server said."""


class _Wanted(NamedTuple):
    """What secrets look like in the views that are searched, made once. Characters stand for octets (ISO 8859-1).

    Attributes:
        small: As it is, backwards, in hex and in base32: in small letters, without noise.
        url_safe: As it looks within something longer, in base64, once and twice.
    """

    small: tuple[str, ...] = ()
    url_safe: tuple[str, ...] = ()


class Redactor:
    """Blots out some secrets.

    Attributes:
        secrets: Those it looks for.
    """

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        """Prepare to look for these secrets. Those that are too short are ignored."""
        self.secrets = tuple(dict.fromkeys(secrets))
        self._clean: tuple[tuple[object, object], ...] = ()
        each = [_wanted(form) for secret in self.secrets for form in _spellings(secret)]
        self._wanted = _Wanted(*(tuple(chain.from_iterable(forms)) for forms in zip(*each, strict=True)))

    def is_clean(self, one: object, other: object) -> bool:
        """Whether none of the secrets was in these objects, when they were searched. Equal ones do not count."""
        for first, second in self._clean:  # noqa: SIM110 - see `_any_in`
            if first is one and second is other:
                return True
        return False

    def remember_clean(self, one: object, other: object) -> None:
        """None of the secrets is in these objects, which do not change."""
        if not self.is_clean(one, other):
            self._clean = ((one, other), *self._clean[: MAX_CLEAN - 1])

    def may_hold(self, octets: bytes) -> bool:
        """Whether one of the secrets may be in the octets. It is fast, and a no is always right."""
        if not self._wanted.small:
            return False
        return len(octets) > MAX_LOOKED_AT or any(self._may_hold(view) for view in _decodings(octets))

    def _may_hold(self, view: bytes) -> bool:
        wanted = self._wanted
        # Also without the beginnings of lines, which may stand between two halves.
        reading = view + _PREFIX.sub(b"", b"\n" + view) if b"\n" in view else view
        joined = reading.lower().translate(None, _NOISE)
        return _any_in(wanted.small, joined) or _any_in(wanted.url_safe, reading.translate(_URL_SAFE, _BLANK))

    def blotted(self, octets: bytes) -> bytes:
        """The octets without any of the secrets. Line feeds stay where they are."""
        if not self.may_hold(octets):
            return octets
        if len(octets) > MAX_SEARCHED:
            return self._without_lines(octets)
        hidden = bytearray(len(octets))
        for view, spans in _views(octets):
            if self._may_hold(view):
                for found in self._found(view):
                    for start, end in spans[found]:
                        hidden[start:end] = b"\1" * (end - start)
        return _without(octets, hidden)

    def _without_lines(self, octets: bytes) -> bytes:
        """The octets with a blot in the place of every line that may hold a secret."""
        lines = octets.split(b"\n")
        alone = [len(octets) > MAX_LOOKED_AT or self.may_hold(line) for line in lines]
        hidden = alone.copy()
        for number, (line, following) in enumerate(pairwise(lines)):
            if not (alone[number] or alone[number + 1]) and self.may_hold(line + b"\n" + following):
                hidden[number] = hidden[number + 1] = True
        return b"\n".join([BLOT if blot else line for line, blot in zip(lines, hidden, strict=True)])

    def text(self, text: str) -> str:
        """As `blotted`, for text."""
        return self.blotted(text.encode("utf-8", "surrogatepass")).decode("utf-8", "backslashreplace")

    def _found(self, view: bytes) -> Iterator[slice]:
        """Where the secrets are in one view."""
        # A line feed before the first line, too, moves everything by one.
        prefixes = [(found.start(), found.end() - 1) for found in _PREFIX.finditer(b"\n" + view)]
        for keep_prefixes in (True, False) if prefixes else (True,):
            skipped = bytearray(len(view))
            if not keep_prefixes:
                for start, end in prefixes:
                    skipped[start:end] = b"\1" * (end - start)
            small = [number for number, octet in enumerate(view) if octet not in _NOISE and not skipped[number]]
            text = _as_text(bytes([view[number] for number in small]).lower())
            dense = [number for number, octet in enumerate(view) if octet not in _BLANK and not skipped[number]]
            url_safe = _as_text(bytes([view[number] for number in dense]).translate(_URL_SAFE))
            for pattern in self._wanted.small:
                for at in _occurrences(text, pattern):
                    yield slice(small[at], small[at + len(pattern) - 1] + 1)
            for pattern in self._wanted.url_safe:
                for at in _occurrences(url_safe, pattern):
                    yield slice(dense[at], dense[at + len(pattern) - 1] + 1)


def _any_in(forms: Iterable[str], octets: bytes) -> bool:
    text = _as_text(octets)
    # A loop, because any() with a generator takes twice as long.
    for form in forms:  # noqa: SIM110 - see above
        if form in text:
            return True
    return False


def _as_text(octets: bytes) -> str:
    """A character for each octet. Looking for something takes a third of the time in text."""
    return octets.decode("iso-8859-1")


def blotted(octets: bytes, forms: Iterable[bytes]) -> bytes:
    """The octets without any of these, which are looked for as they are."""
    for form in forms:
        octets = octets.replace(form, BLOT)
    return octets


def blotted_where_cut(octets: bytes, secrets: Iterable[bytes]) -> bytes:
    """The octets without what is left of a secret where a quote of the server's words was cut off."""
    forms = [form for secret in secrets for form in (secret, printable(secret).encode(), b64encode(secret))]
    *cut, rest = octets.split(CUT_QUOTE)
    return CUT_QUOTE.join((*(_without_beginning(words, forms) for words in cut), rest))


def within_base64(secret: bytes) -> Iterator[bytes]:
    """The secret as it looks within something longer in base64, less the characters that it shares with what is around.

    Three octets are four characters, so there are three ways for it to lie.
    """
    yield from _within(b64encode, secret, bits=6, unit=3)


def _within(encode: Callable[[bytes], bytes], secret: bytes, *, bits: int, unit: int) -> Iterator[bytes]:
    """The secret as it looks within something longer in an encoding that makes characters of so many bits each."""
    for before in range(unit):
        whole = encode(bytes(before) + secret)
        yield whole[-(-before * 8 // bits) : (before + len(secret)) * 8 // bits]


def _spellings(secret: bytes) -> Iterator[bytes]:
    """The secret in the encodings and normal forms in which it may come back; none if it is too short."""
    if len(secret) < MIN_HIDDEN:
        return
    # What looks like an escape within it is undone together with those around it.
    yield from (form for form in dict.fromkeys(_decodings(secret)) if len(form) >= MIN_HIDDEN)
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    if not secret.isascii():
        yield text.encode("iso-8859-1", "replace") if all(ord(each) < 256 for each in text) else secret
        yield text.lower().encode()
        yield text.upper().encode()


def _wanted(secret: bytes) -> _Wanted:
    # A secret made of ignored characters only is looked for in encodings, not literally.
    bare = [form.translate(None, _NOISE).lower() for form in (secret, _backwards(secret))]
    once = [form for case in (secret, secret.lower(), secret.upper()) for form in within_base64(case)]
    rare = secret if len(secret) <= MAX_RARE else b""
    twice = (form for inner in within_base64(rare) for form in within_base64(inner))
    small = (
        secret.hex().encode(),
        *(form for form in bare if len(form) >= MIN_HIDDEN - 1),
        *(form.lower() for form in _within(b32encode, rare, bits=5, unit=5) if len(form) >= MIN_HIDDEN),
    )
    url_safe = [form.translate(_URL_SAFE) for form in chain(once, twice) if len(form) >= MIN_HIDDEN]
    return _Wanted(*(tuple(dict.fromkeys(map(_as_text, forms))) for forms in (small, url_safe)))


def _backwards(secret: bytes) -> bytes:
    try:
        return secret.decode()[::-1].encode()
    except UnicodeDecodeError:
        return secret[::-1]


def _decodings(octets: bytes) -> Iterator[bytes]:
    """The octets, and what they are without their escapes."""
    yield octets
    for _ in range(LAYERS):
        if not (_any_in(_MARKS, octets) or _QUOTED_PRINTABLE.search(octets) or _UTF_7.search(octets)):
            return
        decoded = _ESCAPE.sub(_decoded, octets)
        if decoded == octets:
            return
        octets = decoded
        yield octets


def _views(octets: bytes) -> Iterator[tuple[bytes, Spans]]:
    """Likewise, with the places where each octet stands in the original."""
    view, spans = octets, [(number, number + 1) for number in range(len(octets))]
    yield view, spans
    for _ in range(LAYERS):
        decoded, places, end = bytearray(), [], 0
        for found in _ESCAPE.finditer(view):
            decoded += view[end : found.start()]
            places += spans[end : found.start()]
            end = found.end()
            meant = _decoded(found)
            decoded += meant
            places += [(spans[found.start()][0], spans[end - 1][1])] * len(meant)
        if not end:
            return
        view, spans = bytes(decoded + view[end:]), places + spans[end:]
        yield view, spans


def _decoded(found: re.Match[bytes]) -> bytes:
    """The decoded escape; unchanged if it is not one."""
    high, low, octet, *written, decimal, octal, name, control, shifted = found.groups()
    if high:
        # Two halves of what has no place in 16 bits (RFC 8259 section 7).
        return bytes.fromhex((high + low).decode()).decode("utf-16-be").encode()
    if octet:
        return bytes([int(octet, 16)])
    if octal:
        return bytes([int(octal, 8)])
    if control:
        return _CONTROLS[control]
    if shifted:
        return _unshifted(shifted)
    if name:
        return html.unescape(found[0].decode()).encode()
    number = int(decimal) if decimal else int(next(filter(None, written)), 16)
    return chr(number).encode("utf-8", "surrogatepass") if number <= 0x10FFFF else found[0]


def _unshifted(text: bytes) -> bytes:
    """What UTF-7 has in base64: characters in UTF-16, of which the last may be cut."""
    text = text.rstrip(b"-").replace(b",", b"/")
    whole = text + b"A" * (-len(text) % 4)
    octets = a2b_base64(whole)[: len(text) * 6 // 16 * 2]
    return octets.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")


def _occurrences(text: str, pattern: str) -> Iterator[int]:
    at = text.find(pattern)
    while at >= 0:
        yield at
        at = text.find(pattern, at + 1)


def _without(octets: bytes, hidden: bytearray) -> bytes:
    """The octets with a blot in the place of each hidden stretch, one on each line that it goes over."""
    for number, octet in enumerate(octets):
        if octet == 0x0A:
            hidden[number] = 0
    kept = bytearray()
    for number, octet in enumerate(octets):
        if not hidden[number]:
            kept.append(octet)
        elif number == 0 or not hidden[number - 1]:
            kept += BLOT
    return bytes(kept)


def _without_beginning(octets: bytes, forms: Iterable[bytes]) -> bytes:
    for form in forms:
        for size in range(min(len(form), len(octets)), MIN_BEGINNING - 1, -1):
            if octets.endswith(form[:size]):
                return octets[:-size] + BLOT
    return octets
