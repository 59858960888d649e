"""DMARC (RFC 9989): its record, the tree walk to the policy that applies, and consent to reports (RFC 9990).

The walk is a generator that yields names and is sent the TXT records that stand there. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporter.domains.tags import TagError, having_version, parse_tags, shown

MAX_LABELS = 8
"""Section 4.10: from a name with as many labels or more, the walk jumps to seven."""

_URI = re.compile(r"mailto:[^@\s!,]+@([^@\s!,]+?)(?:![0-9]+[kmgt]?)?", re.IGNORECASE)


_LETTERS = {"adkim": "rs", "aspf": "rs", "t": "yn", "psd": "ynu"}


class DmarcPolicy(StrEnum):
    """Section 4.7."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class DmarcError(ValueError):
    """The record cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record that counts.

    Attributes:
        policy: For the domain itself.
        subdomains: For those below it that exist.
        nonexistent: For those below it that do not.
        testing: Whether receivers are asked to do one step less (`t=y`).
        psd: `y`, `n` or `u`: whether the domain is one that others register theirs below.
        reports: Domains of the addresses that reports go to.
        faults: What is wrong with it and does not count; receivers take the rest.
    """

    policy: DmarcPolicy
    subdomains: DmarcPolicy
    nonexistent: DmarcPolicy
    testing: bool
    psd: str
    reports: tuple[str, ...]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a walk, and the records that count there."""

    domain: str
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk came by.

    Attributes:
        steps: From the domain upwards, as far as was asked.
        failed: The name that could not be looked up; empty if none.
    """

    steps: tuple[Step, ...]
    failed: str = ""

    @property
    def organizational(self) -> str:
        """Section 4.10.2: the domain that belongs to one organization with the one that the walk began at."""
        valid = [(step.domain, tags) for step in self.steps if (tags := _tags(step)) is not None]
        for number, (domain, tags) in enumerate(valid):
            if tags.get("psd") == "n":
                return domain
            if tags.get("psd") == "y" and (number or domain != self.steps[0].domain):
                return _one_below(domain, self.steps[0].domain)
        return valid[-1][0] if valid else self.steps[0].domain

    def applying(self) -> Step | None:
        """Section 4.10.1: the records of the domain itself, else of its organization, else of what it is below."""
        own = self.steps[0]
        if own.records:
            return own
        wanted = self.organizational
        with_records = [step for step in self.steps if step.records]
        last = with_records[-1] if with_records else None
        return next((step for step in with_records if step.domain == wanted), last)


def walk(domain: str) -> Generator[str, Sequence[str] | None, Walk]:
    """Section 4.10. Yields names to look TXT records up at; is sent those records, or `None` if that failed."""
    steps: list[Step] = []
    name = domain.lower().removesuffix(".")
    while name:
        texts = yield f"_dmarc.{name}"
        if texts is None:
            return Walk((*steps, Step(name, ())), name)
        step = Step(name, tuple(having_version(texts, "DMARC1")))
        steps.append(step)
        tags = _tags(step)
        if tags is not None and tags.get("psd") in ("y", "n"):
            break
        labels = name.split(".")
        name = ".".join(labels[1 - MAX_LABELS :] if len(labels) >= MAX_LABELS else labels[1:])
    return Walk(tuple(steps))


def parse_dmarc(text: str) -> DmarcRecord:
    """Reads a record.

    Raises:
        DmarcError: It cannot be used.
    """
    tags, faults = _readable(text)
    reports = _report_domains(tags, faults)
    policy = _policy(tags, "p", faults)
    if policy is None:
        # Section 4.7: without a good policy, but with an address for reports, it is as if it said none.
        if not reports:
            raise DmarcError("; ".join(faults) or "p is missing")
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
        tags.get("psd", "u").lower(),
        reports,
        tuple(faults),
    )


def consent_name(domain: str, target: str) -> str:
    """RFC 9990 section 4: where the domain of a report's address says that it takes them for another."""
    return f"{domain}._report._dmarc.{target}"


def _readable(text: str) -> tuple[dict[str, str], list[str]]:
    """The tags of a record, and what is wrong with the rest: section 4.7 has receivers leave that out."""
    faults: list[str] = []
    tags: dict[str, str] = {}
    for part in text.split(";"):
        try:
            found = parse_tags(part)
        except TagError as error:
            faults.append(str(error))
            continue
        for name, value in found.items():
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


def _tags(step: Step) -> dict[str, str] | None:
    """Those of the one record; `None` if there is none, or there are several."""
    return _readable(step.records[0].lower())[0] if len(step.records) == 1 else None


def _one_below(domain: str, start: str) -> str:
    """The name one label below `domain` on the way to `start`."""
    labels = start.split(".")
    return ".".join(labels[-len(domain.split(".")) - 1 :])
