"""Secrets that a server repeats where nobody expects them: in facts, in another visit, at another port."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace

import pytest

from exporter.model import (
    CertificateFacts,
    Endpoint,
    Facts,
    Failure,
    FailureReason,
    Login,
    Mechanism,
    Phase,
    ProbeResult,
    Secret,
    TlsFacts,
    Withheld,
)
from exporter.protocol.redaction import Redactor
from exporter.visiting.clearing import REMEMBERED, KnownSecrets, cleared
from exporter.visiting.connect import World
from exporter.visiting.notes import ProbeNotes
from exporter.visiting.visit import Visitor
from tests import virtual_time
from tests.replay import Replay
from tests.unit.results import success, tls
from tests.unit.scripted_visits import POP3_BYE, POP3_CAPA, POP3_GREETING, Contexts, Names, Network, pop3, tls_facts
from tests.visits import Given

PASSWORD = b"correct horse battery"
LOGIN = Login("monitor", Secret(PASSWORD), Mechanism.USERPASS)


def leaf(facts: TlsFacts, **changes: object) -> TlsFacts:
    """The same, with other words on the certificate."""
    first, *rest = facts.chain
    changed: CertificateFacts = replace(first, **changes)  # type: ignore[arg-type]  # as the caller names them
    return replace(facts, chain=(changed, *rest))


class TestResult:
    def test_without_a_secret_stays_the_same(self) -> None:
        result = success("e", capabilities=("IMAP4rev1",), tls=tls())

        assert result == cleared(result, Redactor([PASSWORD]))

    def test_shows_no_secret_in_capabilities(self) -> None:
        result = success("e", capabilities=("AUTH PLAIN", "X-CORRECT HORSE BATTERY", "X-correct ho", "rse battery"))

        shown = cleared(result, Redactor([PASSWORD])).facts.capabilities

        assert ("AUTH PLAIN", "X-<redacted>", "X-<redacted>", "<redacted>") == shown

    @pytest.mark.parametrize("said", [PASSWORD, PASSWORD.upper(), PASSWORD.hex().encode(), b64encode(PASSWORD)])
    def test_shows_no_secret_on_a_certificate(self, said: bytes) -> None:
        words = f"CN={said.decode()}"
        result = success("e", tls=leaf(tls(detail=words), subject=words, issuer=words, names=(words,), serial=words))

        shown = cleared(result, Redactor([PASSWORD])).facts.tls

        assert shown is not None
        texts = (shown.detail, shown.chain[0].subject, shown.chain[0].issuer, *shown.chain[0].names)
        assert all("<redacted>" in text and said.decode() not in text for text in texts)
        assert shown.problems == tls().problems

    def test_shows_no_secret_in_a_failure(self) -> None:
        failure = Failure(FailureReason.PROTOCOL_ERROR, Phase.GREETING, "it says correct%20horse%20battery")

        shown = cleared(success("e", failure=failure), Redactor([PASSWORD]))

        assert Failure(FailureReason.PROTOCOL_ERROR, Phase.GREETING, "it says <redacted>") == shown.failure


class TestKnownSecrets:
    def test_are_those_of_a_host_and_its_neighbours(self) -> None:
        known = KnownSecrets()
        known.sent("imap.mail.example.com", Secret(PASSWORD))

        for neighbour in ("imap.mail.example.com", "smtp.example.com", "example.com"):
            assert (PASSWORD,) == known.of(neighbour).secrets
        for stranger in ("example.org", "192.0.2.1", "2001:db8::1", "com"):
            assert () == known.of(stranger).secrets

    def test_of_an_address_are_its_own(self) -> None:
        known = KnownSecrets()
        known.sent("192.0.2.1", Secret(PASSWORD))

        assert ((PASSWORD,), ()) == (known.of("192.0.2.1").secrets, known.of("198.51.2.1").secrets)

    def test_are_the_last_few(self) -> None:
        known = KnownSecrets()
        for number in range(3 * REMEMBERED):
            known.sent("example.com", Secret(b"secret %d" % number))
        known.sent("example.com", Secret(b"secret 23"))

        newest = tuple(b"secret %d" % number for number in range(3 * REMEMBERED - 1, 2 * REMEMBERED - 1, -1))
        assert newest == known.of("example.com").secrets

    def test_are_no_secrets_where_a_certificate_vouches(self) -> None:
        assert () == KnownSecrets().sent("example.com", Secret(b"")).secrets

    def test_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("exporter.visiting.clearing.NEIGHBOURHOODS", 2)
        known = KnownSecrets()
        for host in ("a.example", "b.example", "c.example"):
            known.sent(host, Secret(PASSWORD))

        assert [(), (PASSWORD,), (PASSWORD,)] == [known.of(f"{each}.example").secrets for each in "abc"]


class Turns(Given):
    """Gives one login after the other."""

    def __init__(self, *logins: Login | Withheld | None) -> None:
        super().__init__(None)
        self._logins = iter(logins)

    async def for_probe(self, endpoint: Endpoint) -> Login | Withheld | None:  # noqa: ARG002 - the interface
        return next(self._logins)


def test_a_server_that_repeats_a_secret_in_a_later_visit_is_not_heard() -> None:
    in_base64 = b64encode(b"x" + PASSWORD)
    first = Replay([POP3_GREETING, POP3_CAPA, b"+OK\r\n", b"-ERR [AUTH] no\r\n", POP3_BYE], tls_facts())
    evil = (
        b"+OK you are correct horse battery\r\n",
        b"+OK\r\nUSER\r\nX-CORRECT-HORSE-BATTERY\r\nX-B64 " + in_base64 + b"\r\nSASL PLAIN\r\n.\r\n",
    )
    paused = Replay([*evil, POP3_BYE], leaf(tls(), subject="CN=correct horse battery"))
    anonymous = Replay([b"-ERR correct horse battery\r\n", POP3_BYE], tls())
    network = Network({"192.0.2.10": first})

    async def scenario() -> tuple[ProbeResult, ProbeResult]:
        clock = asyncio.get_running_loop().time
        world = World(Names(), Contexts(), wall_clock=lambda: 1.7e9, clock=clock, connect=network.connect)
        visitor = Visitor(world, Turns(LOGIN, Withheld(FailureReason.AUTH_REJECTED, "login paused"), None))
        await visitor.probe(pop3())
        network.servers["192.0.2.10"] = paused
        later = await visitor.probe(pop3())
        network.servers["192.0.2.10"] = anonymous
        return later, await visitor.probe(pop3())

    later, last = virtual_time.run(scenario())

    assert later.facts.capabilities is not None
    assert "USER" in later.facts.capabilities
    assert later.facts.tls is not None
    assert "CN=<redacted>" == later.facts.tls.chain[0].subject
    for result in (later, last):
        shown = repr(result).lower()
        assert "<redacted>" in shown
        for words in ("correct", "horse", "battery", in_base64[4:-4].decode().lower()):
            assert words not in shown


def subject_shown(facts: TlsFacts, redactor: Redactor) -> str:
    """Of the first certificate, in the result of a visit that saw these."""
    notes = ProbeNotes("e", 1.7e9, lambda: 0.0, redactor)
    notes.learn(Facts(tls=replace(facts)))
    shown = notes.result().facts.tls
    return "" if shown is None else shown.chain[0].subject


@pytest.mark.parametrize("shown_before", [True, False])
def test_a_secret_on_a_certificate_that_was_clean_before_it_was_known_is_not_shown(*, shown_before: bool) -> None:
    shown, known = leaf(tls(), subject="CN=correct horse battery"), KnownSecrets()
    known.sent("mail.example.com", Secret(b"an earlier secret"))

    def subjects() -> list[str]:
        return [subject_shown(shown, known.of("mail.example.com")) for _ in range(2)]

    if shown_before:
        assert ["CN=correct horse battery"] * 2 == subjects()
    known.sent("pop.example.com", Secret(PASSWORD))
    assert ["CN=<redacted>"] * 2 == subjects()


def test_a_certificate_that_is_another_object_is_searched_again() -> None:
    redactor = Redactor([PASSWORD])
    clean, held = tls(), leaf(tls(), subject="CN=correct horse battery")

    first = subject_shown(clean, redactor)

    assert [first, "CN=<redacted>", first] == [subject_shown(each, redactor) for each in (clean, held, clean)]
