"""More domains of the lab: which digests, certificates and names count under DANE. Postfix says what is right."""

from __future__ import annotations

from cryptography.x509.oid import ExtendedKeyUsageOID

from exporter.config.configuration import Domain
from tests.authority import issue
from tests.servers.mail_lab_servers import MailServer
from tests.servers.mail_scene_parts import MAIL, MIDDLE, ROOT, STRANGER, Scenes, leaf, tlsa


def digests(add: Scenes) -> None:
    """RFC 7671 section 9: beside a stronger digest of the same usage and selector a weaker one does not count."""
    own = leaf("elsewhere.example", None)
    strong = tlsa(3, 1, 2, STRANGER)
    add.domain("digest-weak", tlsa(3, 1, 1, own) + strong, [own], fingered=True)
    add.domain("digest-strong", tlsa(3, 1, 1, STRANGER) + tlsa(3, 1, 2, own), [own], fingered=True)
    add.domain("digest-none", tlsa(3, 1, 0, own) + strong, [own], fingered=True)
    add.domain("digest-of-other", tlsa(3, 0, 1, own) + strong, [own], fingered=True)
    others = "".join(f"_25._tcp.mx 60 IN TLSA 3 1 1 {number:064x}\n" for number in range(90))
    add.domain("digest-many", others + tlsa(3, 1, 1, own), [own], fingered=True)


def authorities(add: Scenes) -> None:
    """Under an authority: certificates that are for something else, and those that are their own authority."""
    host = "mx.ta-client.lab"
    own = issue(host, MIDDLE, alternatives=[host], usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    add.domain("ta-client", tlsa(2, 0, 1, ROOT), [own, MIDDLE, ROOT], fingered=True)
    for name, chain in (("ta-self", 1), ("ta-self-twice", 2)):
        own = leaf(f"mx.{name}.lab", None)
        add.domain(name, tlsa(2, 0, 1, own), [own] * chain, fingered=True)
    host = "mx.ta-unordered.lab"
    add.domain("ta-unordered", tlsa(2, 0, 1, ROOT), [leaf(host), STRANGER, ROOT, MIDDLE], fingered=True)


def names(add: Scenes) -> None:
    """RFC 7672 sections 3.2.2 and 3.2.3: the names that a certificate under an authority may have."""
    anchor = tlsa(2, 0, 1, ROOT)
    for name, alternatives in (("ta-common-name", []), ("ta-common-name-unused", ["other.example"])):
        own = issue(f"mx.{name}.lab", MIDDLE, alternatives=alternatives)
        add.domain(name, anchor, [own, MIDDLE, ROOT], fingered=True)
    add.domain("ta-wildcard", anchor, [leaf("*.ta-wildcard.lab"), MIDDLE, ROOT], fingered=True)
    for name, host in (("ta-alias", "mx.ta-alias.lab"), ("ta-alias-target", "real.ta-alias-target.lab")):
        address = add.lab.address()
        add.lab.mail.append(MailServer(address, [[leaf(host), MIDDLE, ROOT]]))
        records = f"@ 60 IN MX 10 mx\nmx 60 IN CNAME real\nreal 60 IN A {address}\n"
        records += tlsa(2, 0, 1, ROOT, "_25._tcp.real")
        add.domain(name, records, greeting=None, fingered=True)
    # The domain's MX records are not signed: whoever forges them chooses the domain's name as well.
    add.domain("ta-hosted", anchor, [leaf("ta-guest.lab"), MIDDLE, ROOT])
    add.domain("ta-guest", "@ 60 IN MX 10 mx.ta-hosted.lab.\nmx 60 IN A 45.67.255.1\n", greeting=None, fingered=True)
    unsigned = "@ 60 IN MX 10 mx.ta-unsigned-hosted.lab.\nmx 60 IN A 45.67.255.1\n"
    add.domain("ta-unsigned-hosted", anchor, [leaf("ta-unsigned-guest.lab"), MIDDLE, ROOT])
    add.domain("ta-unsigned-guest", unsigned, signed=False, greeting=None, fingered=True)
    for name, certified in (("ta-also", "www.ta-also.lab"), ("ta-really", "ta-really.lab")):
        add.domain(name, anchor + f"www 60 IN CNAME {name}.lab.\n", [leaf(certified), MIDDLE, ROOT])
        add.lab.domains[-1] = Domain(f"www.{name}.lab", MAIL, ca_file=add.ca_file, timeout=120.0)
        add.lab.fingered.add(f"www.{name}.lab")
