"""A directory with a web configuration and what it names, for tests."""

from __future__ import annotations

from pathlib import Path

import trustme

HASH = "$2y$10$s4wQIiLbOMNL8w2Fl.SmUOALk3Ouz5MqfP9M1FPkkULfPRaEgaonK"


def renew(directory: Path, authority: trustme.CA, name: str = "localhost") -> None:
    """Puts a new certificate there, as ACME clients do: one file after the other, each at once."""
    issued = authority.issue_cert(name)
    issued.private_key_pem.write_to_path(directory / "new")
    (directory / "new").replace(directory / "server.key")
    for number, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(directory / "new", append=number > 0)
    (directory / "new").replace(directory / "server.crt")


def write(directory: Path, text: str) -> Path:
    file = directory / "web.yml"
    file.write_text(text)
    return file


GOOD = "cert_file: server.crt\n  key_file: server.key"


TLS = f"tls_server_config:\n  {GOOD}\n"
