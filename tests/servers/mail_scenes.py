"""The domains of the lab: each is in one state of one check, and is named after it."""

from __future__ import annotations

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exporter.config.configuration import Domain
from exporter.demo.site import Greeting
from exporter.model import DomainCheck
from tests.authority import Party, Span, rsa_key
from tests.servers.mail_lab import ALL_CHECKS, Lab, Zone
from tests.servers.mail_lab_servers import MailServer
from tests.servers.mail_scene_parts import MAIL, MIDDLE, ROOT, STRANGER, Scenes, leaf, tlsa
from tests.servers.mail_scenes_dane import authorities, digests, names
from tests.servers.mail_scenes_more import loops, users


def scenes(lab: Lab) -> None:
    """All of them."""
    add = Scenes(lab)
    _dane(add)
    digests(add)
    authorities(add)
    names(add)
    _aliases(add)
    _keys(add)
    _exchanges(add)
    users(add)
    loops(add)
    _mta_sts(add)
    _senders(add)


def _dane(add: Scenes) -> None:
    for usage, selector, matching in [(3, 1, 1), (3, 0, 1), (3, 1, 2), (3, 0, 2), (3, 1, 0), (3, 0, 0)]:
        own = leaf("elsewhere.example", None)  # neither name nor authority matter
        add.domain(f"ee{usage}{selector}{matching}", tlsa(usage, selector, matching, own), [own], fingered=True)
    for selector, matching in [(0, 1), (1, 1), (0, 2), (0, 0), (1, 0)]:
        name = f"ta2{selector}{matching}"
        own = leaf(f"mx.{name}.lab")
        chain = [own, MIDDLE] if matching == 0 else [own, MIDDLE, ROOT]
        add.domain(name, tlsa(2, selector, matching, ROOT), chain, fingered=True)
    own = leaf("other.example")
    add.domain("ta-name", tlsa(2, 0, 1, ROOT), [own, MIDDLE, ROOT], fingered=True)
    own = leaf("mx.ta-expired.lab", days=Span(-60, -1))
    add.domain("ta-expired", tlsa(2, 0, 1, ROOT), [own, MIDDLE, ROOT], fingered=True)
    own = leaf("mx.ta-missing.lab")
    add.domain("ta-missing", tlsa(2, 0, 1, ROOT), [own, MIDDLE], fingered=True)
    own = leaf("ta-domain.lab")
    add.domain("ta-domain", tlsa(2, 1, 1, MIDDLE), [own, MIDDLE], fingered=True)
    own = leaf("x.example", days=Span(-60, -1))
    add.domain("ee-expired", tlsa(3, 1, 1, own), [own], fingered=True)
    own = leaf("mx.mismatch.lab")
    add.domain("mismatch", tlsa(3, 1, 1, STRANGER), [own, MIDDLE], fingered=True)
    add.domain("pkix-only", tlsa(1, 1, 1, own), [own, MIDDLE])
    add.domain("pkix-beside", tlsa(1, 1, 1, STRANGER) + tlsa(3, 1, 1, own), [own], fingered=True)
    bad = (("_25._tcp.mx", bytes([3, 1, 1]) + bytes(20)),)
    add.domain("malformed", tlsa(3, 1, 1, own), [own], fingered=True, malformed=bad)
    add.domain("malformed-only", "", [own], malformed=bad)
    add.domain("tlsa-no-tls", tlsa(3, 1, 1, own), fingered=True)
    add.domain("no-tls", "", checks=MAIL)
    add.domain("unsigned", tlsa(3, 1, 1, own), [own], signed=False)
    add.domain("bogus", tlsa(3, 1, 1, own), [own], spoilt=("@", "MX"))
    add.domain("bogus-tlsa", tlsa(3, 1, 1, own), [own], spoilt=("_25._tcp.mx", "TLSA"), fingered=True)
    add.domain("bare", "", [own], checks=MAIL)


