"""Starts the demo's mail domains on loopback: records, mail servers and documents; and writes their configuration."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exporter.config.configuration import Configuration, Domain, Following
from exporter.config.values.allowed import AllowedTargets, parse_allowed
from exporter.config.yaml_output import render
from exporter.demo.authority import Authority, Issued, Validity, self_signed
from exporter.demo.dns_server import Zone, nameserver, zone
from exporter.demo.domain_hosts import HEALTHY, HOSTS, LISTS, PACC_PATH, REVERSE, WEB_HOSTS, DemoHost, ShownCertificates
from exporter.demo.domain_scenes import DOMAIN_SCENES, INTERVAL
from exporter.demo.post import PostOffice
from exporter.demo.published_domains import DomainScene
from exporter.demo.servers import LOOPBACK, closed_port, mail_server, server_context
from exporter.demo.site import Quota, Site
from exporter.demo.web_server import web_server
from exporter.model import DnsSettings, DomainCheck, Encryption, Endpoint, Protocol, Source, TlsPolicy
from exporter.net.detours import Detours, to_ports, write_detours

ALLOWED: Final = AllowedTargets((parse_allowed("127.25.0.0/16"),))
"""The addresses of the demo's servers. Others in the demo's records are never connected to."""

PROBED_EVERY: Final = 5.0

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StagedDomains:
    """The running domains.

    Attributes:
        directory: The directory for other commands.
    """

    dns: DnsSettings
    domains: tuple[Domain, ...]
    followings: tuple[Following, ...]
    detours: Detours
    directory: Path


@dataclass(frozen=True, slots=True)
class Papers:
    """Certificates, and the values of records that depend on them.

    Attributes:
        contexts: The TLS context for each kind of certificate.
        words: The values of the placeholders in records.
    """

    ca_file: Path
    contexts: Mapping[ShownCertificates, ssl.SSLContext]
    words: Mapping[str, str]


@asynccontextmanager
async def demo_domains(scenes: Sequence[DomainScene] = DOMAIN_SCENES) -> AsyncIterator[StagedDomains]:
    """Start all servers of the domains, and stop them at the end."""
    async with AsyncExitStack() as stack:
        made = await asyncio.to_thread(TemporaryDirectory, prefix="mail-exporter-demo-")
        stack.push_async_callback(asyncio.to_thread, made.cleanup)
        directory = Path(made.name)
        papers = await asyncio.to_thread(_papers, directory, datetime.now(UTC))
        ports = {(host.address, host.port): await _started(stack, host, papers) for host in HOSTS} | {
            (address, 443): await _web(stack, shown, scenes, papers) for address, shown in WEB_HOSTS.items()
        }
        zones = _zones(scenes, papers.words)
        port = await stack.enter_async_context(nameserver(zones, LOOPBACK))
        staged = StagedDomains(
            DnsSettings(((LOOPBACK, port),)),
            tuple(_domain(scene, papers.ca_file) for scene in scenes),
            (_following(papers.ca_file),) if scenes else (),
            to_ports(ports),
            directory,
        )
        await asyncio.to_thread(_write, staged)
        yield staged


async def _started(stack: AsyncExitStack, host: DemoHost, papers: Papers) -> int:
    """Start a mail server, and return its port."""
    if host.shows is ShownCertificates.NOTHING:
        return stack.enter_context(closed_port())
    site = Site(
        name=host.helo,
        encryption=host.encryption,
        tls=papers.contexts[host.shows],
        accounts={},
        post=PostOffice(host.helo, HEALTHY, ()),
        quota=Quota("", 0, 0),
        behaviour=host.behaviour,
    )
    return await stack.enter_async_context(mail_server(host.protocol, lambda: site))


async def _web(stack: AsyncExitStack, shown: ShownCertificates, scenes: Sequence[DomainScene], papers: Papers) -> int:
    if shown is ShownCertificates.NOTHING:
        return stack.enter_context(closed_port())
    documents = {place: text for scene in scenes for place, text in scene.documents.items()}
    return await stack.enter_async_context(web_server(documents, papers.contexts[shown], LOOPBACK))


def _zones(scenes: Sequence[DomainScene], words: Mapping[str, str]) -> list[Zone]:
    zones = [
        zone(
            scene.name,
            [line.format_map(words) for line in scene.records.strip().splitlines()],
            signed=scene.signed,
            bogus=scene.bogus,
        )
        for scene in scenes
        if scene.records
    ]
    zones += [zone(name, lines, signed=False) for name, lines in LISTS.items()]
    return [*zones, zone("in-addr.arpa", REVERSE, signed=False)]


def _domain(scene: DomainScene, ca_file: Path) -> Domain:
    keys = {DomainCheck.DKIM: scene.dkim_selectors, DomainCheck.DNSBL: scene.dnsbl}
    return Domain(
        scene.name,
        tuple(check for check in DomainCheck if keys.get(check, True)),
        scene.dkim_selectors,
        scene.senders,
        scene.dnsbl,
        ALLOWED,
        ca_file,
        INTERVAL,
        scene.timeout,
    )


def _following(ca_file: Path) -> Following:
    """Follow the healthy domain, so that its servers are probed, too."""
    templates = {
        protocol: Endpoint(
            "",
            protocol,
            "",
            0,
            Encryption.TLS,
            interval=PROBED_EVERY,
            timeout=PROBED_EVERY,
            helo=f"monitor.{HEALTHY}",
            tls=TlsPolicy(ca_file=ca_file),
        )
        for protocol in Protocol
    }
    return Following(
        HEALTHY,
        (Source.MX, Source.SRV, Source.AUTOCONFIG, Source.PACC),
        MappingProxyType(templates),
        refresh=INTERVAL,
        allowed=ALLOWED,
    )


def _papers(directory: Path, now: datetime) -> Papers:
    authority = Authority("mail-exporter demo authority for domains", now)
    ca_file = directory / "authority.pem"
    ca_file.write_bytes(authority.certificate)
    names = [each for scene in DOMAIN_SCENES for each in (scene.name, f"*.{scene.name}")]
    validity = Validity(now - DAY, now + 60 * DAY)
    issued = {
        ShownCertificates.GOOD: (authority.issue(names, validity),),
        ShownCertificates.BOTH: (
            authority.issue(names, validity),
            authority.issue(names, validity, rsa.generate_private_key(65537, 2048)),
        ),
        ShownCertificates.DUE: (authority.issue(names, Validity(now - 85 * DAY, now + 5 * DAY)),),
        ShownCertificates.SELF_SIGNED: (self_signed(names, validity),),
    }
    contexts = {shown: server_context(directory / f"{shown.name.lower()}.pem", *each) for shown, each in issued.items()}
    return Papers(ca_file, contexts, _words({shown: each[0] for shown, each in issued.items()}))


def _words(issued: Mapping[ShownCertificates, Issued]) -> dict[str, str]:
    """The values of records that depend on keys and documents."""
    ed25519_key = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    documents = {place: text for scene in DOMAIN_SCENES for place, (_, text) in scene.documents.items()}
    document = documents[f"ua-auto-config.{HEALTHY}", PACC_PATH]
    return {
        "good": _key_digest(issued[ShownCertificates.GOOD]),
        "ecdsa_of_both": _key_digest(issued[ShownCertificates.BOTH]),
        "due": _key_digest(issued[ShownCertificates.DUE]),
        "due_certificate": _certificate_digest(issued[ShownCertificates.DUE]),
        "self_signed": _key_digest(issued[ShownCertificates.SELF_SIGNED]),
        "next": hashlib.sha256(b"the next key").hexdigest(),
        "ed25519": b64encode(ed25519_key).decode(),
        "rsa1024": _rsa(1024),
        "rsa512": _rsa(512),
        "pacc": b64encode(hashlib.sha256(document.encode()).digest()).decode(),
    }


def _key_digest(issued: Issued) -> str:
    key = x509.load_pem_x509_certificate(issued.certificate).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101 - the demo made it
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _certificate_digest(issued: Issued) -> str:
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _rsa(bits: int) -> str:
    """A public key of this length without a private key, because only the length matters."""
    modulus = int.from_bytes(hashlib.shake_256(b"demo").digest(bits // 8)) | 1 | 1 << (bits - 1)
    key = rsa.RSAPublicNumbers(65537, modulus).public_key()
    return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _write(staged: StagedDomains) -> None:
    """Write the configuration and the detours to files, for other commands."""
    told = Configuration((), (), dns=staged.dns, followings=staged.followings, domains=staged.domains)
    (staged.directory / "demo.yaml").write_text("".join(render(told)))
    write_detours(staged.directory, staged.detours)
