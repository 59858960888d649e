"""What flows must not do: touch what is not theirs, leave something behind, count twice, or believe other clocks."""

from __future__ import annotations

import hashlib
import imaplib
import json
import os
import re
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.flows.messages import message, signature
from exporter.flows.messages.signature import MessageToken
from exporter.model import Secret
from tests.servers import mail_filter as treat
from tests.servers.exporter import COMMAND, Exporter, exporter_running
from tests.servers.fetching import fetch
from tests.servers.flow_site import DOMAIN, FlowSite, flow_site
from tests.servers.imap_gate import imap_gate
from tests.servers.programs import LOOPBACK, free_ports, running, scratch_directory, wait_until

FULL = "MAIL_EXPORTER_FULL" in os.environ
"""Whether there is time for all of it: ten minutes."""

FOREIGN = 10_000 if FULL else 1_500
SHARING = 500 if FULL else 20
INTERVAL = "180s" if FULL else "3s"
ROUNDS = 2
"""Messages of each flow into the crowded mailbox."""

CLOCK_MESSAGES = 4
"""Whose transit is compared with what a witness saw. The best counts: the others may meet a busy machine."""

A_BUSY_MACHINE = 5.0
"""Seconds by which it may make a transit longer. On an idle one it is a tenth."""

PATIENCE = 1000.0 if FULL else 90.0
MAIL_USER = 65534


pytestmark = pytest.mark.timeout(1200 if FULL else 240)


@pytest.fixture(scope="module")
def site() -> Iterator[FlowSite]:
    treatments = {"ahead": treat.shifts_clock(1), "behind": treat.shifts_clock(-1), "slow": treat.delays(1.5)}
    with scratch_directory() as directory:
        names = ("crowd", "killed", "slow", "ahead", "behind")
        with flow_site(directory, names, treatments, quota_limit=100 * 1024 * 1024) as running:
            yield running


def flow(name: str, recipient: str, *, interval: str = "1h") -> dict[str, Any]:
    return {
        "name": name,
        "send": {"endpoint": "smtp-sender", "to": f"{recipient}@{DOMAIN}"},
        "receive": {"endpoint": f"imap-{recipient}"},
        "interval": interval,
    }


def told(exporter: Exporter, name: str) -> dict[str, Any]:
    (way,) = json.loads(fetch(f"http://{exporter.address}/api/v1/flows/{name}").body)["ways"]
    return dict(way)


def imitations(folder: Path) -> None:
    """Messages that are ours in all but the signature; some carry a good one where it does not count."""
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    forger, key = Secret(b"somebody else's flow key"), Secret(b"the flow key of the tests")
    now = time.time()
    sample = "x" * signature.TOKEN_LENGTH
    pattern = message.build(sample, "crowd0", f"sender@{DOMAIN}", f"crowd@{DOMAIN}", now)
    pattern = pattern[: pattern.index(b"\r\n\r\n") + 100]
    for number in range(FOREIGN):
        token = MessageToken(signature.mark(f"crowd{number % SHARING}"), number, now - number)
        octets = pattern.replace(sample.encode(), signature.sign(token, forger).encode())
        if number % 10 == 0:
            genuine = signature.sign(token, key)
            octets = f"In-Reply-To: <{genuine}@{DOMAIN}>\r\nReferences: <{genuine}@{DOMAIN}>\r\n".encode() + octets
        flags = ("", "S", "RS", "FS", "ST")[number % 5]
        file = folder / "cur" / f"{int(now) - FOREIGN + number}.M{number}.host:2,{flags}"
        file.write_bytes(octets)
        os.chown(file, MAIL_USER, MAIL_USER)
    for each in (folder.parent, folder, folder / "cur", folder / "new", folder / "tmp"):
        os.chown(each, MAIL_USER, MAIL_USER)


