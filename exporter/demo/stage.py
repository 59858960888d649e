"""Starts the scenes: makes the certificates, starts the servers, and returns their configuration."""

from __future__ import annotations

import asyncio
import math
import ssl
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from exporter.config.configuration import Configuration
from exporter.config.values.secret_sources import FileSecret, InlineSecret
from exporter.config.yaml_output import render
from exporter.demo.authority import Authority, Issued, Validity, self_signed
from exporter.demo.flow_scenes import FLOW_INTERVAL, READS_BY_IMAP, SENDS, FlowScene, flow_scenes
from exporter.demo.post import PostOffice, Route
from exporter.demo.scene import Act, CertificateKind, Password, Scene
from exporter.demo.scenes import DOMAIN, INBOX, INTERVAL, OTHER_NAME, QUOTA, RECIPIENT, SCENES, SERVER_NAME
from exporter.demo.servers import LOOPBACK, closed_port, mail_server, server_context
from exporter.demo.site import Site
from exporter.demo.stories import STORIES
from exporter.model import (
    Credentials,
    Endpoint,
    Expected,
    Flow,
    Flows,
    Limits,
    Protocol,
    Receiving,
    Secret,
    SecretSource,
    Sending,
    TlsPolicy,
)

LIMITS: Final = Limits(connections_per_host=len(SCENES) + len(STORIES))
"""All servers of the demo share a host: under the usual limit the scenes would wait for each other."""

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
"""Added to a span of days, so that "five days left" stays true while somebody watches."""

PASSWORD: Final = Secret(b"correct horse battery staple")
"""It opens nothing but the servers of the demo."""

RIGHT: Final = Credentials("demo", f"monitor@{DOMAIN}", InlineSecret(PASSWORD))
WRONG: Final[Mapping[Protocol, Credentials]] = {
    protocol: Credentials(
        f"demo-mistyped-{protocol}", f"forgetful-{protocol}@{DOMAIN}", InlineSecret(Secret(b"incorrect horse"))
    )
    for protocol in sorted({scene.protocol for scene in SCENES if scene.password is Password.WRONG})
}
"""A user for each scene, because a rejected login is paused for all endpoints with the same user."""

FORMER: Final = Credentials("demo-former", f"absent@{DOMAIN}", InlineSecret(PASSWORD))
"""A user of its own, likewise."""

ALL: Final = (RIGHT, *WRONG.values(), FORMER)

ACCOUNTS: Final[Mapping[str, Secret]] = {credentials.username: PASSWORD for credentials in ALL}

FLOW_SCENES: Final = flow_scenes(RIGHT.username)
FLOW_KEY: Final = Secret(b"the flow key of the demo")

MAIL: Final = 12
"""Messages that wait in the mailbox from the beginning; nobody has read the newest three."""
UNREAD: Final = 3


@dataclass(frozen=True, slots=True)
class Staged:
    """A scene that is on.

    Attributes:
        endpoint: What to tell the daemon.
    """

    scene: Scene
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """The certificates, in a directory that exists as long as the demo.

    Attributes:
        ca_file: The authority to trust.
        contexts: What a server needs to show each kind.
    """

    ca_file: Path
    contexts: Mapping[CertificateKind, ssl.SSLContext]


@asynccontextmanager
async def demo_servers(scenes: Sequence[Scene] = (*SCENES, *STORIES)) -> AsyncIterator[tuple[Staged, ...]]:
    """Start the servers of the scenes on loopback, and stop them at the end.

    They run in the event loop of the caller. Their certificates, and the authority's that the endpoints trust, are
    files in a temporary directory that is removed at the end.
    """
    async with AsyncExitStack() as stack:
        # Files and keys take milliseconds, and the loop may have latencies to measure.
        directory = await asyncio.to_thread(TemporaryDirectory, prefix="mail-exporter-demo-")
        stack.push_async_callback(asyncio.to_thread, directory.cleanup)
        wardrobe = await asyncio.to_thread(_wardrobe, Path(directory.name), datetime.now(UTC))
        post = _post_office()
        staged = []
        for scene in scenes:
            if scene.listens:
                port = await stack.enter_async_context(mail_server(scene.protocol, _site_now(scene, wardrobe, post)))
            else:
                port = stack.enter_context(closed_port())
            staged.append(Staged(scene, _endpoint(scene, port, wardrobe)))
        yield tuple(staged)


def demo_configuration(staged: Sequence[Staged]) -> Configuration:
    """The daemon's configuration, without a file."""
    endpoints = {one.scene.name: one.endpoint for one in staged}
    flows = tuple(_flow(scene, endpoints) for scene in FLOW_SCENES)
    return Configuration((), tuple(endpoints.values()), ALL, limits=LIMITS, flows=Flows(flows, InlineSecret(FLOW_KEY)))


