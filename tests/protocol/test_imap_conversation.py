from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, Final

import pytest

from exporter.model import Encryption, Facts, FailureReason, Login, MailboxFacts, Mechanism, Phase, Protocol
from exporter.protocol.dialogue import (
    Dialogue,
    RequireSecure,
    Send,
    StartTls,
)
from exporter.protocol.errands import converse
from exporter.protocol.imap import Imap
from tests.protocol.player import Circumstances, Cut, Played, ScriptEndedError, every_cut, play, whole
from tests.protocol.samples import PLAIN, endpoint, login

READY: Final = b"* OK ready\r\n"
TOLD_IN_PLAIN: Final = b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nTAG OK done\r\n"
GO_AHEAD: Final = b"TAG OK Begin TLS negotiation now.\r\n"
TOLD: Final = b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\nTAG OK done\r\n"
LOGIN: Final = b"TAG OK [CAPABILITY IMAP4rev1 QUOTA] Logged in\r\n"
CHECK: Final = (
    b"* STATUS INBOX (MESSAGES 2 UNSEEN 1)\r\nTAG OK done\r\n* 2 EXISTS\r\nTAG OK [READ-ONLY] done\r\n"
    b"* QUOTAROOT INBOX q\r\n* QUOTA q (STORAGE 1 2)\r\nTAG OK done\r\n"
)
GOODBYE: Final = b"* BYE Logging out\r\nTAG OK Logout completed.\r\n"
LEARNT: Final = Facts(mailbox=MailboxFacts("INBOX", 2, 1, quota_used=1024, quota_limit=2048))

SAID: Final = (
    b"CAPABILITY",
    b"AUTHENTICATE PLAIN " + PLAIN,
    b'STATUS "INBOX" (MESSAGES UNSEEN)',
    b'EXAMINE "INBOX"',
    b'GETQUOTAROOT "INBOX"',
    b"LOGOUT",
)

UPGRADE: Final = (
    (b"CAPABILITY", b"STARTTLS"),
    (Phase.GREETING, Phase.CAPABILITY, Phase.STARTTLS, Phase.TLS),
)
BEFORE: Final = {
    Encryption.TLS: ((), (Phase.TLS, Phase.GREETING)),
    Encryption.NONE: ((), (Phase.GREETING,)),
    Encryption.STARTTLS: UPGRADE,
    Encryption.OPPORTUNISTIC: UPGRADE,
}
"""What is said, and the phases reached, before the capabilities that count."""


def parts(encryption: Encryption, rest: bytes) -> tuple[bytes, ...]:
    """What the server says on both sides of the handshake, from the greeting on."""
    match encryption:
        case Encryption.TLS:
            return b"", READY + rest
        case Encryption.NONE:
            return (READY + rest,)
        case Encryption.STARTTLS | Encryption.OPPORTUNISTIC:
            return READY + TOLD_IN_PLAIN + GO_AHEAD, rest


def tagged(*said: bytes) -> tuple[bytes, ...]:
    """The parts, with each command's tag where it is due."""
    numbers = itertools.count(1)
    return tuple(re.sub(rb"\bTAG\b", lambda _: b"a%d" % next(numbers), part) for part in said)


def untagged(lines: Sequence[bytes]) -> tuple[bytes, ...]:
    """What was said, without the tags."""
    return tuple(line.split(b" ", 1)[1] for line in lines)


def conversation(imap: Imap, who: Login | None, encryption: Encryption, **others: Any) -> Dialogue[None]:
    yield from converse(imap, endpoint(Protocol.IMAP, encryption, **others), who)
    yield from imap.quit()


def talked(encryption: Encryption, *said: bytes, cut: Cut = whole, who: Login | None = None, **others: Any) -> Played:
    imap = Imap(endpoint(Protocol.IMAP, encryption, **others), "probe.example.com")
    return play(conversation(imap, who, encryption, **others), tagged(*said), cut)


@every_cut
@pytest.mark.parametrize("encryption", Encryption)
def test_a_mailbox_is_looked_at_in_every_encryption_mode(encryption: Encryption, cut: Cut) -> None:
    played = talked(
        encryption, *parts(encryption, TOLD + LOGIN + CHECK + GOODBYE), cut=cut, who=login(), mailbox="INBOX"
    )

    assert played.error is None
    assert (*BEFORE[encryption][0], *SAID) == untagged(played.sent)
    assert [*BEFORE[encryption][1], Phase.CAPABILITY, Phase.AUTH, Phase.CHECK] == played.phases
    assert LEARNT == played.learnt[-1]
    assert Facts(capabilities=("IMAP4rev1", "QUOTA")) in played.learnt
    assert b"" == played.unread


