from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from typing import Final

import pytest
import scramp  # type: ignore[import-untyped] # it has no annotations, and none are needed for a dozen lines

from exporter.model import FailureReason, Mechanism
from exporter.protocol.dialogue import Conceal, DeriveKey, DialogueError, ProtocolError
from exporter.protocol.sasl.sasl_exchange import Complaint, Respond
from exporter.protocol.sasl.scram import MAX_ITERATIONS, SERVER_ERRORS, scram
from tests.protocol.mechanics import attempt, said, said_to
from tests.protocol.player import IN_CLEAR, Circumstances

BINDING = bytes(range(32))
ABLE = Circumstances(bindings={"tls-exporter": BINDING})
TLS_1_2 = Circumstances(bindings={"tls-server-end-point": BINDING})

mechanisms = pytest.mark.parametrize("mechanism", [Mechanism.SCRAM_SHA_1, Mechanism.SCRAM_SHA_256])
bound = pytest.mark.parametrize("mechanism", [Mechanism.SCRAM_SHA_1_PLUS, Mechanism.SCRAM_SHA_256_PLUS])


@dataclass(frozen=True)
class Conversation:
    """An example: the two messages of each side."""

    mechanism: Mechanism
    client_first: bytes
    server_first: bytes
    client_final: bytes
    server_final: bytes

    @property
    def nonce(self) -> bytes:
        return b64decode(self.client_first.partition(b"r=")[2])

    def with_iterations(self, iterations: int) -> bytes:
        return self.server_first.replace(b"i=4096", b"i=%d" % iterations)


RFC_5802: Final = Conversation(  # section 5
    mechanism=Mechanism.SCRAM_SHA_1,
    client_first=b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    server_first=b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    client_final=b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    server_final=b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
)
RFC_7677: Final = Conversation(  # section 3
    mechanism=Mechanism.SCRAM_SHA_256,
    client_first=b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    server_first=b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    client_final=b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    server_final=b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)

examples = pytest.mark.parametrize("rfc", [RFC_5802, RFC_7677], ids=["RFC 5802", "RFC 7677"])


def spoken(rfc: Conversation, *challenges: bytes) -> list[Respond]:
    """What the user of the RFCs says to these challenges."""
    mechanics = scram(attempt(rfc.mechanism, "user", b"pencil"))
    return said(mechanics, challenges, Circumstances(random=rfc.nonce))


class TestAgainstTheExamplesOfTheRfcs:
    @examples
    def test_every_message_is_the_same(self, rfc: Conversation) -> None:
        assert [
            Respond(rfc.client_first),
            Respond(rfc.client_final),
            Respond(b"", final=True),
        ] == spoken(rfc, rfc.server_first, rfc.server_final)

    @examples
    def test_the_login_is_not_over_before_the_server_has_proven_itself(self, rfc: Conversation) -> None:
        assert [False, False, True] == [
            response.final for response in spoken(rfc, rfc.server_first, rfc.server_final + b",ext=more")
        ]

    @examples
    @pytest.mark.parametrize("forge", [lambda _: b"v=AAAA", lambda final: final[:-1], lambda _: b"", lambda _: b"v="])
    def test_a_wrong_signature_is_a_protocol_error(self, rfc: Conversation, forge: Callable[[bytes], bytes]) -> None:
        with pytest.raises(ProtocolError, match="the server's signature is wrong"):
            spoken(rfc, rfc.server_first, forge(rfc.server_final))

    @examples
    def test_the_signature_is_kept_out_of_the_transcript(self, rfc: Conversation) -> None:
        mechanics = scram(attempt(rfc.mechanism, "user", b"pencil"))
        next(mechanics)
        mechanics.send(rfc.nonce)
        derive = mechanics.send(rfc.server_first)
        assert isinstance(derive, DeriveKey)
        assert "pencil" not in repr(derive)

        key = pbkdf2_hmac(derive.digest, derive.password.reveal(), derive.salt, derive.iterations)

        assert Conceal(b64encode(rfc.server_final)) == mechanics.send(key)