def _aliases(add: Scenes) -> None:
    own = leaf("alias.example")
    address = add.lab.address()
    add.lab.mail.append(MailServer(address, [[own]]))
    host = f"@ 60 IN MX 10 mx\nmx 60 IN CNAME real\nreal 60 IN A {address}\n"
    add.domain("alias-target", host + tlsa(3, 1, 1, own, "_25._tcp.real"), greeting=None, fingered=True)
    add.domain("alias-own", host + tlsa(3, 1, 1, own), greeting=None, fingered=True)
    both = tlsa(3, 1, 1, own, "_25._tcp.real") + tlsa(3, 1, 1, STRANGER)
    add.domain("alias-both", host + both, greeting=None, fingered=True)
    outside = "@ 60 IN MX 10 mx\nmx 60 IN CNAME mx.unsigned.lab.\n"
    add.domain("alias-outside", outside + tlsa(3, 1, 1, STRANGER), greeting=None, fingered=True)
    # The MX records are not signed, and the host that they name is.
    elsewhere = "@ 60 IN MX 10 {}\nmx 60 IN A 45.67.255.1\n"
    add.domain("mx-insecure", elsewhere.format("mx.ee311.lab."), signed=False, greeting=None, fingered=True)
    add.domain("mx-insecure-bad", elsewhere.format("mx.mismatch.lab."), signed=False, greeting=None, fingered=True)
    add.domain("mx-outside", elsewhere.format("mx.unsigned.lab."), greeting=None)


def _keys(add: Scenes) -> None:
    for name, records in (("both", (0, 1)), ("only-rsa", (0,)), ("only-ecdsa", (1,)), ("neither", ())):
        host = f"mx.keys-{name}.lab"
        pair = [leaf(host, key=rsa_key(2048, "lab")), leaf(host, key=ec.generate_private_key(ec.SECP256R1()))]
        text = "".join(tlsa(3, 1, 1, pair[each]) for each in records) or tlsa(3, 1, 1, STRANGER)
        add.domain(f"keys-{name}", text, [pair[0], MIDDLE], [pair[1], MIDDLE], fingered=True)
    own, coming = leaf("mx.rollover.lab"), leaf("mx.rollover.lab")
    add.domain("rollover", tlsa(3, 1, 1, own) + tlsa(3, 1, 1, coming), [own], fingered=True)
    leaving = leaf("mx.withdrawn.lab")
    # Remembered for as long as the lab is up.
    add.lab.withdrawn = tlsa(3, 1, 1, leaving).replace(" 60 IN", " 3600 IN")
    kept = tlsa(3, 1, 1, coming).replace(" 60 IN", " 3600 IN")
    add.domain("withdrawn", add.lab.withdrawn + kept, [leaving])
    add.domain("same-key", tlsa(3, 1, 1, own) + tlsa(3, 1, 2, own) + tlsa(3, 0, 1, own), [own])
    due = leaf("mx.renewal-due.lab", days=Span(-80, 10))
    add.domain("renewal-due", tlsa(3, 1, 1, due), [due])
    add.domain("renewal-ready", tlsa(3, 1, 1, due) + tlsa(3, 1, 1, coming), [due])


def _exchanges(add: Scenes) -> None:
    own = leaf("mx.example")
    dead = add.lab.address()
    add.lab.extra.append(dead)
    two = f"@ 60 IN MX 10 mx\n@ 60 IN MX 20 dead\ndead 60 IN A {dead}\n"
    add.domain("one-dead", two, [own])
    add.domain("all-dead", f"@ 60 IN MX 10 mx\nmx 60 IN A {dead}\n", greeting=None)
    add.domain("null-mx", "@ 60 IN MX 0 .\n", greeting=None)
    add.domain("null-beside", "@ 60 IN MX 0 .\n@ 60 IN MX 10 mx\n", [own])
    implicit = add.lab.address()
    add.lab.mail.append(MailServer(implicit, [[own]]))
    add.domain("no-mx-but-address", f"@ 60 IN A {implicit}\n", greeting=None)
    add.domain("no-mx-at-all", "", greeting=None)
    add.domain("mx-address", "@ 60 IN MX 10 45.67.0.1.\n", greeting=None)
    add.domain("mx-private", "@ 60 IN MX 10 mx\nmx 60 IN A 10.0.0.1\n", greeting=None)
    add.domain("mx-no-address", '@ 60 IN MX 10 mx\nmx 60 IN TXT "x"\n', greeting=None)
    add.domain("refused", "", [own], greeting=Greeting.REFUSE)
    add.domain("partial", "@ 60 IN MX 10 mx\n@ 60 IN MX 20 mx.bare.lab.\n" + tlsa(3, 1, 1, own), [own])
    six, other = add.lab.address6(), leaf("mx.six.lab")
    add.lab.mail.append(MailServer(six, [[other]]))
    four = add.lab.address()
    add.lab.mail.append(MailServer(four, [[own]]))
    dual = f"mx 60 IN A {four}\nmx 60 IN AAAA {six}\n" + tlsa(3, 1, 1, own)
    add.domain("dual-stack", dual, greeting=None)
    add.lab.domains.append(Domain("gone.null-mx.lab", MAIL, timeout=120.0))


