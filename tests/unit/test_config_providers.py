from __future__ import annotations

from pathlib import Path

import pytest

from deploy.providers_page import reference
from exporter.config.configuration import Configuration
from exporter.config.load import parse
from exporter.config.providers import all_presets, find_preset
from exporter.config.yaml_output import render
from exporter.model import Encryption, Mechanism, Protocol, SecretKind

ROOT = Path(__file__).parents[2]


def servers(name: str) -> dict[str, tuple[str, int, str]]:
    return {s.protocol.value: (s.host, s.port, s.encryption.value) for s in find_preset(name).servers}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["office365", "office365.com", "Microsoft365", "m365"],
            {
                "smtp": ("smtp.office365.com", 587, "starttls"),
                "imap": ("outlook.office365.com", 993, "tls"),
                "pop3": ("outlook.office365.com", 995, "tls"),
            },
        ),
        (
            ["gmail", "google", "gmail.com", "GoogleMail.com"],
            {
                "smtp": ("smtp.gmail.com", 465, "tls"),
                "imap": ("imap.gmail.com", 993, "tls"),
                "pop3": ("pop.gmail.com", 995, "tls"),
            },
        ),
        (
            ["outlook", "hotmail", "hotmail.com", "outlook.com", "msn.com"],
            {
                "smtp": ("smtp-mail.outlook.com", 587, "starttls"),
                "imap": ("outlook.office365.com", 993, "tls"),
                "pop3": ("outlook.office365.com", 995, "tls"),
            },
        ),
        (
            ["icloud", "me.com", "icloud.com", "apple"],
            {"smtp": ("smtp.mail.me.com", 587, "starttls"), "imap": ("imap.mail.me.com", 993, "tls")},
        ),
        (
            ["yahoo", "yahoo.com", "ymail.com"],
            {
                "smtp": ("smtp.mail.yahoo.com", 465, "tls"),
                "imap": ("imap.mail.yahoo.com", 993, "tls"),
                "pop3": ("pop.mail.yahoo.com", 995, "tls"),
            },
        ),
        (
            ["fastmail", "messagingengine", "fastmail.com"],
            {
                "smtp": ("smtp.fastmail.com", 465, "tls"),
                "imap": ("imap.fastmail.com", 993, "tls"),
                "pop3": ("pop.fastmail.com", 995, "tls"),
            },
        ),
        (
            ["gmx", "gmx.net", "gmx.de"],
            {
                "smtp": ("mail.gmx.net", 465, "tls"),
                "imap": ("imap.gmx.net", 993, "tls"),
                "pop3": ("pop.gmx.net", 995, "tls"),
            },
        ),
        (
            ["gmx.com", "gmx.co.uk"],
            {
                "smtp": ("mail.gmx.com", 465, "tls"),
                "imap": ("imap.gmx.com", 993, "tls"),
                "pop3": ("pop.gmx.com", 995, "tls"),
            },
        ),
    ],
)
def test_a_provider_goes_by_its_id_a_common_name_or_a_mail_domain(
    names: list[str], expected: dict[str, tuple[str, int, str]]
) -> None:
    for name in names:
        assert (name, expected) == (name, servers(name))


def test_no_name_means_two_providers() -> None:
    presets = all_presets()
    names = [n for p in presets for n in {n.casefold() for n in (p.name, *p.also, *p.domains)}]

    assert 163 == len(presets)
    assert len(set(names)) == len(names)


def test_every_provider_is_found_by_everything_it_is_called() -> None:
    for preset in all_presets():
        for name in (preset.name, *preset.also, *preset.domains):
            assert preset.name == find_preset(name).name


def test_every_provider_has_servers_and_one_for_each_protocol() -> None:
    for preset in all_presets():
        protocols = [server.protocol for server in preset.servers]
        assert protocols
        assert len(set(protocols)) == len(protocols)
        assert preset.domains
        assert preset.title


def test_a_host_that_depends_on_the_mail_domain_takes_the_one_that_was_named() -> None:
    assert ("mail.inbox.eu", 993, "tls") == servers("inbox.eu")["imap"]
    assert ("mail.inbox.lv", 993, "tls") == servers("inbox.lv")["imap"]
    assert ("mx4.tiki.ne.jp", 110, "opportunistic") == servers("mx4.tiki.ne.jp")["pop3"]


