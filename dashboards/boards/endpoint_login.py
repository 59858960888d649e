"""The parts of the dashboard of an endpoint about the login, what the server can do, and the mailbox."""

from __future__ import annotations

from dashboards.boards.board import Line
from dashboards.boards.looks import (
    LOOK,
    OTHER,
    UNKNOWN,
    USED_UP,
    flag,
    reply_codes,
    says,
    values,
)
from dashboards.boards.panels import figure, graph, timeline
from dashboards.boards.parts import Panel, Query, Text
from dashboards.boards.questions import (
    in_rows,
)
from dashboards.promql import Scope
from dashboards.settings import Settings


def login(of: Scope, settings: Settings) -> tuple[Line, ...]:
    """With what the server can do."""
    return (
        Line(7, ((12, _login(of, settings)), (12, _reply_codes(of, settings)))),
        Line(4, _capabilities(of)),
    )


def mailbox(of: Scope, settings: Settings) -> tuple[Line, ...]:
    return (Line(8, ((7, _mailbox(of)), (6, _mailbox_size(of)), (4, _quota(of)), (7, _read_back(of, settings)))),)


def _login(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Login",
            "Whether the server accepted the last login that was tried, by mechanism. Paused: after a rejection the "
            "exporter waits before it tries again.",
            "No login was tried",
        ),
        [
            Query(in_rows(of("mail_auth_success"), settings, "address"), "{{mechanism}} {{row}}"),
            Query(in_rows(f"({of('mail_auth_backoff_seconds')} > 0) * 0 + 2", settings, "address"), "paused {{row}}"),
        ],
        [*flag("Accepted", "Not accepted"), values(v2=says("Paused", LOOK))],
    )


def _reply_codes(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Reply codes",
            "SMTP: the last reply code in each phase. Green: yes. Blue: go on. Orange: not now. Red: no.",
            "Not SMTP",
        ),
        [Query(in_rows(of("mail_probe_last_reply_code"), settings, "address"), "{{phase}} {{row}}")],
        reply_codes(),
        values=True,
    )


def _capabilities(of: Scope) -> tuple[tuple[int, Panel], ...]:
    return (
        (
            6,
            figure(
                Text("STARTTLS", "Whether the server offered it, for endpoints that are to use it.", "Not asked"),
                Query(f"min({of('mail_starttls_offered')})"),
                "none",
                ((None, UNKNOWN),),
                flag("Offered", "Not offered"),
            ),
        ),
        (
            6,
            figure(
                Text("Mechanism", "The mechanism of the last login that was tried.", "No login"),
                Query(f"group by (mechanism) ({of('mail_auth_success')})", "{{mechanism}}"),
                "none",
                names=True,
            ),
        ),
        (
            6,
            figure(
                Text("Largest message", "SMTP: what the server takes at most, by its EHLO.", "Not announced"),
                Query(f"min({of('mail_smtp_size_limit_bytes')})"),
                "bytes",
            ),
        ),
        (
            6,
            figure(
                Text("IP version", "What the last probe used.", "No connection"),
                Query(f"max({of('mail_probe_ip_protocol')})"),
                "none",
            ),
        ),
    )


def _mailbox(of: Scope) -> Panel:
    return graph(
        Text("Mailbox", "Messages, and those that nobody has seen.", "No mailbox is looked at"),
        [
            Query(f"max({of('mail_mailbox_messages')})", "messages"),
            Query(f"max({of('mail_mailbox_unseen_messages')})", "unseen"),
        ],
        "none",
        colors=zip(("messages", "unseen"), OTHER, strict=False),
    )


def _read_back(of: Scope, settings: Settings) -> Panel:
    return timeline(
        Text(
            "Read back",
            "Whether the newest messages could be read back whole, where `read_back` is set; and how many could not.",
            "Nothing is read back",
        ),
        [
            Query(in_rows(of("mail_mailbox_readable"), settings, "address"), "{{mailbox}} {{row}}"),
            Query(
                in_rows(f"({of('mail_mailbox_unreadable_messages')} > 0) * 0", settings, "address"),
                "{{mailbox}} {{row}}: unreadable messages",
            ),
        ],
        flag("Readable", "Not readable"),
    )


def _mailbox_size(of: Scope) -> Panel:
    return graph(
        Text("Size and quota", "How large the mailbox is, and what its quota root has used and may use.", "Not told"),
        [
            Query(f"max({of('mail_mailbox_size_bytes')})", "mailbox"),
            Query(f"max({of('mail_mailbox_quota_used_bytes')})", "quota used"),
            Query(f"max({of('mail_mailbox_quota_limit_bytes')})", "quota"),
        ],
        "bytes",
        colors=zip(("mailbox", "quota used", "quota"), OTHER, strict=True),
        dashed=["quota"],
    )


def _quota(of: Scope) -> Panel:
    return figure(
        Text("Quota used", "How full the quota root of the mailbox is.", "No quota"),
        Query(f"max({of('mail_mailbox_quota_used_bytes')} / ({of('mail_mailbox_quota_limit_bytes')} > 0))"),
        "percentunit",
        USED_UP,
        decimals=1,
    )
