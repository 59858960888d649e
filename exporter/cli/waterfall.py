"""Prints one result in a terminal: phases with times and bars, and the facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from exporter.cli.terminal import print_rows, room, takes
from exporter.model import (
    CertificateFacts,
    Direction,
    Endpoint,
    MailboxFacts,
    ProbeResult,
    Span,
    TlsFacts,
    TranscriptLine,
)
from exporter.web.wording import HOUR, SOON

BAR_WIDTH: Final = 40
"""Columns that stand for the whole duration of the probe, where the screen has that many."""

EIGHTHS: Final = " ▏▎▍▌▋▊▉"
"""Parts of a column, so that short phases next to long ones still show."""

FULL: Final = "█"

PLAIN: Final = "#"
"""The character of bars on ASCII-only terminals."""

MAX_NAMES: Final = 10
"""Names of a certificate that are listed. Some are for hundreds."""

DIRECTION_STYLES: Final = {Direction.CLIENT: "cyan", Direction.SERVER: "", Direction.NOTE: "dim"}


def print_result(console: Console, endpoint: Endpoint, result: ProbeResult) -> None:
    """Print the verdict, the waterfall, what was negotiated and found, and the conversation; not why it failed."""
    console.print(_headline(endpoint, result), soft_wrap=True)
    console.print()
    _print_phases(console, result)
    facts = [(Text(name, "bold"), value) for name, value in _facts(result)]
    if facts:
        console.print()
        print_rows(console, facts)
    console.print()
    print_rows(console, [_transcript_row(line) for line in result.transcript], right={0})


def _headline(endpoint: Endpoint, result: ProbeResult) -> Text:
    place = f" at {result.facts.address}" if result.facts.address not in (None, endpoint.host) else ""
    line = Text.assemble(
        (endpoint.name, "bold"), f"  {endpoint.protocol} to {endpoint.host} port {endpoint.port}{place}"
    )
    line.append(f", encryption {endpoint.encryption}\n")
    if result.failure is None:
        line.append(f"succeeded in {_milliseconds(result.duration)}", "bold green")
    else:
        # What it failed with is the last line of all, where people look.
        line.append(f"failed after {_milliseconds(result.duration)}", "bold red")
    return line


def _print_phases(console: Console, result: ProbeResult) -> None:
    failed_in = result.failure and result.failure.phase
    failed = max((span.start for span in result.spans if span.phase is failed_in), default=None)
    heads = [
        (Text(span.phase, "red" if span.start == failed else ""), _milliseconds(span.duration)) for span in result.spans
    ]
    width = min(room(console, heads), BAR_WIDTH)
    plain = not takes(console, FULL + EIGHTHS)
    rows = []
    for head, span in zip(heads, result.spans, strict=True):
        bar = _bar(span, result.duration, width)
        drawn = bar.replace(bar.strip(), PLAIN * len(bar.strip())) if plain else bar
        rows.append((*head, Text(drawn, head[0].style or "blue")))
    print_rows(console, rows, right={1})


def _bar(span: Span, whole: float, width: int) -> str:
    """A bar that begins at the phase's start and always has a visible length."""
    scale = width * 8 / whole if whole > 0 else 0.0
    begin, end = round(span.start * scale), round((span.start + span.duration) * scale)
    begin = min(begin, width * 8 - 1) // 8 * 8
    full, part = divmod(max(end - begin, 1), 8)
    return " " * (begin // 8) + FULL * full + EIGHTHS[part].strip()


def _facts(result: ProbeResult) -> Iterator[tuple[str, Text]]:
    facts = result.facts
    if facts.tls is not None:
        group = f", key exchange {facts.tls.group}" if facts.tls.group else ""
        yield "session", Text(f"{facts.tls.version} {facts.tls.cipher}{group}")
        if facts.tls.chain:
            yield "certificate", _certificate(facts.tls, result.ended_at)
        for issuer in facts.tls.chain[1:]:
            yield "", Text(f"sent with {issuer.subject}, {_validity(issuer, result.ended_at)}")
    if facts.starttls_offered is not None:
        yield "STARTTLS", Text("offered" if facts.starttls_offered else "not offered")
    if result.login_paused:
        yield "login", Text("paused")
    elif facts.auth_mechanism is not None:
        yield "login", Text(f"{facts.auth_mechanism}, {'accepted' if facts.auth_success else 'not accepted'}")
    if facts.capabilities is not None:
        yield "capabilities", Text(", ".join(facts.capabilities) or "none")
    if facts.size_limit is not None:
        yield "size limit", Text(decimal(facts.size_limit))
    if facts.mailbox is not None:
        yield "mailbox", _mailbox(facts.mailbox)


def _certificate(tls: TlsFacts, now: float) -> Text:
    leaf = tls.chain[0]
    ends = leaf.not_after if tls.verified_chain_not_after is None else tls.verified_chain_not_after
    left = 0.0 if ends is None else ends - now
    text = Text(f"{leaf.subject}\nfor {_names(leaf)}\nissued by {leaf.issuer}\n{leaf.key}, ")
    style = "red" if left < 0 else "yellow" if left < SOON else "green"
    text.append(_validity(leaf, now), style)
    if tls.verified_chain_not_after not in (None, leaf.not_after):
        text.append(f", the verified path {_span(tls.verified_chain_not_after, now)}", style)
    text.append("\nverified" if tls.verified else f"\n{tls.detail}", "green" if tls.verified else "red")
    return text


def _names(leaf: CertificateFacts) -> str:
    more = len(leaf.names) - MAX_NAMES
    return (", ".join(leaf.names[:MAX_NAMES]) or "no name") + (f" and {more} more" if more > 0 else "")


def _validity(certificate: CertificateFacts, now: float) -> str:
    return _span(certificate.not_after, now)


def _span(ends: float | None, now: float) -> str:
    if ends is None:
        return "nobody can read until when"
    left = ends - now
    days, hours = divmod(int(abs(left) / HOUR), 24)
    span = _count(days, "day") if days else _count(hours, "hour")
    return f"expired {span} ago" if left < 0 else f"{span} left"


def _mailbox(mailbox: MailboxFacts) -> Text:
    figures = []
    if mailbox.messages is not None:
        figures.append(_count(mailbox.messages, "message"))
    if mailbox.unseen is not None:
        figures.append(f"{mailbox.unseen} unseen")
    if mailbox.size is not None:
        figures.append(decimal(mailbox.size))
    if mailbox.quota_used is not None and mailbox.quota_limit is not None:
        figures.append(f"{decimal(mailbox.quota_used)} of the quota of {decimal(mailbox.quota_limit)} used")
    return Text(f"{mailbox.name}: {', '.join(figures) or 'can be opened'}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _transcript_row(line: TranscriptLine) -> tuple[Text, Text, Text]:
    style = DIRECTION_STYLES[line.direction]
    return Text(_milliseconds(line.at), "dim"), Text(line.direction, style), Text(line.text, style)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
