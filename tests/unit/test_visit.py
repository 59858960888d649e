"""The course of a probe, played against a script instead of a server: what it says, when it stops, what it keeps."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64decode
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from exporter.model import (
    Credentials,
    Failure,
    FailureReason,
    LoginBackoff,
    Mechanism,
    Phase,
    Protocol,
    Secret,
    Withheld,
)
from exporter.net.stream import StreamError
from exporter.protocol.dialogue import ChannelBinding
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from tests import virtual_time
from tests.replay import Replay
from tests.unit.scripted_visits import (
    LOGIN,
    POP3_BYE,
    POP3_CAPA,
    POP3_GREETING,
    POP3_LOGGED_IN,
    POP3_STAT,
    SECRET,
    Contexts,
    Names,
    Network,
    Stalling,
    failed,
    pop3,
    probe,
    tls_facts,
)
from tests.visits import visitor


def test_a_probe_goes_through_its_phases_and_says_goodbye() -> None:
    script = [POP3_GREETING, POP3_CAPA, *POP3_LOGGED_IN, POP3_STAT, POP3_BYE]

    result, server = probe(pop3(), script, login=LOGIN)

    assert result.failure is None
    assert [
        Phase.DNS,
        Phase.CONNECT,
        Phase.TLS,
        Phase.GREETING,
        Phase.CAPABILITY,
        Phase.AUTH,
        Phase.CHECK,
        Phase.QUIT,
    ] == [span.phase for span in result.spans]
    assert [b"CAPA\r\n", b"USER monitor\r\n", b"PASS correct horse\r\n", b"STAT\r\n", b"QUIT\r\n"] == server.sent
    assert server.closed
    assert ("192.0.2.10", True, 3) == (
        result.facts.address,
        result.facts.auth_success,
        result.facts.mailbox and result.facts.mailbox.messages,
    )


def test_the_transcript_has_everything_but_the_secret() -> None:
    result, _ = probe(pop3(), [POP3_GREETING, POP3_CAPA, *POP3_LOGGED_IN, POP3_STAT, POP3_BYE], login=LOGIN)

    texts = [line.text for line in result.transcript]
    assert "connected to 192.0.2.10 port 995" == texts[0]
    assert "PASS <redacted>" in texts
    assert "+OK bye" == texts[-1]
    assert SECRET.decode() not in repr(result)


@pytest.mark.parametrize(
    ("wanted", "mechanism", "header"),
    [
        (Mechanism.SCRAM_SHA_256_PLUS, Mechanism.SCRAM_SHA_256_PLUS, b"p=tls-exporter,,n=monitor,r="),
        (Mechanism.AUTO, Mechanism.SCRAM_SHA_256, b"n,,n=monitor,r="),
    ],
)
def test_a_login_is_bound_to_the_tls_session_where_that_was_asked_for(
    wanted: Mechanism, mechanism: Mechanism, header: bytes
) -> None:
    bindings: dict[ChannelBinding, bytes] = {"tls-exporter": b"x" * 32}
    capa = b"+OK\r\nSASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n.\r\n"
    script = [POP3_GREETING, capa, b"-ERR [AUTH] no\r\n", POP3_BYE]

    result, server = probe(pop3(), Replay(script, tls_facts(), bindings), login=replace(LOGIN, mechanism=wanted))

    assert mechanism is result.facts.auth_mechanism
    (message,) = (line.split()[-1] for line in server.sent if line.startswith(b"AUTH"))
    assert b64decode(message).startswith(header)
    # RFC 5802 section 5.1: a nonce that nobody can guess, from 18 random octets.
    assert 24 == len(b64decode(message)) - len(header)


@pytest.mark.parametrize("reason", [FailureReason.AUTH_REJECTED, FailureReason.AUTH_UNAVAILABLE])
def test_a_paused_login_fails_in_a_phase_that_it_does_not_have(reason: FailureReason) -> None:
    result, server = probe(pop3(), [POP3_GREETING, POP3_CAPA, POP3_BYE], login=Withheld(reason, "login paused"))

    assert (reason, Phase.AUTH) == failed(result)
    assert Phase.AUTH not in result.phase_durations
    assert (None, None, True) == (result.facts.auth_mechanism, result.facts.auth_success, result.login_paused)
    assert [b"CAPA\r\n", b"QUIT\r\n"] == server.sent


def test_a_refused_login_is_not_paused() -> None:
    script = [POP3_GREETING, POP3_CAPA, b"+OK\r\n", b"-ERR [AUTH] no\r\n", POP3_BYE]

    result, _ = probe(pop3(), script, login=LOGIN)

    assert (False, False) == (result.facts.auth_success, result.login_paused)


@pytest.mark.parametrize(("words", "unclear"), [(b"-ERR who knows\r\n", True), (b"-ERR [SYS/TEMP] no\r\n", False)])
def test_a_failure_says_whether_the_refusal_was_clear(words: bytes, unclear: bool) -> None:
    result, _ = probe(pop3(), [POP3_GREETING, POP3_CAPA, b"+OK\r\n", words, POP3_BYE], login=LOGIN)

    assert result.failure is not None
    assert (FailureReason.AUTH_UNAVAILABLE, unclear) == (result.failure.reason, result.failure.unclear)


def test_after_a_refusal_the_probe_still_says_goodbye() -> None:
    script = [POP3_GREETING, POP3_CAPA, b"+OK\r\n", b"-ERR [AUTH] no\r\n", POP3_BYE]

    result, server = probe(pop3(), script, login=LOGIN)

    assert (FailureReason.AUTH_REJECTED, Phase.AUTH) == failed(result)
    assert b"QUIT\r\n" == server.sent[-1]
    assert result.facts.auth_success is False


def test_after_garbage_the_probe_hangs_up() -> None:
    result, server = probe(pop3(), [b"SSH-2.0-OpenSSH_9.2p1\r\n"])

    assert (FailureReason.PROTOCOL_ERROR, Phase.GREETING) == failed(result)
    assert [] == server.sent
    assert server.closed


@pytest.mark.parametrize("farewell", [[], [b"-ERR no\r\n"], [b"\xff\xfe\r\n"]])
def test_a_goodbye_that_fails_does_not_fail_the_probe(farewell: list[bytes]) -> None:
    result, server = probe(pop3(), [POP3_GREETING, POP3_CAPA, *farewell])

    assert result.failure is None
    assert b"QUIT\r\n" == server.sent[-1]


def test_a_goodbye_that_is_not_answered_is_not_waited_for() -> None:
    result, _ = probe(pop3(), Stalling([POP3_GREETING, POP3_CAPA]))

    assert result.failure is None
    assert 2.0 == pytest.approx(result.duration)


@pytest.mark.parametrize(
    ("script", "phase", "said_last"),
    [
        ([], Phase.GREETING, None),
        ([POP3_GREETING], Phase.CAPABILITY, b"QUIT\r\n"),
        ([POP3_GREETING, POP3_CAPA], Phase.AUTH, b"USER monitor\r\n"),
        ([POP3_GREETING, POP3_CAPA, *POP3_LOGGED_IN], Phase.CHECK, b"QUIT\r\n"),
    ],
)
def test_a_server_that_stalls_is_a_timeout_in_its_phase(
    script: list[bytes], phase: Phase, said_last: bytes | None
) -> None:
    server = Stalling(script)

    result, _ = probe(pop3(timeout=7.0), server, login=LOGIN)

    assert (FailureReason.TIMEOUT, phase) == failed(result)
    assert 7.0 == pytest.approx(result.duration)
    assert said_last == (server.sent[-1] if server.sent else None)
    assert server.closed


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ([], "no reply within 7 s"),
        ([b"+OK PO"], 'no reply within 7 s; the server began to say "+OK PO..."'),
        ([b"+OK POP3\r"], 'no reply within 7 s; the server began to say "+OK POP3\\x0d..."'),
        ([POP3_GREETING], "no reply within 7 s"),
        ([POP3_GREETING, b"+OK\r\nUSER\r\nTOP\r\n"], 'no reply within 7 s; the server last said "TOP"'),
        ([POP3_GREETING, b"+OK\r\nUSER\r\nTO"], 'no reply within 7 s; the server began to say "TO..."'),
    ],
)
def test_a_timeout_quotes_what_the_server_said_of_an_unfinished_reply(script: list[bytes], says: str) -> None:
    result, _ = probe(pop3(timeout=7.0), Stalling(script))

    assert result.failure is not None
    assert says == result.failure.detail


def test_a_line_that_ends_within_the_secret_does_not_show_its_beginning() -> None:
    script = [POP3_GREETING, POP3_CAPA, b"+OK\r\n", b"-ERR not " + SECRET[:5]]

    result, _ = probe(pop3(timeout=7.0), Stalling(script), login=LOGIN)

    assert result.failure is not None
    assert '"-ERR not <redacted>..."' in result.failure.detail


def test_a_withheld_login_is_a_failure_after_everything_else_was_probed() -> None:
    withheld = Withheld(FailureReason.SECRET_UNREADABLE, "credentials monitor: gone")

    result, server = probe(pop3(), [POP3_GREETING, POP3_CAPA, POP3_BYE], login=withheld)

    assert Failure(FailureReason.SECRET_UNREADABLE, Phase.AUTH, "credentials monitor: gone") == result.failure
    assert Phase.CAPABILITY in result.phase_durations
    assert [b"CAPA\r\n", b"QUIT\r\n"] == server.sent


@pytest.mark.parametrize(
    ("error", "logged", "has_traceback", "says"),
    [
        (ZeroDivisionError, "bug: a probe raised", True, "a bug of mail-exporter"),
        (MemoryError, "no memory left for a probe", None, "no memory left"),
    ],
)
def test_a_bug_of_ours_or_a_lack_of_memory_is_a_result_and_in_the_log(
    error: type[Exception], logged: str, has_traceback: bool | None, says: str
) -> None:
    class Broken(Replay):
        async def read_line(self, limit: int) -> bytes:
            raise error(limit)

    with capture_logs() as logs:
        result, server = probe(pop3(), Broken([], tls_facts()))

    assert (FailureReason.INTERNAL_ERROR, Phase.GREETING) == failed(result)
    assert result.failure is not None
    assert says in result.failure.detail
    assert [(logged, has_traceback)] == [(line["event"], line.get("exc_info")) for line in logs]
    assert server.closed


def test_cancellation_passes_through_and_closes_the_connection() -> None:
    server = Stalling([POP3_GREETING])

    async def scenario() -> None:
        world = World(Names(), Contexts(), connect=Network({"192.0.2.10": server}).connect)
        task = asyncio.create_task(visitor(world).probe(pop3()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtual_time.run(scenario())
    assert server.closed


def test_a_probe_in_a_hurry_ends_at_once_and_says_goodbye() -> None:
    server = Stalling([POP3_GREETING])

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        hasty = visitor(World(Names(), Contexts(), connect=Network({"192.0.2.10": server}).connect))
        task = asyncio.create_task(hasty.probe(pop3(timeout=60.0)))
        await asyncio.sleep(1)
        hasty.hurry()
        await asyncio.sleep(0)
        hasty.hurry()  # its time is running out already
        await task
        return loop.time()

    assert virtual_time.run(scenario()) < 5
    assert b"QUIT\r\n" == server.sent[-1]
    assert server.closed


def test_credentials_never_show_in_a_representation() -> None:
    class Source:
        def read(self) -> Secret:
            return Secret(SECRET)

    shown = repr((LOGIN, Credentials("monitor", "user", Source()), Secret(SECRET))) + f"{Secret(SECRET)}"

    assert SECRET.decode() not in shown


IMAP_GREETING = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n"


def test_the_last_words_of_a_server_that_hangs_up_are_in_the_detail() -> None:
    # nginx, when the server behind it is down.
    script = [IMAP_GREETING, b"* BAD internal server error\r\n"]

    result, _ = probe(replace(pop3(), protocol=Protocol.IMAP), script, login=LOGIN)

    assert (FailureReason.CONNECTION_CLOSED, Phase.AUTH) == failed(result)
    assert result.failure is not None
    assert 'the server closed the connection; unasked, it said "BAD internal server error"' == result.failure.detail


def test_a_reply_that_came_too_soon_is_not_taken_for_that_of_the_recipient() -> None:
    asked = replace(pop3(), protocol=Protocol.SMTP, rcpt_to="a@b.example")
    script = [b"220 hello\r\n", b"250 hello\r\n", b"250 fine\r\n250 fine\r\n", b"550 no\r\n", b"221 bye\r\n"]

    result, server = probe(asked, script)

    assert (FailureReason.PROTOCOL_ERROR, Phase.CHECK) == failed(result)
    assert not any(line.startswith(b"RCPT") for line in server.sent)


class HangingSecret:
    """On a file system that hangs, until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def read(self) -> Secret:
        self.let_go.wait(30)
        return Secret(SECRET)


@pytest.mark.parametrize("up", [True, False])
async def test_a_secret_on_a_file_system_that_hangs_hides_no_outage(*, up: bool) -> None:
    secret = HangingSecret()
    server = Replay([POP3_GREETING, POP3_CAPA], tls_facts())
    network = Network({"192.0.2.10": server if up else StreamError(FailureReason.CONNECT_REFUSED, "refused")})
    endpoint = pop3(timeout=0.5, credentials=Credentials("c", "monitor", secret))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    world = World(Names(), Contexts(), connect=network.connect)
    result = await Visitor(world, Logins(loop.time, LoginBackoff())).probe(endpoint)
    took = loop.time() - begun
    secret.let_go.set()

    assert ["192.0.2.10"] == network.tried
    assert result.failure is not None
    assert (FailureReason.SECRET_UNREADABLE if up else FailureReason.CONNECT_REFUSED) is result.failure.reason
    assert took < 30
