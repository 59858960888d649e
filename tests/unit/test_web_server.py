from __future__ import annotations

import socket

import pytest
from aiohttp import ClientConnectionError, ClientSession, web

from exporter.web.server import ListenAddress, ListenError, serve


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
        assert await fetch(url) == "here"
    finally:
        await server.stop()


@pytest.mark.parametrize("host", ["", "::"])
async def test_an_address_without_a_host_means_both_ip_versions(host: str) -> None:
    server = await serve(application(), [ListenAddress(host, 0)])
    try:
        (url,) = server.urls
        port = url.rstrip("/").rpartition(":")[2]
        assert url == f"http://localhost:{port}/"
        assert await fetch(f"http://127.0.0.1:{port}/") == "here"
        if socket.has_dualstack_ipv6():
            assert await fetch(f"http://[::1]:{port}/") == "here"
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

    assert (
        f"cannot listen on 127.0.0.1:{port}: another program listens there; end it, or choose another port with "
        in str(refusal.value)
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
