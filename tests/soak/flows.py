"""Mail flow and domains in a soak: a server that takes messages, a maildrop that has them, and a nameserver.

The maildrop counts what came and what was removed, by recipient, so that the daemon's own counts can be compared.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.servers.dns import Behaviour, Query, records
from tests.servers.exporter import Metrics
from tests.soak.servers import Visited, lines

STEADY = ("steady", "second")
"""Flows whose messages arrive."""
LOST = "lost"
"""A flow whose messages are taken and never seen again."""
REFUSED = "refused"
"""A flow whose recipient is refused."""
COMING = "coming"
"""A flow that is there in every other configuration."""

DOMAIN = "soak.test"
FOLLOWED = "followed.test"

MOST_AGE = 10.0
"""Seconds since a domain was judged that is to be judged every second."""


@dataclass(slots=True)
class Drop:
    """The messages of one maildrop.

    Attributes:
        messages: By UIDL, each with its recipient.
        handed_in: How many were taken or refused, by recipient.
        removed: How many the client deleted, likewise.
    """

    messages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    handed_in: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    _numbers: count[int] = field(default_factory=count)

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes every login and every message but those for `refused`; has no place for those for `lost`."""
        writer.write(b"220 mail.soak.test ESMTP\r\n")
        recipient = ""
        async for words in lines(reader):
            match [word.upper() for word in words]:
                case ["EHLO", *_]:
                    writer.write(b"250-mail.soak.test\r\n250-SIZE 10485760\r\n250 AUTH PLAIN\r\n")
                case ["AUTH", *_]:
                    writer.write(b"235 2.7.0 Authentication successful\r\n")
                case ["RCPT", *_]:
                    recipient = words[1].partition("<")[2].partition("@")[0]
                    if recipient == REFUSED:
                        self.handed_in[recipient] += 1
                        writer.write(b"550 5.1.1 No such user\r\n")
                    else:
                        writer.write(b"250 2.1.5 Ok\r\n")
                case ["DATA"]:
                    writer.write(b"354 Go ahead\r\n")
                    self._take(recipient, await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 2.0.0 Taken\r\n")
                case ["QUIT"]:
                    writer.write(b"221 Bye\r\n")
                    return
                case _:
                    writer.write(b"250 2.0.0 Ok\r\n")

    async def pop3(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The messages, as they were when the session began; removed when it ends as it should."""
        listed = list(self.messages)
        doomed: list[str] = []
        writer.write(b"+OK ready\r\n")
        async for words in lines(reader):
            command, number = words[0].upper(), int(words[1]) - 1 if len(words) > 1 and words[1].isdigit() else 0
            if command == "DELE":
                doomed.append(listed[number])
            if command == "QUIT":
                self._remove(doomed)
            writer.write(self._answer(command, listed, number))
            if command == "QUIT":
                return

    def _answer(self, command: str, listed: Sequence[str], number: int) -> bytes:
        match command:
            case "CAPA":
                return b"+OK\r\nUSER\r\nUIDL\r\nTOP\r\nRESP-CODES\r\n.\r\n"
            case "STAT":
                return b"+OK %d 1000\r\n" % len(listed)
            case "UIDL":
                return f"+OK {number + 1} {listed[number]}\r\n".encode()
            case "LIST":
                return b"+OK %d %d\r\n" % (number + 1, len(self.messages[listed[number]][1]))
            case "TOP":
                return b"+OK\r\n" + self.messages[listed[number]][1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n.\r\n"
            case "RETR":
                # As it came: its dots are doubled, and the last one is its end.
                return b"+OK\r\n" + self.messages[listed[number]][1]
            case _:
                return b"+OK\r\n"

    def _remove(self, doomed: Sequence[str]) -> None:
        for each in doomed:
            if (message := self.messages.pop(each, None)) is not None:
                self.removed[message[0]] += 1

    def _take(self, recipient: str, octets: bytes) -> None:
        self.handed_in[recipient] += 1
        if recipient != LOST:
            self.messages[f"m{next(self._numbers)}"] = recipient, octets


def flow_servers(drop: Drop) -> list[Visited]:
    """Where messages are handed in, and where they are found."""
    return [
        Visited("hands-in", "smtps://", drop.smtp, tls=True, login=True),
        Visited("maildrop", "pop3s://", drop.pop3, tls=True, login=True),
    ]


def flow_sections(turn: int) -> dict[str, object]:
    """The flows of one turn: some are always there, one comes and goes."""
    flows = [_flow(name) for name in STEADY]
    flows.append(_flow(LOST) | {"give_up": "3s"})
    flows.append(_flow(REFUSED))
    if turn % 2:
        flows.append(_flow(f"{COMING}-{turn}"))
    return {"flow_key": "the flow key of the soak", "flows": flows}


def _flow(name: str) -> dict[str, object]:
    return {
        "name": name,
        "send": {"endpoint": "hands-in", "from": f"monitor@{DOMAIN}", "to": f"{name}@{DOMAIN}"},
        "receive": {"endpoint": "maildrop"},
        "interval": "1s",
        "give_up": "30s",
    }


def zone(servers: Sequence[Visited]) -> Behaviour:
    """What the nameserver says: a domain to judge, and one that names another number of servers each time."""
    asked = count()
    ports = [server.port for server in servers if server.name == "followed"]
    fixed = (
        f'{DOMAIN}. 1 IN TXT "v=spf1 ip4:192.0.2.10 -all"',
        f'_dmarc.{DOMAIN}. 1 IN TXT "v=DMARC1; p=reject"',
        f'_smtp._tls.{DOMAIN}. 1 IN TXT "v=TLSRPTv1; rua=mailto:tls@{DOMAIN}"',
        f"imap.{FOLLOWED}. 1 IN A 127.0.0.1",
    )

    def behave(query: Query) -> Sequence[bytes]:
        turn = next(asked) // 50 % (len(ports) + 1)
        named = [f"_imap._tcp.{FOLLOWED}. 1 IN SRV 0 1 {port} imap.{FOLLOWED}." for port in ports[:turn]]
        return records(*fixed, *named, zone="test.", minimum=1)(query)

    return behave


def domain_sections(nameserver: str) -> dict[str, object]:
    """What is judged and followed."""
    domain = {"name": DOMAIN, "checks": ["spf", "dmarc", "tls_rpt"], "senders": ["192.0.2.10"], "interval": "1s"}
    return {"dns": {"nameservers": [nameserver], "timeout": "500ms"}, "domains": [domain]}


def followed_endpoint() -> Mapping[str, object]:
    """An entry that stands for whatever the zone names."""
    return {
        "domain": FOLLOWED,
        "discover": ["srv"],
        "refresh": "1s",
        "encryption": "none",
        "allowed_targets": ["127.0.0.0/8"],
    }


def compare(metrics: Metrics, before: Counter[str], after: Counter[str]) -> tuple[list[str], list[str]]:
    """The counts of the flows beside those of the maildrop: all of them, and what they disagree about.

    Args:
        metrics: Scraped between the two.
        before: What the maildrop had taken and refused by then, by recipient.
        after: Likewise.
    """
    notes, faults = [], []
    for name in (*STEADY, LOST, REFUSED):
        outcomes = {
            labels["outcome"]: int(metrics.value("mail_flow_messages_total", **labels))
            for labels in metrics.find("mail_flow_messages_total", flow=name)
        }
        under_way = int(metrics.get("mail_flow_in_flight", flow=name) or 0)
        known = sum(outcomes.values()) + under_way
        said = ", ".join(f"{often} {outcome}" for outcome, often in outcomes.items() if often)
        note = f"flow {name}: {said}, {under_way} in flight; {before[name]} at the server"
        notes.append(note)
        # A message is in flight a little before the server has it, and is at the server before it is settled.
        if not before[name] - 1 <= known <= after[name] + 1:
            faults.append(note)
        wanted = {LOST: "lost", REFUSED: "refused"}.get(name, "delivered")
        if set(outcomes) - {wanted} and any(outcomes[other] for other in outcomes if other != wanted):
            faults.append(f"not all are {wanted}: {note}")
    return notes, faults


def checked(metrics: Metrics, now: float) -> list[str]:
    """What is wrong with the figures of the domain: an old judgement, or one that the zone gives no reason for."""
    faults = []
    ran = metrics.get("mail_domain_last_run_timestamp_seconds", domain=DOMAIN)
    if ran is None or now - ran > MOST_AGE:
        faults.append(f"the domain was judged last at {ran}, and it is {now:.0f}")
    checks = metrics.find("mail_domain_check_success", domain=DOMAIN)
    bad = [labels for labels in checks if metrics.value("mail_domain_check_success", **labels) != 1]
    return faults + [f"{labels} is not good" for labels in bad]
