"""What each source says becomes offers, offers become endpoints, and these a configuration. Without a network."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import pytest

from exporter.config.load import parse
from exporter.config.values.allowed import AllowedTargets, parse_allowed
from exporter.domains.discovery import autoconfig_document
from exporter.domains.discovery.agreement import agrees, disagreements
from exporter.domains.discovery.autoconfig_document import DocumentError, parse_document
from exporter.domains.discovery.dns_records import Mx, Srv, mx_answer, srv_offers
from exporter.domains.discovery.offers import Answered, Offer, merge
from exporter.domains.discovery.pacc import digest_matches, parse_pacc
from exporter.domains.discovery.presets import preset_answer
from exporter.domains.discovery.written import configuration
from exporter.domains.registrable import registrable_domain, same_owner
from exporter.domains.target_rule import DomainTargetRule
from exporter.model import Encryption, Protocol, Source

PROVIDERS = json.loads((Path(__file__).parents[1] / "data/mail-providers.json").read_text())
"""What Mozilla's ISPDB says of some domains: protocol, host, port and encryption of each server."""

SERVERS = (
    ("incoming", "imap", "imap.%EMAILDOMAIN%", 993, "SSL"),
    ("incoming", "pop3", "POP.example.com", 110, "STARTTLS"),
    ("incoming", "jmap", "x.example.com", 443, "SSL"),
    ("outgoing", "smtp", "smtp.example.com", 587, "plain"),
)
DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?><clientConfig version="1.1"><emailProvider id="example.com">'
    + "".join(
        f'<{way}Server type="{kind}"><hostname>{host}</hostname><port>{port}</port><socketType>{tls}</socketType>'
        f"</{way}Server>"
        for way, kind, host, port, tls in SERVERS
    )
    + "</emailProvider></clientConfig>"
)


def mx(*records: Mx, implicit: bool = False) -> Answered:
    return mx_answer(records, "example.com", ttl=300.0, secure=False, implicit=implicit)


def names(offers: object) -> list[str]:
    assert isinstance(offers, tuple | list)
    return [offer.name for offer in offers]


class TestMx:
    def test_hosts_come_in_the_order_of_preference(self) -> None:
        found = mx(Mx(20, "b.example.com"), Mx(10, "a.example.com"))
        assert (True, ["smtp://a.example.com", "smtp://b.example.com"]) == (found.success, names(found.offers))
        assert [(10, True), (20, True)] == [(offer.priority, offer.relay) for offer in found.offers]

    def test_a_null_mx_is_an_answer(self) -> None:
        found = mx(Mx(0, ""))
        assert (True, (), False) == (found.success, found.offers, found.failed)
        assert "takes no mail" in found.problem

    def test_a_domain_without_any_is_its_own_if_it_has_an_address(self) -> None:
        assert ["smtp://example.com"] == names(mx(implicit=True).offers)
        assert (False, ()) == ((found := mx()).success, found.offers)

    @pytest.mark.parametrize("host", ["192.0.2.1", "a b.example", "x" * 64 + ".example", "\\032.example", "a..b"])
    def test_what_is_no_host_costs_itself(self, host: str) -> None:
        found = mx(Mx(5, host), Mx(10, "a.example.com"))
        assert (["smtp://a.example.com"], True) == (names(found.offers), found.malformed)
        assert found.problem.isprintable()


class TestSrv:
    def test_servers_come_by_priority_and_weight(self) -> None:
        records = [Srv(1, 5, 993, "c.example"), Srv(0, 1, 993, "b.example"), Srv(0, 9, 1993, "a.example")]
        offers, wrong = srv_offers("_imaps", records, secure=True)
        assert ["imaps://a.example:1993", "imaps://b.example", "imaps://c.example"] == names(offers)
        assert ([], {True}) == (wrong, {offer.secure for offer in offers})

    @pytest.mark.parametrize(
        ("service", "name"),
        [
            ("_submission", "submission://m.example"),
            ("_submissions", "submissions://m.example"),
            ("_imap", "imap://m.example"),
            ("_imaps", "imaps://m.example"),
            ("_pop3", "pop3://m.example"),
            ("_pop3s", "pop3s://m.example"),
        ],
    )
    def test_every_service_has_its_protocol(self, service: str, name: str) -> None:
        ports = {"_submission": 587, "_submissions": 465, "_imap": 143, "_imaps": 993, "_pop3": 110, "_pop3s": 995}
        assert [name] == names(srv_offers(service, [Srv(0, 0, ports[service], "m.example")], secure=False)[0])

    def test_a_dot_says_that_there_is_none(self) -> None:
        assert ([], []) == srv_offers("_pop3", [Srv(0, 0, 0, "")], secure=False)

    @pytest.mark.parametrize("record", [Srv(0, 0, 0, "m.example"), Srv(0, 0, 993, "192.0.2.1"), Srv(0, 0, 993, "a b")])
    def test_what_is_no_server_is_told(self, record: Srv) -> None:
        offers, wrong = srv_offers("_imaps", [record], secure=False)
        assert ([], 1) == (offers, len(wrong))


