"""Changes of a server: its certificate, capabilities, address and encryption.

It compares the results of two probes that the caller chooses. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from exporter.metrics.record import Record, unfold
from exporter.model import CertificateFacts, Phase, ProbeResult, TlsFacts

KEPT: Final = 4
"""Changes of each fact. A host behind several addresses makes one with every probe."""

MAX_VALUE: Final = 300
"""Characters of a fact's former or new value."""


class Fact(StrEnum):
    """The facts of a server whose changes are reported."""

    CERTIFICATE = "certificate"
    TLS_VERSION = "TLS version"
    GROUP = "key exchange group"
    ADDRESS = "address"
    CAPABILITIES = "capabilities"


@dataclass(frozen=True, slots=True)
class Change:
    """A changed fact; the values are for people.

    Attributes:
        at: When the probe ended, a Unix timestamp; `None` where it is about the last probe.
    """

    at: float | None
    fact: Fact
    before: str
    after: str


def changed_since(good: Record | None, latest: Record) -> list[Change]:
    """The changes from the last good probe to the last probe, for facts that both know."""
    if good is None or latest is good:
        return []
    changes = _of_session(good.facts.tls, latest.facts.tls) + _of_address(good.facts.address, latest.facts.address)
    if _heard_alike(unfold(good, "", transcript=False), unfold(latest, "", transcript=False)):
        changes += _of_capabilities(good.facts.capabilities, latest.facts.capabilities)
    return changes


def newly_found(good: Record | None, tls: TlsFacts | None, record: Record) -> list[Change]:
    """The changes that a probe found, for facts that do not depend on how far it came.

    Args:
        good: The last good one before.
        tls: What the last handshake before showed.
        record: The probe.
    """
    changes = [] if record.facts.tls is tls else _of_session(tls, record.facts.tls)
    if good is not None and record.failure is None:
        if record.facts.address is not good.facts.address:
            changes += _of_address(good.facts.address, record.facts.address)
        if record.facts.capabilities is not good.facts.capabilities:
            changes += _of_capabilities(good.facts.capabilities, record.facts.capabilities)
    return changes


def with_change(kept: tuple[Change, ...], change: Change) -> tuple[Change, ...]:
    """The changes and one more; of each fact the last few."""
    alike = [each for each in kept if each.fact is change.fact]
    if change.fact is Fact.ADDRESS and any(change.after in (each.before, each.after) for each in alike):
        # One of several that the name leads to: that is not news again and again.
        return kept
    forgotten = alike[0] if len(alike) >= KEPT else None
    return (*(each for each in kept if each is not forgotten), change)


def _heard_alike(good: ProbeResult, latest: ProbeResult) -> bool:
    """Whether both heard the capabilities at the same stage: there are others before STARTTLS, and after a login.

    SMTP, which has reply codes, tells no others after a login.
    """
    asked = [sum(span.phase is Phase.CAPABILITY for span in result.spans) for result in (good, latest)]
    return asked[0] == asked[1] and (
        bool(latest.facts.reply_codes) or good.facts.auth_success == latest.facts.auth_success
    )


def _of_session(before: TlsFacts | None, after: TlsFacts | None) -> list[Change]:
    if before is None or after is None:
        return []
    changes = []
    if before.chain and after.chain and before.chain[0].fingerprint_sha256 != after.chain[0].fingerprint_sha256:
        values = _certificate(before.chain[0]), _certificate(after.chain[0])
        changes.append(Change(None, Fact.CERTIFICATE, *values))
    if before.version != after.version:
        changes.append(Change(None, Fact.TLS_VERSION, before.version[:MAX_VALUE], after.version[:MAX_VALUE]))
    if before.group and after.group and before.group != after.group:
        changes.append(Change(None, Fact.GROUP, before.group[:MAX_VALUE], after.group[:MAX_VALUE]))
    return changes


def _of_address(before: str | None, after: str | None) -> list[Change]:
    if before is None or after is None or before == after:
        return []
    return [Change(None, Fact.ADDRESS, before, after)]


def _certificate(certificate: CertificateFacts) -> str:
    if certificate.not_after is None:
        return f"{certificate.subject[: MAX_VALUE // 2]}, SHA-256 {certificate.fingerprint_sha256[:16]}"
    try:
        ends = f"{datetime.fromtimestamp(certificate.not_after, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        ends = f"{certificate.not_after:.0f} s after 1970"
    subject = certificate.subject[: MAX_VALUE // 2]
    return f"{subject}, expires {ends}, SHA-256 {certificate.fingerprint_sha256[:16]}"


def _of_capabilities(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> list[Change]:
    """Only removed and added capabilities, because both lists are long and mostly equal."""
    old, new = (dict.fromkeys(each or ()) for each in (before, after))
    gone, come = (", ".join(each for each in these if each not in those) for these, those in ((old, new), (new, old)))
    return [Change(None, Fact.CAPABILITIES, _cut(gone), _cut(come))] if gone or come else []


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
