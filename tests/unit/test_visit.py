"""The course of a probe, played against a script instead of a server: what it says, when it stops, what it keeps."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from OpenSSL import SSL
from structlog.testing import capture_logs

from exporter.model import (
    CertificateProblem,
    Credentials,
    Encryption,
    Endpoint,
    Failure,
    FailureReason,
    IpFamily,
    Login,
    LoginBackoff,
    Mechanism,
    Phase,
    ProbeResult,
    Protocol,
    Resolution,
    Secret,
    TlsFacts,
    TlsPolicy,
    Withheld,
)
from exporter.net.replay import Replay
from exporter.net.resolve import ResolveError
from exporter.net.stream import StreamError
from exporter.net.tls import TlsSetupError
from exporter.protocol.dialogue import ChannelBinding
from exporter.visiting.connect import Connection, World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from tests import virtual_time
from tests.visits import visitor

SECRET = b"correct horse"
LOGIN = Login("monitor", Secret(SECRET))

POP3_GREETING = b"+OK ready\r\n"
POP3_CAPA = b"+OK\r\nUSER\r\nSTLS\r\n.\r\n"
POP3_LOGGED_IN = (b"+OK\r\n", b"+OK logged in\r\n")
POP3_STAT = b"+OK 3 1234\r\n"
POP3_BYE = b"+OK bye\r\n"


def tls_facts(*problems: CertificateProblem) -> TlsFacts:
    return TlsFacts(
        version="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        group="X25519",
        chain=(),
        problems=problems,
        detail=", ".join(problems),
        ocsp_stapled=False,
    )


def pop3(encryption: Encryption = Encryption.TLS, **changes: object) -> Endpoint:
    fields: dict[str, object] = {"timeout": 10.0, **changes}
    return Endpoint("pop3", Protocol.POP3, "mail.example.com", 995, encryption, **fields)  # type: ignore[arg-type]  # names and types are the caller's


@dataclass
class Names:
    """Answers every name with the same addresses."""

    addresses_found: tuple[str, ...] = ("192.0.2.10",)
    error: ResolveError | None = None
    unanswered: str = ""
    asked: list[tuple[str, IpFamily]] = field(default_factory=list)

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        self.asked.append((host, family))
        if self.error is not None:
            raise self.error
        return Resolution(self.addresses_found, self.unanswered)


class Contexts:
    """Has no contexts: a replay shakes no hands."""

    def fresh(self, policy: TlsPolicy) -> SSL.Context:
        return cast("SSL.Context", policy)

    async def current(self, policy: TlsPolicy) -> SSL.Context:
        return self.fresh(policy)


@dataclass
class Network:
    """Connects to scripts: one for each address, or an error to raise, or nothing to hang."""

    servers: dict[str, Replay | StreamError | None]
    tried: list[str] = field(default_factory=list)

    async def connect(self, address: str, port: int, source_address: str | None) -> Connection:
        assert 995 == port
        assert source_address is None
        self.tried.append(address)
        server = self.servers[address]
        if server is None:
            await asyncio.sleep(3600)
            raise AssertionError("nobody waits this long")
        if isinstance(server, StreamError):
            raise server
        return server


def probe(
    endpoint: Endpoint,
    script: Iterable[bytes] | Replay,
    *,
    login: Login | Withheld | None = None,
    facts: TlsFacts | None = None,
    names: Names | None = None,
) -> tuple[ProbeResult, Replay]:
    server = script if isinstance(script, Replay) else Replay(script, facts or tls_facts())
    return run(endpoint, Network({"192.0.2.10": server}), names or Names(), login), server


def run(endpoint: Endpoint, network: Network, names: Names, login: Login | Withheld | None = None) -> ProbeResult:
    async def scenario() -> ProbeResult:
        clock = asyncio.get_running_loop().time
        world = World(names, Contexts(), wall_clock=lambda: 1.7e9, clock=clock, connect=network.connect)
        return await visitor(world, login).probe(endpoint)

    return virtual_time.run(scenario())


def failed(result: ProbeResult) -> tuple[FailureReason, Phase]:
    assert result.failure is not None
    return result.failure.reason, result.failure.phase


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


class Stalling(Replay):
    """Says no more after the script, and keeps the connection open."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(pieces, tls_facts())

    async def read_line(self, limit: int) -> bytes:
        try:
            return await super().read_line(limit)
        except StreamError:
            await asyncio.sleep(3600)
            raise


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


