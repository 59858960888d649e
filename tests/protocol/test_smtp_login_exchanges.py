"""Logins by SMTP with challenges: CRAM-MD5, SCRAM, EXTERNAL, and exchanges that are cancelled."""

from __future__ import annotations

from base64 import b64encode

import pytest

from exporter.model import Facts, FailureReason, Login, Secret, SecretKind
from tests.protocol.player import IN_CLEAR, Cut, every_cut, play
from tests.protocol.samples import (
    login,
)
from tests.protocol.smtp_client import TRAILING
from tests.protocol.smtp_logins import TAKEN, client, logged_in

RANDOM = b64encode(IN_CLEAR.random)


class TestCramMd5:
    @every_cut
    def test_answers_one_challenge(self, cut: Cut) -> None:
        challenge = b64encode(b"<1896.697170952@postoffice.reston.mci.net>")
        who = login(username="tim", password=b"tanstaaftanstaaf")

        played = logged_in(b"334 " + challenge + b"\r\n" + TAKEN + TRAILING, b"AUTH CRAM-MD5", who, cut)

        assert played.error is None
        assert [b"AUTH CRAM-MD5", b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"] == played.sent  # RFC 2195
        assert TRAILING == played.unread


class TestScram:
    SERVER_FIRST = b"334 " + b64encode(b"r=" + RANDOM + b"more,s=QSXCR+Q6sek8bf92,i=1") + b"\r\n"

    def test_that_is_taken_before_the_server_has_proven_itself_is_a_protocol_error(self) -> None:
        for script in (TAKEN, self.SERVER_FIRST + TAKEN):
            played = logged_in(script, b"AUTH SCRAM-SHA-256")

            assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
            assert Facts(auth_success=True) not in played.learnt

    def test_with_a_false_proof_is_cancelled(self) -> None:
        smtp = client(b"AUTH SCRAM-SHA-256")

        played = play(smtp.log_in(login(), encrypted=True), self.SERVER_FIRST + b"334 dj1mYWxzZQ==\r\n")
        goodbye = play(smtp.quit(), b"501 5.7.0 Authentication aborted\r\n221 Bye\r\n")

        assert (None, FailureReason.PROTOCOL_ERROR) == played.failure
        assert [b"*", b"QUIT"] == goodbye.sent

    @every_cut
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (b"e=invalid-proof", FailureReason.AUTH_REJECTED),
            (b"e=no-resources", FailureReason.AUTH_UNAVAILABLE),
            (b"e=unsupported-channel-binding-type", FailureReason.AUTH_MECHANISM_NOT_OFFERED),
        ],
    )
    def test_that_fails_is_explained_before_it_is_refused(self, error: bytes, reason: FailureReason, cut: Cut) -> None:
        script = self.SERVER_FIRST + b"334 " + b64encode(error) + b"\r\n535 5.7.8 no\r\n"

        played = logged_in(script, b"AUTH SCRAM-SHA-256", cut=cut)

        assert played.error is not None
        assert reason is played.error.reason
        assert f'"535 5.7.8 no"; the server explains "{error.decode()}"' in played.error.detail


class TestExternal:
    @pytest.mark.parametrize(("username", "said"), [("tim", b"dGlt"), ("", b"=")])
    def test_says_only_who(self, username: str, said: bytes) -> None:
        who = Login(username, Secret(b""), kind=SecretKind.CERTIFICATE)

        assert [b"AUTH EXTERNAL " + said] == logged_in(TAKEN, b"AUTH PLAIN EXTERNAL", who).sent


class TestCancelling:
    @every_cut
    @pytest.mark.parametrize(
        ("offer", "script", "detail"),
        [
            (b"AUTH PLAIN", b"334 \r\n", "the server asks for more than PLAIN has to say"),
            (b"AUTH LOGIN", 3 * b"334 \r\n", "the server asks for more than LOGIN has to say"),
            (b"AUTH CRAM-MD5", b"334 =\r\n", "the server's challenge is not base64"),
            (b"AUTH CRAM-MD5", b"334 <1@a>\r\n", 'the server\'s challenge is not base64: "<1@a>"'),
        ],
    )
    def test_comes_before_the_goodbye_where_the_server_waits_for_a_response(
        self, offer: bytes, script: bytes, detail: str, cut: Cut
    ) -> None:
        smtp = client(offer)

        played = play(smtp.log_in(login(), encrypted=True), script, cut)
        goodbye = play(smtp.quit(), b"501 5.7.0 Authentication aborted\r\n221 Bye\r\n", cut)

        assert played.error is not None
        assert FailureReason.PROTOCOL_ERROR == played.error.reason
        assert detail in played.error.detail
        assert played.error.in_step
        assert [b"*", b"QUIT"] == goodbye.sent

    def test_does_not_come_after_a_refusal(self) -> None:
        smtp = client()
        play(smtp.log_in(login(), encrypted=True), b"535 5.7.8 no\r\n")

        assert [b"QUIT"] == play(smtp.quit(), b"221 Bye\r\n").sent
