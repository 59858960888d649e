"""Why a server refuses a login: reply codes, response codes and servers' own wording, as reasons.

Tables, and the function that reads them. What servers say in the same words whichever protocol they speak stands in
one table, so that it means the same in all three; a server that is seen to say it in yet another way is a new row.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, TypeAlias

from exporter.model import FailureReason

MAX_JUDGED: Final = 1024
"""Octets of a refusal that are looked at. Those that the tables know have 300 at most."""

TEMPORARY: Final = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"})
"""IMAP's response codes of a server that would do what it is asked, at another time or if it were well (RFC 5530)."""

Refusals: TypeAlias = Collection[tuple[re.Pattern[bytes], FailureReason]]
"""What is found in a refusal, and what that means. The first row that fits counts."""


def _rows(*rows: tuple[bytes, FailureReason]) -> Refusals:
    return tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), reason) for pattern, reason in rows)


WORDING: Final = _rows(
    # Exchange Online has one enhanced code for a wrong password and for a login that is switched off.
    (rb"5\.7\.139 .*credentials were incorrect", FailureReason.AUTH_REJECTED),
    # Exchange Online: for the tenant, for the mailbox, by a policy, and for everybody.
    (rb"\A5[0-9]{2} 5\.7\.(?:30|139)\b", FailureReason.AUTH_DISABLED),
    (rb"BasicAuthBlocked|Basic authentication is (?:disabled|not supported)", FailureReason.AUTH_DISABLED),
    # Gmail: the user, or the administrator of the domain, has not switched it on.
    (rb"not enabled for (?:IMAP|POP)|(?:IMAP|POP) access is disabled", FailureReason.AUTH_DISABLED),
    # Gmail: another password is wanted, or a person has to say first that it was them.
    (rb"Application-specific password required", FailureReason.AUTH_REJECTED),
    (rb"log ?in (?:via|with) your web browser|Web login required", FailureReason.AUTH_REJECTED),
    # Dovecot 2.3 and 2.4, Cyrus, Stalwart: not over a connection that is not encrypted.
    (rb"(?:plain|clear)-?text (?:authentication disallowed|port)", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    (rb"only available under a layer|encryption needed to use mechanism", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    # Dovecot, Cyrus: announced, and not there after all, or not for this user.
    (rb"(?:unsupported|invalid) authentication mechanism", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    (rb"no mechanism available|mechanism too weak|no verifier for user", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    # Exchange, Gmail, Dovecot: overloaded, or too many sessions at once.
    (rb"Server Unavailable|Too many simultaneous|Maximum number of connections", FailureReason.AUTH_UNAVAILABLE),
    # Courier; Cyrus SASL, also below Postfix, when saslauthd does not answer.
    (rb"Temporary problem|\bgeneric failure|authentication server unavailable", FailureReason.AUTH_UNAVAILABLE),
)
"""By what is said anywhere in the refusal, in any protocol. It goes before the codes, which are less exact."""

SMTP: Final = _rows(
    # RFC 4954 section 6: the server would have to see the password in plain once; this mechanism cannot do that.
    (rb"\A432 4\.7\.12\b", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    # RFC 4954 section 6: 4yz is the server's trouble, 5yz is the login's.
    (rb"\A4", FailureReason.AUTH_UNAVAILABLE),
    # RFC 4954 section 4, RFC 5321 4.2.4: 504 does not know the mechanism, 502 and 503 (Postfix, Exim) not even AUTH.
    (rb"\A50[234]", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    # RFC 4954 section 6, RFC 3207 section 4, RFC 5248: not over a connection that is not encrypted.
    (rb"\A(?:523|530|538)", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    # RFC 4954 section 6: the server wants a stronger mechanism.
    (rb"\A534", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    # RFC 5321 4.3.2: the line was not understood, so nothing is said about the login.
    (rb"\A50[01]", FailureReason.COMMAND_REFUSED),
)
"""By the code and the enhanced code (RFC 3463, RFC 5248) of the reply to AUTH."""

IMAP: Final = _rows(
    (rb"\A[A-Z]+ \[(?:%s)\b" % "|".join(sorted(TEMPORARY)).encode(), FailureReason.AUTH_UNAVAILABLE),
    (rb"\A[A-Z]+ \[PRIVACYREQUIRED\b", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
    (
        rb"\A[A-Z]+ \[(?:AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|CONTACTADMIN)\b",
        FailureReason.AUTH_REJECTED,
    ),
    # RFC 9051 7.1.3: the command was not understood, so nothing is said about the login.
    (rb"\ABAD\b", FailureReason.COMMAND_REFUSED),
    (rb"\ABYE\b", FailureReason.CONNECTION_CLOSED),
)
"""By the condition and the response code (RFC 5530) of what ends LOGIN or AUTHENTICATE."""

POP3: Final = _rows(
    # RFC 3206 section 5: the one code that is about the credentials.
    (rb"\A\[AUTH\]", FailureReason.AUTH_REJECTED),
    # RFC 3206 section 4: the server's trouble. That a person has to end it (PERM) does not make the password wrong.
    (rb"\A\[SYS/(?:TEMP|PERM)\]", FailureReason.AUTH_UNAVAILABLE),
    # RFC 2449 section 8.1: the login was right, but another session has the maildrop, or the last one was too recent.
    (rb"\A\[(?:IN-USE|LOGIN-DELAY)\]", FailureReason.AUTH_UNAVAILABLE),
    # Exchange: the line was not understood, so nothing is said about the login.
    (rb"\AProtocol error", FailureReason.COMMAND_REFUSED),
)
"""By the response code or the words behind `-ERR`."""


def reason(codes: Refusals, words: bytes) -> FailureReason:
    """Why a login was refused. A refusal that fits no row is about the login, as by far the most are.

    Args:
        codes: The protocol's table.
        words: What the server said, from the code on.
    """
    judged = words[:MAX_JUDGED]
    return next(
        (meaning for rows in (WORDING, codes) for pattern, meaning in rows if pattern.search(judged)),
        FailureReason.AUTH_REJECTED,
    )
