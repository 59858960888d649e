from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientSession, UnixConnector, web

from exporter.web.application import create_application
from exporter.web.serving import addresses
from exporter.web.serving.addresses import ListenAddress, ListenError
from exporter.web.serving.external_site import ExternalSite
from exporter.web.serving.server import serve
from tests.unit.web import store_with


def application() -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="here")

    made = web.Application()
    made.router.add_get("/", answer)
    return made


async def fetch(url: str) -> str:
    async with ClientSession() as session, session.get(url) as response:
        return await response.text()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":9925", "", 9925),
        ("[::]:9925", "::", 9925),
        ("[::1]:0", "::1", 0),
        ("[fe80::1%eth0]:9925", "fe80::1%eth0", 9925),
        ("127.0.0.1:9925", "127.0.0.1", 9925),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_an_address_to_listen_on_is_read_and_written_alike(text: str, host: str, port: int) -> None:
    address = ListenAddress.parse(text)

    assert (ListenAddress(host, port), text) == (address, str(address))


@pytest.mark.parametrize(
    "text", ["", "9925", ":", ":http", ":65536", ":99999999", "::1:9925", "[::1]", "a b:80", "http://x:80", ":80\n"]
)
def test_what_is_no_address_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write :PORT, HOST:PORT") as refusal:
        ListenAddress.parse(text)

    assert repr(text) in str(refusal.value)


async def test_a_browser_finds_the_interface_at_its_url() -> None:
    server = await serve(application(), [ListenAddress("127.0.0.1", 0)])
    try:
        (url,) = server.urls
        assert url.startswith("http://127.0.0.1:")
        assert "here" == await fetch(url)
    finally:
        await server.stop()


@pytest.mark.parametrize("host", ["", "::"])
async def test_an_address_without_a_host_means_both_ip_versions(host: str) -> None:
    server = await serve(application(), [ListenAddress(host, 0)])
    try:
        (url,) = server.urls
        port = url.rstrip("/").rpartition(":")[2]
        assert url == f"http://localhost:{port}/"
        assert "here" == await fetch(f"http://127.0.0.1:{port}/")
        if socket.has_dualstack_ipv6():
            assert "here" == await fetch(f"http://[::1]:{port}/")
    finally:
        await server.stop()


async def test_several_addresses_can_be_listened_on() -> None:
    server = await serve(application(), [ListenAddress("127.0.0.1", 0), ListenAddress("127.0.0.2", 0)])
    try:
        assert ["here", "here"] == [await fetch(url) for url in server.urls]
    finally:
        await server.stop()


async def test_a_port_in_use_is_named_and_nothing_is_left_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        port = taken.getsockname()[1]
        free_port = free.getsockname()[1]
        free.close()

        with pytest.raises(ListenError) as refusal:
            await serve(application(), [ListenAddress("127.0.0.1", free_port), ListenAddress("127.0.0.1", port)])

    assert f"cannot listen on 127.0.0.1:{port}: another program listens there; end it, or choose another with " in str(
        refusal.value
    )
    with socket.create_server(("127.0.0.1", free_port)) as again:
        assert free_port == again.getsockname()[1]


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0: this machine does not have that address"):
        await serve(application(), [ListenAddress("192.0.2.1", 0)])


@pytest.mark.parametrize("host", ["two..dots", "l" * 64, "256.256.256.256.256"])
async def test_a_name_that_there_cannot_be_is_named(host: str) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on {host}:0: "):
        await serve(application(), [ListenAddress(host, 0)])


async def test_after_the_end_nobody_listens() -> None:
    server = await serve(application(), [ListenAddress("127.0.0.1", 0)])

    await server.stop()

    with pytest.raises(ClientConnectionError):
        await fetch(server.urls[0])


def test_a_path_of_a_unix_socket_is_read_and_written_alike() -> None:
    address = ListenAddress.parse("unix:/run/mail-exporter/http.sock")

    assert "/run/mail-exporter/http.sock" == address.path
    assert "unix:/run/mail-exporter/http.sock" == str(address)


async def fetch_at(path: Path) -> str:
    async with ClientSession(connector=UnixConnector(str(path))) as session, session.get("http://here/") as response:
        return await response.text()


async def test_a_unix_socket_is_served_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    server = await serve(application(), [ListenAddress("", 0, str(path))])
    found = await fetch_at(path)
    await server.stop()

    assert ("here", (f"unix:{path}",), False) == (found, server.urls, path.exists())


async def test_a_unix_socket_that_nobody_listens_at_any_more_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = await serve(application(), [ListenAddress("", 0, str(path))])
    found = await fetch_at(path)
    await server.stop()

    assert "here" == found


async def test_a_unix_socket_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        with pytest.raises(ListenError, match="another program listens there"):
            await serve(application(), [ListenAddress("", 0, str(path))])
        assert path.exists()


