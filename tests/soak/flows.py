"""Mail flow and domains in a soak: a server that takes messages, a maildrop that has them, and a nameserver.

What was handed in is counted by recipient, so that the daemon's own counts can be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count

from exporter.demo.post import PostOffice, Route
from exporter.model import Protocol
from tests.servers.dns import Behaviour, Query, records
from tests.servers.exporter import Metrics
from tests.soak.servers import NAME, USER, Visited

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


class Drop(PostOffice):
    """Where all mail goes.

    Attributes:
        handed_in: How many messages were taken or refused, by recipient.
    """

    def __init__(self) -> None:
        super().__init__(NAME, DOMAIN, [USER])
        self.handed_in: Counter[str] = Counter()

    def route(self, local_part: str) -> Route | None:
        """Has a place for every message but those for `lost`, and takes none for `refused`."""
        if local_part == REFUSED:
            self.handed_in[REFUSED] += 1
            return None
        return Route(None if local_part == LOST else USER)

    def take(self, sender: str, recipients: Sequence[str], octets: bytes, helo: str) -> str:
        """Count a message, and deliver it."""
        self.handed_in.update(recipient.partition("@")[0] for recipient in recipients)
        return super().take(sender, recipients, octets, helo)


def flow_servers() -> list[Visited]:
    """Where messages are handed in, and where they are found."""
    return [
        Visited("hands-in", "smtps://", Protocol.SMTP, tls=True, login=True),
        Visited("maildrop", "pop3s://", Protocol.POP3, tls=True, login=True),
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
