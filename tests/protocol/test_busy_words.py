"""Refusals of anything but a login, by their words; the rows of logins are in refused_logins.py."""

from __future__ import annotations

from exporter.protocol.refusals.login_refusals import says_busy


def test_a_refusal_that_is_not_about_a_login_is_temporary_by_its_words() -> None:
    busy = """
        Server is starting up
        Connections from this IP exceeded
        Max number of sessions reached
        No free slots
        Please try again in a few minutes
        Come back later
        Mailboxes currently unavailable
        Backend unavailable
        Insufficient system resources
        Disk full
        System load too high
        Database is locked
        Mailbox is already in use
        Greylisted
        Not ready
        License limit exceeded
        Lost connection to backend
        Timed out while waiting for the backend
        Cannot fork
    """
    final = """
        Access denied
        Your IP is banned
        Unknown mailbox
        Permission denied
        Mailbox doesn't exist: foo
        Client host rejected
        Wrong state
        User is authenticated but not connected
        EXAMINE failed
        Quota exceeded
        Mailbox unavailable
        Syntax error
    """
    for words, temporary in ((busy, True), (final, False)):
        lines = [line.strip().encode() for line in words.strip().splitlines()]
        assert lines == [line for line in lines if temporary is says_busy(line)]
