"""The process of which `memory` has certificates: a POP3 server that shows a chain of its own for each name asked for.

It writes its port and where the authority to trust is as two lines, and ends with its input. Of POP3 it knows just what
it takes to be probed without a login.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509

from tests.authority import issue, key_pem, pem

PADDING: Final = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.1"), bytes(600))
"""Makes a certificate as long as one of a public authority, which holds stamps, policies and addresses: 1.2 KiB."""


class Chains:
    """Makes what is shown, when a name is asked for first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._root = issue("Root of many", authority=True)
        self._intermediate = issue("Intermediate of many", self._root, authority=True, path_length=0)
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.ca_file = directory / "root.pem"
        self.ca_file.write_bytes(pem(self._root.certificate))

    def context(self, name: str) -> ssl.SSLContext:
        """A context that shows the chain of a name."""
        known = self._contexts.get(name)
        if known is not None:
            return known
        alternatives = [name, f"imap.{name}", f"smtp.{name}"]
        leaf = issue(name, self._intermediate, alternatives=alternatives, extensions=[(PADDING, False)])
        file = self._directory / "leaf.pem"
        file.write_bytes(key_pem(leaf) + pem(leaf.certificate, self._intermediate.certificate))
        context = self._contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        """Show the one that is asked for. To be called by OpenSSL."""
        connection.context = self.context(name or "nobody.example")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything but a farewell is an error."""
    line = b""
    writer.write(b"+OK ready\r\n")
    while line.upper() != b"QUIT\r\n" and (line := await reader.readline()):
        writer.write(b"+OK bye\r\n" if line.upper() == b"QUIT\r\n" else b"-ERR what?\r\n")
    writer.close()


async def main() -> None:
    """Serve until the input ends."""
    with TemporaryDirectory() as directory:
        chains = Chains(Path(directory))
        context = chains.context("nobody.example")
        context.sni_callback = chains.choose
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
            print(server.sockets[0].getsockname()[1], chains.ca_file, sep="\n", flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