def test_a_mailbox_is_looked_at_in_plain_where_no_upgrade_is_offered_and_none_is_insisted_on() -> None:
    played = talked(Encryption.OPPORTUNISTIC, READY + TOLD + LOGIN + CHECK + GOODBYE, who=login(), mailbox="INBOX")

    assert played.error is None
    assert SAID == untagged(played.sent)
    assert Facts(starttls_offered=False) in played.learnt
    assert LEARNT == played.learnt[-1]


@pytest.mark.parametrize("encryption", Encryption)
def test_secrets_are_marked_and_come_after_the_question_whether_they_may(encryption: Encryption) -> None:
    played = talked(encryption, *parts(encryption, TOLD + LOGIN + GOODBYE), who=login())

    secrets = [index for index, step in enumerate(played.steps) if isinstance(step, Send) and step.shown is not None]
    assert 1 == len(secrets)
    assert played.steps.index(RequireSecure()) < secrets[0]
    if encryption is not Encryption.NONE:
        assert played.steps.index(StartTls()) < played.steps.index(RequireSecure())
    assert not any(PLAIN.decode() in line for line in played.shown)


@every_cut
def test_capabilities_in_the_greeting_save_a_command(cut: Cut) -> None:
    greeting = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n"

    played = talked(Encryption.TLS, b"", greeting + LOGIN + GOODBYE, cut=cut, who=login())

    assert (b"AUTHENTICATE PLAIN " + PLAIN, b"LOGOUT") == untagged(played.sent)


class TestPreauth:
    WELCOME: Final = b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome back\r\n"

    @every_cut
    def test_leaves_no_way_to_starttls(self, cut: Cut) -> None:
        played = talked(Encryption.STARTTLS, self.WELCOME, b"", cut=cut, who=login(), mailbox="INBOX")

        assert (Phase.STARTTLS, FailureReason.STARTTLS_NOT_OFFERED) == played.failure
        assert Facts(starttls_offered=False) in played.learnt
        assert [] == played.sent

    def test_goes_on_in_plain_where_that_is_good_enough(self) -> None:
        check = b"* STATUS INBOX (MESSAGES 2 UNSEEN 1)\r\nTAG OK\r\nTAG OK\r\n"

        played = talked(Encryption.OPPORTUNISTIC, self.WELCOME + check + GOODBYE, who=login(), mailbox="INBOX")

        assert played.error is None
        assert Facts(starttls_offered=False) in played.learnt
        assert [] == played.secret
        assert Facts(mailbox=MailboxFacts("INBOX", 2, 1)) == played.learnt[-1]
        welcome = "the server greeted as if already logged in (PREAUTH)"
        assert [
            f"{welcome}, which leaves no way to STARTTLS; all goes on in plain text",
            f"{welcome}; the login is not tried",
        ] == played.remarks

    def test_is_no_matter_where_neither_tls_nor_a_login_is_wanted(self) -> None:
        assert [] == talked(Encryption.NONE, self.WELCOME + GOODBYE).remarks

    @pytest.mark.parametrize("encryption", [Encryption.TLS, Encryption.NONE])
    def test_makes_a_login_needless(self, encryption: Encryption) -> None:
        silence = (b"",) if encryption is Encryption.TLS else ()
        check = b"* STATUS INBOX (MESSAGES 2 UNSEEN 1)\r\nTAG OK\r\nTAG OK\r\n"

        played = talked(encryption, *silence, self.WELCOME + check + GOODBYE, who=login(), mailbox="INBOX")

        assert played.error is None
        assert RequireSecure() not in played.steps
        assert Facts(mailbox=MailboxFacts("INBOX", 2, 1)) == played.learnt[-1]


