"""A small Internet of mail domains: nsd and unbound, mail servers on port 25 and web servers on 443.

Run as a program in a network and mount namespace of its own (`unshare -n -m python -m tests.servers.mail_lab DIR`)
so that the ports are free, /etc/resolv.conf is ours, and nothing can leave. It judges every domain with the exporter's
parts, asks posttls-finger about those that it can judge, and writes what came of it to DIRECTORY/found.json. What it
should have been is said by the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm

from exporter.config.configuration import Domain
from exporter.domains import handshakes
from exporter.domains.assembly import judge
from exporter.domains.judge import Judge
from exporter.model import DnsSettings, DomainCheck, LoginBackoff
from exporter.net.dns.dns_query import RecordSet
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from exporter.web.domain_api import domain_document
from tests.servers.mail_lab_servers import MailServer, WebServer, serve_mail, serve_web
from tests.servers.nsd import NSD_CONF
from tests.servers.programs import LOOPBACK

NSD_PORT = 5300

AT_HOME = "45.67.254.53"
"""Where the zones' own name server is, as their records say."""

AT_ONCE = 6
"""Domains judged at the same time: the machine runs their servers too."""

PATIENCE = 30.0
"""Seconds for DNS, and for a handshake: nothing of this is about time."""

_UNBOUND = """\
server:
  interface: 127.0.0.1
  port: 53
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  use-syslog: no
  num-threads: 1
  module-config: "validator iterator"
  cache-max-ttl: 3600
  cache-max-negative-ttl: 1
  val-bogus-ttl: 1
  local-zone: "." refuse
"""

_SOA = "@ 60 IN SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 1\n@ 60 IN NS ns.{zone}.\nns 60 IN A 45.67.254.53\n"


@dataclass
class Zone:
    """A zone in the form of a zone file, with names relative to it.

    Attributes:
        spoilt: Name and type of the records whose signatures are wrong.
        malformed: Name and octets of TLSA records that a zone file cannot have.
    """

    name: str
    records: str
    signed: bool = True
    spoilt: tuple[str, str] | None = None
    malformed: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Lab:
    """Everything that there is, and what is to be judged."""

    directory: Path
    zones: list[Zone] = field(default_factory=list)
    mail: list[MailServer] = field(default_factory=list)
    web: list[WebServer] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)
    fingered: set[str] = field(default_factory=set)
    withdrawn: str = ""
    _addresses: int = 0

    def address(self) -> str:
        """An address that is not in use yet."""
        self._addresses += 1
        return f"45.67.{self._addresses >> 8}.{self._addresses & 255}"

    def address6(self) -> str:
        """An IPv6 address that is not in use yet."""
        self._addresses += 1
        return f"2a0d:5600::{self._addresses:x}"

    def addresses(self) -> set[str]:
        """All that servers listen at."""
        servers = {each.address for each in self.mail} | {each.address for each in self.web}
        return servers | set(self.extra) | {AT_HOME}

    extra: list[str] = field(default_factory=list)
    signer: tuple[ec.EllipticCurvePrivateKey, Any] = field(default_factory=lambda: _signer())  # noqa: PLW0108 - below