class TestServerFirst:
    @pytest.mark.parametrize(
        "message",
        [
            b"",
            b"r=",
            b"m=unheard-of," + RFC_5802.server_first,
            RFC_5802.server_first.replace(b"r=f", b"r=\xff"),
            RFC_5802.server_first.replace(b",i=4096", b""),
            RFC_5802.server_first.replace(b"s=Q", b"s=!"),
            RFC_5802.server_first.replace(b"4096", b"0"),
            RFC_5802.server_first.replace(b"4096", b"-1"),
            RFC_5802.server_first.replace(b"4096", b"4096x"),
            RFC_5802.server_first.replace(b"4096", b"9" * 17),
            RFC_5802.server_first + b"\n",
        ],
    )
    def test_of_another_form_is_a_protocol_error(self, message: bytes) -> None:
        with pytest.raises(ProtocolError, match="not the first message of a SCRAM server"):
            spoken(RFC_5802, message)

    def test_with_a_salt_that_is_not_base64_is_a_protocol_error(self) -> None:
        with pytest.raises(ProtocolError, match="not base64"):
            spoken(RFC_5802, RFC_5802.server_first.replace(b"s=Q", b"s="))

    @pytest.mark.parametrize("nonce", [b"fyko+d2lbbFgONRv9qkxdawL", b"fyko+d2lbbFgONRv9qkxdawM3rfc", b"3rfc"])
    def test_whose_nonce_is_not_the_clients_and_more_is_a_protocol_error(self, nonce: bytes) -> None:
        # RFC 5802 section 5.1: otherwise an old conversation could be played again.
        with pytest.raises(ProtocolError, match="nonce does not go on from the client's"):
            spoken(RFC_5802, b"r=" + nonce + b",s=QSXCR+Q6sek8bf92,i=4096")

    def test_may_have_extensions_behind_it(self) -> None:
        *_, client_final = spoken(RFC_5802, RFC_5802.server_first + b",x=whatever\xff")

        assert (client_final.octets or b"").startswith(b"c=biws,r=")

    @pytest.mark.parametrize("iterations", [1, 4096, MAX_ITERATIONS])
    def test_asks_for_the_work_it_wants_within_bounds(self, iterations: int) -> None:
        mechanics = scram(attempt(Mechanism.SCRAM_SHA_1, "user", b"pencil"))
        next(mechanics)
        mechanics.send(RFC_5802.nonce)

        derive = mechanics.send(RFC_5802.with_iterations(iterations))

        assert isinstance(derive, DeriveKey)
        assert (b"pencil", b64decode("QSXCR+Q6sek8bf92"), iterations) == (
            derive.password.reveal(),
            derive.salt,
            derive.iterations,
        )

    @pytest.mark.parametrize("iterations", [MAX_ITERATIONS + 1, 2**31, 10**15])
    def test_that_wants_the_client_to_work_for_ages_is_a_protocol_error(self, iterations: int) -> None:
        with pytest.raises(ProtocolError, match=f"hashed {iterations} times, and 2000000 are as many as it gets"):
            spoken(RFC_5802, RFC_5802.with_iterations(iterations))


class TestServerError:
    @pytest.mark.parametrize("words", [b"invalid-proof", b"unknown-user", b"other-error", b"no-resources", b""])
    def test_is_answered_by_nothing_and_waits_for_the_refusal(self, words: bytes) -> None:
        error = b"e=" + words
        complained = Respond(b"", complaint=Complaint(error, SERVER_ERRORS.get(words)))

        assert complained == spoken(RFC_5802, RFC_5802.server_first, error)[-1]
        assert complained == spoken(RFC_5802, error)[-1]

    def test_that_is_not_about_the_login_has_a_reason(self) -> None:
        *_, response = spoken(RFC_5802, RFC_5802.server_first, b"e=no-resources,x=y")

        assert Complaint(b"e=no-resources,x=y", FailureReason.AUTH_UNAVAILABLE) == response.complaint

    def test_with_more_behind_it_is_a_protocol_error(self) -> None:
        with pytest.raises(ProtocolError, match='the server goes on after "e=invalid-proof"'):
            spoken(RFC_5802, RFC_5802.server_first, b"e=invalid-proof", RFC_5802.server_final)


class TestNames:
    @pytest.mark.parametrize(
        ("username", "message"),
        [
            ("a=b,c", b"n=a=3Db=2Cc,r="),
            ("jörg", "n=jörg,r=".encode()),
            ("ⅸ\u00ad", b"n=ix,r="),
            ("", b"n=,r="),
        ],
    )
    def test_are_prepared_and_escaped(self, username: str, message: bytes) -> None:
        # RFC 5802 section 5.1.
        (first,) = said(scram(attempt(Mechanism.SCRAM_SHA_256, username, b"pencil")))

        assert (first.octets or b"").startswith(b"n,," + message)

    def test_cannot_hold_nul(self) -> None:
        with pytest.raises(DialogueError, match="NUL octet, which SCRAM-SHA-256 cannot carry") as raised:
            said(scram(attempt(Mechanism.SCRAM_SHA_256, "us\0er", b"pencil")))

        assert FailureReason.SECRET_UNREADABLE is raised.value.reason

    def test_a_password_is_prepared_too(self) -> None:
        mechanics = scram(attempt(Mechanism.SCRAM_SHA_1, "user", "\u2168\u00ad".encode()))
        next(mechanics)
        mechanics.send(RFC_5802.nonce)

        derive = mechanics.send(RFC_5802.server_first)

        assert isinstance(derive, DeriveKey)
        assert b"IX" == derive.password.reveal()


