"""More domains of the lab: servers for their users, aliases in circles, and zone cuts that lead nowhere."""

from __future__ import annotations

from exporter.config.configuration import Domain
from exporter.model import DomainCheck, Protocol
from tests.servers.mail_lab_servers import MailServer
from tests.servers.mail_scene_parts import MAIL, MIDDLE, STRANGER, Scenes, leaf, tlsa

USERS = (
    ("_submissions", 465, Protocol.SMTP, True),
    ("_submission", 587, Protocol.SMTP, False),
    ("_imaps", 993, Protocol.IMAP, True),
    ("_imap", 143, Protocol.IMAP, False),
    ("_pop3s", 995, Protocol.POP3, True),
    ("_pop3", 110, Protocol.POP3, False),
)


def users(add: Scenes) -> None:
    """Submission, IMAP and POP3 under DANE (RFC 7673): good, with one record of another key, and without signatures."""
    for name, wrong in (("users", None), ("users-mismatch", 993), ("users-unsigned", None)):
        own = leaf(f"mail.{name}.lab")
        address = add.lab.address()
        records = f"@ 60 IN MX 0 .\nmail 60 IN A {address}\n"
        for service, port, protocol, implicit in USERS:
            records += f"{service}._tcp 60 IN SRV 0 1 {port} mail\n"
            records += tlsa(3, 1, 1, STRANGER if port == wrong else own, f"_{port}._tcp.mail")
            add.lab.mail.append(
                MailServer(address, [[own, MIDDLE]], name="mail.lab", port=port, protocol=protocol, implicit=implicit)
            )
        checks = (DomainCheck.MX, DomainCheck.DANE, DomainCheck.AUTOCONFIG)
        add.domain(name, records, signed=not name.endswith("unsigned"), checks=checks, greeting=None)


def loops(add: Scenes) -> None:
    """Aliases that lead in a circle, also over two zones; zone cuts that lead nowhere; a domain that is an alias."""
    add.domain("loop", "@ 60 IN MX 10 mx\nmx 60 IN CNAME other\nother 60 IN CNAME mx\n", greeting=None)
    add.domain("loop-far", "@ 60 IN MX 10 mx\nmx 60 IN CNAME mx.loop-back.lab.\n", greeting=None)
    add.domain("loop-back", "@ 60 IN MX 10 mx\nmx 60 IN CNAME mx.loop-far.lab.\n", greeting=None)
    own = leaf("mx.cut.lab")
    # The name server of the part that is cut off lies in it, and nobody says where.
    add.domain("cut", "@ 60 IN MX 10 mx\n@ 60 IN MX 20 mx.sub\nsub 60 IN NS ns.sub\n", [own])
    add.domain("cut-all", "@ 60 IN MX 10 mx.sub\nsub 60 IN NS ns.sub\n", greeting=None)
    add.domain("is-alias", "@ 60 IN MX 10 mx\nwww 60 IN CNAME ee311.lab.\n", greeting=None)
    add.lab.domains[-1] = Domain("www.is-alias.lab", MAIL, ca_file=add.ca_file, timeout=120.0)