class TestUnderAttack:
    """What somebody in between can say before the handshake (RFC 9051 11.3). No credential may leave in any case."""

    @every_cut
    @pytest.mark.parametrize(
        ("plain", "reason"),
        [
            (READY + b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK\r\n", FailureReason.STARTTLS_NOT_OFFERED),
            (READY + TOLD_IN_PLAIN + b"TAG NO not today\r\n", FailureReason.STARTTLS_REFUSED),
            (READY + TOLD_IN_PLAIN + b"TAG BAD what is that?\r\n", FailureReason.STARTTLS_REFUSED),
            (READY + TOLD_IN_PLAIN + b"TAG NO [REFERRAL imap://evil.example/] no\r\n", FailureReason.STARTTLS_REFUSED),
            (READY + TOLD_IN_PLAIN + b"* BYE [REFERRAL imap://evil.example/] no\r\n", FailureReason.CONNECTION_CLOSED),
            (READY + TOLD_IN_PLAIN + GO_AHEAD + b"* CAPABILITY AUTH=PLAIN\r\n", FailureReason.STARTTLS_INJECTION),
            (READY + TOLD_IN_PLAIN + GO_AHEAD + b"a3 OK [ALERT] call us\r\n", FailureReason.STARTTLS_INJECTION),
            (READY + TOLD_IN_PLAIN + b"* PREAUTH surprise\r\n" + GO_AHEAD, FailureReason.PROTOCOL_ERROR),
        ],
    )  # fmt: skip
    def test_the_upgrade_fails_for_the_right_reason(self, plain: bytes, reason: FailureReason, cut: Cut) -> None:
        played = talked(Encryption.STARTTLS, plain, b"", cut=cut, who=login())

        assert (Phase.STARTTLS, reason) == played.failure
        assert [] == played.secret

    @every_cut
    @pytest.mark.parametrize(
        "go_ahead",
        [GO_AHEAD, b"* CAPABILITY IMAP4rev1 AUTH=LOGIN\r\n" + GO_AHEAD, b"TAG OK [CAPABILITY AUTH=LOGIN] go on\r\n"],
    )
    def test_nothing_that_was_announced_in_plain_is_believed_afterwards(self, go_ahead: bytes, cut: Cut) -> None:
        plain = READY + b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=LOGIN\r\nTAG OK\r\n" + go_ahead

        played = talked(Encryption.STARTTLS, plain, TOLD + LOGIN + GOODBYE, cut=cut, who=login())

        assert played.error is None
        assert Facts(auth_mechanism=Mechanism.PLAIN, auth_success=False) in played.learnt
        assert Facts(auth_success=True) in played.learnt

    def test_a_mailbox_that_was_told_of_in_plain_is_not_believed_either(self) -> None:
        plain = READY + b"* STATUS INBOX (MESSAGES 99)\r\n* 99 EXISTS\r\n" + TOLD_IN_PLAIN + GO_AHEAD

        played = talked(Encryption.STARTTLS, plain, TOLD + LOGIN + CHECK + GOODBYE, who=login(), mailbox="INBOX")

        assert LEARNT == played.learnt[-1]


class TestExpectations:
    @every_cut
    @pytest.mark.parametrize("expected", [("AUTH=PLAIN",), ("QUOTA",), ("imap4rev1", "auth=plain", "quota")])
    def test_are_met_by_what_is_announced_before_or_after_the_login(self, expected: tuple[str, ...], cut: Cut) -> None:
        played = talked(
            Encryption.TLS, b"", READY + TOLD + LOGIN + GOODBYE, cut=cut, who=login(), capabilities=expected
        )

        assert played.error is None

    def test_are_not_met_by_what_was_announced_in_plain_only(self) -> None:
        played = talked(
            Encryption.STARTTLS,
            READY + TOLD_IN_PLAIN + GO_AHEAD,
            TOLD + LOGIN + TOLD.replace(b"AUTH=PLAIN", b"QUOTA"),
            who=login(),
            capabilities=("LOGINDISABLED",),
        )

        assert (Phase.CHECK, FailureReason.CAPABILITY_MISSING) == played.failure
        assert played.error is not None
        assert (
            "the server does not announce LOGINDISABLED; it announces IMAP4rev1, SASL-IR, AUTH=PLAIN, QUOTA"
            == played.error.detail
        )

    def test_are_asked_after_where_the_login_does_not_tell(self) -> None:
        played = talked(
            Encryption.TLS,
            b"",
            READY + TOLD + b"TAG OK Logged in\r\n* CAPABILITY IMAP4rev1 QUOTA\r\nTAG OK\r\n" + GOODBYE,
            who=login(),
            capabilities=("QUOTA",),
        )

        assert played.error is None
        assert (SAID[0], SAID[1], b"CAPABILITY", b"LOGOUT") == untagged(played.sent)

    def test_need_no_login(self) -> None:
        played = talked(Encryption.TLS, b"", READY + TOLD, capabilities=("QUOTA",), mailbox="INBOX")

        assert (Phase.CHECK, FailureReason.CAPABILITY_MISSING) == played.failure


def test_a_server_that_falls_silent_leaves_the_conversation_where_it_was() -> None:
    with pytest.raises(ScriptEndedError) as ended:
        talked(Encryption.TLS, b"", READY + TOLD + LOGIN + b"* STATUS INBOX (MESSAGES 2 UNSEEN 1)\r\nTAG OK\r\n",
               who=login(), mailbox="INBOX")  # fmt: skip

    assert Phase.CHECK is ended.value.played.phases[-1]
    assert Facts(mailbox=MailboxFacts("INBOX", 2, 1)) == ended.value.played.learnt[-1]


class TestSilence:
    """What lies unread before the next command would be taken for the answer to it."""

    @pytest.mark.parametrize(
        "unread",
        [
            *(b"a1 OK done\r\n", b"a2 OK done\r\n", b"+ go on\r\n", b"a9 OK\r\n", b"half"),
            b"* CAPABILITY IMAP4rev1\r\na1 OK the next command is answered before it is sent\r\n",
        ],
    )
    def test_is_broken_by_an_answer_that_nobody_asked_for(self, unread: bytes) -> None:
        imap = Imap(endpoint(Protocol.IMAP), "probe.example.com")

        played = play(imap.command(b"NOOP"), b"a1 OK\r\n", circumstances=Circumstances(unread={0: unread}))

        assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
        assert str(played.error).startswith("the server says what nobody asked for: ")
        assert [] == played.sent

    @pytest.mark.parametrize("unread", [b"* 3 EXISTS\r\n", b"* OK still here\r\n", b"* NO over quota\r\n* 3 EX"])
    def test_is_not_broken_by_data(self, unread: bytes) -> None:
        # RFC 9051 7: a server may send data at any time.
        imap = Imap(endpoint(Protocol.IMAP), "probe.example.com")
        script = b"ISTS\r\na1 OK\r\n" if unread.endswith(b"EX") else b"a1 OK\r\n"

        assert play(imap.command(b"NOOP"), script, circumstances=Circumstances(unread={0: unread})).error is None

    @pytest.mark.parametrize("before", [b"", b"* 3 EXISTS\r\n", b"* OK wait\r\n* BYEBYE\r\n"])
    def test_is_broken_by_a_goodbye_that_is_said_so(self, before: bytes) -> None:
        imap = Imap(endpoint(Protocol.IMAP), "probe.example.com")
        unread = before + b"* BYE Autologout; idle for too long\r\n"

        played = play(imap.command(b"NOOP"), b"", circumstances=Circumstances(unread={0: unread}))

        assert (None, FailureReason.CONNECTION_CLOSED) == played.failure
        assert 'the server ends the session with "BYE Autologout; idle for too long"' == str(played.error)
        assert [] == played.sent


def test_expected_capabilities_are_asked_for_before_one_is_called_missing() -> None:
    # RFC 9051 7.1: a greeting has the initial list only; Cyrus and iCloud shorten it.
    where = endpoint(Protocol.IMAP, Encryption.TLS, capabilities=("IDLE",))
    imap = Imap(where, "probe.example.com")

    played = play(
        converse(imap, where, None),
        b"* OK [CAPABILITY IMAP4rev1 SASL-IR] ready\r\n* CAPABILITY IMAP4rev1 SASL-IR IDLE\r\na1 OK\r\n",
    )

    assert played.error is None
    assert [b"a1 CAPABILITY"] == played.sent


def test_expected_capabilities_that_are_announced_at_once_are_not_asked_for() -> None:
    where = endpoint(Protocol.IMAP, Encryption.TLS, capabilities=("SASL-IR",))

    played = play(
        converse(Imap(where, "probe.example.com"), where, None), b"* OK [CAPABILITY IMAP4rev1 SASL-IR] ready\r\n"
    )

    assert (None, []) == (played.error, played.sent)


def test_all_data_of_a_reply_is_there_however_much_it_is() -> None:
    imap = Imap(endpoint(Protocol.IMAP), "probe.example.com")
    lists = b"".join(b'* LIST () "/" "box %d"\r\n' % number for number in range(100))

    reply = play(imap.command(b'LIST "" "*"'), lists + b"a1 OK\r\n").value

    assert 100 == len(reply.named("LIST"))
