from __future__ import annotations

import yaml

from exporter.config.load import parse
from exporter.config.yaml_output import render

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

EVERYTHING = """\
defaults: {interval: 90s, labels: {team: mail}}
credentials:
  file: {username: "CORP\\\\monitor", password_file: /run/secrets/monitor}
  env: {username: monitor@example.com, password_env: MONITOR_PASSWORD}
  inline: {username: "yes", password: "hunter2"}
endpoints:
  - name: 'inbound: "first"'
    url: imaps://mail.example.com
    credentials: file
    mechanism: PLAIN
    ip_family: ipv6
    addresses: all
    source_address: 2001:db8::1
    proxy: SOCKS5://[2001:DB8::7]:1080
    tls: {verify: false, server_name: other.example.com, min_version: TLSv1.3}
    expect:
      capabilities: [IDLE, AUTH=PLAIN]
      fingerprints: [sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]
    mailbox: Entw\u00fcrfe
  - url: smtp://[2001:db8::2]:2525
    timeout: 500ms
    encryption: none
    credentials: inline
    allow_insecure_auth: true
    labels: {site: "no", note: "a 'b' \\"c\\" \\\\ \U0001f4e7"}
    helo: "[192.0.2.1]"
    mail_from: monitor@example.com
    rcpt_to: postmaster@example.com
    rcpt_expect: [550, 554]
dns: {nameservers: [192.0.2.53, "[2001:db8::53]:5353"], timeout: 2s, search: [example.com]}
limits: {concurrent_probes: 64}
"""


def test_the_configuration_in_force_is_shown_without_secrets_and_with_defaults_applied() -> None:
    expected = """\
credentials:
  file: {username: "CORP\\\\monitor", password_file: "/run/secrets/monitor"}
  env: {username: "monitor@example.com", password_env: MONITOR_PASSWORD}
  inline: {username: "yes", password: "<redacted>"}
endpoints:
  - name: "inbound: \\"first\\""
    protocol: imap
    host: mail.example.com
    port: 993
    encryption: tls
    interval: 1m30s
    timeout: 15s
    labels: {team: mail}
    credentials: file
    mechanism: PLAIN
    ip_family: ipv6
    source_address: "2001:db8::1"
    proxy: "socks5://[2001:db8::7]:1080"
    tls: {verify: false, server_name: other.example.com, min_version: TLSv1.3}
    expect: {capabilities: [IDLE, "AUTH=PLAIN"], fingerprints: [EMPTY]}
    mailbox: "Entw\u00fcrfe"
    addresses: all
  - name: "smtp://[2001:db8::2]:2525"
    protocol: smtp
    host: "2001:db8::2"
    port: 2525
    encryption: none
    interval: 1m30s
    timeout: 500ms
    labels: {note: "a 'b' \\"c\\" \\\\ \U0001f4e7", site: "no", team: mail}
    credentials: inline
    allow_insecure_auth: true
    helo: "[192.0.2.1]"
    mail_from: "monitor@example.com"
    rcpt_to: "postmaster@example.com"
    rcpt_expect: [550, 554]
dns: {nameservers: ["192.0.2.53:53", "[2001:db8::53]:5353"], timeout: 2s, search: [example.com]}
limits: {concurrent_probes: 64, connections_per_host: 4, on_demand_probes: 16}
login_backoff: {initial: 5m, max: 1h}
"""
    assert expected.replace("EMPTY", EMPTY) == "".join(render(parse(EVERYTHING, "f")))


def test_what_is_shown_loads_again_and_means_the_same() -> None:
    first = parse(EVERYTHING, "f")
    second = parse("".join(render(first)), "f")
    assert [e.name for e in first.endpoints] == [e.name for e in second.endpoints]
    without_inline = EVERYTHING.replace('password: "hunter2"', "password_env: HUNTER")
    first = parse(without_inline, "f")
    second = parse("".join(render(first)), "f")
    assert (first.endpoints, first.credentials, first.dns, first.limits) == (
        second.endpoints,
        second.credentials,
        second.dns,
        second.limits,
    )


def test_other_readers_of_yaml_find_the_same_text() -> None:
    shown = yaml.safe_load("".join(render(parse(EVERYTHING, "f"))))
    assert {"note": "a 'b' \"c\" \\ \U0001f4e7", "site": "no", "team": "mail"} == shown["endpoints"][1]["labels"]
    assert "yes" == shown["credentials"]["inline"]["username"]


def test_a_configuration_without_credentials_shows_none() -> None:
    assert "credentials" not in "".join(render(parse("endpoints: [{url: imaps://h}]", "f")))
