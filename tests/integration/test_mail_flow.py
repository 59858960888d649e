"""Everything that can happen to mail between Postfix and Dovecot, and what a flow makes of it."""

from __future__ import annotations

import json
import poplib
import re
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from exporter.model import Outcome
from tests.servers import mail_filter as treat
from tests.servers.authorisation import AuthorisationServer, Client, authorisation
from tests.servers.exporter import Exporter, exporter_running
from tests.servers.fetching import fetch
from tests.servers.flow_site import BARE, DOMAIN, FlowSite, flow_site
from tests.servers.imap_gate import ImapGate, imap_gate
from tests.servers.mail_filter import Treatment, Verdict
from tests.servers.programs import LOOPBACK, scratch_directory, wait_until

pytestmark = pytest.mark.timeout(240)

PIN = f"mx.{DOMAIN}"
SETTLED_WITHIN = 120.0
"""Seconds. It is twenty on an idle machine; the longest way is eight."""

GIVE_UP = "8s"


@dataclass(frozen=True, slots=True)
class Situation:
    """What happens to a message, and what has to be said about it.

    Attributes:
        outcome: As the metrics and the API have it.
        leg: Likewise; `None` for a delivered message.
        reason: Likewise.
        treatment: What the filter does.
        sender: Who sends.
        expect: What the flow expects.
        mailboxes: Where it looks.
    """

    outcome: str
    leg: str | None = None
    reason: str | None = None
    treatment: Treatment = treat.passes
    sender: str = f"sender@{DOMAIN}"
    expect: dict[str, Any] | None = None
    mailboxes: tuple[str, ...] = ("INBOX", "\\Junk")
    give_up: str = "5m"


def genuine(result: str) -> bytes:
    return f"Authentication-Results: {PIN}; dkim={result} header.d={DOMAIN}".encode()


FORGED = f"Authentication-Results: mx.evil.test; dkim=pass header.d={DOMAIN}".encode()
AUTHENTIC = {"auth": {"dkim": "pass"}}

SITUATIONS = {
    "intime": Situation("delivered"),
    "late": Situation("late", "transit", treatment=treat.delays(3), expect={"within": "2s"}),
    "grey": Situation("deferred", "submit", "4.2.0"),
    "deferred": Situation("delivered", treatment=treat.defers(1)),
    "refused": Situation("refused", "submit", "5.1.1"),
    "spam": Situation("refused", "submit", "5.7.1"),
    "fromoutcast": Situation("refused", "submit", "5.7.1", sender=f"outcast@{DOMAIN}"),
    "lost": Situation("lost", "transit", treatment=treat.loses, give_up=GIVE_UP),
    "bounced": Situation("bounced", "transit", "5.1.1", treatment=treat.rejects),
    "bouncedlater": Situation("bounced", "transit", "5.1.1", treatment=treat.defers(1, treat.rejects)),
    "junk": Situation("junk", "transit", treatment=treat.adds(b"X-Spam-Flag: YES")),
    "moved": Situation("junk", "transit", mailboxes=("INBOX", "Rules")),
    "doubled": Situation("duplicate", "transit", treatment=treat.doubles),
    "altered": Situation("altered", "transit", treatment=treat.adds_footer),
    "stripped": Situation("altered", "transit", treatment=treat.strips_header),
    "authentic": Situation("delivered", treatment=treat.adds(genuine("pass")), expect=AUTHENTIC),
    "unauthentic": Situation("unauthenticated", "transit", treatment=treat.adds(genuine("fail")), expect=AUTHENTIC),
    "forged": Situation("unauthenticated", "transit", treatment=treat.adds(FORGED), expect=AUTHENTIC),
    "imapdown": Situation("delivered"),
    "imapgone": Situation("receive_failed", "retrieve", "connection_closed", give_up=GIVE_UP),
    "bypop": Situation("delivered", mailboxes=("INBOX",)),
    "poplocked": Situation("receive_failed", "retrieve", "auth_unavailable", mailboxes=("INBOX",), give_up=GIVE_UP),
    "tokens": Situation("delivered", mailboxes=("INBOX",)),
    "bare": Situation("delivered"),
    "nosearch": Situation("delivered"),
    "full": Situation("bounced", "transit", "5.2.2"),
}


@dataclass(frozen=True, slots=True)
class Played:
    """What came of all of them.

    Attributes:
        flows: What `/api/v1/flows` tells of each.
        gates: What stands before the mailboxes that are not always open.
    """

    site: FlowSite
    flows: dict[str, dict[str, Any]]
    exporter: Exporter
    gates: dict[str, ImapGate]


def told(exporter: Exporter) -> dict[str, dict[str, Any]]:
    response = fetch(f"http://{exporter.address}/api/v1/flows")
    return {flow["name"]: flow for flow in json.loads(response.body)["flows"]}


def flow(name: str, endpoint: str, situation: Situation) -> dict[str, Any]:
    receive: dict[str, Any] = {"endpoint": endpoint, "authserv_id": PIN}
    if endpoint.startswith("imap"):
        receive["mailboxes"] = list(situation.mailboxes)
    return {
        "name": name,
        "send": {
            "endpoint": "smtp-sender",
            "from": situation.sender,
            "to": f"{name}@{DOMAIN}",
            "bounces": "imap-sender",
        },
        "receive": receive,
        "give_up": situation.give_up,
        "interval": "1h",
        **({} if situation.expect is None else {"expect": situation.expect}),
    }


