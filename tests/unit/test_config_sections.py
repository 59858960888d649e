from __future__ import annotations

from pathlib import Path

from exporter.config.load import load, parse
from exporter.config.values.secret_sources import EnvSecret, FileSecret, InlineSecret
from exporter.model import (
    Credentials,
    DnsSettings,
    Limits,
    Secret,
)


def test_credentials_say_where_the_password_is_relative_to_the_file() -> None:
    configuration = parse(
        """\
credentials:
  a: {username: a, password_file: secrets/a}
  b: {username: b, password_file: /run/b}
  c: {username: c, password_env: C_PASSWORD}
  d: {username: 0123, password: 007}
  e:
    username: e
    password: |
      pa$$word
endpoints: [{url: imaps://h, credentials: a}]
""",
        "/etc/mail-exporter/config.yaml",
    )
    a = Credentials("a", "a", FileSecret(Path("/etc/mail-exporter/secrets/a")))
    expected = (
        a,
        Credentials("b", "b", FileSecret(Path("/run/b"))),
        Credentials("c", "c", EnvSecret("C_PASSWORD")),
        Credentials("d", "0123", InlineSecret(Secret(b"007"))),
        Credentials("e", "e", InlineSecret(Secret(b"pa$$word"))),
    )
    assert expected == configuration.credentials
    assert a == configuration.endpoints[0].credentials


def test_what_is_equal_is_one_object() -> None:
    configuration = parse(
        """\
defaults: {labels: {team: mail}, tls: {server_name: mail.example.com}, credentials: m, interval: 90s}
credentials: {m: {username: m, password_env: M}}
endpoints:
  - {url: imaps://a, labels: {site: x}, expect: {capabilities: [IDLE]}}
  - {url: imaps://b, labels: {site: x}, expect: {capabilities: [IDLE]}}
  - {url: imaps://c, labels: {site: x, team: mail}, expect: {capabilities: [IDLE]}, interval: 1m30s}
""",
        "f",
    )
    for attribute in ("labels", "tls", "credentials", "capabilities", "interval", "timeout", "rcpt_expect"):
        assert 1 == len({id(getattr(endpoint, attribute)) for endpoint in configuration.endpoints})


def test_aliases_and_merge_keys_write_an_endpoint_once() -> None:
    configuration = parse(
        """\
endpoints:
  - &imap
    url: imaps://a.example.com
    labels: {site: a}
    interval: 30s
  - <<: *imap
    url: imaps://b.example.com
""",
        "f",
    )
    a, b = configuration.endpoints
    assert ("imaps://b.example.com", a.labels, a.interval) == (b.name, b.labels, b.interval)


def test_dns_and_limits_are_the_system_s_and_ours_unless_set() -> None:
    configuration = parse("endpoints: [{url: imaps://h}]", "f")
    assert (DnsSettings(), Limits()) == (configuration.dns, configuration.limits)


def test_dns_and_limits_can_be_set() -> None:
    configuration = parse(
        "endpoints: [{url: imaps://h}]\n"
        "dns: {nameservers: [192.0.2.53, '[2001:db8::53]:5353'], timeout: 2s, search: [Example.com]}\n"
        "limits: {concurrent_probes: 64, connections_per_host: }\n",
        "f",
    )
    assert DnsSettings((("192.0.2.53", 53), ("2001:db8::53", 5353)), 2.0, ("example.com",)) == configuration.dns
    assert Limits(concurrent_probes=64) == configuration.limits


def test_empty_sections_are_as_good_as_none() -> None:
    text = "defaults:\ncredentials:\ndns:\nlimits:\nendpoints: [{url: imaps://h, tls: {}, labels: {}}]"
    assert parse("endpoints: [{url: imaps://h}]", "f") == parse(text, "f")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"\xef\xbb\xbfendpoints:\r\n  - url: imaps://h\r\n")
    assert "imaps://h" == load(file).endpoints[0].name
