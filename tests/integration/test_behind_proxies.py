"""The interface behind nginx and Apache, below a path of a site: every link of every page leads somewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.servers.exporter import COMMAND
from tests.servers.fetching import Response, fetch
from tests.servers.programs import LOOPBACK, free_ports, program, running, wait_until

CONFIGURATION = """
# The last twenty failures are kept: a page that leads to one has to be followed within a minute.
defaults: {interval: 3s, timeout: 900ms}
endpoints:
  - {url: "imaps://127.0.0.1:1"}
  - {name: "a/b//../& c?d#e+f %2F=é", url: "smtp://127.0.0.1:1", credentials: me}
  - {name: inbox, url: "imaps://127.0.0.1:1", credentials: me}
credentials: {me: {username: me@example.com, password: secret}}
dns: {nameservers: ["127.0.0.1:1"], timeout: 100ms}
flow_key: only for the links of pages
flows:
  - name: "there // and/../ + & back?#%2F é"
    send: {endpoint: "a/b//../& c?d#e+f %2F=é", to: you@example.com}
    receive: {endpoint: inbox}
domains: [{name: example.com, checks: [mx], timeout: 500ms}]
modules: {here: {url: "imaps://", allowed_targets: [127.0.0.1]}}
"""

NGINX = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr notice;
user root;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /mail/ {{ proxy_pass {upstream}; proxy_set_header Host $host; }}
    }}
}}
"""

APACHE = """
ServerRoot {directory}
ServerName localhost
PidFile {directory}/apache.pid
Listen 127.0.0.1:{port}
ErrorLog /dev/stderr
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
ProxyPreserveHost On
ProxyPass /mail/ {upstream}
"""


class Links(HTMLParser):
    """Where the elements of a page lead, and what they load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.found |= {value for name, value in attrs if name in {"href", "src", "action"} and value}


@contextmanager
def nginx(directory: Path, upstream: str) -> Iterator[str]:
    yield from _proxy(directory, NGINX, upstream, [program("nginx", package="nginx-light"), "-p", str(directory), "-c"])


@contextmanager
def apache(directory: Path, upstream: str) -> Iterator[str]:
    yield from _proxy(directory, APACHE, upstream, [program("apache2", package="apache2-bin"), "-DFOREGROUND", "-f"])


def _proxy(directory: Path, configuration: str, upstream: str, command: list[str]) -> Iterator[str]:
    (port,) = free_ports(1)
    file = directory / "proxy.conf"
    file.write_text(configuration.format(directory=directory, port=port, upstream=upstream))
    url = f"http://{LOOPBACK}:{port}/mail/"
    with running([*command, str(file)], log=directory / "proxy.log", ready=lambda: _answers(f"{url}-/healthy")):
        yield url


def _answers(url: str) -> bool:
    try:
        return fetch(url).status == 200
    except OSError:
        return False


def crawl(root: str) -> dict[str, int]:
    """The status of everything below the root that pages link to."""
    waiting, seen = [root], dict[str, int]()
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        answer = _followed(url)
        seen[url] = answer.status
        if "text/html" in answer.headers.get("content-type", ""):
            links = Links()
            links.feed(answer.body.decode())
            absolute = {urljoin(url, link).partition("#")[0] for link in links.found}
            waiting += sorted(each for each in absolute if urlsplit(each).netloc == urlsplit(root).netloc)
        assert len(seen) < 500
    return seen


def _followed(url: str) -> Response:
    answer = fetch(url, timeout=60)
    for _ in range(3):
        if answer.status not in {301, 302, 303, 307, 308}:
            break
        url = urljoin(url, answer.headers["location"])
        answer = fetch(url, timeout=60)
    return answer


@pytest.mark.parametrize("proxy", [nginx, apache])
@pytest.mark.parametrize("taken_off", [False, True], ids=["prefix kept", "prefix taken off"])
@pytest.mark.timeout(240)
def test_every_link_of_every_page_leads_somewhere_below_the_prefix(
    proxy: Callable[[Path, str], AbstractContextManager[str]],
    *,
    taken_off: bool,
    server_directory: Path,
    tmp_path: Path,
) -> None:
    directory = server_directory / tmp_path.name
    directory.mkdir()
    file = directory / "mail-exporter.yaml"
    file.write_text(CONFIGURATION)
    flags = ["--web.external-url=https://monitoring.example.com/mail/"]
    if taken_off:
        flags.append("--web.route-prefix=/")
    path = "/" if taken_off else "/mail/"
    if proxy is nginx:
        flags.append(f"--web.listen-address=unix:{directory}/http.sock")
        upstream = f"http://unix:{directory}/http.sock:{path}"
    else:
        (port,) = free_ports(1)
        flags.append(f"--web.listen-address={LOOPBACK}:{port}")
        upstream = f"http://{LOOPBACK}:{port}{path}"
    command = [*COMMAND, "run", f"--config.file={file}", *flags]
    with running(command, log=directory / "log", ready=lambda: True), proxy(directory, upstream) as url:
        wait_until(
            lambda: fetch(f"{url}metrics").body.count(b"mail_probe_success{") == 3 or None, what="all are probed"
        )
        seen = crawl(url)

    assert {} == {each: status for each, status in seen.items() if status != 200}
    assert all(each.startswith(url) for each in seen)
    assert any("a%2Fb" in each for each in seen)
    named = ("endpoint?", "failure?", "flow?", "domain?")
    for beginning in (*named, *(f"api/v1/{each}" for each in named), "docs/", "config", "metrics"):
        assert any(each.startswith(f"{url}{beginning}") for each in seen), beginning
