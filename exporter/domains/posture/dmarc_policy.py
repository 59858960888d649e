"""DMARC (RFC 9989): the record, the tree walk to find the policy of a domain, and consent to reports (RFC 9990).

The walk is a generator. It yields names, and the caller sends it the TXT records of each. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporter.domains.tags import RecordError, having_version, parse_tags, shown

MAX_LABELS = 8
"""Section 4.10: for a name with this many labels or more, the walk continues at seven labels."""

_URI = re.compile(r"mailto:[^@\s!,]+@([^@\s!,]+?)(?:![0-9]+[kmgt]?)?", re.IGNORECASE)


ALL = 100
"""Percent of the mail."""

_LETTERS = {"adkim": "rs", "aspf": "rs", "t": "yn", "psd": "ynu"}


class DmarcPolicy(StrEnum):
    """The policies (section 4.7)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A valid record.

    Attributes:
        policy: The policy for the domain itself.
        subdomains: The policy for subdomains that exist.
        nonexistent: The policy for subdomains that do not exist.
        testing: Whether receivers are asked to apply a policy one step weaker (`t=y`).
        percent: The share of mail to which the policy applies (`pct`). RFC 9989 has no such tag, but receivers that
            follow RFC 7489 obey it.
        psd: `y`, `n` or `u`: whether it is a public suffix, below which others register their domains.
        reports: The domains of the addresses that receive reports.
        faults: Invalid parts. Receivers ignore them and use the rest.
    """

    policy: DmarcPolicy
    subdomains: DmarcPolicy
    nonexistent: DmarcPolicy
    testing: bool
    percent: int
    psd: str
    reports: tuple[str, ...]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeWalkStep:
    """One name of a walk, and the DMARC records there."""

    domain: str
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """The result of a walk.

    Attributes:
        steps: The names that were asked, from the domain upwards. A failed lookup ends the walk.
    """

    steps: tuple[TreeWalkStep, ...]

    @property
    def organizational(self) -> str:
        """The organizational domain of the domain where the walk began (section 4.10.2)."""
        valid = [(step.domain, tags) for step in self.steps if (tags := _tags(step)) is not None]
        for domain, tags in valid:
            if tags.get("psd") == "n":
                return domain
            if tags.get("psd") == "y" and domain != self.steps[0].domain:
                return _one_below(domain, self.steps[0].domain)
        return valid[-1][0] if valid else self.steps[0].domain

    def applying(self) -> TreeWalkStep | None:
        """The records that apply (section 4.10.1): the domain's, else its organization's, else its public suffix's."""
        own = self.steps[0]
        if own.records:
            return own
        wanted = self.organizational
        with_records = [step for step in self.steps if step.records]
        last = with_records[-1] if with_records else None
        return next((step for step in with_records if step.domain == wanted), last)


def walk(domain: str) -> Generator[str, Sequence[str] | None, Walk]:
    """Section 4.10. Yields names whose TXT records the caller looks up and sends; `None` if the lookup failed."""
    steps: list[TreeWalkStep] = []
    name = domain.lower().removesuffix(".")
    while name:
        texts = yield f"_dmarc.{name}"
        if texts is None:
            return Walk((*steps, TreeWalkStep(name, ())))
        step = TreeWalkStep(name, tuple(having_version(texts, "DMARC1", loosely=True)))
        steps.append(step)
        tags = _tags(step)
        if tags is not None and tags.get("psd") in ("y", "n"):
            break
        labels = name.split(".")
        name = ".".join(labels[1 - MAX_LABELS :] if len(labels) >= MAX_LABELS else labels[1:])
    return Walk(tuple(steps))


def parse_dmarc(text: str) -> DmarcRecord:
    """Parse a record.

    Raises:
        RecordError: It cannot be used.
    """
    tags, faults = _readable(text)
    reports = _report_domains(tags, faults)
    policy = _policy(tags, "p", faults)
    if policy is None:
        # Section 4.7: without a valid policy, but with an address for reports, the policy is "none".
        if not reports:
            raise RecordError("; ".join(faults) or "p is missing")
        policy = DmarcPolicy.NONE
    below = _policy(tags, "sp", faults) or policy
    for key, values in _LETTERS.items():
        if key in tags and not (len(tags[key]) == 1 and tags[key].lower() in values):
            faults.append(f"{key} {shown(tags.pop(key))} is not one of {', '.join(values)}")
    return DmarcRecord(
        policy,
        below,
        _policy(tags, "np", faults) or below,
        tags.get("t", "n").lower() == "y",
        _percent(tags.get("pct", "")),
        tags.get("psd", "u").lower(),
        reports,
        tuple(faults),
    )


def consent_name(domain: str, target: str) -> str:
    """The name where `target` agrees to receive the reports of `domain` (RFC 9990 section 4)."""
    return f"{domain}._report._dmarc.{target}"


def _readable(text: str) -> tuple[dict[str, str], list[str]]:
    """The tags of a record, and the problems of its invalid parts, which receivers ignore (section 4.7)."""
    faults: list[str] = []
    tags: dict[str, str] = {}
    for part in text.split(";"):
        try:
            found = parse_tags(part)
        except RecordError as error:
            faults.append(str(error))
            continue
        for written, value in found.items():
            name = written.lower()
            if name in tags:
                faults.append(f"the tag {name} stands there twice")
            tags.setdefault(name, value)
    return tags, faults


def _policy(tags: dict[str, str], key: str, faults: list[str]) -> DmarcPolicy | None:
    written = tags.get(key)
    if written is None:
        return None
    if written.lower() not in set(DmarcPolicy):
        faults.append(f"{key} {shown(written)} is not none, quarantine or reject")
        return None
    return DmarcPolicy(written.lower())


def _percent(written: str) -> int:
    return int(written) if re.fullmatch("[0-9]{1,2}", written) else ALL


def _report_domains(tags: dict[str, str], faults: list[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for key in ("rua", "ruf"):
        for uri in tags.get(key, "").split(","):
            match = _URI.fullmatch(uri.strip())
            if match is not None:
                found[match[1].lower()] = None
            elif uri.strip() and not re.match("[a-z][a-z0-9+.-]*:", uri.strip(), re.IGNORECASE):
                faults.append(f"{key} {shown(uri.strip())} is not a URI; write mailto: before an address")
            elif uri.strip().lower().startswith("mailto:"):
                faults.append(f"{key} {shown(uri.strip())} is not a mail address")
    return tuple(found)


def _tags(step: TreeWalkStep) -> dict[str, str] | None:
    """The tags of the record; `None` unless there is exactly one."""
    return _readable(step.records[0].lower())[0] if len(step.records) == 1 else None


def _one_below(domain: str, start: str) -> str:
    """The name one label below `domain` on the way to `start`."""
    labels = start.split(".")
    return ".".join(labels[-len(domain.split(".")) - 1 :])