async def test_a_file_in_the_place_of_a_unix_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ListenError, match="a file that is not a socket"):
        await serve(application(), [ListenAddress("", 0, str(path))])

    assert "mine" == path.read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@pytest.mark.parametrize(("first", "second"), [("127.0.0.1", "127.0.0.1"), ("", "127.0.0.1"), ("127.0.0.1", "")])
async def test_two_addresses_that_collide_are_blamed_on_each_other(first: str, second: str) -> None:
    one, other = (ListenAddress(host, free_port()) for host in (first, second))
    other = ListenAddress(second, one.port)
    with pytest.raises(ListenError) as refusal:
        await serve(application(), [one, other])

    flags = f"--web.listen-address={one} listens there already; leave --web.listen-address={other} out"
    assert f"cannot listen on {other}: {flags}" == str(refusal.value)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
async def test_sockets_that_systemd_hands_over_are_served(
    family: socket.AddressFamily, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(family) as theirs:
        theirs.bind(str(path) if family == socket.AF_UNIX else ("127.0.0.1", 0))
        theirs.listen()
        monkeypatch.setattr(addresses, "FIRST_INHERITED", os.dup(theirs.fileno()))
        environment = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "http", "HOME": "/"}
        inherited = addresses.inherited_sockets(environment)
        server = await serve(application(), inherited)
        url = server.urls[0]
        found = await fetch_at(path) if family == socket.AF_UNIX else await fetch(url)
        await server.stop()

    assert ("here", {"HOME": "/"}) == (found, environment)
    # It is systemd's, and the next start needs it.
    assert (family == socket.AF_UNIX) is path.exists()


@pytest.mark.parametrize("environment", [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x"}])
def test_without_sockets_from_systemd_there_are_none(environment: dict[str, str]) -> None:
    assert [] == addresses.inherited_sockets(environment)


def test_a_socket_from_systemd_that_does_not_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.bind(("127.0.0.1", 0))
        monkeypatch.setattr(addresses, "FIRST_INHERITED", os.dup(theirs.fileno()))
        with pytest.raises(ListenError, match=r"write ListenStream= and Accept=no in the \.socket unit"):
            addresses.inherited_sockets({"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())})


@pytest.mark.parametrize(
    ("external", "route", "prefix", "url"),
    [
        (None, None, "", None),
        ("https://mon.example.com/mail/", None, "/mail", "https://mon.example.com/mail/"),
        ("https://mon.example.com:8443", None, "", "https://mon.example.com:8443/"),
        ("/a/b", None, "/a/b", None),
        ("https://mon.example.com/mail/", "/", "", "https://mon.example.com/mail/"),
        (None, "mail/", "/mail", None),
    ],
)
def test_an_external_url_and_a_route_prefix_mean_what_they_mean_to_prometheus(
    external: str | None, route: str | None, prefix: str, url: str | None
) -> None:
    assert ExternalSite(url, prefix) == ExternalSite.parse(external, route)


@pytest.mark.parametrize(
    "external", ["mon.example.com/mail", "ftp://h/", "https://", "https://h/?a=b", "https://u:p@h/"]
)
def test_what_is_no_external_url_is_refused(external: str) -> None:
    with pytest.raises(ValueError, match=re.escape(external[:20])):
        ExternalSite.parse(external, None)


@pytest.mark.parametrize("route", ["/a//b", "/../a", "/a b", "/a?b", "/%2e"])
def test_what_is_no_route_prefix_is_refused(route: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(route))):
        ExternalSite.parse(None, route)


async def test_a_browser_outside_the_prefix_gets_a_page_that_leads_inside() -> None:
    pages = create_application(store=store_with([]), ready=lambda: True, configuration=lambda: iter(()))
    server = await serve(pages, [ListenAddress("127.0.0.1", 0)], prefix="/mail")
    try:
        outside = f"{server.urls[0].removesuffix('mail/')}a/b"
        async with ClientSession() as session, session.get(outside, headers={"Accept": "text/html"}) as response:
            page = await response.text()
    finally:
        await server.stop()

    assert 404 == response.status
    assert '<a href="/mail/">See all endpoints</a>' in page
    assert 'href="/mail/static/style.css"' in page


async def test_every_route_is_below_the_prefix_and_the_root_leads_there() -> None:
    server = await serve(application(), [ListenAddress("127.0.0.1", 0)], prefix="/mail")
    try:
        (url,) = server.urls
        root = url.removesuffix("mail/")
        assert url.endswith("/mail/")
        async with ClientSession() as session:
            answers = {}
            for path in ("mail/", "mail", "", "mailbox", "other", "mail/other", "mail//evil.example.com/"):
                async with session.get(root + path, allow_redirects=False) as response:
                    answers[path] = response.status, response.headers.get("Location")
    finally:
        await server.stop()

    assert {
        "mail/": (200, None),
        "mail": (302, "/mail/"),
        "": (302, "/mail/"),
        "mailbox": (404, None),
        "other": (404, None),
        "mail/other": (404, None),
        "mail//evil.example.com/": (404, None),
    } == answers
