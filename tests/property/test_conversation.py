from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Encryption, Login
from exporter.protocol.dialogue import Dialogue, ReadLine, RequireSecure, Send, StartTls
from exporter.protocol.errands import converse
from tests.property.hostile import cuts, encryptions, lines, logins, parts, surroundings
from tests.protocol.player import IN_CLEAR, Circumstances, Cut, Played, ScriptEndedError, play, whole
from tests.protocol.samples import (
    BEARER,
    EVERY,
    EXPLANATION,
    IMAP,
    PASSWORD,
    POP3,
    SMTP,
    TOKEN,
    USERNAME,
    Agreeable,
    login,
)

SERVER_FIRST = b64encode(b"r=" + b64encode(IN_CLEAR.random) + b"more,s=QSXCR+Q6sek8bf92,i=1")
SERVER_ERROR = b64encode(b"e=invalid-proof")

PLAUSIBLE = {
    SMTP.protocol: [
        b"220 mail.example.com ESMTP",
        b"220-mail.example.com",
        b"250 Ok",
        b"250-mail.example.com",
        b"250-AUTH PLAIN LOGIN USERPASS",
        b"250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-1 CRAM-MD5 EXTERNAL",
        b"250-AUTH XOAUTH2 OAUTHBEARER LOGIN",
        b"250 AUTH=LOGIN",
        b"250 STARTTLS",
        b"334 ",
        b"334 VXNlcm5hbWU6",
        b"334 " + EXPLANATION,
        b"334 " + SERVER_FIRST,
        b"334 " + SERVER_ERROR,
        b"235 2.7.0 Ok",
        b"421 closing",
        b"454 later",
        b"502 what?",
        b"535 5.7.8 no",
    ],
    POP3.protocol: [
        b"+OK",
        b"+OK 2 320",
        b"+OK <1.2@example.com>",
        b"+ " + EXPLANATION,
        b"+ " + SERVER_FIRST,
        b"+ " + SERVER_ERROR,
        b"SASL SCRAM-SHA-256-PLUS SCRAM-SHA-1 CRAM-MD5 EXTERNAL",
        b"SASL XOAUTH2 OAUTHBEARER LOGIN",
        b"-ERR [AUTH] no",
        b"-ERR [SYS/TEMP] later",
        b"+ ",
        b"+ VXNlcm5hbWU6",
        b"USER",
        b"SASL PLAIN LOGIN USERPASS",
        b"STLS",
        b".",
        b"..",
    ],
    IMAP.protocol: [
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN AUTH=LOGIN SASL-IR LITERAL+] ready",
        b"* PREAUTH welcome",
        b"* BYE",
        b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=LOGIN LITERAL-",
        b"* CAPABILITY IMAP4rev1",
        b"* CAPABILITY SASL-IR AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-1 AUTH=CRAM-MD5 AUTH=EXTERNAL",
        b"* CAPABILITY AUTH=XOAUTH2 AUTH=OAUTHBEARER AUTH=LOGIN LOGINDISABLED",
        b"+ " + EXPLANATION,
        b"+ " + SERVER_FIRST,
        b"+ " + SERVER_ERROR,
        b"+ ",
        b"+ VXNlcm5hbWU6",
        b"* STATUS INBOX (MESSAGES 7 UNSEEN 3)",
        b"* 7 EXISTS",
        b"* LIST () {3}",
        *[b"a%d OK done" % number for number in range(1, 8)],
        *[b"a%d NO [AUTHENTICATIONFAILED] no" % number for number in range(1, 8)],
    ],
}

EVERYTHING_SECRET = (
    PASSWORD,
    b64encode(PASSWORD),
    b64encode(b"\0" + USERNAME.encode() + b"\0" + PASSWORD),
    TOKEN,
    b64encode(TOKEN),
    BEARER,
)


def conversed(
    server: Agreeable,
    encryption: Encryption,
    who: Login,
    script: bytes | list[bytes],
    cut: Cut,
    *,
    circumstances: Circumstances = IN_CLEAR,
) -> Played:
    """Everything that was done until the dialogue or the script ended, with the goodbye where one is due."""
    endpoint = server.endpoint(encryption, capabilities=("X",))
    client = server.client(endpoint, "probe.example.com")
    played = played_to_the_end(converse(client, endpoint, who), script, cut, circumstances)
    if played.error is None or played.error.in_step:
        played.steps += played_to_the_end(client.quit(), played.unread, cut, circumstances).steps
    return played


def played_to_the_end(
    dialogue: Dialogue[None], script: bytes | list[bytes], cut: Cut, circumstances: Circumstances
) -> Played:
    try:
        return play(dialogue, script, cut, circumstances)
    except ScriptEndedError as ended:
        return ended.played


def assert_credentials_are_safe(played: Played, encryption: Encryption) -> None:
    """No secret before the question whether it may leave, nor before the handshake, nor in a line that is shown."""
    allowed = encrypted = False
    for step in played.steps:
        match step:
            case StartTls():
                encrypted, allowed = True, False
            case RequireSecure():
                allowed = True
            case Send(line, None):
                assert not any(secret in line for secret in EVERYTHING_SECRET)
            case Send(_, shown):
                assert allowed
                assert encrypted or encryption in {Encryption.NONE, Encryption.OPPORTUNISTIC}
                assert not any(secret.decode() in str(shown) for secret in EVERYTHING_SECRET)


def assert_the_server_speaks_first(played: Played) -> None:
    spoken = [step for step in played.steps if isinstance(step, Send | ReadLine)]
    assert not spoken or isinstance(spoken[0], ReadLine)


@pytest.mark.parametrize("server", EVERY, ids=lambda server: server.protocol.value)
@given(data=st.data(), encryption=encryptions, who=logins, cut=cuts, circumstances=surroundings)
def test_a_good_server_with_something_wrong_gets_no_secret_too_early(
    *,
    server: Agreeable,
    data: st.DataObject,
    encryption: Encryption,
    who: Login,
    cut: Cut,
    circumstances: Circumstances,
) -> None:
    script = data.draw(parts(server, encryption, PLAUSIBLE[server.protocol]))

    played = conversed(server, encryption, who, script, cut, circumstances=circumstances)

    assert_credentials_are_safe(played, encryption)
    assert_the_server_speaks_first(played)


@pytest.mark.parametrize("server", EVERY, ids=lambda server: server.protocol.value)
@given(data=st.data(), encryption=encryptions, who=logins, cut=cuts, circumstances=surroundings)
def test_a_server_that_says_anything_gets_no_secret_too_early(
    *,
    server: Agreeable,
    data: st.DataObject,
    encryption: Encryption,
    who: Login,
    cut: Cut,
    circumstances: Circumstances,
) -> None:
    script = data.draw(lines(PLAUSIBLE[server.protocol]))

    # In one part, so that what comes too early is read all the same, as behind a driver that did not look.
    played = conversed(server, encryption, who, script, cut, circumstances=circumstances)

    assert_credentials_are_safe(played, encryption)
    assert_the_server_speaks_first(played)


@pytest.mark.parametrize("server", EVERY, ids=lambda server: server.protocol.value)
@given(encryption=encryptions)
def test_a_good_server_gets_the_login(server: Agreeable, encryption: Encryption) -> None:
    """So that the properties above are known to speak of conversations that get that far."""
    played = conversed(server, encryption, login(), list(server.parts(encryption)), whole)

    assert 1 == len(played.secret)