def test_a_certificate_that_is_not_good_ends_the_probe_with_its_facts() -> None:
    facts = tls_facts(CertificateProblem.EXPIRED)

    result, server = probe(pop3(), [POP3_GREETING], facts=facts, login=LOGIN)

    assert (FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS) == failed(result)
    assert facts is result.facts.tls
    assert [] == server.sent


def test_after_starttls_with_a_bad_certificate_the_probe_says_goodbye_and_nothing_else() -> None:
    facts = tls_facts(CertificateProblem.NAME_MISMATCH)

    result, server = probe(
        pop3(Encryption.STARTTLS), [POP3_GREETING, POP3_CAPA, b"+OK begin\r\n"], facts=facts, login=LOGIN
    )

    assert (FailureReason.TLS_NAME_MISMATCH, Phase.TLS) == failed(result)
    assert [b"CAPA\r\n", b"STLS\r\n", b"QUIT\r\n"] == server.sent


def test_without_verify_a_bad_certificate_does_not_fail_the_probe_but_no_password_leaves() -> None:
    facts = tls_facts(CertificateProblem.SELF_SIGNED)
    endpoint = pop3(tls=TlsPolicy(verify=False))

    unauthenticated, _ = probe(endpoint, [POP3_GREETING, POP3_CAPA, POP3_BYE], facts=facts)
    authenticated, server = probe(endpoint, [POP3_GREETING, POP3_CAPA, POP3_BYE], facts=facts, login=LOGIN)

    assert unauthenticated.failure is None
    assert (FailureReason.AUTH_INSECURE, Phase.AUTH) == failed(authenticated)
    assert authenticated.facts.auth_success is None
    assert [b"CAPA\r\n", b"QUIT\r\n"] == server.sent


def test_no_password_leaves_in_plain_unless_the_user_insists() -> None:
    refused, refusing = probe(pop3(Encryption.NONE), [POP3_GREETING, POP3_CAPA, POP3_BYE], login=LOGIN)
    insisted, _ = probe(
        pop3(Encryption.NONE, allow_insecure_auth=True),
        [POP3_GREETING, POP3_CAPA, *POP3_LOGGED_IN, POP3_STAT, POP3_BYE],
        login=LOGIN,
    )

    assert (FailureReason.AUTH_INSECURE, Phase.AUTH) == failed(refused)
    assert not any(SECRET in line for line in refusing.sent)
    assert insisted.failure is None


def test_octets_before_the_handshake_are_an_injection_in_the_phase_starttls() -> None:
    script = [POP3_GREETING, POP3_CAPA, b"+OK begin\r\n+OK injected\r\n"]

    result, server = probe(pop3(Encryption.STARTTLS), script, login=LOGIN)

    assert (FailureReason.STARTTLS_INJECTION, Phase.STARTTLS) == failed(result)
    assert [b"CAPA\r\n", b"STLS\r\n"] == server.sent


def test_a_withheld_login_is_a_failure_after_everything_else_was_probed() -> None:
    withheld = Withheld(FailureReason.SECRET_UNREADABLE, "credentials monitor: gone")

    result, server = probe(pop3(), [POP3_GREETING, POP3_CAPA, POP3_BYE], login=withheld)

    assert Failure(FailureReason.SECRET_UNREADABLE, Phase.AUTH, "credentials monitor: gone") == result.failure
    assert Phase.CAPABILITY in result.phase_durations
    assert [b"CAPA\r\n", b"QUIT\r\n"] == server.sent


def test_a_name_that_does_not_resolve_is_a_failure_in_the_phase_dns() -> None:
    names = Names(error=ResolveError(FailureReason.DNS_NOT_FOUND, "mail.example.com does not exist"))

    result, _ = probe(pop3(), [], names=names)

    assert Failure(FailureReason.DNS_NOT_FOUND, Phase.DNS, "mail.example.com does not exist") == result.failure
    assert {Phase.DNS} == result.phase_durations.keys()
    assert result.facts.address is None