def _mta_sts(add: Scenes) -> None:
    def policy(name: str, mode: str = "enforce", mx: str | None = None, more: str = "") -> tuple[int, str, bytes]:
        hosts = mx or f"mx.{name}.lab"
        return 200, "text/plain", f"version: STSv1\nmode: {mode}\nmx: {hosts}\nmax_age: 604800\n{more}".encode()

    def good(name: str) -> list[Party]:
        return [leaf(f"mx.{name}.lab"), MIDDLE]

    for name, document in {
        "sts-good": policy("sts-good"),
        "sts-testing": policy("sts-testing", "testing"),
        "sts-none": (200, "text/plain", b"version: STSv1\nmode: none\nmax_age: 86400\n"),
        "sts-wildcard": policy("x", mx="*.sts-wildcard.lab"),
        "sts-unlisted": policy("x", mx="old.sts-unlisted.lab"),
        "sts-short": (200, "text/plain", policy("sts-short")[2].replace(b"604800", b"60")),
        "sts-absent": (404, "text/plain", b""),
        "sts-garbage": (200, "text/plain", b"<html>"),
        "sts-html": (200, "text/html", policy("sts-html")[2]),
        "sts-redirect": (302, "https://mta-sts.sts-good.lab/.well-known/mta-sts.txt", b""),
        "sts-huge": (200, "text/plain", b"x: y\n" * 20_000),
    }.items():
        add.domain(name, add.policy(name, document), good(name))
    add.domain(
        "sts-untrusted-web",
        add.policy("sts-untrusted-web", policy("sts-untrusted-web"), [leaf("x", None)]),
        good("sts-untrusted-web"),
    )
    add.domain(
        "sts-bad-cert", add.policy("sts-bad-cert", policy("sts-bad-cert")), [leaf("mx.sts-bad-cert.lab", STRANGER)]
    )
    add.domain("sts-bad-name", add.policy("sts-bad-name", policy("sts-bad-name")), [leaf("other.example"), MIDDLE])
    add.domain("sts-no-tls", add.policy("sts-no-tls", policy("sts-no-tls")))
    two = add.policy("sts-two", policy("sts-two")) + '_mta-sts 60 IN TXT "v=STSv1; id=2"\n'
    add.domain("sts-two", two, good("sts-two"))
    add.domain("sts-no-id", '_mta-sts 60 IN TXT "v=STSv1;"\n', good("sts-no-id"))


def _senders(add: Scenes) -> None:
    own = leaf("mx.example")
    rest = (
        DomainCheck.TLS_RPT,
        DomainCheck.SPF,
        DomainCheck.DMARC,
        DomainCheck.DKIM,
        DomainCheck.REVERSE_DNS,
        DomainCheck.DNSBL,
    )

    def judged(name: str, records: str, *checks: DomainCheck, **settings: object) -> str:
        return add.domain(name, records, [own], checks=checks or rest, **settings)  # type: ignore[arg-type] # of `Domain`

    spf = DomainCheck.SPF
    judged("spf-good", '@ 60 IN TXT "v=spf1 mx -all"\n', spf)
    judged("spf-missing", '@ 60 IN TXT "hello"\n', spf)
    judged("spf-two", '@ 60 IN TXT "v=spf1 mx -all"\n@ 60 IN TXT "v=spf1 -all"\n', spf)
    judged("spf-syntax", '@ 60 IN TXT "v=spf1 mx ip4:1.2.3 -all"\n', spf)
    judged("spf-open", '@ 60 IN TXT "v=spf1 +all"\n', spf)
    judged("spf-not-allowed", '@ 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"\n', spf)
    judged("spf-include-missing", '@ 60 IN TXT "v=spf1 mx include:none.spf-good.lab -all"\n', spf)
    many = "".join(f'include:i{n}.spf-many.lab " "' for n in range(11))
    inner = "".join(f'i{n} 60 IN TXT "v=spf1 -all"\n' for n in range(11))
    judged("spf-many", f'@ 60 IN TXT "v=spf1 mx {many}-all"\n{inner}', spf)
    void = "a:n1.spf-void.lab a:n2.spf-void.lab a:n3.spf-void.lab"
    judged("spf-void", f'@ 60 IN TXT "v=spf1 {void} mx -all"\n', spf)
    dmarc = DomainCheck.DMARC
    judged("dmarc-good", '_dmarc 60 IN TXT "v=DMARC1; p=reject; rua=mailto:x@dmarc-good.lab"\n', dmarc)
    judged("dmarc-missing", "", dmarc)
    judged("dmarc-none", '_dmarc 60 IN TXT "v=DMARC1; p=none"\n', dmarc)
    judged("dmarc-syntax", '_dmarc 60 IN TXT "v=DMARC1; p=maybe"\n', dmarc)
    judged("dmarc-two", '_dmarc 60 IN TXT "v=DMARC1; p=none"\n_dmarc 60 IN TXT "v=DMARC1; p=reject"\n', dmarc)
    consent = "dmarc-agreed.lab._report._dmarc"
    judged("dmarc-taker", f'{consent} 60 IN TXT "v=DMARC1"\n_dmarc 60 IN TXT "v=DMARC1; p=reject"\n', dmarc)
    judged("dmarc-agreed", '_dmarc 60 IN TXT "v=DMARC1; p=reject; rua=mailto:x@dmarc-taker.lab"\n', dmarc)
    judged("dmarc-unasked", '_dmarc 60 IN TXT "v=DMARC1; p=reject; rua=mailto:x@dmarc-taker.lab"\n', dmarc)
    _keys_of_dkim(judged)
    _lists(add, judged)


