"""`read_back` against a real Dovecot: whole messages are read, and one that lies damaged on its disk is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.authority import Authority
from tests.servers.dovecot import Account, Dovecot, StartDovecot
from tests.servers.exporter import run_command
from tests.servers.programs import LOOPBACK

READER = Account("reader@example.test", "reader-secret")
MAIL_USER = 65534

LETTERS = {
    "plain": b"Subject: plain\n\nbody\n",
    "long": b"Subject: long\n\n" + b"a" * 100_000 + b"\n.\n..dots\n",
    "large": b"Subject: large\n\n" + (b"b" * 76 + b"\n") * 20_000,
    "binary": b"Subject: binary\nContent-Type: application/octet-stream\n\n" + bytes(range(256)) * 50 + b"\n",
}
"""By name: what has to be read, in whatever shape it is."""


def lay_down(server: Dovecot, letters: dict[str, bytes], sizes: dict[str, int]) -> None:
    """Puts messages into the mailbox as files; Dovecot believes the sizes that their names tell."""
    maildir = server.directory / "mail" / "reader" / "Maildir"
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
    for number, (name, octets) in enumerate(letters.items()):
        size = sizes.get(name, len(octets.replace(b"\n", b"\r\n")))
        (maildir / "cur" / f"{1_700_000_000 + number}.{name}.host,S={len(octets)},W={size}:2,S").write_bytes(octets)
    for each in (maildir.parent, maildir, *maildir.rglob("*")):
        shutil.chown(each, MAIL_USER, MAIL_USER)


def unreadable(server: Dovecot, authority: Authority, protocol: str, directory: Path) -> int | None:
    """What a probe finds."""
    port = {"imap": server.imaps, "pop3": server.pop3s}[protocol]
    endpoint: dict[str, Any] = {"name": "mailbox", "url": f"{protocol}s://{LOOPBACK}:{port}", "credentials": "reader"}
    if protocol == "imap":
        endpoint["mailbox"] = "INBOX"
    configuration = {
        "credentials": {"reader": {"username": READER.username, "password": READER.password}},
        "endpoints": [endpoint | {"read_back": 10, "tls": {"ca_file": str(authority.file)}}],
    }
    file = directory / "mail-exporter.yaml"
    file.write_text(yaml.safe_dump(configuration))
    shown = run_command("probe", "mailbox", "--json", f"--config.file={file}")
    mailbox = json.loads(shown.stdout)["mailbox"]
    assert len(LETTERS) <= mailbox["messages"]
    return None if mailbox["unreadable"] is None else int(mailbox["unreadable"])


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_whole_messages_are_read_and_a_damaged_one_is_told(
    protocol: str, start_dovecot: StartDovecot, authority: Authority, tmp_path: Path
) -> None:
    identity = authority.issue("mail.example.test", names=("localhost", LOOPBACK))
    server = start_dovecot(identity, READER)
    lay_down(server, LETTERS, {})
    whole = unreadable(server, authority, protocol, tmp_path)
    lay_down(server, {"damaged": b"Subject: damaged\n\nhalf of it\n"}, {"damaged": 5_000})
    damaged = unreadable(server, authority, protocol, tmp_path)
    assert (0, 1) == (whole, damaged)
