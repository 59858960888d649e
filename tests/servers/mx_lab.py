"""A domain with two MX hosts, a flow to them, and what comes of it.

Run as a program in a network namespace of its own (`unshare -n python -m tests.servers.mx_lab DIRECTORY`), so that port
25 is free and nothing can leave. It prints what `mail-exporter flow --json` does.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from exporter.demo.post import PostOffice
from exporter.demo.servers import LOOPBACK, mail_server
from exporter.demo.site import Behaviour, Greeting, Quota, Site
from exporter.model import Encryption, Protocol, Secret
from tests.servers.dns import nameserver, records
from tests.servers.exporter import COMMAND

DOMAIN = "partner.example"
PASSWORD = "a password"
HOSTS = {f"mx1.{DOMAIN}": "127.0.0.2", f"mx2.{DOMAIN}": "127.0.0.3"}
ZONE = [f"{DOMAIN}. 60 IN MX 20 mx2.{DOMAIN}.", f"{DOMAIN}. 60 IN MX 10 mx1.{DOMAIN}."] + [
    f"{host}. 60 IN A {address}" for host, address in HOSTS.items()
]


def site(post: PostOffice, name: str, behaviour: Behaviour) -> Site:
    """One of the servers."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return Site(
        name, Encryption.NONE, tls, {f"probe@{DOMAIN}": Secret(PASSWORD.encode())}, post, Quota("q", 1, 2), behaviour
    )


def configuration(nameserver_address: str, imap: int) -> dict[str, Any]:
    """What the command is told."""
    return {
        "flow_key": "the flow key of the lab",
        "dns": {"nameservers": [nameserver_address]},
        "credentials": {"reader": {"username": f"probe@{DOMAIN}", "password": PASSWORD}},
        "endpoints": [
            {
                "name": "mailbox",
                "url": f"imap://{LOOPBACK}:{imap}",
                "encryption": "none",
                "allow_insecure_auth": True,
                "credentials": "reader",
            }
        ],
        "flows": [
            {
                "name": "to partner",
                "send": {"mx": DOMAIN, "from": "monitor@example.com", "to": f"probe@{DOMAIN}"},
                "receive": {"endpoint": "mailbox"},
            }
        ],
    }


async def main(directory: Path) -> None:
    """Brings everything up and runs the command."""
    post = PostOffice(f"mx1.{DOMAIN}", DOMAIN, [f"probe@{DOMAIN}"])
    behaviours = {f"mx1.{DOMAIN}": Behaviour(), f"mx2.{DOMAIN}": Behaviour(greeting=Greeting.BUSY)}
    async with AsyncExitStack() as stack:
        for host, address in HOSTS.items():
            exchanger = partial(site, post, host, behaviours[host])
            await stack.enter_async_context(mail_server(Protocol.SMTP, exchanger, address, 25))
        imap = await stack.enter_async_context(mail_server(Protocol.IMAP, partial(site, post, "imap", Behaviour())))
        names = await stack.enter_async_context(nameserver(records(*ZONE, zone=f"{DOMAIN}.")))
        file = directory / "mail-exporter.yaml"
        file.write_text(yaml.safe_dump(configuration(str(names), imap)))
        command = [*COMMAND, "flow", "to partner", "--json", f"--config.file={file}"]
        process = await asyncio.create_subprocess_exec(*command)
        await process.wait()


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asyncio.run(main(Path(sys.argv[1])))
