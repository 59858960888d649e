"""MTA-STS (RFC 8461) and TLS-RPT (RFC 8460): parses their records and policies. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from exporter.domains.tags import RecordError, parse_tags, shown

MAX_POLICY = 64 * 1024
"""Octets, as section 3.3 suggests."""

MAX_AGE_LIMIT = 31_557_600
"""Seconds: a year (section 3.2)."""

SHORT_MAX_AGE = 86_400
"""Seconds. Senders forget a policy with a shorter lifetime before it helps. Section 3.2 suggests weeks."""

_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_KEY = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_PATTERN = re.compile(rf"(\*\.)?{_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)


class Mode(StrEnum):
    """The modes of a policy (section 5)."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """A policy (section 3.2).

    Attributes:
        patterns: The hosts that may receive mail, with `*.` for one label.
        max_age: Seconds.
    """

    mode: Mode
    patterns: tuple[str, ...]
    max_age: int

    @property
    def digest(self) -> str:
        """The same for policies that mean the same: the order of the hosts does not matter."""
        return hashlib.sha256(repr((self.mode.value, sorted(set(self.patterns)), self.max_age)).encode()).hexdigest()

    def lists(self, host: str) -> bool:
        """Whether the policy lists an MX host (section 4.1)."""
        name = host.lower().removesuffix(".")
        return any(_fits(pattern, name) for pattern in self.patterns)


def parse_sts_record(text: str) -> str:
    """The policy's id.

    Raises:
        RecordError: The record has no id, or is malformed.
    """
    tags = parse_tags(text, spaces=False)
    if not _ID.fullmatch(tags.get("id", "")):
        raise RecordError(f"id {shown(tags.get('id', ''))} is not 1 to 32 letters and digits")
    return tags["id"]


def parse_policy(body: bytes) -> StsPolicy:
    """Parse a policy.

    Raises:
        RecordError: This is not a valid policy.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise RecordError("it is not UTF-8") from None
    fields: dict[str, str] = {}
    patterns: list[str] = []
    for line in re.split(r"\r?\n", text):
        if not line.strip():
            continue
        # A pattern for the whole line that also strips the value would take quadratic time.
        key, colon, rest = line.partition(":")
        value = rest.strip(" \t")
        if not colon or not _KEY.fullmatch(key):
            raise RecordError(f"{shown(line)} is not key: value")
        if key == "mx":
            patterns.append(value.lower().removesuffix("."))
        else:
            # Section 3.2: if a key occurs twice, the first one counts.
            fields.setdefault(key, value)
    return _policy(fields, patterns)


def _policy(fields: dict[str, str], patterns: list[str]) -> StsPolicy:
    if fields.get("version") != "STSv1":
        raise RecordError("version: STSv1 is missing")
    if fields.get("mode") not in set(Mode):
        raise RecordError(f"mode {shown(fields.get('mode', ''))} is not enforce, testing or none")
    age = fields.get("max_age", "")
    if not re.fullmatch("[0-9]{1,10}", age) or int(age) > MAX_AGE_LIMIT:
        raise RecordError(f"max_age {shown(age)} is not a number of seconds up to {MAX_AGE_LIMIT}")
    mode = Mode(fields["mode"])
    if not patterns and mode is not Mode.NONE:
        raise RecordError("no mx is listed")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise RecordError(f"mx {shown(pattern)} is not a host name, nor *. and a domain")
    return StsPolicy(mode, tuple(patterns), int(age))


def parse_tls_rpt(text: str) -> tuple[str, ...]:
    """The URIs that receive reports, with the scheme mailto or https.

    Raises:
        RecordError: The record is malformed.
    """
    # RFC 8460 section 3 does not forbid several fields `rua`.
    fields = [parse_tags(part, spaces=False) for part in text.split(";")]
    written = ",".join(each["rua"] for each in fields if "rua" in each)
    targets = tuple(target.strip() for target in written.split(",") if target.strip())
    if not targets:
        raise RecordError("rua is missing")
    for target in targets:
        if not re.fullmatch(r"mailto:[^@\s!]+@[^@\s!]+|https://[^\s!]+", target, re.IGNORECASE):
            raise RecordError(f"rua {shown(target)} is neither mailto: with an address nor an https: URL")
    return targets


def _fits(pattern: str, name: str) -> bool:
    if not pattern.startswith("*."):
        return pattern == name
    # Section 4.1: the * matches exactly one label, the leftmost.
    return name.partition(".")[2] == pattern[2:] and not name.startswith(".")