@pytest.mark.parametrize(
    ("slip", "near"), [("gmial", "gmail"), ("outlok.com", "outlook.com"), ("ofice365", "office365")]
)
def test_a_slip_is_answered_with_the_nearest_names(slip: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean .*{near}"):
        find_preset(slip)


def test_a_name_that_is_like_none_is_told_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"write its servers as url instead; docs/providers\.md lists all"):
        find_preset("x" * 100_000)


def test_the_reference_is_up_to_date() -> None:
    assert reference() == (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")


def test_every_row_of_the_reference_has_four_columns() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(all_presets()) == len(rows)
    assert {4} == {row.replace("\\|", "").count("|") - 1 for row in rows}


def endpoints(text: str) -> Configuration:
    return parse("credentials: {m: {username: m, password_env: PATH}}\nendpoints:\n" + text, "f")


def test_an_entry_stands_for_an_endpoint_of_each_protocol() -> None:
    found = endpoints("  - {provider: gmail, interval: 90s, labels: {site: x}}").endpoints

    assert ["submissions://smtp.gmail.com", "imaps://imap.gmail.com", "pop3s://pop.gmail.com"] == [
        e.name for e in found
    ]
    assert {("gmail", 90.0, "x")} == {(e.provider, e.interval, e.labels["site"]) for e in found}


def test_a_name_goes_before_the_protocol_even_if_there_is_only_one() -> None:
    found = endpoints("  - {provider: icloud, name: apple}\n  - {provider: gmail, name: work, protocols: [imap]}")

    assert ["apple-smtp", "apple-imap", "work-imap"] == [endpoint.name for endpoint in found.endpoints]


def test_an_endpoint_that_is_written_out_has_no_provider() -> None:
    assert endpoints("  - url: imaps://imap.gmail.com").endpoints[0].provider is None


def test_keys_for_one_protocol_hold_for_that_one() -> None:
    smtp, imap, pop3 = endpoints(
        "  - {provider: gmail, mailbox: INBOX, rcpt_to: a@example.com, mechanism: APOP, credentials: m}"
    ).endpoints

    assert (None, "INBOX", None) == (smtp.mailbox, imap.mailbox, pop3.mailbox)
    assert ("a@example.com", None, None) == (smtp.rcpt_to, imap.rcpt_to, pop3.rcpt_to)
    assert (Mechanism.AUTO, Mechanism.AUTO, Mechanism.APOP) == (smtp.mechanism, imap.mechanism, pop3.mechanism)


def test_the_defaults_encryption_does_not_change_a_provider_s() -> None:
    text = "defaults: {encryption: none, protocol: smtp}\nendpoints: [{provider: gmail, protocols: [imap]}]"
    (endpoint,) = parse(text, "f").endpoints
    assert (Protocol.IMAP, Encryption.TLS) == (endpoint.protocol, endpoint.encryption)


def test_a_server_that_wants_no_login_gets_none() -> None:
    smtp, pop3 = endpoints("  - {provider: kokuyou.ne.jp, credentials: m}").endpoints

    assert (Protocol.SMTP, None) == (smtp.protocol, smtp.credentials)
    assert pop3.credentials is not None


def test_a_password_for_a_provider_that_wants_tokens_is_a_warning() -> None:
    configuration = endpoints("  - {provider: office365, protocols: [imap, smtp], credentials: m}")

    assert [
        f"f:3: credentials: Microsoft 365 takes access tokens and no passwords for {protocol}; "
        "write oauth2 in those credentials"
        for protocol in ("imap", "smtp")
    ] == list(map(str, configuration.warnings))


def test_a_provider_that_takes_both_is_no_warning() -> None:
    assert {SecretKind.PASSWORD, SecretKind.TOKEN} == find_preset("gmail").servers[0].logins
    assert () == endpoints("  - {provider: gmail, credentials: m}").warnings


def test_the_configuration_in_force_tells_the_preset_and_loads_again() -> None:
    first = endpoints("  - {provider: office365, name: contoso, protocols: [imap]}")
    second = parse("".join(render(first)), "f")

    assert "  # from the preset office365\n  - name: contoso-imap\n" in "".join(render(first))
    assert ["contoso-imap"] == [endpoint.name for endpoint in second.endpoints]