def test_the_addresses_are_tried_in_order_until_one_connects() -> None:
    refused = StreamError(FailureReason.CONNECT_REFUSED, os.strerror(errno.ECONNREFUSED))
    network = Network(
        {
            "2001:db8::1": refused,
            "192.0.2.1": Replay([POP3_GREETING, POP3_CAPA, POP3_BYE], tls_facts()),
            "192.0.2.2": refused,
        }
    )

    result = run(pop3(), network, Names(tuple(network.servers)))

    assert result.failure is None
    assert "192.0.2.1" == result.facts.address
    assert ["2001:db8::1", "192.0.2.1"] == network.tried


def test_an_address_that_hangs_leaves_time_for_the_next() -> None:
    network = Network({"192.0.2.1": None, "192.0.2.2": Replay([POP3_GREETING, POP3_CAPA, POP3_BYE], tls_facts())})

    result = run(pop3(timeout=10.0), network, Names(tuple(network.servers)))

    assert result.failure is None
    assert "192.0.2.2" == result.facts.address
    assert 5.0 == pytest.approx(result.phase_durations[Phase.CONNECT])


def test_when_no_address_connects_the_last_one_says_why() -> None:
    refused = StreamError(FailureReason.CONNECT_REFUSED, "Connection refused")
    network = Network({"192.0.2.1": None, "192.0.2.2": refused})

    result = run(pop3(), network, Names(tuple(network.servers)))

    assert (FailureReason.CONNECT_REFUSED, Phase.CONNECT) == failed(result)
    assert result.failure is not None
    assert "192.0.2.2 port 995: Connection refused; 1 other address failed as well" == result.failure.detail


def test_a_connect_that_hangs_is_a_timeout() -> None:
    result = run(pop3(timeout=3.0), Network({"192.0.2.1": None}), Names(("192.0.2.1",)))

    assert (FailureReason.TIMEOUT, Phase.CONNECT) == failed(result)
    assert 3.0 == pytest.approx(result.duration)


def only(address: str, names: Names, network: Network | None = None) -> ProbeResult:
    """A probe of one address of the host."""
    server = Replay([POP3_GREETING, POP3_CAPA, POP3_BYE], tls_facts())
    return run(pop3(only_address=address), network or Network({address: server}), names)


def test_one_address_of_several_is_probed_and_no_other() -> None:
    result = only("192.0.2.2", Names(("192.0.2.1", "192.0.2.2")))

    assert result.failure is None
    assert "192.0.2.2" == result.facts.address
    assert ("pop3", "192.0.2.2") == result.series
    assert Resolution(("192.0.2.1", "192.0.2.2")) == result.resolution


def test_an_address_that_does_not_connect_is_not_made_up_for_by_another() -> None:
    refused = StreamError(FailureReason.CONNECT_REFUSED, "Connection refused")

    result = only("192.0.2.1", Names(("192.0.2.1", "192.0.2.2")), Network({"192.0.2.1": refused}))

    assert (FailureReason.CONNECT_REFUSED, Phase.CONNECT) == failed(result)
    assert result.failure is not None
    assert "192.0.2.1 port 995: Connection refused" == result.failure.detail


def test_an_address_that_left_is_not_probed() -> None:
    result = only("192.0.2.1", Names(("192.0.2.2",)))

    assert (FailureReason.DNS_NOT_FOUND, Phase.DNS) == failed(result)
    assert Resolution(("192.0.2.2",)) == result.resolution
    assert result.facts.address is None


def test_whether_an_address_left_may_be_unknown() -> None:
    result = only("2001:db8::1", Names(("192.0.2.2",), unanswered="AAAA: 192.0.2.53 says SERVFAIL"))

    assert Failure(FailureReason.DNS_FAILED, Phase.DNS, "AAAA: 192.0.2.53 says SERVFAIL") == result.failure


@pytest.mark.parametrize(
    ("reason", "resolution"), [(FailureReason.DNS_NOT_FOUND, Resolution(())), (FailureReason.DNS_FAILED, None)]
)
def test_a_name_without_addresses_is_told_from_one_that_cannot_be_looked_up(
    reason: FailureReason, resolution: Resolution | None
) -> None:
    result, _ = probe(pop3(), [], names=Names(error=ResolveError(reason, "")))

    assert resolution == result.resolution


