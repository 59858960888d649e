"""Puts the scenes on: makes the certificates, starts the servers, and says where the daemon finds them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

from exporter.config.configuration import Configuration
from exporter.config.values.secret_sources import InlineSecret
from exporter.demo.authority import Authority, Issued, Validity, self_signed
from exporter.demo.scenes import (
    DOMAIN,
    INTERVAL,
    MAILBOXES,
    OTHER_NAME,
    QUOTA,
    RECIPIENT,
    SCENES,
    SERVER_NAME,
    CertificateKind,
    Password,
    Scene,
)
from exporter.demo.servers import LOOPBACK, closed_port, mail_server
from exporter.demo.site import Site
from exporter.model import Credentials, Endpoint, Limits, Protocol, Secret, TlsPolicy

LIMITS: Final = Limits(connections_per_host=len(SCENES))
"""All servers of the demo share a host: under the usual limit the scenes would wait for each other."""

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
"""Added to a span of days, so that "five days left" stays true while somebody watches."""

PASSWORD: Final = Secret(b"correct horse battery staple")
"""It opens nothing but the servers of the demo."""

RIGHT: Final = Credentials("demo", f"monitor@{DOMAIN}", InlineSecret(PASSWORD))
WRONG: Final[Mapping[Protocol, Credentials]] = MappingProxyType(
    {
        protocol: Credentials(
            f"demo-mistyped-{protocol}", f"forgetful-{protocol}@{DOMAIN}", InlineSecret(Secret(b"incorrect horse"))
        )
        for protocol in sorted({scene.protocol for scene in SCENES if scene.password is Password.WRONG})
    }
)
"""Each of another user: a rejected login is held back wherever it is used, and every scene is to show its own."""

ALL: Final = (RIGHT, *WRONG.values())

ACCOUNTS: Final[Mapping[str, Secret]] = {credentials.username: PASSWORD for credentials in ALL}


@dataclass(frozen=True, slots=True)
class Staged:
    """A scene that is on.

    Attributes:
        endpoint: What to tell the daemon.
    """

    scene: Scene
    endpoint: Endpoint


def demo_configuration(endpoints: tuple[Endpoint, ...]) -> Configuration:
    """What the daemon is told in place of a configuration file."""
    return Configuration((), endpoints, ALL, limits=LIMITS)


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """The certificates, in a directory that is there as long as the demo.

    Attributes:
        ca_file: The authority to trust.
        contexts: What a server needs to show each kind.
    """

    ca_file: Path
    contexts: Mapping[CertificateKind, ssl.SSLContext]


@asynccontextmanager
async def demo_servers(scenes: Sequence[Scene] = SCENES) -> AsyncIterator[tuple[Staged, ...]]:
    """Start the servers of the scenes on loopback, and stop them at the end.

    They run in the event loop of the caller. Their certificates, and the authority's that the endpoints trust, are
    files in a temporary directory that is removed at the end.
    """
    async with AsyncExitStack() as stack:
        # Files and keys take milliseconds, and the loop may have latencies to measure.
        directory = await asyncio.to_thread(TemporaryDirectory, prefix="mail-exporter-demo-")
        stack.push_async_callback(asyncio.to_thread, directory.cleanup)
        wardrobe = await asyncio.to_thread(_wardrobe, Path(directory.name), datetime.now(UTC))
        staged = []
        for scene in scenes:
            if scene.listens:
                port = await stack.enter_async_context(mail_server(scene.protocol, _site(scene, wardrobe)))
            else:
                port = stack.enter_context(closed_port())
            staged.append(Staged(scene, _endpoint(scene, port, wardrobe)))
        yield tuple(staged)


def credentials_of(scene: Scene) -> Credentials | None:
    """Whom the daemon logs in as; `None` if it does not."""
    match scene.password:
        case Password.NONE:
            return None
        case Password.RIGHT:
            return RIGHT
        case Password.WRONG:
            return WRONG[scene.protocol]


def _endpoint(scene: Scene, port: int, wardrobe: Wardrobe) -> Endpoint:
    return Endpoint(
        name=scene.name,
        protocol=scene.protocol,
        host=LOOPBACK,
        port=port,
        encryption=scene.encryption,
        interval=INTERVAL,
        timeout=scene.timeout,
        credentials=credentials_of(scene),
        helo=f"monitor.{DOMAIN}",
        tls=TlsPolicy(server_name=SERVER_NAME, ca_file=wardrobe.ca_file),
        mailbox=scene.mailbox,
        rcpt_to=scene.rcpt_to,
        rcpt_expect=scene.rcpt_expect,
    )


def _site(scene: Scene, wardrobe: Wardrobe) -> Site:
    return Site(
        name=SERVER_NAME,
        domain=DOMAIN,
        encryption=scene.encryption,
        tls=wardrobe.contexts[scene.certificate],
        accounts=ACCOUNTS,
        recipients=frozenset({RECIPIENT.partition("@")[0]}),
        mailboxes=MAILBOXES,
        quota=QUOTA,
        behaviour=scene.behaviour,
    )


def _wardrobe(directory: Path, now: datetime) -> Wardrobe:
    authority = Authority("mail-exporter demo authority", now)
    ca_file = directory / "authority.pem"
    ca_file.write_bytes(authority.certificate)
    issued = _certificates(authority, now)
    return Wardrobe(ca_file, {kind: _context(directory / f"{kind.name.lower()}.pem", issued[kind]) for kind in issued})


def _certificates(authority: Authority, now: datetime) -> dict[CertificateKind, Issued]:
    names = [SERVER_NAME, LOOPBACK]
    validity = Validity(now - DAY, now + 60 * DAY + HOUR)
    return {
        CertificateKind.GOOD: authority.issue(names, validity),
        CertificateKind.EXPIRING: authority.issue(names, Validity(now - 85 * DAY, now + 5 * DAY + HOUR)),
        CertificateKind.EXPIRED: authority.issue(names, Validity(now - 91 * DAY, now - DAY)),
        CertificateKind.NOT_YET_VALID: authority.issue(names, Validity(now + DAY, now + 91 * DAY)),
        CertificateKind.WRONG_NAME: authority.issue([OTHER_NAME], validity),
        CertificateKind.SELF_SIGNED: self_signed(names, validity),
        CertificateKind.UNKNOWN_AUTHORITY: Authority("An authority that nobody knows", now).issue(names, validity),
    }


def _context(path: Path, issued: Issued) -> ssl.SSLContext:
    path.write_bytes(issued.chain_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A probe never resumes a session, and a ticket that nobody reads makes the system end its connection with a reset.
    context.num_tickets = 0
    context.load_cert_chain(path)
    return context
