"""Reads spam scores from the header fields that the receiving side's filters add."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from exporter.flows.messages.headers import Headers

SCANNERS: Final = ("spamassassin", "rspamd", "microsoft", "barracuda")
"""Values of the label `scanner`."""

_NUMBER: Final = r"(-?[0-9]{1,6}(?:\.[0-9]{1,6})?)(?![0-9A-Za-z.]|,[0-9])"
_FIELDS: Final[tuple[tuple[str, str, re.Pattern[str]], ...]] = (
    ("spamassassin", "X-Spam-Status", re.compile(rf"(?:^|[\s,])(?:score|hits)={_NUMBER}", re.IGNORECASE)),
    ("rspamd", "X-Spamd-Result", re.compile(rf"\[\s*{_NUMBER}\s*/")),
    ("rspamd", "X-Rspamd-Score", re.compile(rf"^\s*{_NUMBER}")),
    ("microsoft", "X-MS-Exchange-Organization-SCL", re.compile(rf"^\s*{_NUMBER}")),
    ("microsoft", "X-Forefront-Antispam-Report", re.compile(rf"(?:^|;)\s*SCL:{_NUMBER}", re.IGNORECASE)),
    ("microsoft", "X-Forefront-Antispam-Report-Untrusted", re.compile(rf"(?:^|;)\s*SCL:{_NUMBER}", re.IGNORECASE)),
    ("barracuda", "X-Barracuda-Spam-Score", re.compile(rf"^\s*{_NUMBER}")),
)
"""Scanner, field, and the pattern for the score. The first match of a scanner counts."""

_BARE: Final = re.compile(rf"^\s*{_NUMBER}")


def spam_scores(headers: Headers) -> Mapping[str, float]:
    """The scores by scanner."""
    scores: dict[str, float] = {}
    for scanner, field, pattern in _FIELDS:
        found = pattern.search(headers.first(field) or "")
        if found is not None and scanner not in scores:
            scores[scanner] = float(found[1])
    # Both SpamAssassin and rspamd are often configured to add only X-Spam-Score.
    found = _BARE.search(headers.first("X-Spam-Score") or "")
    if found is not None and not scores.keys() & {"spamassassin", "rspamd"}:
        scanner = "rspamd" if headers.first("X-Spamd-Bar") or headers.first("X-Rspamd-Server") else "spamassassin"
        scores[scanner] = float(found[1])
    return {scanner: score for scanner in SCANNERS if (score := scores.get(scanner)) is not None}