class TestAutoconfig:
    def test_places_are_asked_in_the_drafts_order(self) -> None:
        assert [
            "https://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=a%2Bb@example.com",
            "https://autoconfig.example.com/mail/config-v1.1.xml",
            "https://example.com/.well-known/autoconfig/mail/config-v1.1.xml",
        ] == autoconfig_document.own_urls("example.com", "a+b@example.com")

    def test_the_address_is_told_only_if_a_person_gave_one(self) -> None:
        assert not any("emailaddress" in url for url in autoconfig_document.own_urls("example.com", None))

    def test_without_tls_it_is_a_source_of_its_own(self) -> None:
        assert ["http://autoconfig.example.com/mail/config-v1.1.xml"] == autoconfig_document.own_urls(
            "example.com", None, scheme="http"
        )

    @pytest.mark.parametrize(
        ("host", "domains"),
        [
            ("mx1.mail.hoster.co.uk", ["mail.hoster.co.uk", "hoster.co.uk"]),
            ("mx.hoster.example", ["hoster.example", "hoster.example"]),
            ("hoster.example", ["hoster.example"]),
            ("com", []),
            ("192.0.2.1", []),
        ],
    )
    def test_whoever_hosts_the_domain_is_asked_by_full_and_base_domain(self, host: str, domains: list[str]) -> None:
        assert domains == autoconfig_document.mx_domains(host, registrable_domain(host))

    def test_a_document_names_servers(self) -> None:
        offers = parse_document(DOCUMENT.encode(), Source.AUTOCONFIG, "example.com", None)
        assert ["imaps://imap.example.com", "pop3://pop.example.com", "submission://smtp.example.com"] == names(offers)
        assert Encryption.NONE is offers[2].encryption

    def test_placeholders_cannot_make_a_host_of_an_address(self) -> None:
        spoilt = DOCUMENT.replace("imap.%EMAILDOMAIN%", "%EMAILADDRESS%")
        offers = parse_document(spoilt.encode(), Source.AUTOCONFIG, "example.com", "u@evil.example/x")
        assert [Protocol.POP3, Protocol.SMTP] == [offer.protocol for offer in offers]

    @pytest.mark.parametrize(
        "document",
        [
            pytest.param("<clientConfig/>", id="no server"),
            pytest.param("<html/>", id="another root"),
            pytest.param(DOCUMENT[:-9], id="cut short"),
            pytest.param("", id="empty"),
            pytest.param('<!DOCTYPE x [<!ENTITY a "b">]>' + DOCUMENT[38:], id="an entity"),
            pytest.param('<!DOCTYPE x SYSTEM "file:///etc/passwd">' + DOCUMENT[38:], id="a DTD"),
            pytest.param("<a>" * 5000 + "</a>" * 5000, id="too deep"),
            pytest.param("<clientConfig>" + " " * 70_000 + "</clientConfig>", id="too long"),
            pytest.param('<?xml version="1.0" encoding="x-none"?><clientConfig/>', id="an encoding that is none"),
        ],
    )
    def test_what_is_no_such_document_is_an_error(self, document: str) -> None:
        with pytest.raises(DocumentError):
            parse_document(document.encode(), Source.AUTOCONFIG, "example.com", None)

    def test_a_bomb_of_entities_does_not_go_off(self) -> None:
        layers = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        bomb = f'<!DOCTYPE b [<!ENTITY l0 "lol">{layers}]><clientConfig>&l9;</clientConfig>'
        with pytest.raises(DocumentError):
            parse_document(bomb.encode(), Source.AUTOCONFIG, "example.com", None)

    def test_many_servers_are_bounded(self) -> None:
        one = DOCUMENT[DOCUMENT.index("<incomingServer") : DOCUMENT.index("</incomingServer>") + 17]
        many = DOCUMENT.replace(one, "".join(one.replace("993", str(n)) for n in range(1, 100)), 1)
        assert (
            len(parse_document(many.encode(), Source.AUTOCONFIG, "example.com", None))
            <= autoconfig_document.MAX_SERVERS
        )


