"""Attempts to have the running daemon connect to what it must not, by /probe: all are refused, and nobody is called."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.servers.dns import Query, nameserver, records
from tests.servers.exporter import Exporter, Metrics, exporter_running
from tests.servers.fetching import Response, fetch
from tests.servers.nsd import nsd
from tests.servers.programs import LOOPBACK, REMOTE_LOOPBACK, scratch_directory

ZONE = f"""\
$ORIGIN example.test.
$TTL 0
@         IN SOA ns hostmaster 1 3600 600 86400 0
@         IN NS ns
ns        IN A {LOOPBACK}
good      IN A {LOOPBACK}
bad       IN A {REMOTE_LOOPBACK}
both      IN A {LOOPBACK}
both      IN A {REMOTE_LOOPBACK}
mapped    IN AAAA ::ffff:{REMOTE_LOOPBACK}
nat64     IN AAAA 64:ff9b::{REMOTE_LOOPBACK}
6to4      IN AAAA 2002:7f00:2::1
six       IN A {LOOPBACK}
six       IN AAAA ::1
zero      IN A 0.0.0.0
metadata  IN A 169.254.169.254
alias     IN CNAME bad
abroad    IN CNAME mail.other.test.
"""
OTHER_ZONE = f"""\
$ORIGIN other.test.
$TTL 0
@     IN SOA ns.example.test. hostmaster.example.test. 1 3600 600 86400 0
@     IN NS ns.example.test.
good  IN A {LOOPBACK}
mail  IN A {REMOTE_LOOPBACK}
"""

NAMES_AND_NETWORKS, NETWORKS, NAMES = "names_and_networks", "networks", "names"

CONFIGURATION = f"""\
credentials: {{monitor: {{username: monitor@example.test, password: that-must-not-leave}}}}
defaults: {{timeout: 1s}}
endpoints: [{{url: "imap://{LOOPBACK}:1", interval: 1h}}]
dns: {{nameservers: ["{{nameserver}}"], timeout: 1s}}
modules:
  {NAMES_AND_NETWORKS}:
    url: imap://
    encryption: none
    credentials: monitor
    allow_insecure_auth: true
    allowed_targets: ["*.example.test", {LOOPBACK}]
  {NETWORKS}: {{url: imap://, encryption: none, allowed_targets: [{LOOPBACK}]}}
  {NAMES}: {{url: imap://, encryption: none, allowed_targets: ["*.example.test"]}}
"""


class Decoys:
    """Listen at one port of several addresses, and tell who called."""

    def __init__(self, stack: ExitStack) -> None:
        self.port = 0
        self._listeners: dict[str, socket.socket] = {}
        addresses = (LOOPBACK, REMOTE_LOOPBACK, *(["::1"] if socket.has_dualstack_ipv6() else []))
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.create_server((address, self.port), family=family)
            stack.enter_context(listener)
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            self._listeners[address] = listener

    def called(self) -> list[str]:
        """The addresses that were connected to since the last look."""
        found = []
        for address, listener in self._listeners.items():
            while True:
                try:
                    connection, _ = listener.accept()
                except BlockingIOError:
                    break
                connection.close()
                found.append(address)
        return found


@dataclass(frozen=True)
class Probed:
    """A daemon that may probe some of the decoys."""

    exporter: Exporter
    decoys: Decoys

    def probe(self, module: str, target: str) -> Response:
        """Asks for a probe. `PORT` in a target stands for the decoys'."""
        query = urlencode({"module": module, "target": target.replace("PORT", str(self.decoys.port))})
        return fetch(f"{self.exporter.url}/probe?{query}")

    def assert_refused(self, module: str, target: str, *statuses: int) -> None:
        """Asks for a probe, and sees that there is none."""
        answer = self.probe(module, target)
        assert answer.status in statuses, answer
        assert b"probe_success" not in answer.body
        assert [] == self.decoys.called()


@contextmanager
def daemon(directory: Path, nameserver: tuple[str, int]) -> Iterator[Probed]:
    with ExitStack() as stack:
        decoys = Decoys(stack)
        file = directory / "mail-exporter.yaml"
        file.write_text(CONFIGURATION.replace("{nameserver}", f"{nameserver[0]}:{nameserver[1]}"))
        yield Probed(stack.enter_context(exporter_running(file)), decoys)


@pytest.fixture(scope="module")
def probed() -> Iterator[Probed]:
    zones = {"example.test": ZONE, "other.test": OTHER_ZONE}
    with scratch_directory() as directory, nsd(directory, zones) as server, daemon(directory, server) as running:
        yield running


@pytest.mark.parametrize(
    ("module", "target"),
    [
        (NAMES_AND_NETWORKS, f"{LOOPBACK}:PORT"),
        (NAMES_AND_NETWORKS, "good.example.test:PORT"),
        (NAMES_AND_NETWORKS, "GOOD.Example.Test.:PORT"),
        (NAMES_AND_NETWORKS, "imap://good.example.test:PORT"),
        (NETWORKS, "good.other.test:PORT"),
        (NETWORKS, f"[::ffff:{LOOPBACK}]:PORT"),
    ],
)
def test_what_is_allowed_is_connected_to(probed: Probed, module: str, target: str) -> None:
    answer = probed.probe(module, target)

    assert (200, [LOOPBACK]) == (answer.status, probed.decoys.called())
    # The decoy says nothing that a client could go on with: that is the server's failure, and no refusal.
    assert 0.0 == Metrics.parse(answer.body.decode()).value("probe_success")


@pytest.mark.parametrize("module", [NAMES_AND_NETWORKS, NETWORKS, NAMES])
@pytest.mark.parametrize(
    "target",
    [
        f"{REMOTE_LOOPBACK}:PORT",
        f"imap://{REMOTE_LOOPBACK}:PORT",
        "[::1]:PORT",
        "[::]:PORT",
        "0.0.0.0:PORT",
        f"[::ffff:{REMOTE_LOOPBACK}]:PORT",
        "[::ffff:7f00:2]:PORT",
        "[0:0:0:0:0:ffff:7f00:0002]:PORT",
        f"[::{REMOTE_LOOPBACK}]:PORT",
        f"[64:ff9b::{REMOTE_LOOPBACK}]:PORT",
        "[2002:7f00:2::]:PORT",
    ],
)
def test_an_address_that_is_not_allowed_is_forbidden_in_every_spelling(
    probed: Probed, module: str, target: str
) -> None:
    probed.assert_refused(module, target, 403)


@pytest.mark.parametrize("module", [NAMES_AND_NETWORKS, NETWORKS, NAMES])
@pytest.mark.parametrize(
    "target",
    [
        "2130706434:PORT",  # 127.0.0.2 as one decimal number
        "0x7f000002:PORT",
        "0x7f.0.0.2:PORT",
        "017700000002:PORT",
        "0177.0.0.2:PORT",
        "127.2:PORT",
        "127.0.2:PORT",
        "127.0.0.2.:PORT",
        "127.0.0.02:PORT",
        "\uff11\uff12\uff17.0.0.2:PORT",  # full-width digits
        "127\u30020\u30020\u30022:PORT",  # ideographic full stops
        "[::1%lo]:PORT",
        "::1%lo",
        f"{LOOPBACK}@{REMOTE_LOOPBACK}:PORT",
        f"imap://{LOOPBACK}@{REMOTE_LOOPBACK}:PORT",
        f"imap://{LOOPBACK}:PORT#@{REMOTE_LOOPBACK}",
        f"imap://{LOOPBACK}\\@{REMOTE_LOOPBACK}:PORT",
        f"{LOOPBACK}:PORT/{REMOTE_LOOPBACK}",
        f"{LOOPBACK}:PORT {REMOTE_LOOPBACK}:PORT",
        f"{LOOPBACK}\r\n{REMOTE_LOOPBACK}",
        f"{LOOPBACK}\0.example.test:PORT",
        "http://bad.example.test:PORT",
        "file:///etc/passwd",
    ],
)
def test_what_only_looks_like_a_target_is_refused(probed: Probed, module: str, target: str) -> None:
    probed.assert_refused(module, target, 400)


@pytest.mark.parametrize("module", [NAMES_AND_NETWORKS, NETWORKS])
@pytest.mark.parametrize(
    "host", ["bad", "both", "alias", "abroad", "mapped", "nat64", "6to4", "six", "zero", "metadata"]
)
def test_a_name_that_leads_elsewhere_is_forbidden_also_if_only_one_of_its_addresses_does(
    probed: Probed, module: str, host: str
) -> None:
    probed.assert_refused(module, f"{host}.example.test:PORT", 403)


@pytest.mark.parametrize(
    "host", ["good", "bad", "both", "alias", "abroad", "mapped", "nat64", "6to4", "six", "zero", "metadata"]
)
def test_a_name_that_is_allowed_by_a_star_alone_does_not_lead_to_this_machine(probed: Probed, host: str) -> None:
    probed.assert_refused(NAMES, f"{host}.example.test:PORT", 403)


@pytest.mark.parametrize("host", ["good.other.test", "example.test", "notexample.test", "good.example.test.other.test"])
@pytest.mark.parametrize("module", [NAMES_AND_NETWORKS, NAMES])
def test_a_name_that_is_not_allowed_is_forbidden_wherever_it_leads(probed: Probed, module: str, host: str) -> None:
    probed.assert_refused(module, f"{host}:PORT", 403)


def test_refusals_are_logged_without_secrets(probed: Probed) -> None:
    probed.probe(NAMES_AND_NETWORKS, "good.other.test:PORT")
    log = probed.exporter.log.read_text()

    assert 'msg="refused a probe"' in log
    assert "that-must-not-leave" not in log


@asynccontextmanager
async def rebinding(addresses: Sequence[str]) -> AsyncIterator[tuple[tuple[str, int], list[Query]]]:
    """A nameserver that answers each question for an A record with the next address, as an attacker's does."""
    answers = itertools.cycle(records(f"rebind.example.test. 0 IN A {address}") for address in addresses)
    nothing = records()

    def behave(query: Query) -> Sequence[bytes]:
        return next(answers)(query) if query.rdtype == "A" else nothing(query)

    async with nameserver(behave) as server:
        yield server.address, server.queries


async def test_a_name_that_changes_between_two_lookups_is_connected_to_where_it_was_judged(tmp_path: Path) -> None:
    async with rebinding([LOOPBACK, REMOTE_LOOPBACK]) as (address, queries):

        def attack() -> list[tuple[int, list[str]]]:
            with daemon(tmp_path, address) as probed:
                return [
                    (probed.probe(NAMES_AND_NETWORKS, "rebind.example.test:PORT").status, probed.decoys.called())
                    for _ in range(4)
                ]

        outcomes = await asyncio.to_thread(attack)

    assert [(200, [LOOPBACK]), (403, []), (200, [LOOPBACK]), (403, [])] == outcomes
    assert ["A"] * 4 == [query.rdtype for query in queries if query.rdtype == "A"]