class TestBinding:
    @bound
    def test_is_to_the_tls_session(self, mechanism: Mechanism) -> None:
        first, final = said_to(
            scram(attempt(mechanism, "user", b"pencil")),
            lambda heard: b"r=" + heard.partition(b"r=")[2] + b"more,s=QSXC,i=1" if heard.startswith(b"p=") else None,
            ABLE,
        )

        assert (first.octets or b"").startswith(b"p=tls-exporter,,n=user,r=")
        # RFC 5802 section 7, cbind-input: the header and the data.
        assert (final.octets or b"").startswith(b"c=" + b64encode(b"p=tls-exporter,," + BINDING) + b",r=")

    @bound
    def test_is_to_the_certificate_where_there_is_nothing_better(self, mechanism: Mechanism) -> None:
        (first,) = said(scram(attempt(mechanism, "user", b"pencil")), circumstances=TLS_1_2)

        assert (first.octets or b"").startswith(b"p=tls-server-end-point,,n=user,r=")
        with pytest.raises(DialogueError, match=f"{mechanism} ties the login to the TLS session") as raised:
            said(scram(attempt(mechanism, "user", b"pencil")))
        assert FailureReason.AUTH_MECHANISM_NOT_OFFERED is raised.value.reason

    @mechanisms
    @pytest.mark.parametrize("circumstances", [ABLE, TLS_1_2, IN_CLEAR])
    def test_is_not_spoken_of_by_a_mechanism_without(self, mechanism: Mechanism, circumstances: Circumstances) -> None:
        # Dovecot 2.4 behind Postfix or a TLS terminator knows bindings that the client's connection does not have, and
        # takes a "y" (RFC 5802 section 6) for a "potential downgrade attack".
        (first,) = said(scram(attempt(mechanism, "user", b"pencil")), circumstances=circumstances)

        assert (first.octets or b"").startswith(b"n,,n=user")


class Scramp:
    """A server by somebody else."""

    def __init__(self, mechanism: Mechanism, password: str, channel_binding: tuple[str, bytes] | None = None) -> None:
        made = scramp.ScramMechanism(mechanism.value)
        stored = made.make_auth_info(password, iteration_count=4096)
        self._server = made.make_server(lambda _: stored, channel_binding=channel_binding)
        self.error: str | None = None

    def __call__(self, heard: bytes) -> bytes | None:
        server = self._server
        try:
            match server.stage:
                case None:
                    server.set_client_first(heard.decode())
                    return bytes(server.get_server_first(), "utf-8")
                case scramp.core.ServerStage.get_server_first:
                    server.set_client_final(heard.decode())
                    return bytes(server.get_server_final(), "utf-8")
                case _:
                    return None
        except scramp.ScramException as refused:
            self.error = str(refused)
            return bytes(server.get_server_final(), "utf-8") if server.stage is not None and server.stage >= 3 else None


class TestAgainstAnotherImplementation:
    @pytest.mark.parametrize("password", ["pencil", "Ⅸ köln", "a,b=c"])
    @mechanisms
    def test_logs_in(self, mechanism: Mechanism, password: str) -> None:
        server = Scramp(mechanism, password)

        responses = said_to(scram(attempt(mechanism, "a=b,c", password.encode())), server)

        assert (None, [False, False, True]) == (server.error, [response.final for response in responses])

    @bound
    def test_logs_in_with_a_binding(self, mechanism: Mechanism) -> None:
        server = Scramp(mechanism, "pencil", ("tls-server-end-point", BINDING))

        responses = said_to(scram(attempt(mechanism, "user", b"pencil")), server, TLS_1_2)

        assert (None, [False, False, True]) == (server.error, [response.final for response in responses])

    @mechanisms
    def test_does_not_log_in_with_a_wrong_password(self, mechanism: Mechanism) -> None:
        responses = said_to(scram(attempt(mechanism, "user", b"pen")), Scramp(mechanism, "pencil"))

        assert not responses[-1].final
        assert Complaint(b"e=invalid-proof") == responses[-1].complaint

    @bound
    def test_does_not_log_in_through_somebody_elses_tls(self, mechanism: Mechanism) -> None:
        server = Scramp(mechanism, "pencil", ("tls-server-end-point", b"of another certificate"))

        responses = said_to(scram(attempt(mechanism, "user", b"pencil")), server, TLS_1_2)

        assert Complaint(b"e=channel-bindings-dont-match") == responses[-1].complaint

    @mechanisms
    def test_logs_in_at_a_server_that_could_bind_the_login(self, mechanism: Mechanism) -> None:
        server = Scramp(mechanism, "pencil", ("tls-server-end-point", BINDING))

        responses = said_to(scram(attempt(mechanism, "user", b"pencil")), server, ABLE)

        assert (None, [False, False, True]) == (server.error, [response.final for response in responses])
