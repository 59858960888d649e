"""A stand-in for an OAuth 2 server's introspection endpoint (RFC 7662), which Dovecot asks about bearer tokens.

It issues nothing: a test says which token is whose.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.servers.programs import LOOPBACK


@dataclass(frozen=True, slots=True)
class Introspection:
    """A running one.

    Attributes:
        url: For the servers that ask.
        tokens: The username of each active token; a test adds and removes them at will.
    """

    url: str
    tokens: dict[str, str] = field(default_factory=dict)


@contextmanager
def introspection() -> Iterator[Introspection]:
    """Runs one until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            # RFC 7662 2.2: a token that is unknown is not an error, it is just not active.
            username = service.tokens.get(form.get("token", [""])[0])
            answer: dict[str, object] = {"active": False}
            if username is not None:
                answer = {"active": True, "username": username, "token_type": "Bearer"}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
            """Says nothing: a token would be in it."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        service = Introspection(url=f"http://{LOOPBACK}:{server.server_port}/introspect")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
