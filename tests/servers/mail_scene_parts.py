"""What the domains of the lab are made of: authorities, certificates, records, and a domain with one server."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exporter.config.configuration import Domain
from exporter.demo.site import Greeting
from exporter.model import DomainCheck
from tests.authority import Party, issue, pem
from tests.servers.mail_lab import Lab, Zone
from tests.servers.mail_lab_servers import MailServer, WebServer

ROOT = issue("Lab Root", authority=True)
MIDDLE = issue("Lab Middle", ROOT, authority=True)
STRANGER = issue("Stranger", authority=True)

MAIL = tuple(check for check in (DomainCheck.MX, DomainCheck.DNSSEC, DomainCheck.DANE, DomainCheck.MTA_STS))


def spki(party: Party) -> bytes:
    """The key of a certificate, DER."""
    return party.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def tlsa(usage: int, selector: int, matching: int, party: Party, name: str = "_25._tcp.mx") -> str:
    """A TLSA record as a zone file has it."""
    selected = spki(party) if selector else party.der
    data = {0: selected, 1: hashlib.sha256(selected).digest(), 2: hashlib.sha512(selected).digest()}[matching]
    return f"{name} 60 IN TLSA {usage} {selector} {matching} {data.hex()}\n"


def leaf(host: str, by: Party | None = MIDDLE, **more: object) -> Party:
    """A server's certificate."""
    return issue(host, by, alternatives=[host], **more)  # type: ignore[arg-type] # of `issue`


class Scenes:
    """Adds domains to a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ca_file = lab.directory / "ca.pem"
        self.ca_file.write_bytes(pem(ROOT.certificate))

    def domain(
        self,
        name: str,
        records: str,
        *chains: Sequence[Party],
        signed: bool = True,
        spoilt: tuple[str, str] | None = None,
        checks: tuple[DomainCheck, ...] = MAIL,
        fingered: bool = False,
        greeting: Greeting | None = Greeting.WELCOME,
        malformed: tuple[tuple[str, bytes], ...] = (),
        **settings: object,
    ) -> str:
        """A domain with one MX host and one mail server, unless its records have others. Returns its address."""
        zone, address = f"{name}.lab", self.lab.address()
        if " MX " not in records and "no-mx" not in name:
            records += "@ 60 IN MX 10 mx\n"
        if not any(line.startswith("mx ") for line in records.splitlines()):
            records += f"mx 60 IN A {address}\n"
        self.lab.zones.append(Zone(zone, records, signed, spoilt, malformed))
        if greeting is not None:
            self.lab.mail.append(MailServer(address, chains, greeting, f"mx.{zone}"))
        self.lab.domains.append(Domain(zone, checks, ca_file=self.ca_file, timeout=120.0, **settings))  # type: ignore[arg-type] # of `Domain`
        if fingered:
            self.lab.fingered.add(zone)
        return address

    def policy(self, zone: str, document: tuple[int, str, bytes], chain: Sequence[Party] | None = None) -> str:
        """A web server for the policy of a domain; returns the records that lead to it."""
        address, host = self.lab.address(), f"mta-sts.{zone}.lab"
        served = {"/.well-known/mta-sts.txt": document}
        self.lab.web.append(WebServer(address, chain or [leaf(host), MIDDLE], served))
        return f'mta-sts 60 IN A {address}\n_mta-sts 60 IN TXT "v=STSv1; id=1"\n'