def looked_at(site: FlowSite, name: str) -> dict[str, tuple[str, str]]:
    """Flags and content of every message by its unique name; Dovecot keeps UIDs by that name too."""
    found = {}
    for file in site.files(name):
        unique, _, flags = file.name.partition(":2,")
        found[unique.partition(",")[0]] = flags, hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def uids(site: FlowSite, name: str) -> dict[str, str]:
    """The UID of each message, as Dovecot wrote it down."""
    lines = (site.maildir(name) / "dovecot-uidlist").read_text().splitlines()[1:]
    return {line.partition(" :")[2].partition(":2,")[0].partition(",")[0]: line.partition(" ")[0] for line in lines}


def test_foreign_messages_are_left_alone_and_twenty_flows_share_a_connection(site: FlowSite) -> None:
    imitations(site.maildir("crowd"))
    before = looked_at(site, "crowd")
    with ExitStack() as stack:
        gate = stack.enter_context(imap_gate(site.dovecot.imap))
        flows = [flow(f"crowd{number}", "crowd", interval=INTERVAL) for number in range(SHARING)]
        configuration = site.configuration([site.submission(), site.plain_imap("crowd", gate.port)], flows)
        configuration["endpoints"][1]["interval"] = "24h"
        # All of many flows send at once, and a connection that times out would be another one.
        configuration["defaults"]["timeout"] = "60s"
        file = site.dovecot.directory.parent / "crowd.yaml"
        file.write_text(yaml.safe_dump(configuration))
        exporter = stack.enter_context(exporter_running(file))
        first = uids_when_there_are_some(site)

        def all_have_run() -> bool:
            metrics = exporter.metrics()
            return all(
                metrics.value("mail_flow_messages_total", flow=each["name"], outcome="delivered") >= ROUNDS
                for each in flows
            )

        wait_until(all_have_run, what="every flow has delivered its messages", within=PATIENCE)
        metrics = exporter.metrics()
        # One for the flows, and one for the endpoint's own probe if that has run.
        assert gate.connections <= 2
        assert not any(metrics.value("mail_flow_removed_total", flow=f["name"], kind="leftover") for f in flows)
    after = looked_at(site, "crowd")
    assert before == {name: after.get(name) for name in before}
    later = uids(site, "crowd")
    assert {name: first[name] for name in before} == {name: later[name] for name in before}


def uids_when_there_are_some(site: FlowSite) -> dict[str, str]:
    def read() -> dict[str, str] | None:
        found = uids(site, "crowd")
        return found if len(found) >= FOREIGN else None

    return wait_until(read, what="Dovecot has given out UIDs", within=PATIENCE)


def test_a_daemon_that_is_killed_leaves_nothing_behind_and_counts_nothing_twice(site: FlowSite) -> None:
    names = {"killed0": "killed", "killed1": "killed", "slow0": "slow", "slow1": "slow"}
    counted: list[tuple[str, float]] = []

    def count(exporter: Exporter) -> None:
        counted.extend((name, one["sent_at"]) for name in names for one in told(exporter, name)["history"])

    def configured(interval: str) -> Path:
        flows = [flow(name, recipient, interval=interval) for name, recipient in names.items()]
        file = site.dovecot.directory.parent / f"killed-{interval}.yaml"
        endpoints = [site.submission(), site.imaps("killed"), site.imaps("slow")]
        file.write_text(yaml.safe_dump(site.configuration(endpoints, flows)))
        return file

    # Here it is killed at some moment. tests/unit/test_flow_restarts.py kills after each step.
    with killed_in_the_end(configured("1s")) as exporter:

        def all_are_at_work() -> bool:
            ways = [told(exporter, name) for name in names]
            return all(way["history"] for way in ways) and any(way["in_flight"] for way in ways)

        wait_until(all_are_at_work, what="every flow has delivered, and some are at it", within=PATIENCE)
        count(exporter)
    with exporter_running(configured("24h")) as exporter:

        def all_is_over() -> bool:
            ways = [told(exporter, name) for name in names]
            quiet = all(way["in_flight"] == 0 and way["history"] for way in ways)
            return quiet and not site.files("killed") and not site.files("slow")

        wait_until(all_is_over, what="nothing of ours is left", within=PATIENCE)
        count(exporter)
    assert len(set(counted)) == len(counted)
    assert len(counted) > len(names)