@asynccontextmanager
async def written(configuration: Configuration) -> AsyncIterator[Path]:
    """The same as a configuration file for the other commands, until the end."""
    directory = await asyncio.to_thread(TemporaryDirectory, prefix="mail-exporter-demo-")
    try:
        yield await asyncio.to_thread(_write, configuration, Path(directory.name))
    finally:
        await asyncio.to_thread(directory.cleanup)


def _write(configuration: Configuration, directory: Path) -> Path:
    """With each secret in a file of its own: what is rendered holds none."""

    def kept(name: str, source: SecretSource) -> FileSecret:
        file = directory / name
        file.touch(0o600)
        file.write_bytes(source.read().reveal())
        return FileSecret(file)

    credentials = tuple(
        each if each.password is None else replace(each, password=kept(each.name, each.password))
        for each in configuration.credentials
    )
    flows = configuration.flows
    if flows.key is not None:
        flows = replace(flows, key=kept("flow-key", flows.key))
    file = directory / "mail-exporter.yaml"
    file.write_text("".join(render(replace(configuration, credentials=credentials, flows=flows))))
    return file


def _flow(scene: FlowScene, endpoints: Mapping[str, Endpoint]) -> Flow:
    reads = endpoints[scene.reads]
    mailboxes = ("INBOX",) if reads.protocol is Protocol.POP3 else ("INBOX", "\\Junk")
    return Flow(
        name=scene.name,
        receiving=Receiving(reads, mailboxes, authserv_id=SERVER_NAME),
        sending=Sending(RIGHT.username, f"{scene.name}@{DOMAIN}", endpoints[SENDS], bounces=endpoints[READS_BY_IMAP]),
        expected=Expected(within=scene.within),
        give_up=scene.give_up,
        interval=FLOW_INTERVAL,
    )


def credentials_of(scene: Scene) -> Credentials | None:
    """The user that the daemon logs in as; `None` without a login."""
    match scene.password:
        case Password.NONE:
            return None
        case Password.RIGHT:
            return RIGHT
        case Password.WRONG:
            return WRONG[scene.protocol]
        case Password.FORMER:
            return FORMER


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
        helo=f"monitor.{DOMAIN}" if scene.protocol is Protocol.SMTP else None,
        tls=TlsPolicy(server_name=SERVER_NAME, ca_file=wardrobe.ca_file),
        mailbox=scene.mailbox,
        rcpt_to=scene.rcpt_to,
        rcpt_expect=scene.rcpt_expect,
    )


def _post_office() -> PostOffice:
    routes = {scene.name: scene.route for scene in FLOW_SCENES}
    post = PostOffice(SERVER_NAME, DOMAIN, ACCOUNTS, {RECIPIENT.partition("@")[0]: Route(RIGHT.username)} | routes)
    inbox = post.mailboxes(RIGHT.username)[INBOX]
    for number in range(1, MAIL + 1):
        text = f"From: colleague@{DOMAIN}\r\nTo: {RIGHT.username}\r\nSubject: Report {number}\r\n\r\nAll is well.\r\n"
        inbox.add(text.encode(), () if number > MAIL - UNREAD else (b"\\Seen",))
    return post


def _site_now(scene: Scene, wardrobe: Wardrobe, post: PostOffice) -> Callable[[], Site]:
    """Tells what the server is like now: its acts begin here, and again when all are over."""
    clock = asyncio.get_running_loop().time
    acts = scene.acts or (Act(math.inf, scene.behaviour, scene.certificate),)
    sites = [_site(scene, act, wardrobe, post) for act in acts]
    ends = list(accumulate(act.lasts for act in acts))
    begun = clock()
    return lambda: sites[bisect_right(ends, (clock() - begun) % ends[-1])]


def _site(scene: Scene, act: Act, wardrobe: Wardrobe, post: PostOffice) -> Site:
    return Site(
        name=SERVER_NAME,
        encryption=scene.encryption,
        tls=wardrobe.contexts[act.certificate],
        accounts=ACCOUNTS,
        post=post,
        quota=QUOTA,
        behaviour=act.behaviour,
    )


def _wardrobe(directory: Path, now: datetime) -> Wardrobe:
    authority = Authority("mail-exporter demo authority", now)
    ca_file = directory / "authority.pem"
    ca_file.write_bytes(authority.certificate)
    issued = _certificates(authority, now)
    return Wardrobe(
        ca_file, {kind: server_context(directory / f"{kind.name.lower()}.pem", issued[kind]) for kind in issued}
    )


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