class TestPacc:
    BODY = b'{"protocols": {"imap": {"host": "imap.example.com"}, "submit": {"host": "smtp.example.com"}}}'

    def test_hosts_come_without_ports(self) -> None:
        assert ["imaps://imap.example.com", "submissions://smtp.example.com"] == names(parse_pacc(self.BODY))

    def test_the_name_of_an_older_draft_is_told(self) -> None:
        with pytest.raises(DocumentError, match="version 02"):
            parse_pacc(b'{"protocols": {"smtp": {"host": "smtp.example.com"}}}')

    def test_the_digest_is_that_of_one_of_the_records(self) -> None:
        digest = b64encode(hashlib.sha256(self.BODY).digest()).decode()
        other = b64encode(bytes(32)).decode()
        good, bad = f"v=UAAC1; a=sha256; d={digest}", f"v=UAAC1; a=sha256; d={other}"
        ordered = f"x=later;d={digest} ;a=SHA256;v=UAAC1;"
        assert [True, True, False, None] == [
            digest_matches(self.BODY, texts)
            for texts in ([good], [bad, ordered], [bad], ["v=UAAC1; a=md5; d=x", "hello"])
        ]
        assert (
            digest_matches(self.BODY, ["v=UAAC1; a=sha256; d=n\u00f6t", "v=UAAC1; a=sha256; d=!", "v=UAAC1; x"]) is None
        )


def test_presets_name_servers_that_the_ispdb_has() -> None:
    unknown = []
    for domain in sorted(PROVIDERS):
        found = preset_answer(domain, ())
        known = {tuple(server.replace("%EMAILDOMAIN%", domain).split()[:2]) for server in PROVIDERS[domain]}
        if not found.success or not {(offer.protocol.value, offer.host) for offer in found.offers} <= known:
            unknown.append(domain)

    assert [] == unknown


@pytest.mark.parametrize(
    ("mx", "host"),
    [
        ("example-com.mail.protection.outlook.com", "outlook.office365.com"),
        ("aspmx.l.google.com", "imap.gmail.com"),
        ("in1-smtp.messagingengine.com", "imap.fastmail.com"),
    ],
)
def test_presets_are_found_by_mx_hosts(mx: str, host: str) -> None:
    assert host in {offer.host for offer in preset_answer("example.com", [mx]).offers}


def test_an_unknown_domain_has_no_preset() -> None:
    assert not preset_answer("example.com", ["mx.example.net", "com", ""]).success


def offer(source: Source, url: str, **more: object) -> Offer:
    scheme, _, host = url.partition("://")
    protocol, port, encryption = {
        "imaps": (Protocol.IMAP, 993, Encryption.TLS),
        "imap": (Protocol.IMAP, 143, Encryption.STARTTLS),
        "submission": (Protocol.SMTP, 587, Encryption.STARTTLS),
        "smtp": (Protocol.SMTP, 25, Encryption.STARTTLS),
    }[scheme]
    return Offer(source, protocol, host, port, encryption, **more)  # type: ignore[arg-type] # of the tests below


def said(source: Source, *urls: str, **more: object) -> Answered:
    return Answered(source, success=True, offers=tuple(offer(source, url, **more) for url in urls))


def test_what_several_sources_say_is_one_endpoint() -> None:
    found = merge([said(Source.SRV, "imaps://a", priority=3), said(Source.AUTOCONFIG, "imaps://a", "submission://a")])
    assert [("imaps://a", ("srv", "autoconfig")), ("submission://a", ("autoconfig",))] == [
        (each.offer.name, each.sources) for each in found
    ]


def test_sources_that_name_different_servers_disagree() -> None:
    answers = [
        said(Source.MX, "smtp://mx"),
        said(Source.SRV, "imaps://a", "submission://a"),
        said(Source.AUTOCONFIG, "imaps://a", "imap://a", "submission://b"),
        said(Source.PRESETS, "imap://a"),
    ]
    told = disagreements(answers)
    assert [
        "submission: srv says submission://a, autoconfig says submission://b",
        "IMAP: srv says imaps://a, presets says imap://a",
    ] == told
    assert [None, False, False, False] == [agrees(each.source, answers) for each in answers]


