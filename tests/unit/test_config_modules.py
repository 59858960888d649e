from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.config.configuration import Module
from exporter.config.load import parse
from exporter.config.yaml_output import render
from exporter.model import Encryption, Endpoint, Limits, Mechanism, Protocol
from tests.unit.test_config_rendering import EVERYTHING

WITH_DEFAULTS = """\
defaults:
  timeout: 7s
  labels: {team: mail}
  ip_family: ipv4
  helo: probe.example.com
  proxy: "socks5://proxy.example.com:1080"
  tls: {min_version: TLSv1.3}
  credentials: monitor
  mechanism: PLAIN
  mailbox: INBOX
  rcpt_to: postmaster@example.com
  expect: {capabilities: [IDLE]}
  allow_insecure_auth: true
  encryption: opportunistic
  protocol: pop3
credentials:
  monitor: {username: monitor@example.com, password_env: MONITOR}
endpoints: [{url: imaps://mail.example.com}]
"""


def module(written: str, before: str = "endpoints: [{url: imaps://mail.example.com}]\n") -> Module:
    return parse(f"{before}modules: {{one: {written}}}\n", "f").modules["one"]


def target(endpoint: Endpoint) -> tuple[str, str, int, Encryption]:
    return endpoint.name, endpoint.host, endpoint.port, endpoint.encryption


def test_there_are_no_modules_unless_they_are_written() -> None:
    assert {} == parse("endpoints: [{url: imaps://h}]", "f").modules