def _signer() -> tuple[ec.EllipticCurvePrivateKey, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, dns.dnssec.make_dnskey(key.public_key(), Algorithm.ECDSAP256SHA256, flags=257)


def _signed(zone: Zone, key: ec.EllipticCurvePrivateKey, dnskey: Any) -> dns.zone.Zone:
    text = _SOA.format(zone=zone.name) + zone.records
    parsed = dns.zone.from_text(text, origin=zone.name, relativize=False, check_origin=True)
    for name, data in zone.malformed:
        rdataset = parsed.find_rdataset(dns.name.from_text(name, parsed.origin), dns.rdatatype.TLSA, create=True)
        rdataset.add(dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.TLSA, data), 60)
    if zone.signed:
        dns.dnssec.sign_zone(
            parsed,
            keys=[(key, dnskey)],
            add_dnskey=True,
            dnskey_ttl=60,
            inception=time.time() - 3600,
            lifetime=30 * 86400,
        )
    if zone.spoilt is not None:
        name, rdtype = zone.spoilt
        origin = dns.name.from_text(zone.name)
        owner = origin if name == "@" else dns.name.from_text(name, origin)
        signatures = parsed.find_rdataset(owner, dns.rdatatype.RRSIG, dns.rdatatype.from_text(rdtype))
        bad = [each.replace(signature=bytes(len(each.signature))) for each in signatures]
        signatures.clear()  # type: ignore[no-untyped-call] # dnspython left this one out
        for each in bad:
            signatures.add(each, 60)
    return parsed


def write_zone(lab: Lab, zone: Zone) -> None:
    """The file of one zone."""
    _signed(zone, *lab.signer).to_file(str(lab.directory / f"{zone.name}.zone"), relativize=False)


def write_dns(lab: Lab) -> list[list[str]]:
    """The files of nsd and unbound; returns the commands that run them."""
    directory = lab.directory
    _, dnskey = lab.signer
    nsd, unbound = (
        NSD_CONF.format(address=f"{LOOPBACK}\n  ip-address: {AT_HOME}@53", port=NSD_PORT, directory=directory),
        _UNBOUND.format(directory=directory),
    )
    stubs = ""
    for zone in lab.zones:
        write_zone(lab, zone)
        nsd += f'zone:\n  name: {zone.name}\n  zonefile: "{zone.name}.zone"\n'
        unbound += f'  local-zone: "{zone.name}." transparent\n'
        unbound += (
            f'  trust-anchor: "{zone.name}. 60 IN DNSKEY {dnskey.to_text()}"\n'
            if zone.signed
            else f'  domain-insecure: "{zone.name}"\n'
        )
        stubs += f"stub-zone:\n  name: {zone.name}\n  stub-addr: 127.0.0.1@{NSD_PORT}\n"
    (directory / "nsd.conf").write_text(nsd)
    (directory / "unbound.conf").write_text(unbound + stubs + "remote-control:\n  control-enable: no\n")
    (directory / "main.cf").write_text("compatibility_level = 3.6\nmyhostname = probe.lab\nsmtp_host_lookup = dns\n")
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions trust-ad timeout:3\n")
    return [
        ["nsd", "-d", "-c", str(directory / "nsd.conf")],
        ["unbound", "-d", "-c", str(directory / "unbound.conf")],
    ]


def prepare_namespace(lab: Lab) -> None:
    """Addresses and the resolver of this namespace."""
    commands = ["link set lo up"]
    commands += [f"addr add {each}/{128 if ':' in each else 32} dev lo" for each in sorted(lab.addresses())]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
    subprocess.run(["mount", "--bind", str(lab.directory / "resolv.conf"), "/etc/resolv.conf"], check=True)


async def until_dns_answers(zone: str) -> None:
    """Waits for unbound and nsd."""
    async with asyncio.timeout(20):
        while True:
            found = await Resolver(DnsSettings((("127.0.0.1", 53),), 1.0)).records(zone, dns.rdatatype.SOA)
            if hasattr(found, "rdatas"):
                return
            await asyncio.sleep(0.05)


async def finger(lab: Lab, domain: str) -> str:
    """What posttls-finger says of a domain's mail server under DANE."""
    process = await asyncio.create_subprocess_exec(
        "posttls-finger", "-c", "-l", "dane", "-L", "summary", "-t", "5", domain,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "MAIL_CONFIG": str(lab.directory)},
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode(errors="replace")


def a_judge() -> Judge:
    """As the command makes it."""
    handshakes.TIMEOUT = PATIENCE
    names = Resolver(DnsSettings((("127.0.0.1", 53),), PATIENCE))
    visitor = Visitor(World(names, TlsContexts()), Logins(time.monotonic, LoginBackoff()))
    return judge(names, visitor)


