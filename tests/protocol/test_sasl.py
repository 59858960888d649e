from __future__ import annotations

from itertools import pairwise

import pytest

from exporter.model import Encryption, FailureReason, Login, Mechanism, Protocol, SecretKind
from exporter.protocol import sasl
from exporter.protocol.dialogue import DialogueError
from exporter.protocol.sasl.scram import BOUND
from tests.protocol.player import Circumstances, play
from tests.protocol.samples import endpoint, holder, login

TLS_1_3 = Circumstances(bindings={"tls-exporter": b"x" * 32, "tls-server-end-point": b"y" * 32})

EVERYTHING = [mechanism.value for mechanism in Mechanism]


def chosen(
    who: Login,
    offered: list[str],
    own: tuple[Mechanism, ...] = (),
    *,
    encrypted: bool = True,
) -> Mechanism:
    return sasl.choose(who, offered, own, encrypted=encrypted)


def failed(who: Login, offered: list[str]) -> DialogueError:
    with pytest.raises(DialogueError) as raised:
        chosen(who, offered)
    return raised.value


class TestChoice:
    @pytest.mark.parametrize(
        ("wanted", "offered", "choice"),
        [
            (Mechanism.AUTO, ["LOGIN", "PLAIN"], Mechanism.PLAIN),
            (Mechanism.AUTO, ["login"], Mechanism.LOGIN),
            (Mechanism.AUTO, ["LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "PLAIN", "SCRAM-SHA-256"], Mechanism.SCRAM_SHA_256),
            (Mechanism.AUTO, ["SCRAM-SHA-1", "PLAIN"], Mechanism.SCRAM_SHA_1),
            (Mechanism.AUTO, ["SCRAM-SHA-256", "SCRAM-SHA-1-PLUS"], Mechanism.SCRAM_SHA_256),
            (Mechanism.AUTO, ["CRAM-MD5", "DIGEST-MD5", "NTLM"], Mechanism.CRAM_MD5),
            (Mechanism.AUTO, EVERYTHING, Mechanism.SCRAM_SHA_256),
            (Mechanism.LOGIN, EVERYTHING, Mechanism.LOGIN),
            (Mechanism.CRAM_MD5, ["PLAIN", "CRAM-MD5"], Mechanism.CRAM_MD5),
            (Mechanism.SCRAM_SHA_256, EVERYTHING, Mechanism.SCRAM_SHA_256),
            (Mechanism.SCRAM_SHA_256_PLUS, EVERYTHING, Mechanism.SCRAM_SHA_256_PLUS),
        ],
    )
    def test_is_the_strongest_of_those_offered_and_wanted(
        self, wanted: Mechanism, offered: list[str], choice: Mechanism
    ) -> None:
        assert choice is chosen(login(wanted), offered)

    @pytest.mark.parametrize(
        ("kind", "offered", "choice"),
        [
            (SecretKind.TOKEN, ["PLAIN", "LOGIN", "XOAUTH2"], Mechanism.XOAUTH2),
            (SecretKind.TOKEN, EVERYTHING, Mechanism.OAUTHBEARER),
            (SecretKind.CERTIFICATE, EVERYTHING, Mechanism.EXTERNAL),
            (SecretKind.PASSWORD, ["XOAUTH2", "EXTERNAL", "LOGIN"], Mechanism.LOGIN),
        ],
    )
    def test_takes_what_there_is_to_log_in_with(self, kind: SecretKind, offered: list[str], choice: Mechanism) -> None:
        assert choice is chosen(holder(kind), offered)

    @pytest.mark.parametrize("plus", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
    def test_is_bound_to_the_tls_session_only_by_name(self, plus: str) -> None:
        # Cyrus 3.6 to 3.12 announce it, and expect tls-unique under TLS 1.3: a right password is rejected.
        assert Mechanism.PLAIN is chosen(login(), [plus, "PLAIN"])
        assert plus == chosen(login(Mechanism(plus)), [plus, "PLAIN"])
        assert FailureReason.AUTH_MECHANISM_NOT_OFFERED is failed(login(), [plus]).reason

    @pytest.mark.parametrize(("encrypted", "choice"), [(True, Mechanism.PLAIN), (False, Mechanism.CRAM_MD5)])
    def test_shows_no_password_to_those_who_read_along(self, encrypted: bool, choice: Mechanism) -> None:
        offered = ["LOGIN", "PLAIN", "CRAM-MD5"]

        assert choice is chosen(login(), offered, encrypted=encrypted)

    def test_has_the_protocols_own_commands_where_they_belong(self) -> None:
        own = (Mechanism.USERPASS, Mechanism.APOP)

        assert Mechanism.PLAIN is chosen(login(), ["PLAIN", "LOGIN"], own)
        assert Mechanism.USERPASS is chosen(login(), ["LOGIN", "CRAM-MD5"], own)
        assert Mechanism.APOP is chosen(login(Mechanism.APOP), ["PLAIN"], own)
        assert Mechanism.APOP is chosen(login(), ["PLAIN"], own, encrypted=False)


class TestNoChoice:
    @pytest.mark.parametrize(
        ("who", "offered", "detail"),
        [
            (login(), ["NTLM"], "the server offers no mechanism that takes a password; it offers NTLM"),
            (login(), [], "the server offers no mechanism that takes a password; it offers none at all"),
            (login(Mechanism.LOGIN), ["PLAIN"], "the server offers no LOGIN; it offers PLAIN"),
            (
                holder(SecretKind.TOKEN),
                ["PLAIN", "LOGIN"],
                "the server offers no mechanism that takes a token; it offers PLAIN, LOGIN",
            ),
            # A server may announce any word; there is no SASL mechanism of that name.
            (login(), ["AUTO"], "the server offers no mechanism that takes a password; it offers AUTO"),
            (login(Mechanism.USERPASS), ["USERPASS"], "the server offers no USERPASS; it offers USERPASS"),
            (login(Mechanism.APOP), ["APOP"], "the server offers no APOP; it offers APOP"),
        ],
    )
    def test_fails_with_what_there_would_be(self, who: Login, offered: list[str], detail: str) -> None:
        error = failed(who, offered)

        assert (FailureReason.AUTH_MECHANISM_NOT_OFFERED, detail) == (error.reason, error.detail)

    @pytest.mark.parametrize(
        ("kind", "wanted", "detail"),
        [
            (SecretKind.PASSWORD, Mechanism.XOAUTH2, "XOAUTH2 takes a token, and the credentials have a password"),
            (SecretKind.TOKEN, Mechanism.PLAIN, "PLAIN takes a password, and the credentials have a token"),
            (SecretKind.PASSWORD, Mechanism.EXTERNAL, "EXTERNAL takes a certificate, and the credentials have a pass"),
        ],
    )
    def test_is_left_to_a_secret_that_the_mechanism_cannot_take(
        self, kind: SecretKind, wanted: Mechanism, detail: str
    ) -> None:
        error = failed(holder(kind, wanted), EVERYTHING)

        assert FailureReason.SECRET_UNREADABLE is error.reason
        assert detail in error.detail

    def test_shortens_a_long_offer(self) -> None:
        error = failed(login(Mechanism.PLAIN), [f"X-MECHANISM-{number}" for number in range(100_000)])

        assert FailureReason.AUTH_MECHANISM_NOT_OFFERED is error.reason
        assert 300 > len(error.detail)


def test_every_mechanism_that_needs_no_naming_has_its_place_in_both_orders() -> None:
    every = set(Mechanism) - {Mechanism.AUTO} - BOUND

    assert every == set(sasl.PREFERENCE) == set(sasl.PREFERENCE_IN_CLEAR)
    assert len(every) == len(sasl.PREFERENCE) == len(sasl.PREFERENCE_IN_CLEAR)
    assert (every | BOUND) - {Mechanism.USERPASS, Mechanism.APOP} == set(sasl.MECHANISMS)


def test_scram_and_the_longer_hash_are_preferred() -> None:
    order = [Mechanism.SCRAM_SHA_256, Mechanism.SCRAM_SHA_1, Mechanism.PLAIN]

    for preference in (sasl.PREFERENCE, sasl.PREFERENCE_IN_CLEAR):
        assert all(preference.index(better) < preference.index(worse) for better, worse in pairwise(order))


@pytest.mark.parametrize("mechanism", sasl.MECHANISMS)
def test_every_mechanism_runs_under_its_own_name(mechanism: Mechanism) -> None:
    assert mechanism.takes is not None
    run = sasl.exchange(mechanism, holder(mechanism.takes), endpoint(Protocol.IMAP, Encryption.TLS))

    played = play(run.begin("a1 AUTHENTICATE", 8192), b"", circumstances=TLS_1_3)

    assert played.shown[0].startswith(f"a1 AUTHENTICATE {mechanism}")
