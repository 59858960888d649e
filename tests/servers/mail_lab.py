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
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
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
from exporter.domains import hands
from exporter.domains.assembly import judge, settings_of
from exporter.domains.judge import Judge
from exporter.model import DnsSettings, DomainCheck, LoginBackoff
from exporter.net.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.visit import Visitor
from exporter.web.domain_api import domain_document
from tests.authority import Party, key_pem, pem
from tests.servers.dns import NSD_CONF
from tests.servers.programs import LOOPBACK

NSD_PORT = 5300

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
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  val-bogus-ttl: 1
  local-zone: "." refuse
"""

_SOA = "@ 60 IN SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 1\n@ 60 IN NS ns.{zone}.\nns 60 IN A 127.0.0.1\n"


@dataclass
class MailServer:
    """Says hello, and upgrades to TLS if it has certificates.

    Attributes:
        chains: Of each kind of key: the server's own certificate, and those above it.
        greeting: Its first line.
        speaks: One of `smtp`, `imap` and `pop3`.
        implicit: Whether TLS comes first.
    """

    address: str
    chains: Sequence[Sequence[Party]] = ()
    greeting: bytes = b"220 mx.lab ESMTP"
    helo: bytes = b"mx.lab"
    port: int = 25
    speaks: str = "smtp"
    implicit: bool = False

    def reply(self, line: bytes, *, encrypted: bool) -> tuple[bytes, bytes]:
        """What it says to a line, and what follows of it: `tls`, `end` or nothing."""
        offers = bool(self.chains) and not encrypted
        match self.speaks, line.upper().split():
            case "smtp", [b"EHLO", *_]:
                return b"250-" + self.helo + b"\r\n" + (b"250-STARTTLS\r\n" if offers else b"") + b"250 8BITMIME", b""
            case "smtp", [b"STARTTLS"] if offers:
                return b"220 go ahead", b"tls"
            case "imap", [_, b"CAPABILITY"]:
                more = b" STARTTLS" if offers else b""
                return b"* CAPABILITY IMAP4rev1" + more + b"\r\n" + line.split()[0] + b" OK done", b""
            case "imap", [_, b"STARTTLS"] if offers:
                return line.split()[0] + b" OK go ahead", b"tls"
            case "imap", [_, b"LOGOUT"]:
                return b"* BYE bye\r\n" + line.split()[0] + b" OK done", b"end"
            case "pop3", [b"CAPA"]:
                return b"+OK\r\n" + (b"STLS\r\n" if offers else b"") + b"USER\r\n.", b""
            case "pop3", [b"STLS"] if offers:
                return b"+OK go ahead", b"tls"
            case "smtp" | "pop3", [b"QUIT"]:
                return b"221 bye" if self.speaks == "smtp" else b"+OK bye", b"end"
        return {"smtp": b"502 no", "imap": b"* BAD no", "pop3": b"-ERR no"}[self.speaks], b""


@dataclass
class WebServer:
    """Serves documents by HTTPS: of each path its media type, and its body or where else it is."""

    address: str
    chain: Sequence[Party]
    documents: Mapping[str, tuple[int, str, bytes]]


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
    _addresses: int = 0

    def address(self) -> str:
        """One that nobody has yet."""
        self._addresses += 1
        return f"45.67.{self._addresses >> 8}.{self._addresses & 255}"

    def address6(self) -> str:
        """The same of IPv6."""
        self._addresses += 1
        return f"2a0d:5600::{self._addresses:x}"

    def addresses(self) -> set[str]:
        """All that servers listen at."""
        return {each.address for each in self.mail} | {each.address for each in self.web} | set(self.extra)

    extra: list[str] = field(default_factory=list)


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


def write_dns(lab: Lab) -> list[list[str]]:
    """The files of nsd and unbound; returns the commands that run them."""
    directory = lab.directory
    key = ec.generate_private_key(ec.SECP256R1())
    dnskey = dns.dnssec.make_dnskey(key.public_key(), Algorithm.ECDSAP256SHA256, flags=257)
    nsd, unbound = (
        NSD_CONF.format(address=LOOPBACK, port=NSD_PORT, directory=directory),
        _UNBOUND.format(directory=directory),
    )
    stubs = ""
    for zone in lab.zones:
        _signed(zone, key, dnskey).to_file(str(directory / f"{zone.name}.zone"), relativize=False)
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


def _context(directory: Path, chains: Sequence[Sequence[Party]]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for chain in chains:
        file = directory / "chain.pem"
        file.write_bytes(key_pem(chain[0]) + pem(*(party.certificate for party in chain)))
        context.load_cert_chain(file)
    return context


async def _serve_mail(lab: Lab, server: MailServer) -> asyncio.Server:
    context = _context(lab.directory, server.chains) if server.chains else None

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(server.greeting + b"\r\n")
            encrypted = server.implicit
            while line := await reader.readline():
                said, then = server.reply(line, encrypted=encrypted)
                writer.write(said + b"\r\n")
                if then == b"tls" and context is not None:
                    await writer.start_tls(context)
                    encrypted = True
                await writer.drain()
                if then == b"end":
                    break
        except (OSError, ssl.SSLError):
            pass  # who looks at certificates hangs up as it likes
        finally:
            writer.close()

    ssl_context = context if server.implicit else None
    return await asyncio.start_server(converse, server.address, server.port, ssl=ssl_context)


async def _serve_web(lab: Lab, server: WebServer) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split()[1].decode().partition("?")[0]
            status, kind, body = server.documents.get(path, (404, "text/plain", b""))
            more = f"Location: {kind}\r\n" if status in (301, 302) else f"Content-Type: {kind}\r\n"
            head = f"HTTP/1.1 {status} x\r\n{more}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, server.address, 443, ssl=_context(lab.directory, [server.chain]))


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
    hands.TIMEOUT = PATIENCE
    names = Resolver(DnsSettings((("127.0.0.1", 53),), PATIENCE))
    visitor = Visitor(World(names, TlsContexts()), Logins(time.monotonic, LoginBackoff()))
    return judge(names, visitor)


async def judged(domains: Sequence[Domain]) -> dict[str, Any]:
    """Every domain, a few at a time."""
    a, room = a_judge(), asyncio.Semaphore(AT_ONCE)

    async def one(domain: Domain) -> tuple[str, Any]:
        async with room:
            return domain.name, facts(await a.judge(settings_of(domain)))

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


async def run(lab: Lab) -> dict[str, Any]:
    """Brings everything up and judges every domain."""
    commands = write_dns(lab)
    prepare_namespace(lab)
    processes = [await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL) for command in commands]
    try:
        servers = [await _serve_mail(lab, each) for each in lab.mail]
        servers += [await _serve_web(lab, each) for each in lab.web]
        await until_dns_answers(lab.zones[0].name)
        found = await judged(lab.domains)
        for domain in sorted(lab.fingered):
            found[domain]["posttls"] = await finger(lab, domain)
        return found
    finally:
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
