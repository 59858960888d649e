"""One result as a person reads it in a terminal: phases with times and bars, and what was found. Only printing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from exporter.model import CertificateFacts, Direction, Endpoint, MailboxFacts, ProbeResult, TlsFacts

BAR_WIDTH: Final = 40
"""Columns that stand for the whole duration of the probe."""

EIGHTHS: Final = " ▏▎▍▌▋▊▉"
"""Parts of a column, so that short phases next to long ones still show."""

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR

WARN_DAYS: Final = 28
"""From so many days left on, a certificate's end is shown in yellow: the alerts begin there too."""

DIRECTION_STYLES: Final = {Direction.CLIENT: "cyan", Direction.SERVER: "", Direction.NOTE: "dim"}


def print_result(console: Console, endpoint: Endpoint, result: ProbeResult) -> None:
    """Print the verdict, the waterfall, what was negotiated and found, why it failed, and the conversation."""
    console.print(_headline(endpoint, result))
    console.print()
    console.print(_phases(result))
    facts = Table.grid(padding=(0, 2), pad_edge=True)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in _facts(result):
        facts.add_row(name, value)
    if facts.row_count:
        console.print()
        console.print(facts)
    console.print()
    console.print(_transcript(result))
    if result.failure is not None:
        console.print()
        console.print(_failure(result))


def _headline(endpoint: Endpoint, result: ProbeResult) -> Text:
    place = f" at {result.address}" if result.address not in (None, endpoint.host) else ""
    line = Text.assemble(
        (endpoint.name, "bold"), f"  {endpoint.protocol} to {endpoint.host} port {endpoint.port}{place}"
    )
    line.append(f", encryption {endpoint.encryption}\n")
    if result.failure is None:
        line.append(f"succeeded in {_milliseconds(result.duration)}", "bold green")
    else:
        verdict = (
            f"failed in phase {result.failure.phase} after {_milliseconds(result.duration)}: {result.failure.reason}"
        )
        line.append(verdict, "bold red")
    return line


def _phases(result: ProbeResult) -> Table:
    table = Table.grid(padding=(0, 2), pad_edge=True)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    failed_in = result.failure and result.failure.phase
    last = max((span.start for span in result.spans if span.phase is failed_in), default=None)
    for span in result.spans:
        style = "red" if span.phase is failed_in and span.start == last else "blue"
        bar = _bar(span.start, span.duration, result.duration)
        table.add_row(Text(span.phase, style if style == "red" else ""), _milliseconds(span.duration), Text(bar, style))
    return table


def _bar(start: float, duration: float, whole: float) -> str:
    """A bar that begins where the phase began, at least a sliver long."""
    scale = BAR_WIDTH * 8 / whole if whole > 0 else 0.0
    begin, end = round(start * scale), round((start + duration) * scale)
    begin = min(begin, BAR_WIDTH * 8 - 1) // 8 * 8
    full, part = divmod(max(end - begin, 1), 8)
    return " " * (begin // 8) + "█" * full + EIGHTHS[part].strip()


def _facts(result: ProbeResult) -> Iterator[tuple[str, Text]]:
    if result.tls is not None:
        group = f", key exchange {result.tls.group}" if result.tls.group else ""
        yield "session", Text(f"{result.tls.version} {result.tls.cipher}{group}")
        if result.tls.chain:
            yield "certificate", _certificate(result.tls, result.ended_at)
        for issuer in result.tls.chain[1:]:
            yield "", Text(f"sent with {issuer.subject}, {_validity(issuer, result.ended_at)}")
    if result.starttls_offered is not None:
        yield "STARTTLS", Text("offered" if result.starttls_offered else "not offered")
    if result.auth_mechanism is not None:
        yield "login", Text(f"{result.auth_mechanism}, {'accepted' if result.auth_success else 'not accepted'}")
    if result.capabilities is not None:
        yield "capabilities", Text(", ".join(result.capabilities) or "none")
    if result.size_limit is not None:
        yield "size limit", Text(decimal(result.size_limit))
    if result.mailbox is not None:
        yield "mailbox", _mailbox(result.mailbox)


def _certificate(tls: TlsFacts, now: float) -> Text:
    leaf = tls.chain[0]
    left = (leaf.not_after - now) / DAY
    text = Text(f"{leaf.subject}\nfor {', '.join(leaf.names) or 'no name'}\nissued by {leaf.issuer}\n{leaf.key}, ")
    style = "red" if left < 0 else "yellow" if left < WARN_DAYS else "green"
    text.append(_validity(leaf, now), style)
    text.append("\nverified" if tls.verified else f"\n{tls.detail}", "green" if tls.verified else "red")
    return text


def _validity(certificate: CertificateFacts, now: float) -> str:
    left = certificate.not_after - now
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


def _transcript(result: ProbeResult) -> Table:
    table = Table.grid(padding=(0, 2), pad_edge=True)
    table.add_column(justify="right", style="dim")
    table.add_column()
    table.add_column(overflow="fold")
    for line in result.transcript:
        style = DIRECTION_STYLES[line.direction]
        table.add_row(_milliseconds(line.at), Text(line.direction, style), Text(line.text, style))
    return table


def _failure(result: ProbeResult) -> Text:
    failure = result.failure
    assert failure is not None  # noqa: S101 - the caller looked
    return Text.assemble(
        (f"{failure.reason} in phase {failure.phase}: ", "bold red"),
        (failure.detail, "red"),
        f"\nWhat it means and what to do: docs/failures.md#{failure.reason}",
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