def _keys_of_dkim(judged: object) -> None:
    assert callable(judged)

    def key(bits: int) -> str:
        der = (
            rsa.generate_private_key(65537, bits)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        data = b64encode(der).decode()
        return f'"v=DKIM1; k=rsa; p={data[:100]}" "{data[100:300]}" "{data[300:]}"'

    records = {"good": key(2048), "weak": key(1024), "revoked": '"v=DKIM1; p="', "broken": '"v=DKIM1; p=AAAA"'}
    for name, record in records.items():
        text = f"s1._domainkey 60 IN TXT {record}\n"
        judged(f"dkim-{name}", text, DomainCheck.DKIM, dkim_selectors=("s1",))
    judged("dkim-missing", "", DomainCheck.DKIM, dkim_selectors=("s1",))


def _lists(add: Scenes, judged: object) -> None:
    assert callable(judged)
    listed, clean = "45.67.200.1", "45.67.200.2"
    test = "2.0.0.127 60 IN A 127.0.0.2\n"
    add.lab.zones += [
        Zone("lab", "", signed=False),
        Zone("bl.lab", test + '1.200.67.45 60 IN A 127.0.0.3\n1.200.67.45 60 IN TXT "spam"\n', signed=False),
        Zone("bl-dead.lab", "1.200.67.45 60 IN A 127.0.0.2\n", signed=False),
        Zone("bl-all.lab", "* 60 IN A 127.0.0.2\n", signed=False),
        Zone("bl-refuses.lab", "* 60 IN A 127.255.255.254\n", signed=False),
        Zone("67.45.in-addr.arpa", "1.200 60 IN PTR a.ptr-good.lab.\n2.200 60 IN PTR b.ptr-good.lab.\n", signed=False),
    ]
    zones = ("bl.lab", "bl-dead.lab", "bl-all.lab", "bl-refuses.lab")
    judged("listed", "", DomainCheck.DNSBL, senders=(listed, clean), dnsbl=zones)
    judged("clean", "", DomainCheck.DNSBL, senders=(clean,), dnsbl=("bl.lab",))
    judged("lists-useless", "", DomainCheck.DNSBL, senders=(clean,), dnsbl=zones[1:])
    names = f"a 60 IN A {listed}\nb 60 IN A 45.67.200.9\n"
    judged("ptr-good", names, DomainCheck.REVERSE_DNS, senders=(listed,))
    judged("ptr-unconfirmed", "", DomainCheck.REVERSE_DNS, senders=(clean,))
    judged("ptr-missing", "", DomainCheck.REVERSE_DNS, senders=("45.67.200.3",))
    rpt = DomainCheck.TLS_RPT
    judged("rpt-good", '_smtp._tls 60 IN TXT "v=TLSRPTv1; rua=mailto:x@rpt-good.lab"\n', rpt)
    judged("rpt-none", "", rpt)
    judged("rpt-bad", '_smtp._tls 60 IN TXT "v=TLSRPTv1; rua=x"\n', rpt)
    judged(
        "rpt-two",
        '_smtp._tls 60 IN TXT "v=TLSRPTv1; rua=mailto:a@b.c"\n_smtp._tls 60 IN TXT "v=TLSRPTv1; rua=mailto:b@b.c"\n',
        rpt,
    )
    add.domain("everything", '@ 60 IN TXT "v=spf1 mx -all"\n', [own_of("everything")], checks=ALL_CHECKS)


def own_of(name: str) -> Party:
    """A good certificate for the MX host of a domain."""
    return leaf(f"mx.{name}.lab")
