from __future__ import annotations

import time
from base64 import b64encode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from exporter.model import Encryption, FailureReason, Mechanism, Protocol
from exporter.protocol import sasl
from exporter.protocol.dialogue import Send
from exporter.protocol.refusals import login_refusals
from exporter.protocol.sasl.saslprep import prepared
from tests.property.hostile import surroundings
from tests.protocol.mechanics import attempt, said_to
from tests.protocol.player import IN_CLEAR, Circumstances, play
from tests.protocol.samples import endpoint, holder

NONCE = b64encode(IN_CLEAR.random)

salts = st.binary(max_size=20).map(b64encode) | st.just(b"not base64")
server_firsts = st.builds(
    lambda nonce, salt, iterations, more: b"r=" + NONCE + nonce + b",s=" + salt + b",i=" + iterations + more,
    st.sampled_from([b"more", b"", b",", b"\xff"]),
    salts,
    st.sampled_from([b"1", b"7", b"0", b"-1", b"2147483648", b"9" * 30, b"1e3"]),
    st.sampled_from([b"", b",m=x", b",x=\xff", b"\n"]),
)
challenges = (
    st.binary(max_size=60)
    | server_firsts
    | st.sampled_from([b"v=AAAA", b"e=", b"e=no-resources,\xff", b'{"status":"401"}', b"[" * 6000])
)


@pytest.mark.parametrize("mechanism", sasl.MECHANISMS)
@given(challenges=st.lists(challenges, max_size=4), encoded=st.booleans(), circumstances=surroundings)
def test_any_challenges_lead_to_responses_or_a_failure_and_nothing_else(
    mechanism: Mechanism, challenges: list[bytes], encoded: bool, circumstances: Circumstances
) -> None:
    assert mechanism.takes is not None
    run = sasl.exchange(mechanism, holder(mechanism.takes), endpoint(Protocol.IMAP, Encryption.TLS))
    dialogues = [run.begin("AUTH", 512)]
    dialogues += [run.respond(b64encode(challenge) if encoded else challenge) for challenge in challenges]

    for dialogue in dialogues:
        played = play(dialogue, b"", circumstances=circumstances)
        assert (played.error is None) is (1 == len([step for step in played.steps if isinstance(step, Send)]))
        if played.error is not None:
            assert played.error.detail.isprintable()
            assert played.error.detail.isprintable()
            return


@given(username=st.text(max_size=20), password=st.binary(max_size=40))
@example("a=b,c=,", b"\0,=\xff")
def test_scram_says_who_it_is_in_a_form_that_can_be_read_back(username: str, password: bytes) -> None:
    assume("\0" not in username)
    assume(username.isprintable())

    first, final = said_to(
        sasl.MECHANISMS[Mechanism.SCRAM_SHA_256](attempt(Mechanism.SCRAM_SHA_256, username, password)),
        lambda heard: b"r=" + NONCE + b"more,s=QSXC,i=1" if heard.startswith(b"n,,") else None,
    )

    # RFC 5802 section 7: no comma in a value but in the header, and no equals sign in a name but as an escape.
    header, authzid, name, nonce = (first.octets or b"").split(b",")
    assert (b"n", b"", b"r=" + NONCE) == (header, authzid, nonce)
    assert prepared(username.encode()) == name.removeprefix(b"n=").replace(b"=2C", b",").replace(b"=3D", b"=")
    binding, nonce, proof = (final.octets or b"").split(b",")
    assert (b"c=biws", b"r=" + NONCE + b"more", b"p=") == (binding, nonce, proof[:2])


@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_preparing_is_done_after_once(octets: bytes) -> None:
    once = prepared(octets)

    assert once == prepared(once)


@given(
    codes=st.sampled_from([login_refusals.SMTP, login_refusals.IMAP, login_refusals.POP3]),
    words=st.binary(max_size=200)
    | st.sampled_from([b"NO ", b"535 ", b"[AUTH] "]).flatmap(lambda code: st.binary(max_size=60).map(code.__add__)),
)
def test_any_refusal_has_a_reason(codes: login_refusals.Codes, words: bytes) -> None:
    assert isinstance(login_refusals.judge(codes, words).reason, FailureReason)


@pytest.mark.parametrize("codes", [login_refusals.SMTP, login_refusals.IMAP, login_refusals.POP3])
@pytest.mark.parametrize(
    "words",
    [
        b"5.7.139 " * 500_000,
        b"A" * 4_000_000,
        b"log in with " * 300_000,
        b"server " * 500_000,
        b"login " * 500_000,
        b"IMAP access " * 300_000,
        b"unable to " * 300_000,
        b"too many " * 300_000,
        b"password is " * 300_000,
        b"a@b " * 500_000,
    ],
)
def test_a_long_refusal_takes_no_time_to_judge(codes: login_refusals.Codes, words: bytes) -> None:
    begun = time.thread_time()

    assert isinstance(login_refusals.judge(codes, words).reason, FailureReason)

    assert 2.0 > time.thread_time() - begun