def test_a_name_can_be_looked_up_without_a_probe() -> None:
    async def scenario() -> ProbeResult:
        world = World(Names(("192.0.2.1", "192.0.2.2")), Contexts(), connect=Network({}).connect)
        return await visitor(world).look_up(pop3())

    result = virtual_time.run(scenario())
    assert result.failure is None
    assert Resolution(("192.0.2.1", "192.0.2.2")) == result.resolution
    assert {Phase.DNS} == result.phase_durations.keys()


def test_a_look_up_fails_as_a_probe_does() -> None:
    names = Names(error=ResolveError(FailureReason.DNS_FAILED, "nobody answers"))

    async def scenario() -> ProbeResult:
        return await visitor(World(names, Contexts())).look_up(pop3())

    assert Failure(FailureReason.DNS_FAILED, Phase.DNS, "nobody answers") == virtual_time.run(scenario()).failure


def test_a_source_address_decides_the_family() -> None:
    names = Names(error=ResolveError(FailureReason.DNS_NOT_FOUND, ""))

    probe(pop3(source_address="2001:db8::5"), [], names=names)
    probe(pop3(source_address="192.0.2.5"), [], names=names)

    assert [("mail.example.com", IpFamily.IPV6), ("mail.example.com", IpFamily.IPV4)] == names.asked


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


@dataclass
class Unready:
    """Has no context to give, for a reason, or forever."""

    error: Exception | None

    def fresh(self, _policy: TlsPolicy) -> None:
        """Nothing is."""

    async def current(self, policy: TlsPolicy) -> SSL.Context:
        if self.error is None:
            await asyncio.sleep(3600)
            raise AssertionError(f"nobody waits this long for {policy}")
        raise self.error


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (TlsSetupError("ca_file /ca.pem: No such file"), FailureReason.TLS_UNTRUSTED, "ca_file /ca.pem: No such file"),
        (None, FailureReason.TLS_UNTRUSTED, "could not be read within 4 s; does their disk hang?"),
        (ZeroDivisionError(), FailureReason.INTERNAL_ERROR, "its log has the traceback"),
    ],
)
def test_without_a_context_the_probe_fails_where_it_is_needed_and_no_phase_waits_for_it(
    error: Exception | None, reason: FailureReason, detail: str
) -> None:
    async def scenario() -> ProbeResult:
        clock = asyncio.get_running_loop().time
        network = Network({"192.0.2.10": Replay([POP3_GREETING])})
        world = World(Names(), Unready(error), clock=clock, connect=network.connect)
        return await visitor(world).probe(pop3(timeout=4.0))

    with capture_logs() as logs:
        result = virtual_time.run(scenario())

    assert (reason, Phase.TLS) == failed(result)
    assert result.failure is not None
    assert detail in result.failure.detail
    assert 0.0 == result.duration
    assert (reason is FailureReason.INTERNAL_ERROR) == bool(logs)


def test_an_endpoint_without_encryption_asks_for_no_context() -> None:
    async def scenario() -> ProbeResult:
        network = Network({"192.0.2.10": Replay([POP3_GREETING, POP3_CAPA, POP3_BYE])})
        world = World(Names(), Unready(AssertionError("nobody needs it")), connect=network.connect)
        return await visitor(world).probe(pop3(Encryption.NONE))

    assert virtual_time.run(scenario()).failure is None


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


@dataclass
class SlowNames(Names):
    """A nameserver that does not answer, and is known by its address."""

    asked_whom: str = "192.0.2.53"

    @property
    def nameservers_asked(self) -> str:
        return self.asked_whom

    async def resolve(self, host: str, family: IpFamily) -> Resolution:
        await asyncio.sleep(3600)
        raise AssertionError(host, family)


@pytest.mark.parametrize(
    ("whom", "says"), [("192.0.2.53", "no reply within 2 s from 192.0.2.53"), ("", "no reply within 2 s")]
)
def test_a_timeout_while_a_name_is_looked_up_names_the_nameserver(whom: str, says: str) -> None:
    names = SlowNames()
    names.asked_whom = whom
    result, _ = probe(pop3(timeout=2.0), [], names=names)

    assert (FailureReason.TIMEOUT, Phase.DNS) == failed(result)
    assert result.failure is not None
    assert says == result.failure.detail
