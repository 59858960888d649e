"""Runs Postfix from the system's packages on high ports of 127.0.0.1, delivering to Dovecot. All its files are in the
given directory, and no mail leaves the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tests.servers.authority import Identity
from tests.servers.dovecot import Account, Dovecot
from tests.servers.greeting import greets
from tests.servers.programs import LOOPBACK, free_ports, program, running, unavailable

_TEMPLATES = Path(__file__).parent
_DAEMONS = "/usr/lib/postfix/sbin"
"""The directory of the programs that Postfix's master runs, in Debian."""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running Postfix.

    Attributes:
        directory: The directory with all its files.
        identity: Its certificate and key.
        smtp: The port for other servers, with STARTTLS and without logins.
        submission: The port with STARTTLS, and logins after it.
        submissions: The port with TLS from the start, and logins.
        plain: The port with logins and without TLS.
        size_limit: The most bytes of a message.
    """

    directory: Path
    identity: Identity
    smtp: int
    submission: int
    submissions: int
    plain: int
    size_limit: int


@contextmanager
def postfix(
    directory: Path,
    identity: Identity,
    accounts: Sequence[Account],
    *,
    mailboxes: Dovecot,
    domain: str,
    size_limit: int = 5_000_000,
    further: str = "",
) -> Iterator[Postfix]:
    """Run a Postfix until the block ends.

    Args:
        directory: A new one; other users must be able to enter it.
        identity: The certificate to serve.
        accounts: The accounts whose mail is accepted.
        mailboxes: The Dovecot that takes the mail and checks logins.
        domain: The domain of all accounts.
        size_limit: The most bytes of a message.
        further: More parameters, which override others.
    """
    binary = program("postfix", package="postfix")
    if os.geteuid() != 0:
        unavailable("Postfix's master must be started by root, and so must the tests with it")

    smtp, submission, submissions, plain = free_ports(4)
    settings: dict[str, object] = {
        "directory": directory,
        "daemons": _DAEMONS,
        "hostname": f"mail.{domain}",
        "domain": domain,
        "lmtp_port": mailboxes.lmtp,
        "size_limit": size_limit,
        "further": further,
        "chain_file": identity.chain_file,
        "key_file": identity.key_file,
        "sasl_socket": mailboxes.sasl_socket,
        "smtp_port": smtp,
        "submission_port": submission,
        "submissions_port": submissions,
        "plain_port": plain,
    }
    configuration = directory / "conf"
    for part in (directory, configuration, directory / "spool", directory / "data"):
        part.mkdir()
    shutil.chown(directory / "data", user="postfix")
    for name in ("main.cf", "master.cf"):
        text = (_TEMPLATES / f"postfix-{name}").read_text()
        (configuration / name).write_text(Template(text).substitute(settings))
    (directory / "mailboxes").write_text("".join(f"{one.username} mailbox\n" for one in accounts))

    def ready() -> bool:
        return all(
            greets(LOOPBACK, port, b"220 ", goodbye=b"QUIT\r\n", tls=port == submissions)
            for port in (smtp, submission, submissions, plain)
        )

    # `check` makes what is missing in the spool. The master is started directly, because `postfix start-fg` would not
    # stop it at the end. -d keeps it in the foreground, in the session it was started in.
    subprocess.run([binary, "-c", str(configuration), "check"], check=True, capture_output=True)
    command = [f"{_DAEMONS}/master", "-c", str(configuration), "-d"]
    with running(command, log=directory / "postfix.log", ready=ready):
        yield Postfix(
            directory=directory,
            identity=identity,
            smtp=smtp,
            submission=submission,
            submissions=submissions,
            plain=plain,
            size_limit=size_limit,
        )