def test_a_source_that_is_alone_neither_agrees_nor_disagrees() -> None:
    assert agrees(Source.SRV, [said(Source.SRV, "imaps://a"), said(Source.MX, "smtp://mx")]) is None


def test_a_source_without_ports_is_compared_by_host() -> None:
    answers = [said(Source.SRV, "imap://a"), said(Source.PACC, "imaps://a", portless=True)]
    assert ([], True) == (disagreements(answers), agrees(Source.PACC, answers))


def test_the_configuration_is_one_that_check_accepts() -> None:
    plain = Offer(Source.AUTOCONFIG, Protocol.POP3, "mail.example.com", 110, Encryption.NONE)
    odd = Offer(Source.SRV, Protocol.IMAP, "mail.example.com", 1143, Encryption.TLS)
    answers = [said(Source.MX, "smtp://mx.example.com", relay=True), said(Source.SRV, "imaps://mail.example.com")]
    answers.append(Answered(Source.SRV, success=True, offers=(plain, odd)))
    written = configuration("example.com", merge(answers))
    read = parse(written, "f")
    assert written.startswith("endpoints:\n")
    assert [
        ("smtp://mx.example.com", "starttls", False),
        ("imaps://mail.example.com", "tls", True),
        ("pop3://mail.example.com", "none", True),
        ("imaps://mail.example.com:1143", "tls", True),
    ] == [(each.name, each.encryption.value, each.tls.verify) for each in read.endpoints]


def test_nothing_makes_no_configuration() -> None:
    assert "" == configuration("example.com", [])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("example.com", "mail.example.com", True),
        ("a.example.co.uk", "b.example.co.uk", True),
        ("a.co.uk", "b.co.uk", False),
        ("example.com", "example.org", False),
        ("com", "com", False),
        ("example.com", "notexample.com", False),
    ],
)
def test_who_owns_a_name(one: str, other: str, same: bool) -> None:
    assert same is same_owner(one, other)


def rule(*allowed: str) -> DomainTargetRule:
    return DomainTargetRule(AllowedTargets(tuple(map(parse_allowed, allowed))) if allowed else None)


@pytest.mark.parametrize(
    ("allowed", "host", "address", "permitted"),
    [
        ([], "mx.example.com", "45.67.1.1", True),
        ([], "mx.example.com", "127.0.0.1", False),
        ([], "mx.example.com", "10.0.0.1", False),
        ([], "mx.example.com", "169.254.169.254", False),
        ([], "mx.example.com", "100.64.0.1", False),
        ([], "mx.example.com", "224.0.0.1", False),
        ([], "mx.example.com", "::1", False),
        ([], "mx.example.com", "fe80::1", False),
        ([], "mx.example.com", "fd00::1", False),
        ([], "mx.example.com", "::ffff:10.0.0.1", False),
        ([], "mx.example.com", "64:ff9b::a00:1", False),
        ([], "mx.example.com", "2002:a00:1::", False),
        (["10.0.0.0/8"], "mx.example.com", "10.0.0.1", True),
        (["10.0.0.0/8"], "mx.example.com", "192.168.0.1", False),
        (["10.0.0.0/8"], "mx.example.com", "45.67.1.1", True),
        (["mx.example.com"], "mx.example.com", "127.0.0.1", True),
        (["*.example.com"], "mx.example.com", "10.0.0.1", True),
        (["*.example.com"], "mx.example.com", "127.0.0.1", False),
        (["*.example.com"], "mx.example.org", "10.0.0.1", False),
    ],
)
def test_where_records_of_others_may_lead(allowed: list[str], host: str, address: str, permitted: bool) -> None:
    assert permitted is bool(rule(*allowed).permitted(host, [address]))
    assert permitted is (rule(*allowed).objection(host, [address]) is None)


def test_one_bad_address_is_left_out_for_probes_and_is_too_much_for_documents() -> None:
    addresses = ["45.67.1.1", "127.0.0.1"]
    assert ("45.67.1.1",) == rule().permitted("mx.example.com", addresses)
    assert "mx.example.com leads to 127.0.0.1" in (rule().objection("mx.example.com", addresses) or "")