async def judged(domains: Sequence[Domain]) -> dict[str, Any]:
    """Every domain, a few at a time."""
    a, room = a_judge(), asyncio.Semaphore(AT_ONCE)

    async def one(domain: Domain) -> tuple[str, Any]:
        async with room:
            return domain.name, facts(await a.judge(domain))

    return dict(await asyncio.gather(*map(one, domains)))


def facts(report: Any) -> dict[str, Any]:
    """A report with all that metrics are made of."""
    return {
        **domain_document(report),
        "mx_records": report.mx_records,
        "matches": [
            [
                each.host,
                each.port,
                each.address,
                each.key_type.value,
                each.usage,
                each.selector,
                each.matching,
                each.matches,
            ]
            for each in report.matches
        ],
        "rollover_ready": {f"{host}:{port}": ready for (host, port), ready in report.rollover_ready.items()},
        "policy": [report.policy.mode, report.policy.id, report.policy.max_age, report.policy.changed_without_id],
        "dmarc_policy": report.dmarc_policy,
        "listed": {f"{address} {zone}": on for (address, zone), on in report.listed.items()},
        "duration": report.duration,
    }


async def withdrawn(lab: Lab, nsd: asyncio.subprocess.Process) -> dict[str, Any]:
    """What is judged once a record is gone at the zone's name server, and while the resolver remembers it."""
    zone = next(each for each in lab.zones if each.name == "withdrawn.lab")
    records = zone.records.splitlines(keepends=True)
    zone.records = "".join(line for line in records if line != lab.withdrawn)
    write_zone(lab, zone)
    nsd.send_signal(signal.SIGHUP)
    names = Resolver(DnsSettings())
    async with asyncio.timeout(20):
        while True:
            told = await names.records_at("_25._tcp.mx.withdrawn.lab", dns.rdatatype.TLSA, [AT_HOME])
            if isinstance(told, RecordSet) and len(told.rdatas) == 1:
                break
            await asyncio.sleep(0.05)
    domain = next(each for each in lab.domains if each.name == "withdrawn.lab")
    return (await judged([domain]))["withdrawn.lab"]  # type: ignore[no-any-return] # of JSON


async def run(lab: Lab) -> dict[str, Any]:
    """Brings everything up and judges every domain."""
    commands = write_dns(lab)
    prepare_namespace(lab)
    processes = [await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL) for command in commands]
    mail = AsyncExitStack()
    try:
        for each in lab.mail:
            await mail.enter_async_context(serve_mail(lab.directory, each))
        web = [await serve_web(lab.directory, each) for each in lab.web]
        await until_dns_answers(lab.zones[0].name)
        found = await judged(lab.domains)
        for domain in sorted(lab.fingered):
            found[domain]["posttls"] = await finger(lab, domain)
            name = f"_25._tcp.mx.{domain}"
            told = await Resolver(DnsSettings()).records_at(name, dns.rdatatype.TLSA, [AT_HOME])
            found[domain]["at_home"] = getattr(told, "authoritative", False)
        found["withdrawn.lab"]["later"] = await withdrawn(lab, processes[0])
        for server in web:
            server.close()
        return found
    finally:
        await mail.aclose()
        for process in processes:
            process.terminate()
            await process.wait()


def main() -> None:
    """Judges every domain of the scenes."""
    from tests.servers.mail_scenes import scenes  # noqa: PLC0415 - they are made of the parts above

    lab = Lab(Path(sys.argv[1]))
    scenes(lab)
    found = asyncio.run(run(lab))
    (lab.directory / "found.json").write_text(json.dumps(found, indent=1))


ALL_CHECKS = tuple(check for check in DomainCheck if check not in (DomainCheck.DKIM, DomainCheck.DNSBL))

if __name__ == "__main__":
    main()