@pytest.mark.parametrize(
    ("written", "asked", "expected"),
    [
        ("{url: imaps://}", "h", ("imaps://h", "h", 993, Encryption.TLS)),
        ("{url: imaps://}", "H.Example.", ("imaps://h.example", "h.example", 993, Encryption.TLS)),
        ("{url: imaps://}", "h:1993", ("imaps://h:1993", "h", 1993, Encryption.TLS)),
        ("{url: imaps://}", "imaps://h", ("imaps://h", "h", 993, Encryption.TLS)),
        ("{url: imaps://}", "192.0.2.1:993", ("imaps://192.0.2.1", "192.0.2.1", 993, Encryption.TLS)),
        ("{url: imaps://}", "2001:db8::1", ("imaps://[2001:db8::1]", "2001:db8::1", 993, Encryption.TLS)),
        ("{url: imaps://}", "[2001:db8::1]", ("imaps://[2001:db8::1]", "2001:db8::1", 993, Encryption.TLS)),
        ("{url: imaps://}", "[2001:db8::1]:99", ("imaps://[2001:db8::1]:99", "2001:db8::1", 99, Encryption.TLS)),
        (
            "{url: imaps://}",
            "bücher.example",
            ("imaps://xn--bcher-kva.example", *("xn--bcher-kva.example", 993), Encryption.TLS),
        ),
        ("{url: 'imaps://:1993'}", "h", ("imaps://h:1993", "h", 1993, Encryption.TLS)),
        ("{url: 'imaps://:1993'}", "imaps://h", ("imaps://h", "h", 993, Encryption.TLS)),
        ("{url: smtp://}", "h", ("smtp://h", "h", 25, Encryption.STARTTLS)),
        ("{url: smtp://}", "h:587", ("submission://h", "h", 587, Encryption.STARTTLS)),
        ("{url: smtp://}", "submission://h", ("submission://h", "h", 587, Encryption.STARTTLS)),
        ("{url: submissions://}", "smtps://h", ("submissions://h", "h", 465, Encryption.TLS)),
        ("{url: smtp://, encryption: none}", "smtp://h", ("smtp://h", "h", 25, Encryption.NONE)),
        ("{protocol: pop3}", "h", ("pop3://h", "h", 110, Encryption.STARTTLS)),
        ("{protocol: pop3, port: 995}", "h", ("pop3s://h", "h", 995, Encryption.TLS)),
        ("{protocol: imap, encryption: tls}", "h", ("imaps://h", "h", 993, Encryption.TLS)),
    ],
)
def test_a_target_becomes_an_endpoint_called_by_its_url(
    written: str, asked: str, expected: tuple[str, str, int, Encryption]
) -> None:
    assert expected == target(module(written).endpoint(asked))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("", "is missing; write target=mail.example.com"),
        ("smtp://h", "smtp:// is not what the module one is for; write imaps://, or only the host"),
        ("imap://h", "imap:// is not what the module one is for"),
        ("https://h", '"https" is not a mail scheme'),
        ("imaps://h/inbox", "leave out the path"),
        ("imaps://user:hunter2@h", "cannot contain a user or password"),
        ("user:hunter2@h", "cannot contain a user or password"),
        ("h:0", "port 0 is outside 1 to 65535"),
        ("h:65536", "port 65536 is outside"),
        ("h:imap", '":" cannot be in one'),
        ("h/inbox", '"/" cannot be in one'),
        ("h h", '" " cannot be in one'),
        ("h\r\nX: y", "cannot be in one"),
        ("2130706433", "is neither a complete IPv4 address nor a name"),
        ("0x7f.0.0.1", "is neither a complete IPv4 address nor a name"),
        ("0177.0.0.1", "is neither a complete IPv4 address nor a name"),
        ("127.1:993", "is neither a complete IPv4 address nor a name"),
        ("fe80::1%lo", "has a zone after the %"),
        ("[fe80::1%lo]:993", "has a zone after the %"),
    ],
)
def test_what_is_no_target_is_refused_with_what_to_write(asked: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        module("{url: imaps://}").endpoint(asked)
    assert "hunter2" not in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_a_host_in_the_url_is_the_target_of_those_who_name_none_and_the_only_one() -> None:
    one = module("{url: 'imaps://mail.example.com:1993'}")

    assert ("imaps://mail.example.com:1993", *("mail.example.com", 1993), Encryption.TLS) == target(one.endpoint(""))
    assert one.allowed is not None
    assert one.allowed.objection("mail.example.com") is None
    assert one.allowed.objection("mail.example.org") is not None


def test_a_module_without_allowed_targets_allows_all_and_is_warned_of() -> None:
    configuration = parse("endpoints: [{url: imaps://h}]\nmodules: {open: {url: imaps://}}\n", "f")

    assert configuration.modules["open"].allowed is None
    assert ["f:2: modules.open: anyone who can reach /probe can have any server probed; "] == [
        str(warning).partition("write")[0] for warning in configuration.warnings
    ]


def test_of_the_defaults_those_hold_that_are_about_the_way_to_a_server() -> None:
    template = module("{url: smtp://, allowed_targets: [h]}", WITH_DEFAULTS).template

    assert "socks5://proxy.example.com:1080" == str(template.proxy)
    assert (7.0, {"team": "mail"}, "ipv4", "probe.example.com", "TLSv1.3") == (
        template.timeout,
        template.labels,
        template.ip_family,
        template.helo,
        template.tls.min_version,
    )
    assert (None, Mechanism.AUTO, False, None, (), Encryption.STARTTLS, Protocol.SMTP) == (
        template.credentials,
        template.mechanism,
        template.allow_insecure_auth,
        template.rcpt_to,
        template.capabilities,
        template.encryption,
        template.protocol,
    )


def test_a_module_says_itself_what_is_done_at_the_target() -> None:
    one = module(
        "{url: imaps://, credentials: monitor, mailbox: INBOX, timeout: 2m, allowed_targets: [h, 192.0.2.0/24]}",
        WITH_DEFAULTS,
    )
    endpoint = one.endpoint("h")

    assert endpoint.credentials is not None
    assert ("monitor", "INBOX", 120.0) == (endpoint.credentials.name, endpoint.mailbox, endpoint.timeout)


def test_the_bound_on_probes_that_are_asked_for_is_read() -> None:
    assert (
        Limits(on_demand_probes=3) == parse("endpoints: [{url: imaps://h}]\nlimits: {on_demand_probes: 3}", "f").limits
    )


MODULES = """\
modules:
  imaps: {url: imaps://, credentials: env, allowed_targets: ["*.example.com", 192.0.2.7, 2001:db8::/32]}
  open: {url: 'smtp://:2525', encryption: none, timeout: 500ms, rcpt_to: postmaster@example.com}
  one: {url: imaps://mail.example.com, tls: {verify: false}}
"""


def test_modules_are_shown_in_the_configuration_in_force() -> None:
    expected = """\
modules:
  imaps:
    url: "imaps://"
    encryption: tls
    timeout: 15s
    labels: {team: mail}
    credentials: env
    allowed_targets: ["*.example.com", "192.0.2.7", "2001:db8::/32"]
  open:
    url: "smtp://:2525"
    encryption: none
    timeout: 500ms
    labels: {team: mail}
    rcpt_to: "postmaster@example.com"
  one:
    url: "imaps://mail.example.com"
    encryption: tls
    timeout: 15s
    labels: {team: mail}
    tls: {verify: false}
    allowed_targets: [mail.example.com]
"""
    assert expected in "".join(render(parse(EVERYTHING + MODULES, "f")))


def test_modules_as_they_are_shown_load_again_and_mean_the_same() -> None:
    first = parse(EVERYTHING + MODULES, "f")
    assert first.modules == parse("".join(render(first)), "f").modules


def test_the_modules_on_the_page_for_those_who_come_from_blackbox_exporter_load() -> None:
    page = (Path(__file__).parents[2] / "docs" / "from-blackbox-exporter.md").read_text()
    here = page.partition("### Here\n")[2]
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", here, re.DOTALL) if "modules:" in block]

    loaded = [parse(f"endpoints: [{{url: imaps://h}}]\n{block}", "f").modules for block in blocks]

    assert [["imaps", "pop3s", "smtp_starttls"], ["imaps_login"]] == [list(modules) for modules in loaded]
