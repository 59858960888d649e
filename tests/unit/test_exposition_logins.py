from __future__ import annotations

from dataclasses import replace

from exporter.metrics.store import HeldBack, Snapshot, Store
from exporter.model import (
    Failure,
    FailureReason,
    Mechanism,
    Phase,
    Protocol,
    TokenOutcome,
)
from tests.unit.exposing import BUILD, MONITOR, NAME, scraped
from tests.unit.results import NOON, endpoint, success
from tests.unit.scraping import exposed, samples, series, value


def test_a_login_that_is_held_back_says_so_at_every_endpoint_that_shares_it() -> None:
    held_back: HeldBack = {("monitor@example.com", "mail.example.com", None): 299.5}
    store = Store(BUILD, lambda: held_back)
    store.configure(
        [
            endpoint("imap", credentials=MONITOR),
            endpoint("smtp", Protocol.SMTP, credentials=replace(MONITOR, name="again")),
            endpoint("elsewhere", credentials=MONITOR, host="other.example.com"),
            endpoint("somebody", credentials=replace(MONITOR, username="somebody")),
            endpoint("nobody"),
        ]
    )
    before = store.snapshot()
    held_back = {}

    def backoffs(snapshot: Snapshot) -> dict[str, float]:
        found = series(samples(exposed(snapshot)), "mail_auth_backoff_seconds")
        return {dict(labels)["endpoint"]: figure for labels, figure in found.items()}

    assert {"imap": 299.5, "smtp": 299.5, "elsewhere": 0.0, "somebody": 0.0} == backoffs(before)
    assert {"imap": 0.0, "smtp": 0.0, "elsewhere": 0.0, "somebody": 0.0} == backoffs(store.snapshot())


def test_a_login_that_is_held_back_at_one_endpoint_says_so_at_that_one() -> None:
    held_back: HeldBack = {("monitor@example.com", "mail.example.com", ("smtp", "")): 42.0}
    store = Store(BUILD, lambda: held_back)
    store.configure([endpoint("imap", credentials=MONITOR), endpoint("smtp", Protocol.SMTP, credentials=MONITOR)])

    found = series(samples(exposed(store.snapshot())), "mail_auth_backoff_seconds")

    assert {"imap": 0.0, "smtp": 42.0} == {dict(labels)["endpoint"]: figure for labels, figure in found.items()}


def test_requests_for_tokens_are_counted_from_the_start() -> None:
    store = Store(BUILD)
    store.exporter.configure_tokens(["contoso", "fabrikam"])
    store.exporter.token_requested("contoso", TokenOutcome.REFUSED)
    store.exporter.token_requested("contoso", TokenOutcome.REFUSED)
    store.exporter.token_requested("unknown", TokenOutcome.SUCCESS)
    read = samples(exposed(store.snapshot()))

    requests = {
        (dict(labels)["credentials"], dict(labels)["outcome"]): figure
        for labels, figure in series(read, "mail_oauth2_token_requests_total").items()
    }
    nothing = {(name, outcome.value): 0.0 for name in ("contoso", "fabrikam") for outcome in TokenOutcome}
    assert {**nothing, ("contoso", "refused"): 2.0} == requests


def test_the_end_of_a_token_is_told_while_there_is_one() -> None:
    store = Store(BUILD)
    store.exporter.configure_tokens(["contoso"])
    name = "mail_oauth2_token_expiry_timestamp_seconds"
    assert {} == series(samples(exposed(store.snapshot())), name)
    store.exporter.token_held("contoso", NOON + 3600)
    store.exporter.token_held("unknown", NOON)
    assert NOON + 3600 == value(samples(exposed(store.snapshot())), name, credentials="contoso")
    store.exporter.token_held("contoso", None)

    assert {} == series(samples(exposed(store.snapshot())), name)


def test_credentials_that_stay_keep_their_counts() -> None:
    store = Store(BUILD)
    store.exporter.configure_tokens(["contoso", "fabrikam"])
    store.exporter.token_requested("contoso", TokenOutcome.SUCCESS)
    store.exporter.configure_tokens(["contoso"])
    found = series(samples(exposed(store.snapshot())), "mail_oauth2_token_requests_total")

    assert {"contoso"} == {dict(labels)["credentials"] for labels in found}
    assert 1.0 == sum(found.values())


def test_a_login_that_did_not_come_to_pass_is_neither_good_nor_bad() -> None:
    read = scraped(success(NAME, auth_mechanism=None, auth_success=None))

    assert {} == series(read, "mail_auth_success")


def test_a_rejected_login_is_shown_with_its_mechanism() -> None:
    read = scraped(success(NAME, auth_mechanism=Mechanism.LOGIN, auth_success=False))

    assert 0.0 == value(read, "mail_auth_success", mechanism="LOGIN")


def test_a_login_that_was_not_tried_leaves_that_of_the_last_one() -> None:
    paused = Failure(FailureReason.AUTH_REJECTED, Phase.AUTH, "login paused")
    store = Store(BUILD)
    store.configure([endpoint(NAME, credentials=MONITOR)])

    def shown() -> dict[str, float]:
        found = series(samples(exposed(store.snapshot())), "mail_auth_success")
        return {dict(labels)["mechanism"]: figure for labels, figure in found.items()}

    store.record(success(NAME, failure=paused, auth_mechanism=None, auth_success=None))
    assert {} == shown()
    store.record(success(NAME, auth_mechanism=Mechanism.PLAIN, auth_success=True))
    store.record(success(NAME, failure=paused, auth_mechanism=None, auth_success=None))
    assert {"PLAIN": 1.0} == shown()
    store.configure([endpoint(NAME, credentials=replace(MONITOR, username="another"))])
    assert {} == shown()
