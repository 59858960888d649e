"""nginx as a proxy for IMAP, POP3 and SMTP, on high ports of loopback, and the HTTP service that judges its logins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from exporter.model import Protocol
from tests.servers.greeting import greets
from tests.servers.programs import LOOPBACK, free_ports, program, running, unavailable

MODULE = Path("/usr/lib/nginx/modules/ngx_mail_module.so")

_CONFIGURATION = """
load_module {module};
daemon off;
pid {directory}/nginx.pid;
error_log stderr notice;
user root;
events {{}}
mail {{
    auth_http 127.0.0.1:{authentication}/;
    auth_http_timeout 3s;
    server {{ listen 127.0.0.1:{imap}; protocol imap; imap_auth plain; }}
    server {{ listen 127.0.0.1:{pop3}; protocol pop3; pop3_auth plain; }}
    server {{ listen 127.0.0.1:{smtp}; protocol smtp; smtp_auth plain; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """Where it listens."""

    ports: dict[Protocol, int]


@contextmanager
def nginx(directory: Path, verdict: str | None) -> Iterator[Nginx]:
    """Runs it until the block ends.

    Args:
        directory: Where its files go.
        verdict: What becomes of every login, in the words of the authentication script; `None` if there is no script.
    """
    if not MODULE.exists():
        unavailable("nginx has no mail module (Debian package: libnginx-mod-mail)")
    imap, pop3, smtp, nobody = free_ports(4)
    with _authentication(verdict, nobody) as authentication:
        file = directory / "nginx.conf"
        file.write_text(
            _CONFIGURATION.format(
                module=MODULE, directory=directory, authentication=authentication, imap=imap, pop3=pop3, smtp=smtp
            )
        )
        command = [program("nginx", package="nginx-light"), "-p", str(directory), "-c", str(file)]

        def ready() -> bool:
            return greets(LOOPBACK, smtp, b"220", goodbye=b"QUIT\r\n")

        with running(command, log=directory / "nginx.log", ready=ready):
            yield Nginx({Protocol.IMAP: imap, Protocol.POP3: pop3, Protocol.SMTP: smtp})


@contextmanager
def _authentication(verdict: str | None, nobody: int) -> Iterator[int]:
    """The port of the authentication script; a closed port if there is none."""
    if verdict is None:
        yield nobody
        return
    status = verdict

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Auth-Status", status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