def endpoints(site: FlowSite, gates: dict[str, ImapGate]) -> dict[str, dict[str, Any]]:
    special = {
        "bypop": site.pop3s("bypop"),
        # Dovecot waits ten seconds for the lock before it refuses the login.
        "poplocked": site.pop3s("poplocked") | {"timeout": "40s"},
        "tokens": site.pop3s("tokens") | {"credentials": "tokens-by-token"},
        "bare": site.imaps("bare", BARE),
        **{name: site.plain_imap(name, gate.port) for name, gate in gates.items()},
    }
    return {name: special.get(name) or site.imaps(name) for name in SITUATIONS}


def token_entry(idp: AuthorisationServer) -> dict[str, Any]:
    client = {"provider": "custom", "token_url": idp.token_url, "client_id": "flows", "client_secret": "secret"}
    return {"username": f"tokens@{DOMAIN}", "oauth2": {**client, "scope": "pop3"}}


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    """One daemon, a flow for each situation, and the time until all is settled."""
    with ExitStack() as stack:
        directory = stack.enter_context(scratch_directory())
        idp = stack.enter_context(authorisation())
        idp.clients = {"flows": Client(f"tokens@{DOMAIN}", "secret")}

        def revokes(message: bytes, _: int) -> Verdict:
            """The tokens that are out are void by the time that the message arrives."""
            idp.revoke_all()
            return [message]

        treatments = {name: situation.treatment for name, situation in SITUATIONS.items()} | {"tokens": revokes}
        site = stack.enter_context(
            flow_site(directory, tuple(SITUATIONS), treatments, introspection_url=idp.introspection_url)
        )
        searching = re.compile(rb"SEARCH", re.IGNORECASE)
        gates = {name: stack.enter_context(imap_gate(site.dovecot.imap)) for name in ("imapdown", "imapgone")}
        gates["nosearch"] = stack.enter_context(imap_gate(site.dovecot.imap, refuses=searching))
        fill_up(site, "full")
        stack.enter_context(locked(site, "poplocked", site.dovecot.pop3s))
        reading = endpoints(site, gates)
        configuration = site.configuration(
            [site.submission(), site.imaps("sender"), *reading.values()],
            [flow(name, reading[name]["name"], situation) for name, situation in SITUATIONS.items()],
        )
        configuration["credentials"]["tokens-by-token"] = token_entry(idp)
        gates["imapdown"].close()
        gates["imapgone"].close()
        file = directory / "mail-exporter.yaml"
        file.write_text(yaml.safe_dump(configuration))
        exporter = stack.enter_context(exporter_running(file))
        wait_until(lambda: site.files("imapdown"), what="mail has come while IMAP is down", within=SETTLED_WITHIN)
        gates["imapdown"].open()
        # What is not settled by then fails its own test.
        with suppress(TimeoutError):
            wait_until(
                lambda: all(each["last_message"] for each in told(exporter).values()),
                what="every flow has settled a message",
                within=SETTLED_WITHIN,
            )
        yield Played(site, told(exporter), exporter, gates)


def fill_up(site: FlowSite, name: str) -> None:
    """More than the quota of ten megabytes, laid down before anybody looks."""
    folder = site.maildir(name) / "new"
    for each in (folder, folder.with_name("cur"), folder.with_name("tmp")):
        each.mkdir(parents=True)
    (folder / "1.big.host").write_bytes(b"Subject: big\r\n\r\n" + b"x" * 11 * 1024 * 1024)
    for each in (folder.parent.parent, *folder.parent.parent.rglob("*")):
        shutil.chown(each, 65534, 65534)


@contextmanager
def locked(site: FlowSite, name: str, port: int) -> Iterator[None]:
    """Somebody else has the maildrop open (RFC 1939 section 8)."""
    context = ssl.create_default_context(cafile=str(site.authority.file))
    client = poplib.POP3_SSL(LOOPBACK, port, context=context, timeout=60)
    client.user(f"{name}@{DOMAIN}")
    client.pass_(f"{name}-secret")
    try:
        yield
    finally:
        client.close()


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_has_its_outcome_its_leg_and_its_reason(name: str, played: Played) -> None:
    expected, message = SITUATIONS[name], played.flows[name]["last_message"]
    assert message is not None, played.flows[name]
    assert (expected.outcome, expected.leg, expected.reason) == (
        message["outcome"],
        message["leg"],
        message["reason"],
    ), message


def test_the_metrics_say_the_same(played: Played) -> None:
    metrics = played.exporter.metrics()
    for name, situation in SITUATIONS.items():
        assert float(situation.outcome == "delivered") == metrics.value("mail_flow_success", flow=name)
        assert 1.0 == metrics.value("mail_flow_messages_total", flow=name, outcome=situation.outcome)
        others = [each for each in Outcome if each != situation.outcome]
        assert not any(metrics.value("mail_flow_messages_total", flow=name, outcome=other) for other in others)
        info = metrics.find("mail_flow_outcome_info", flow=name)
        shown = [(each["outcome"], each["leg"], each.get("reason", "")) for each in info]
        told = (situation.outcome, situation.leg, situation.reason or "")
        assert ([] if situation.leg is None else [told]) == shown
    assert 1.0 == metrics.value("mail_flow_auth_result_info", flow="authentic", method="dkim", result="pass")


def test_nothing_of_ours_is_left_where_it_could_be_removed(played: Played) -> None:
    stuck = {"imapgone", "poplocked", "full"}

    def left() -> dict[str, list[str]]:
        found = {name: [file.name for file in played.site.files(name)] for name in {"sender", *SITUATIONS} - stuck}
        return {name: files for name, files in found.items() if files}

    # What was settled last may still be on its way out.
    with suppress(TimeoutError):
        wait_until(lambda: not left(), what="all is removed")
    assert {} == left()
    assert ["1.big.host"] == [file.name.partition(":")[0].partition(",")[0] for file in played.site.files("full")]
