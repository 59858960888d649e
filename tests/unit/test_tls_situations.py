"""Every certificate situation, met in a real handshake: what is found, and that nothing is lost over it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from exporter.certificates import failure_reason
from exporter.model import CertificateProblem, StapleStatus, TlsFacts, TlsPolicy
from exporter.net.tls import TlsContexts
from tests.authority import pem
from tests.certificates import NAME, Situation, situations, world
from tests.handshakes import meeting, serving

each_situation = pytest.mark.parametrize("situation", situations(), ids=lambda situation: situation.title)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> TlsPolicy:
    file: Path = tmp_path_factory.mktemp("trust") / "authorities.pem"
    file.write_bytes(pem(*world().trusted))
    return TlsPolicy(ca_file=file)


@pytest.fixture(scope="module")
def contexts() -> TlsContexts:
    return TlsContexts()


def meet(contexts: TlsContexts, policy: TlsPolicy, situation: Situation) -> TlsFacts:
    with meeting(contexts.context(policy), serving(situation), situation.server_name) as met:
        assert met.error is None
        return met.facts(situation.server_name, time.time())


@each_situation
def test_all_problems_are_found_and_no_others(contexts: TlsContexts, policy: TlsPolicy, situation: Situation) -> None:
    facts = meet(contexts, policy, situation)

    assert situation.problems == facts.problems, facts.detail
    assert situation.verified == facts.verified
    if not situation.verified:
        assert situation.reason == failure_reason(facts.problems)


@each_situation
def test_the_chain_is_shown_whatever_is_wrong_with_it(
    contexts: TlsContexts, policy: TlsPolicy, situation: Situation
) -> None:
    facts = meet(contexts, policy, situation)

    certificates = [party.certificate for party in situation.chain]
    assert [c.not_valid_before_utc.timestamp() for c in certificates] == [c.not_before for c in facts.chain]
    assert [c.not_valid_after_utc.timestamp() for c in certificates] == [c.not_after for c in facts.chain]
    assert [c.subject.rfc4514_string() for c in certificates] == [c.subject for c in facts.chain]
    assert facts.chain[0] == facts.verified_chain[0]


@each_situation
def test_the_second_look_says_the_same_as_the_first(
    contexts: TlsContexts, policy: TlsPolicy, situation: Situation
) -> None:
    first = meet(TlsContexts(), policy, situation)

    assert first == meet(contexts, policy, situation)
    assert first == meet(contexts, policy, situation)


@each_situation
def test_the_words_fit_on_a_line_of_ascii(contexts: TlsContexts, policy: TlsPolicy, situation: Situation) -> None:
    facts = meet(contexts, policy, situation)

    assert bool(facts.problems) == bool(facts.detail)
    assert facts.detail.isascii()
    assert facts.detail.isprintable() or not facts.detail


@pytest.mark.parametrize("situation", [s for s in situations() if s.staple], ids=lambda situation: situation.title)
def test_a_staple_is_judged(contexts: TlsContexts, policy: TlsPolicy, situation: Situation) -> None:
    facts = meet(contexts, policy, situation)

    assert facts.ocsp_stapled
    assert situation.staple_status == facts.ocsp_status


def test_without_a_staple_there_is_nothing_to_say_about_it(contexts: TlsContexts, policy: TlsPolicy) -> None:
    facts = meet(contexts, policy, situations()[0])

    assert (False, None, None) == (facts.ocsp_stapled, facts.ocsp_status, facts.ocsp_next_update)


def test_a_verified_chain_ends_at_the_trust_anchor_even_if_the_server_leaves_that_out(
    contexts: TlsContexts, policy: TlsPolicy
) -> None:
    facts = meet(contexts, policy, situations()[0])

    assert [f"CN={NAME}", "CN=Intermediate"] == [c.subject for c in facts.chain]
    assert [f"CN={NAME}", "CN=Intermediate", "CN=Trusted Root"] == [c.subject for c in facts.verified_chain]


def test_every_problem_and_every_worth_of_a_staple_has_its_situation() -> None:
    of_certificates = set(CertificateProblem) - {CertificateProblem.FINGERPRINT_MISMATCH}
    assert of_certificates == {problem for situation in situations() for problem in situation.problems}
    assert {*StapleStatus, None} == {situation.staple_status for situation in situations()}