@contextmanager
def killed_in_the_end(configuration: Path) -> Iterator[Exporter]:
    """The daemon, which gets no chance to end in good order."""
    (port,) = free_ports(1)
    address, log = f"{LOOPBACK}:{port}", configuration.with_suffix(".log")
    command = [*COMMAND, "run", f"--config.file={configuration}", f"--web.listen-address={address}"]
    ready = partial(fetch, f"http://{address}/-/ready")
    with running(command, log=log, ready=lambda: ready().status == HTTPStatus.OK, stop=signal.SIGKILL) as process:
        yield Exporter(address=address, log=log, process=process)


@dataclass
class Witness:
    """Another client, which looks at a mailbox all the time and writes down when mail came into it.

    Attributes:
        arrivals: Of each message, when it was not there yet and when it was, as Unix timestamps.
    """

    arrivals: list[tuple[float, float]]
    _known: int = 0

    @classmethod
    @contextmanager
    def looking(cls, site: FlowSite, name: str) -> Iterator[Witness]:
        """Looks until the block ends."""
        witness, over = cls([]), threading.Event()
        context = ssl.create_default_context(cafile=str(site.authority.file))
        with imaplib.IMAP4_SSL(LOOPBACK, site.dovecot.imaps, ssl_context=context, timeout=30) as client:
            client.login(f"{name}@{DOMAIN}", f"{name}-secret")
            witness._known = witness._next_uid(client)
            thread = threading.Thread(target=witness._look, args=(client, over))
            thread.start()
            try:
                yield witness
            finally:
                over.set()
                thread.join()

    def _look(self, client: imaplib.IMAP4_SSL, over: threading.Event) -> None:
        absent = time.time()
        while not over.wait(0.005):
            asked = time.time()
            next_uid = self._next_uid(client)
            self.arrivals += [(absent, time.time())] * (next_uid - self._known)
            self._known, absent = next_uid, asked

    def _next_uid(self, client: imaplib.IMAP4_SSL) -> int:
        _, (status,) = client.status("INBOX", "(UIDNEXT)")
        return int(re.findall(rb"UIDNEXT ([0-9]+)", status)[0])


@pytest.mark.parametrize(("name", "hour"), [("ahead", 1), ("behind", -1)])
def test_a_clock_an_hour_off_does_not_change_the_transit(name: str, hour: int, site: FlowSite) -> None:
    configuration = site.configuration([site.submission(), site.imaps(name)], [flow(name, name, interval="2s")])
    file = site.dovecot.directory.parent / f"{name}.yaml"
    file.write_text(yaml.safe_dump(configuration))

    def enough() -> list[dict[str, Any]] | None:
        history = told(exporter, name)["history"]
        return history if len(history) >= CLOCK_MESSAGES else None

    with Witness.looking(site, name) as witness, exporter_running(file) as exporter:
        settled = wait_until(enough, what="some messages are settled", within=PATIENCE)[::-1][:CLOCK_MESSAGES]
    errors = []
    for message_, (absent, there) in zip(settled, witness.arrivals, strict=False):
        seen = message_["sent_at"] + message_["duration_seconds"]
        errors.append(max(absent - seen, seen - there, 0.0))
    # A clock that counted would make it an hour.
    assert min(errors) < A_BUSY_MACHINE, errors
    for message_ in settled:
        hops = [hop["delay_seconds"] for hop in message_["arrival"]["hops"] if hop["clocks_differ"]]
        assert any(abs(abs(delay) - 3600) < 60 for delay in hops), hour
