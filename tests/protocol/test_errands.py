from __future__ import annotations

from typing import Any

import pytest

from exporter.model import Encryption, FailureReason, Phase
from exporter.protocol.dialogue import AwaitServer, Dialogue, Pause, ReadLine
from exporter.protocol.errands import ERRANDS, ErrandRow, run_errands
from exporter.protocol.errands.capabilities import missing_capabilities
from exporter.protocol.session import Session
from tests.protocol.player import Cut, Played, every_cut, play
from tests.protocol.samples import EVERY, IMAP, POP3, SMTP, Agreeable, tagged, untagged

RECIPIENT = {"rcpt_to": "postmaster@example.com"}
MAILBOX = {"mailbox": "INBOX"}
WISHES: dict[str, Any] = {**RECIPIENT, **MAILBOX, "capabilities": ("IDLE",)}


def _none_of(others: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(others)


def errands_of(server: Agreeable, *, logged_in: bool, script: bytes = b"", **wishes: Any) -> Played:
    """What comes of the errands of an endpoint, which has nothing to do but what it is asked for."""
    where = server.endpoint(Encryption.TLS, **(_none_of(server.others) | wishes))
    client = server.client(where, "probe.example.com")
    return play(run_errands(Session(client, logged_in, ("IDLE",)), where), tagged(script)[0])


@pytest.mark.parametrize("row", ERRANDS)
def test_every_errand_is_wanted_of_some_protocol_that_can(row: ErrandRow) -> None:
    wishing = [server.endpoint(Encryption.TLS, **WISHES) for server in EVERY]

    assert any(endpoint.protocol in row.by for endpoint in wishing if row.wanted(endpoint))


@pytest.mark.parametrize(("server", "wish", "needs_login"), [(SMTP, RECIPIENT, False), (IMAP, MAILBOX, True)])
def test_an_errand_is_run_where_it_is_wished_for_and_possible(
    server: Agreeable, wish: dict[str, Any], *, needs_login: bool
) -> None:
    after = errands_of(server, logged_in=True, script=server.checked, **wish)
    before = errands_of(server, logged_in=False, script=server.checked, **wish)

    assert [*server.checks] == untagged(after.sent)
    assert ([] if needs_login else [*server.checks]) == untagged(before.sent)
    assert ([] if needs_login else [Phase.CHECK]) == before.phases


@pytest.mark.parametrize(
    ("server", "wishes", "asked", "answer"),
    [
        (IMAP, {"mailbox": "INBOX"}, [b"FETCH 3:7 (UID RFC822.SIZE)"], b"TAG OK done\r\n"),
        (POP3, {}, [b"LIST 1", b"LIST 2"], b"-ERR no\r\n" * 2),
    ],
    ids=["imap", "pop3"],
)
def test_messages_are_read_back_where_that_is_wished_for(
    server: Agreeable, wishes: dict[str, Any], asked: list[bytes], answer: bytes
) -> None:
    without = errands_of(server, logged_in=True, script=server.checked, **wishes)
    played = errands_of(server, logged_in=True, script=server.checked + answer, read_back=5, **wishes)

    assert [*untagged(without.sent), *asked] == untagged(played.sent)


def test_whoever_logs_in_by_pop3_is_in_a_maildrop() -> None:
    assert [b"STAT"] == errands_of(POP3, logged_in=True, script=POP3.checked).sent
    assert [] == errands_of(POP3, logged_in=False).sent


@pytest.mark.parametrize("server", [SMTP, IMAP], ids=lambda server: server.protocol.value)
@pytest.mark.parametrize("logged_in", [True, False])
def test_without_wishes_there_is_nothing_to_check(server: Agreeable, *, logged_in: bool) -> None:
    assert [] == errands_of(server, logged_in=logged_in).phases


@pytest.mark.parametrize("server", EVERY, ids=lambda server: server.protocol.value)
def test_capabilities_are_expected_of_every_protocol_with_or_without_a_login(server: Agreeable) -> None:
    assert errands_of(server, logged_in=False, capabilities=("idle",)).error is None
    assert (Phase.CHECK, FailureReason.CAPABILITY_MISSING) == errands_of(
        server, logged_in=False, capabilities=("IDLE", "MOVE")
    ).failure


@every_cut
def test_a_dialogue_can_wait_for_the_server_and_for_time_to_pass(cut: Cut) -> None:
    def listening() -> Dialogue[list[bytes]]:
        heard = []
        while (yield AwaitServer(60.0)):
            heard.append((yield ReadLine()))
        yield Pause(1.0)
        return heard

    assert [b"* 1 EXISTS", b"* 2 EXISTS"] == play(listening(), b"* 1 EXISTS\r\n* 2 EXISTS\r\n", cut).value


@pytest.mark.parametrize(
    ("expected", "offered", "missing"),
    [
        (["STARTTLS"], ["STARTTLS"], ()),
        (["starttls"], ["STARTTLS"], ()),
        (["STARTTLS"], [], ("STARTTLS",)),
        (["AUTH PLAIN"], ["AUTH LOGIN PLAIN"], ()),
        (["AUTH PLAIN"], ["AUTH LOGIN", "AUTH PLAIN"], ()),
        (["AUTH"], ["AUTH LOGIN"], ()),
        (["AUTH PLAIN", "DSN"], ["AUTH LOGIN"], ("AUTH PLAIN", "DSN")),
        (["AUTH LOGIN PLAIN"], ["AUTH LOGIN"], ("AUTH LOGIN PLAIN",)),
        (["PLAIN"], ["AUTH PLAIN"], ("PLAIN",)),
        (["SASL-IR", "AUTH=PLAIN"], ["IMAP4rev1", "SASL-IR", "AUTH=PLAIN"], ()),
        ([""], [], ()),
        (["DSN"], ["", " "], ("DSN",)),
    ],
)
def test_an_expected_capability_is_met_by_the_keyword_with_at_least_its_parameters(
    expected: list[str], offered: list[str], missing: tuple[str, ...]
) -> None:
    assert missing == missing_capabilities(expected, offered)
