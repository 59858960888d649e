"""Why a server refuses a login: reply codes, response codes and servers' own wording, as reasons.

This module has a table of codes for each protocol, and the order in which everything is checked. login_wording.py has
the wording that servers use in any protocol.

A rejected login is paused for up to an hour, so an outage must not count as a rejection. A rejection that counted as
an outage would be sent again and again, and lock the account. So a refusal is about the credentials only if it says so.
One that says nothing known is unavailable and `unclear`: it has its own backoff (exporter/visiting/backoff.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exporter.model import FailureReason
from exporter.protocol.refusals.patterns import MAX_JUDGED, PatternRow, compiled, match, row

TEMPORARY: Final = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "TEMPFAIL"})
"""IMAP's response codes of a server that would do what it is asked, at another time or if it were well (RFC 5530, and
the last from Yahoo)."""


_UNLESS_FAILED: Final = (
    rb"(?!.{0,120}\b(?:(?:re-?)?auth\w{0,12}|log ?[io]n|sign ?in|credentials|password)(?: (?:has|have|was|is))?"
    rb" (?:fail\w{0,5}|denied|rejected|refused|unsuccessful|incorrect|invalid|wrong)\b"
    # About how the command was written.
    rb"(?! (?:\w{1,12} )?(?:arguments?|parameters?|syntax|base64|mechanism|command|format)\b))"
)
"""Servers use codes of another meaning for a wrong password, too."""


@dataclass(frozen=True, slots=True)
class Codes:
    """What a protocol's codes say.

    Attributes:
        exact: Codes with one meaning, whatever text follows.
        rough: Codes that servers use for many things, so the text is checked first.
    """

    exact: tuple[PatternRow, ...]
    rough: tuple[PatternRow, ...]


@dataclass(frozen=True, slots=True)
class LoginRefusal:
    """Why a login was refused.

    Attributes:
        unclear: The refusal has no known code or wording.
    """

    reason: FailureReason
    unclear: bool


SMTP: Final = Codes(
    exact=(
        row(
            FailureReason.AUTH_MECHANISM_NOT_OFFERED,
            # RFC 4954 section 6: the server has to see the password in plain once, which this mechanism cannot do.
            rb"\A432 4\.7\.12\b",
            # RFC 4954 section 4, RFC 5321 4.2.4: 504 does not know the mechanism, 502 and 503 (Postfix) not even AUTH.
            rb"\A50[234]" + _UNLESS_FAILED,
            # RFC 4954 section 6, RFC 3207 section 4, RFC 5248: not over a connection that is not encrypted.
            rb"\A(?:523|538)",
        ),
    ),
    rough=(
        # RFC 4954 section 6 has it for 535; Mandrill has 435 for a wrong key.
        row(FailureReason.AUTH_REJECTED, rb"\A4[0-9]{2} 4\.7\.8\b"),
        # RFC 4954 section 6: 4yz is the server's trouble, 5yz is the login's.
        row(FailureReason.AUTH_UNAVAILABLE, rb"\A4"),
        # RFC 4954 section 6: the server wants a stronger mechanism, or TLS. Some say 530 of a wrong password, too.
        row(FailureReason.AUTH_MECHANISM_NOT_OFFERED, rb"\A534|\A530(?!.{0,60}(?:fail|invalid|incorrect|wrong|\bbad))"),
        # RFC 5321 4.3.2: the line was not understood, so nothing is said about the login.
        row(FailureReason.COMMAND_REFUSED, rb"\A50[01]" + _UNLESS_FAILED),
        # RFC 4954 section 6; RFC 3463 3.8: security and policy. After AUTH there is nothing else to apply it to.
        row(FailureReason.AUTH_REJECTED, rb"\A(?:525|535)", rb"\A5[0-9]{2} 5\.7\.[0-9]"),
    ),
)
"""By the code and the enhanced code (RFC 3463, RFC 5248) of the reply to AUTH."""

IMAP: Final = Codes(
    exact=(
        row(FailureReason.AUTH_UNAVAILABLE, rb"\A[A-Z]{1,8} \[(?:%s)\b" % "|".join(sorted(TEMPORARY)).encode()),
        # RFC 5530: said of the mailbox, not of the login.
        row(FailureReason.AUTH_UNAVAILABLE, rb"\A[A-Z]{1,8} \[(?:OVERQUOTA|CORRUPTION)\b"),
        row(FailureReason.AUTH_MECHANISM_NOT_OFFERED, rb"\A[A-Z]{1,8} \[PRIVACYREQUIRED\b"),
        row(
            FailureReason.AUTH_REJECTED,
            rb"\A[A-Z]{1,8} \[(?:AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|CONTACTADMIN)\b",
        ),
        # Dovecot, Courier, Exchange: as below, in words that could be taken for an outage.
        row(FailureReason.COMMAND_REFUSED, rb"\ABAD [^\[]{0,20}command\b"),
    ),
    rough=(
        # RFC 9051 7.1.3: the command was not understood, so nothing is said about the login.
        row(FailureReason.COMMAND_REFUSED, rb"\ABAD\b" + _UNLESS_FAILED),
        row(FailureReason.CONNECTION_CLOSED, rb"\ABYE\b" + _UNLESS_FAILED),
    ),
)
"""By the condition and the response code (RFC 5530) of what ends LOGIN or AUTHENTICATE."""

POP3: Final = Codes(
    exact=(
        # RFC 3206 section 5: the one code that is about the credentials.
        row(FailureReason.AUTH_REJECTED, rb"\A\[AUTH[\]/]"),
        row(
            FailureReason.AUTH_UNAVAILABLE,
            # RFC 3206 section 4: the server's trouble. That a person has to end it (PERM) makes no password wrong.
            rb"\A\[SYS/(?:TEMP|PERM)[\]/]",
            # RFC 2449 8.1: the login was right; another session has the maildrop, or the last one was too recent.
            rb"\A\[(?:IN-USE|LOGIN-DELAY)[\]/]",
        ),
    ),
    rough=(
        # Exchange and others: the line was not understood, so nothing is said about the login.
        row(
            FailureReason.COMMAND_REFUSED,
            rb"\A(?:Protocol|Syntax) error|(?:unknown|invalid|bad|unrecogni[sz]ed|unsupported|unimplemented) command",
            rb"command (?:is )?(?:not |un)(?:recogni[sz]ed|implemented|supported|known)|\A(?:not |un)implemented",
        ),
    ),
)
"""By the response code or the words behind `-ERR`."""


def judge(codes: Codes, words: bytes) -> LoginRefusal:
    """Why a login was refused.

    Args:
        codes: The protocol's tables.
        words: What the server said, from the code on.
    """
    from exporter.protocol.refusals import login_wording as wording  # noqa: PLC0415 - it says why

    # The name of a user or of a host may be made of any words.
    judged = b" ".join([word for word in words[:MAX_JUDGED].split(b" ") if b"@" not in word and b"://" not in word])
    trouble = wording.NO_TROUBLE.sub(b" ", judged)
    said = (*wording.SWITCHED_OFF, *wording.NOT_THIS_WAY, *codes.exact, *wording.ABOUT_THE_ACCOUNT, *wording.OUTAGE)
    certain = match(said, judged)
    if (reason := certain or match(wording.TROUBLE_INSIDE, trouble)) is not None:
        # A code that says "later", with words that say "wrong password".
        at_odds = reason is FailureReason.AUTH_UNAVAILABLE and match(wording.ABOUT_THE_ACCOUNT, judged) is not None
        return LoginRefusal(reason, unclear=at_odds)
    by_code, by_words = match(codes.rough, judged), match(wording.CREDENTIALS, judged)
    reason = by_code or by_words or FailureReason.AUTH_UNAVAILABLE
    if match(wording.TROUBLE_AROUND, trouble) is not None:
        # "Failed login from this host" and "login failed, mailbox locked" look alike.
        return LoginRefusal(FailureReason.AUTH_UNAVAILABLE, unclear=FailureReason.AUTH_REJECTED in (by_code, by_words))
    # The code may say "later" and the words "wrong password", or neither says anything.
    unclear = reason is FailureReason.AUTH_UNAVAILABLE and (by_code is None or by_words is not None)
    return LoginRefusal(reason, unclear=unclear)


def says_busy(words: bytes) -> bool:
    """Whether a refusal that is not about a login is temporary."""
    from exporter.protocol.refusals.login_wording import BUSY  # noqa: PLC0415 - it says why

    return compiled(BUSY).search(words[:MAX_JUDGED]) is not None
