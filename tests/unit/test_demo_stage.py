"""The scenes of the demo: what the table promises, and what the stage makes of it."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from blockbuster import blockbuster_ctx
from cryptography import x509

from exporter.demo.scene import Act, CertificateKind, Password, Scene
from exporter.demo.scenes import DELAY, SCENES
from exporter.demo.site import Behaviour, Greeting
from exporter.demo.stage import LIMITS, credentials_of, demo_servers
from exporter.demo.stories import STORIES
from exporter.model import Encryption, Endpoint, Protocol
from tests.servers.raw_client import connected, trusting

FIVE_DAYS = timedelta(days=5)


def test_scenes_have_names_of_their_own() -> None:
    names = Counter(scene.name for scene in (*SCENES, *STORIES))
    assert [] == [name for name, count in names.items() if count > 1]


def test_every_protocol_is_seen_well_and_unwell() -> None:
    seen = {(scene.protocol, scene.expected is None) for scene in SCENES}
    assert {(protocol, healthy) for protocol in Protocol for healthy in (True, False)} == seen


def test_every_certificate_has_its_scene() -> None:
    assert set(CertificateKind) == {scene.certificate for scene in SCENES}


def test_a_name_says_which_protocol_it_is_about() -> None:
    spoken = {"smtp": "smtp", "submission": "smtp", "submissions": "smtp", "imaps": "imap", "pop3s": "pop3"}
    for scene in (*SCENES, *STORIES):
        ending = scene.name.rpartition("-")[2]
        assert scene.protocol == spoken.get(ending, ending), scene.name


def test_a_slow_scene_leaves_time_for_every_step() -> None:
    steps = 12
    for scene in SCENES:
        assert scene.behaviour.delay * steps < scene.timeout, scene.name


async def test_an_endpoint_tells_the_daemon_all_it_needs() -> None:
    async with demo_servers() as staged:
        assert len(SCENES) + len(STORIES) == len({one.endpoint.port for one in staged})
        assert LIMITS.connections_per_host >= len(staged)
        for one in staged:
            scene, endpoint = one.scene, one.endpoint
            assert (scene.name, scene.protocol, scene.encryption) == (
                endpoint.name,
                endpoint.protocol,
                endpoint.encryption,
            )
            assert endpoint.credentials is credentials_of(scene)
            assert endpoint.timeout <= endpoint.interval


async def test_the_files_are_gone_when_the_demo_is_over() -> None:
    async with demo_servers(SCENES[:1]) as [staged]:
        ca_file = staged.endpoint.tls.ca_file
        assert ca_file is not None
        assert b"-----BEGIN CERTIFICATE-----" in ca_file.read_bytes()
        assert 0o700 == ca_file.parent.stat().st_mode & 0o777
    assert not ca_file.parent.exists()


async def test_the_files_are_gone_also_when_the_demo_is_interrupted() -> None:
    running: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()

    async def interrupted() -> None:
        async with demo_servers(SCENES[:1]) as [staged]:
            running.set_result(staged.endpoint)
            await asyncio.Event().wait()

    demo = asyncio.create_task(interrupted())
    ca_file = (await running).tls.ca_file
    assert ca_file is not None
    assert ca_file.exists()
    demo.cancel()
    with pytest.raises(asyncio.CancelledError):
        await demo
    assert not ca_file.parent.exists()


async def test_the_stage_does_not_block_the_loop() -> None:
    with blockbuster_ctx():
        async with demo_servers(SCENES) as staged, connected(staged[1].endpoint.port, tls=True) as client:
            assert b"220" == (await client.line())[:3]


async def test_a_closed_port_refuses() -> None:
    [scene] = [scene for scene in SCENES if not scene.listens]
    async with demo_servers([scene]) as [staged]:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(staged.endpoint.host, staged.endpoint.port)


async def test_a_slow_server_takes_its_time() -> None:
    scene = Scene("slow", "slow", Protocol.SMTP, Encryption.TLS, behaviour=Behaviour(delay=DELAY))
    loop = asyncio.get_running_loop()
    async with demo_servers([scene]) as [staged]:
        began = loop.time()
        async with connected(staged.endpoint.port, tls=True) as client:
            await client.line()
            # The handshake and the greeting. The loop's clock may be a little coarser than the timer.
            assert 2 * DELAY - 0.01 <= loop.time() - began


async def test_a_server_that_changes_is_in_its_present_act() -> None:
    acts = (Act(0.0), Act(math.inf, Behaviour(greeting=Greeting.REFUSE)))
    scene = Scene("changing", "changes", Protocol.SMTP, Encryption.TLS, acts=acts)
    async with demo_servers([scene]) as [staged], connected(staged.endpoint.port, tls=True) as client:
        assert b"554" == (await client.line())[:3]


async def certificate_of(scene: Scene) -> x509.Certificate:
    async with demo_servers([scene]) as [staged]:

        def fetch() -> str:
            return ssl.get_server_certificate((staged.endpoint.host, staged.endpoint.port), timeout=5)

        return x509.load_pem_x509_certificate((await asyncio.to_thread(fetch)).encode())


async def test_the_expiring_certificate_has_five_days_left() -> None:
    [scene] = [scene for scene in SCENES if scene.certificate is CertificateKind.EXPIRING]
    left = (await certificate_of(scene)).not_valid_after_utc - datetime.now(UTC)
    assert FIVE_DAYS == timedelta(days=left.days)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (CertificateKind.GOOD, None),
        (CertificateKind.EXPIRING, None),
        (CertificateKind.EXPIRED, "certificate has expired"),
        (CertificateKind.NOT_YET_VALID, "certificate is not yet valid"),
        (CertificateKind.WRONG_NAME, "Hostname mismatch"),
        (CertificateKind.SELF_SIGNED, "self-signed certificate"),
        (CertificateKind.UNKNOWN_AUTHORITY, "unable to get local issuer certificate"),
    ],
)
async def test_openssl_agrees_with_what_a_certificate_is_said_to_be(
    kind: CertificateKind, complaint: str | None
) -> None:
    async with demo_servers([Scene("x", "x", Protocol.IMAP, Encryption.TLS, certificate=kind)]) as [staged]:
        tls = staged.endpoint.tls
        context = trusting()
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        context.load_verify_locations(tls.ca_file)

        async def visit() -> None:
            _, writer = await asyncio.open_connection(
                staged.endpoint.host, staged.endpoint.port, ssl=context, server_hostname=tls.server_name
            )
            writer.close()
            await writer.wait_closed()

        if complaint is None:
            await visit()
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
                await visit()


def test_no_two_scenes_share_a_login_that_is_rejected_and_then_held_back() -> None:
    wrong = [credentials_of(scene) for scene in SCENES if scene.password is Password.WRONG]

    assert len(wrong) == len({each.username for each in wrong if each is not None}) > 1
