from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.metrics.exposition import Format
from exporter.model import (
    CertificateProblem,
    Encryption,
    FailureReason,
    Phase,
)
from tests.unit.exposing import FORMATS, NAME, scraped, snapshot_of
from tests.unit.results import DAY, NOON, certificate, endpoint, failure, success, tls
from tests.unit.scraping import exposed, samples, series, value


def test_an_expired_certificate_still_shows_its_dates_and_every_problem() -> None:
    problems = (CertificateProblem.EXPIRED, CertificateProblem.NAME_MISMATCH)
    facts = tls(*problems, leaf=certificate(not_after=NOON - DAY))

    read = scraped(failure(FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS, NAME, tls=facts))

    assert 0.0 == value(read, "mail_tls_verified")
    assert value(read, "mail_tls_certificate_not_after_timestamp_seconds") == NOON - DAY
    assert value(read, "mail_tls_chain_not_after_timestamp_seconds") == NOON - DAY
    errors = {dict(labels)["error"] for labels in series(read, "mail_tls_verification_error_info")}
    assert {"expired", "name_mismatch"} == errors


def test_the_chain_may_end_before_the_leaf() -> None:
    facts = tls()
    early = replace(facts.chain[1], not_after=NOON + DAY)

    read = scraped(success(NAME, tls=replace(facts, chain=(facts.chain[0], early))))

    assert value(read, "mail_tls_certificate_not_after_timestamp_seconds") == NOON + 60 * DAY
    assert value(read, "mail_tls_chain_not_after_timestamp_seconds") == NOON + DAY


def test_the_verified_path_has_an_expiry_of_its_own() -> None:
    facts = tls()
    path = (facts.chain[0], replace(facts.chain[1], not_after=NOON + 2 * DAY))

    verified = scraped(success(NAME, tls=replace(facts, verified_chain=path)))
    expired = scraped(success(NAME, tls=replace(tls(CertificateProblem.EXPIRED), verified_chain=path)))

    assert value(verified, "mail_tls_verified_chain_not_after_timestamp_seconds") == NOON + 2 * DAY
    assert value(verified, "mail_tls_chain_not_after_timestamp_seconds") == facts.chain_not_after
    assert value(expired, "mail_tls_verified_chain_not_after_timestamp_seconds") is None


def test_a_date_that_cannot_be_read_is_absent() -> None:
    facts = tls(CertificateProblem.INVALID, leaf=certificate(not_after=None))

    read = scraped(success(NAME, tls=facts))

    assert value(read, "mail_tls_certificate_not_after_timestamp_seconds") is None
    assert value(read, "mail_tls_certificate_not_before_timestamp_seconds") is not None


def test_a_handshake_without_a_readable_certificate_shows_the_session_alone() -> None:
    read = scraped(success(NAME, tls=replace(tls(CertificateProblem.INVALID), chain=())))

    assert {} != series(read, "mail_tls_info")
    assert {} == series(read, "mail_tls_certificate_info")
    assert value(read, "mail_tls_chain_not_after_timestamp_seconds") is None


def test_when_a_stapled_response_is_due_is_shown_where_it_says_so() -> None:
    read = scraped(success(NAME, tls=replace(tls(), ocsp_stapled=True, ocsp_next_update=NOON + DAY)))

    assert 1.0 == value(read, "mail_tls_ocsp_stapled")
    assert value(read, "mail_tls_ocsp_next_update_timestamp_seconds") == NOON + DAY
    assert value(scraped(success(NAME)), "mail_tls_ocsp_next_update_timestamp_seconds") is None


@pytest.mark.parametrize(
    ("encryption", "shown"),
    [(Encryption.STARTTLS, True), (Encryption.OPPORTUNISTIC, True), (Encryption.TLS, False), (Encryption.NONE, False)],
)
def test_starttls_matters_only_to_those_who_are_to_use_it(encryption: Encryption, shown: bool) -> None:
    read = scraped(success(NAME, starttls_offered=False), of=endpoint(NAME, encryption=encryption))

    assert (0.0 if shown else None) == value(read, "mail_starttls_offered")


@FORMATS
def test_text_from_a_certificate_breaks_no_line(form: Format) -> None:
    hostile = 'CN="\\"} 1\n# TYPE fake gauge\nfake 1\r\x00\x7f\x85\ud800é'

    read = samples(exposed(snapshot_of(success(NAME, tls=tls(leaf=certificate(hostile)))), form), form)

    (labels,) = series(read, "mail_tls_certificate_info")
    assert 'CN="\\"} 1\n# TYPE fake gauge\nfake 1\ufffd\ufffd\ufffd\ufffd\ufffdé' == dict(labels)["subject"]
    assert "fake" not in {name for name, _ in read}
