"""Connections to the interface by TLS: how they come about, and whose certificate lets in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from exporter.web.policy import policy_file as policy_module
from exporter.web.serving import listener as listener_module
from exporter.web.serving.listener import Listener
from tests.unit.listening import HERE, Tls, serving


@pytest.fixture
def two_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Listener.__init__
    monkeypatch.setattr(Listener, "__init__", lambda *rest, **named: made(*rest, **named | {"limit": 2}))


SUITE = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls.make(tmp_path)


@pytest.mark.usefixtures("two_connections")
async def test_who_never_shakes_hands_makes_room(tls: Tls) -> None:
    async with serving(tls.file) as served:
        silent = [await served.connect(), await served.connect()]
        client = await served.connect(tls.client())
        await client.says()

        assert b"here" in await client.hears()
        assert b"" == await silent[0].hears_the_end()


async def test_who_speaks_tls_is_answered_by_http_1_1(tls: Tls) -> None:
    context = tls.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(tls.file) as served:
        client = await served.connect(context)
        await client.says()

        assert served.server.urls[0].startswith("https://")
        assert "http/1.1" == client.tls.selected_alpn_protocol()
        assert b"here" in await client.hears()


async def test_who_speaks_http_where_tls_is_due_is_hung_up_on(tls: Tls) -> None:
    async with serving(tls.file) as served:
        client = await served.connect()
        with capture_logs() as logs:
            await client.says()
            await client.hears_the_end()

    assert ["debug"] == [line["log_level"] for line in logs]


async def test_a_new_certificate_is_shown_from_the_next_connection_on(
    tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_module, "CHECK_INTERVAL", 0.01)
    async with serving(tls.file) as served:
        before = await served.connect(tls.client())
        await before.says()
        await before.hears()
        renewed = tls.renew()

        # The renewal asks those who are there to come again; until then the old one is in force.
        assert b"" == await before.hears_the_end()
        after = await served.connect(tls.client())
        await after.says()

        assert renewed == after.serial_number != before.serial_number
        assert b"here" in await after.hears()


@pytest.mark.parametrize(
    ("names", "status"),
    [(None, b"200"), ("[prometheus.example.com]", b"200"), ("[192.0.2.1]", b"200"), ("[other.example.com]", b"403")],
)
async def test_a_client_with_a_certificate_is_let_in_by_its_names(tls: Tls, names: str | None, status: bytes) -> None:
    tls.require(names)
    async with serving(tls.file) as served:
        client = await served.connect(tls.client("prometheus.example.com", "192.0.2.1"))
        await client.says()

        assert status == (await client.hears()).split()[1]


@pytest.mark.parametrize("own", [True, False])
async def test_a_client_without_a_certificate_is_not_let_in_and_logged_unless_it_is_our_health_check(
    tls: Tls, monkeypatch: pytest.MonkeyPatch, *, own: bool
) -> None:
    monkeypatch.setattr(listener_module, "_HERE", frozenset({HERE} if own else ()))
    tls.require(None)
    with capture_logs() as logs:
        async with serving(tls.file) as served:
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                # With TLS 1.3 a client has shaken hands before the server has looked at its certificate.
                await (await served.connect(tls.client())).hears()

    (line,) = logs
    assert ("debug" if own else "info", HERE) == (line["log_level"], line["remote"])
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in line["problem"]


async def test_a_client_with_a_certificate_of_somebody_else_is_not_let_in(tls: Tls) -> None:
    tls.require(None)
    stranger = trustme.CA()
    context = tls.client()
    stranger.issue_cert("prometheus.example.com").configure_cert(context)
    async with serving(tls.file) as served:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await (await served.connect(context)).hears()


async def test_whoever_is_being_answered_when_the_certificate_changes_gets_the_answer(tls: Tls) -> None:
    async with serving(tls.file) as served:
        client = await served.connect(tls.client())
        await client.says(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await served.answers.begun.wait()
        tls.renew()
        assert tls.file.refresh()
        served.server.keep_to(tls.file.policy)
        served.answers.released.set()

        assert (await client.hears_the_end()).endswith(b"at last")


def only_tls_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def only_suite(suite: str) -> Callable[[ssl.SSLContext], None]:
    def limit(context: ssl.SSLContext) -> None:
        only_tls_1_2(context)
        context.set_ciphers(suite)

    return limit


def only_curve(curve: str) -> Callable[[ssl.SSLContext], None]:
    return lambda context: context.set_ecdh_curve(curve)


@pytest.mark.parametrize(
    ("settings", "limit", "served"),
    [
        ("min_version: TLS13", only_tls_1_2, False),
        ("min_version: TLS12", only_tls_1_2, True),
        ("max_version: TLS12", only_tls_1_2, True),
        (f"cipher_suites: [{SUITE}]", only_suite("ECDHE-ECDSA-AES256-GCM-SHA384"), True),
        (f"cipher_suites: [{SUITE}]", only_suite("ECDHE-ECDSA-AES128-GCM-SHA256"), False),
        ("curve_preferences: [CurveP384]", only_curve("secp384r1"), True),
        ("curve_preferences: [CurveP384]", only_curve("prime256v1"), False),
    ],
)
async def test_versions_suites_and_curves_are_kept_to(
    tls: Tls, settings: str, limit: Callable[[ssl.SSLContext], None], served: bool
) -> None:
    tls.write(settings)
    context = tls.client()
    limit(context)
    async with serving(tls.file) as serving_now:
        try:
            client = await serving_now.connect(context)
        except (ssl.SSLError, ConnectionError):
            assert not served
        else:
            await client.says()
            assert served
            assert b"here" in await client.hears()


async def test_who_came_before_certificates_were_asked_for_is_not_answered_any_more(tls: Tls) -> None:
    async with serving(tls.file) as served:
        client = await served.connect(tls.client())
        tls.require(None)
        served.server._security.replace(tls.file.policy)
        await client.says()

        assert b"403" == (await client.hears()).split()[1]
