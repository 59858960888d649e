"""Dovecot from the system's packages as IMAP, POP3 and LMTP server, on high ports of loopback.

All that it reads and writes lies in the directory it is given; several may run at once. What a test expects of it is
the test's business.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Protocol

from tests.servers.authority import Identity
from tests.servers.greeting import greets
from tests.servers.programs import (
    LOOPBACK,
    REMOTE_LOOPBACK,
    free_ports,
    program,
    running,
    unavailable,
)

_TEMPLATES = Path(__file__).parent
_MAIL_UID = 65534
"""Numeric, so that it needs no account of its own."""
NOWHERE = "http://127.0.0.1:9/introspect"
"""The discard port: without an introspection server every token is refused."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody with a mailbox.

    Attributes:
        username: The whole address.
    """

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A running one.

    Attributes:
        directory: Everything of it.
        identity: What it presents.
        sasl_socket: Where Postfix finds its logins.
    """

    directory: Path
    identity: Identity
    imap: int
    imaps: int
    pop3: int
    pop3s: int
    lmtp: int
    sasl_socket: Path


class StartDovecot(Protocol):
    """The fixture `start_dovecot`: a server of the test's own, for as long as the test runs."""

    def __call__(self, identity: Identity, *accounts: Account, tls: bool = True) -> Dovecot: ...


@contextmanager
def dovecot(
    directory: Path,
    identity: Identity,
    accounts: Sequence[Account],
    *,
    tls: bool = True,
    quota_limit: int = 10 * 1024 * 1024,
    introspection_url: str = NOWHERE,
    elsewhere: Mapping[str, Identity] = MappingProxyType({}),
    further: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Dovecot]:
    """Runs one until the block ends.

    Args:
        directory: A new one, or one that does not exist yet; other users must be able to enter it.
        identity: The certificate to serve.
        accounts: Who may log in, by password.
        tls: Whether STARTTLS and the TLS ports work at all.
        quota_limit: Bytes for each account.
        introspection_url: Where to ask whether an OAuth token is good.
        elsewhere: What to serve at further addresses of loopback, on the same ports; it may be weak.
        further: Settings that stand behind all others, in the language of each version ("2.3", "2.4").
    """
    binary = program("dovecot", package="dovecot-imapd")
    for name, package in (("imap", "imapd"), ("pop3", "pop3d"), ("lmtp", "lmtpd")):
        if not Path(f"/usr/lib/dovecot/{name}").exists():
            unavailable(f"Dovecot's {name} is not installed (Debian package: dovecot-{package})")
    language = _language(binary)
    if os.geteuid() != 0:
        unavailable("Dovecot drops to users of its own, so the tests with it must be started by root")

    directory.mkdir(exist_ok=True)
    imap, imaps, pop3, pop3s, lmtp = free_ports(5)
    server = Dovecot(
        directory=directory,
        identity=identity,
        imap=imap,
        imaps=imaps,
        pop3=pop3,
        pop3s=pop3s,
        lmtp=lmtp,
        sasl_socket=directory / "sasl",
    )
    _write(
        server,
        language.template,
        {
            "directory": directory,
            "instance": directory.name,
            "listen": ", ".join([LOOPBACK, REMOTE_LOOPBACK, *elsewhere]),
            "ssl": "yes" if tls else "no",
            "chain_file": identity.chain_file,
            "key_file": identity.key_file,
            "mail_uid": _MAIL_UID,
            "quota_limit": quota_limit,
            "imap_port": imap,
            "imaps_port": imaps if tls else 0,
            "pop3_port": pop3,
            "pop3s_port": pop3s if tls else 0,
            "lmtp_port": lmtp,
            "sasl_socket": server.sasl_socket,
            "introspection_url": introspection_url,
            "elsewhere": "".join(_at(language, address, other) for address, other in elsewhere.items()),
            "further": further.get(language.version, ""),
        },
        "dovecot.conf",
    )
    # Read by 2.3 only; 2.4 has these settings among all others.
    settings = {"introspection_url": introspection_url}
    _write(server, "dovecot-oauth2.conf.ext", settings, "dovecot-oauth2.conf.ext")
    users = directory / "users"
    users.write_text("".join(f"{one.username}:{{PLAIN}}{one.password}::::::\n" for one in accounts))
    mail = directory / "mail"
    mail.mkdir(exist_ok=True)
    os.chown(mail, _MAIL_UID, _MAIL_UID)

    def ready() -> bool:
        if not all(
            (
                greets(LOOPBACK, imap, b"* OK ", goodbye=b"x LOGOUT\r\n"),
                greets(LOOPBACK, pop3, b"+OK ", goodbye=b"QUIT\r\n"),
                greets(LOOPBACK, lmtp, b"220 ", goodbye=b"QUIT\r\n"),
            )
        ):
            return False
        return not tls or all(
            (
                greets(LOOPBACK, imaps, b"* OK ", goodbye=b"x LOGOUT\r\n", tls=True),
                greets(LOOPBACK, pop3s, b"+OK ", goodbye=b"QUIT\r\n", tls=True),
            )
        )

    with running([binary, "-F", "-c", str(directory / "dovecot.conf")], log=directory / "dovecot.log", ready=ready):
        yield server


@dataclass(frozen=True, slots=True)
class _Language:
    """How a version of Dovecot wants to be told things.

    Attributes:
        template: The file with its settings.
        certificate: The settings of a certificate and its key, with what stands before the name of a file.
    """

    version: str
    template: str
    certificate: str
    key: str


_LANGUAGES = (
    _Language("2.3", "dovecot.conf", "ssl_cert = <", "ssl_key = <"),
    _Language("2.4", "dovecot-2.4.conf", "ssl_server_cert_file = ", "ssl_server_key_file = "),
)


def _language(binary: str) -> _Language:
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    language = next((one for one in _LANGUAGES if version.startswith(f"{one.version}.")), None)
    if language is None:
        known = " and ".join(one.version for one in _LANGUAGES)
        unavailable(f"the tests carry configurations for Dovecot {known}, and this is {version}")
    return language


def _at(language: _Language, address: str, identity: Identity) -> str:
    """What is served at one address: anything, however weak."""
    settings = (
        "ssl_cipher_list = DEFAULT@SECLEVEL=0",
        f"{language.certificate}{identity.chain_file}",
        f"{language.key}{identity.key_file}",
    )
    return "".join([f"local {address} {{\n", *(f"  {setting}\n" for setting in settings), "}\n"])


def _write(server: Dovecot, template: str, settings: Mapping[str, object], target: str) -> None:
    text = (_TEMPLATES / template).read_text()
    (server.directory / target).write_text(Template(text).substitute(settings))
