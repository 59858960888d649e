"""What endpoints become once URL, fields and defaults are put together."""

from __future__ import annotations

import datetime as dt
import os
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from exporter.config import contradictions
from exporter.config.configuration import Configuration
from exporter.config.load import load, parse
from exporter.config.problems import ConfigurationError
from exporter.config.values.secret_sources import EnvSecret, FileSecret, InlineSecret
from exporter.config.yaml_output import render
from exporter.model import (
    Addresses,
    Credentials,
    DnsSettings,
    Encryption,
    Endpoint,
    IpFamily,
    Limits,
    Mechanism,
    Protocol,
    Secret,
    TlsPolicy,
    TlsVersion,
)

URL = "url: imaps://mail.example.com"
CREDENTIALS = "credentials: {monitor: {username: m, password_env: M}, other: {username: o, password_env: O}}"


def one(endpoint: str, defaults: str = "", *sections: str) -> Endpoint:
    """The endpoint that a file with one of them describes."""
    text = "\n".join([*sections, f"defaults: {{{defaults}}}", f"endpoints: [{{{endpoint}}}]"])
    (read,) = parse(text, "/etc/mail-exporter/config.yaml").endpoints
    return read


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "f")
    return [str(problem) for problem in raised.value.problems]


def test_a_url_is_enough() -> None:
    expected = Endpoint("imaps://mail.example.com", Protocol.IMAP, "mail.example.com", 993, Encryption.TLS)
    assert expected == one(URL)


@pytest.mark.parametrize(
    "written",
    [
        "url: imaps://mail.example.com.",
        "protocol: imap, host: mail.example.com., port: 993",
        "protocol: imap, host: mail.example.com\N{IDEOGRAPHIC FULL STOP}, port: 993",
    ],
)
def test_a_final_dot_makes_the_name_absolute_and_changes_nothing_else(written: str) -> None:
    with_dot = one(written)
    assert (True, "mail.example.com.") == (with_dot.absolute, with_dot.lookup_name)
    assert one(URL) == replace(with_dot, absolute=False)
    assert "mail.example.com" == with_dot.server_name


def test_a_final_dot_survives_being_shown() -> None:
    text = "endpoints: [{url: imaps://mail.}]\nmodules: {m: {url: imaps://mail.}}\n"
    read = parse(text, "f")
    again = parse("".join(render(read)), "f")
    assert read.endpoints == again.endpoints
    assert read.modules == again.modules
    assert [True, True] == [again.endpoints[0].absolute, again.modules["m"].template.absolute]


def test_the_name_of_an_address_is_the_same_with_every_python() -> None:
    assert "imaps://[::ffff:192.0.2.1]" == one('url: "imaps://[::FFFF:c000:0201]"').name


def test_no_search_domains_is_something_else_than_the_systems() -> None:
    read = [parse(f"endpoints: [{{{URL}}}]\n{dns}", "f").dns.search for dns in ("", "dns: {search: []}")]
    assert [None, ()] == read


@pytest.mark.parametrize(
    ("fields", "port", "encryption", "name"),
    [
        ("protocol: imap, host: h", 143, "starttls", "imap://h"),
        ("protocol: imap, host: h, port: 993", 993, "tls", "imaps://h"),
        ("protocol: imap, host: h, encryption: tls", 993, "tls", "imaps://h"),
        ("protocol: imap, host: h, port: 1143", 1143, "starttls", "imap://h:1143"),
        ("protocol: imap, host: h, port: 1143, encryption: tls", 1143, "tls", "imaps://h:1143"),
        ("protocol: smtp, host: h", 25, "starttls", "smtp://h"),
        ("protocol: smtp, host: h, encryption: opportunistic", 25, "opportunistic", "smtp://h"),
        ("protocol: smtp, host: h, port: 587", 587, "starttls", "submission://h"),
        ("protocol: smtp, host: h, port: 465", 465, "tls", "submissions://h"),
        ("protocol: smtp, host: h, encryption: tls", 465, "tls", "submissions://h"),
        ("protocol: pop3, host: '2001:db8::1', encryption: none", 110, "none", "pop3://[2001:db8::1]"),
    ],
)
def test_fields_fill_each_other_in(fields: str, port: int, encryption: str, name: str) -> None:
    endpoint = one(fields)
    assert (port, encryption, name) == (endpoint.port, endpoint.encryption, endpoint.name)


def test_protocol_and_encryption_of_the_defaults_hold_for_fields_and_not_for_urls() -> None:
    defaults = "protocol: pop3, encryption: none"
    assert ("pop3", "none", 110) == _target(one("host: h", defaults))
    assert ("imap", "tls", 993) == _target(one(URL, defaults))


def _target(endpoint: Endpoint) -> tuple[str, str, int]:
    return endpoint.protocol, endpoint.encryption, endpoint.port


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("url: 'smtp://h', encryption: opportunistic", ("smtp", "opportunistic", 25)),
        ("url: 'imap://h', encryption: none", ("imap", "none", 143)),
        ("url: 'imap://h:993', encryption: tls", ("imap", "tls", 993)),
        ("url: 'imaps://h:143', encryption: starttls", ("imap", "starttls", 143)),
        ("url: 'imaps://h', encryption: tls", ("imap", "tls", 993)),
    ],
)
def test_encryption_beside_a_url_overrides_its_scheme(endpoint: str, expected: tuple[str, str, int]) -> None:
    assert expected == _target(one(endpoint))


def test_defaults_hold_unless_the_endpoint_says_otherwise() -> None:
    defaults = "interval: 30s, timeout: 10s, ip_family: ipv6, allow_insecure_auth: true, credentials: monitor"
    inherited = one(URL, defaults, CREDENTIALS)
    assert (30.0, 10.0, "ipv6", True, "m") == _some(inherited)
    own = "interval: 2m, timeout: 1m, ip_family: any, allow_insecure_auth: false, credentials: other"
    assert (120.0, 60.0, "any", False, "o") == _some(one(f"{URL}, {own}", defaults, CREDENTIALS))


def test_the_addresses_of_a_host_are_one_server_unless_the_endpoint_or_the_defaults_say_otherwise() -> None:
    assert Addresses.FIRST is one(URL).addresses
    assert Addresses.ALL is one(f"{URL}, addresses: all").addresses
    assert Addresses.ALL is one(URL, "addresses: all").addresses
    assert Addresses.FIRST is one(f"{URL}, addresses: first", "addresses: all").addresses
    assert one(URL, "addresses: all").only_address is None


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_fingerprints_of_the_defaults_pass_by_where_there_may_be_no_certificate() -> None:
    defaults = f"expect: {{fingerprints: [{EMPTY}, {EMPTY.upper()}]}}"
    assert (EMPTY,) == one(URL, defaults).fingerprints
    assert (EMPTY,) == one("url: 'imap://h'", defaults).fingerprints
    assert () == one("url: 'imap://h', encryption: none", defaults).fingerprints
    assert () == one("url: 'imap://h', encryption: opportunistic", defaults).fingerprints
    assert () == one(f"{URL}, expect: {{fingerprints: []}}", defaults).fingerprints


def _some(endpoint: Endpoint) -> tuple[Any, ...]:
    user = endpoint.credentials.username if endpoint.credentials else None
    return endpoint.interval, endpoint.timeout, endpoint.ip_family, endpoint.allow_insecure_auth, user


def test_a_key_without_value_takes_back_the_default() -> None:
    defaults = (
        "interval: 30s, timeout: 10s, credentials: monitor, mailbox: INBOX, tls: {server_name: a}, "
        "labels: {team: mail}, expect: {capabilities: [IDLE]}"
    )
    endpoint = one(
        f"{URL}, interval: , timeout: , credentials: , mailbox: ~, tls: null, labels: , expect: ", defaults, CREDENTIALS
    )
    assert one(URL) == endpoint


def test_labels_are_added_to_those_of_the_defaults_and_an_empty_one_is_none() -> None:
    endpoint = one(f"{URL}, labels: {{site: b, tier: '1', rack: ''}}", "labels: {team: mail, site: a, rack: x}")
    assert {"team": "mail", "site": "b", "tier": "1"} == endpoint.labels


def test_labels_cannot_be_changed() -> None:
    labels: Any = one(f"{URL}, labels: {{site: a}}").labels
    with pytest.raises(TypeError):
        labels["site"] = "b"


def test_tls_and_expect_are_laid_over_the_defaults_key_by_key() -> None:
    defaults = "tls: {verify: false, server_name: A.example, min_version: TLSv1.3}, expect: {capabilities: [IDLE]}"
    endpoint = one(f"{URL}, tls: {{server_name: b.example, min_version: null}}, expect: {{}}", defaults)
    assert TlsPolicy(verify=False, server_name="b.example", min_version=TlsVersion.TLS1_2) == endpoint.tls
    assert ("IDLE",) == endpoint.capabilities


def test_defaults_for_one_protocol_pass_the_others_by() -> None:
    defaults = (
        "mailbox: INBOX, helo: probe.example, mail_from: a@example.com, rcpt_to: b@example.com, rcpt_expect: [550], "
        "mechanism: USERPASS, credentials: monitor"
    )
    imap = one(URL, defaults, CREDENTIALS)
    assert ("INBOX", None, "", None, (), Mechanism.AUTO) == _particulars(imap)
    smtp = one("url: 'smtp://h'", defaults, CREDENTIALS)
    expected = (None, "probe.example", "a@example.com", "b@example.com", (550,), Mechanism.AUTO)
    assert expected == _particulars(smtp)
    pop3 = one("url: 'pop3s://h'", defaults, CREDENTIALS)
    assert (None, None, "", None, (), Mechanism.USERPASS) == _particulars(pop3)


def _particulars(endpoint: Endpoint) -> tuple[Any, ...]:
    return (
        endpoint.mailbox,
        endpoint.helo,
        endpoint.mail_from,
        endpoint.rcpt_to,
        endpoint.rcpt_expect,
        endpoint.mechanism,
    )


def test_expected_replies_of_the_defaults_wait_for_a_recipient() -> None:
    assert () == one("url: 'smtp://h'", "rcpt_expect: [550]").rcpt_expect
    assert (550,) == one("url: 'smtp://h', rcpt_to: a@example.com", "rcpt_expect: [550]").rcpt_expect


def test_a_timeout_that_nobody_wrote_fits_into_a_short_interval() -> None:
    assert (5.0, 5.0) == (one(f"{URL}, interval: 5s").interval, one(f"{URL}, interval: 5s").timeout)


def test_the_built_in_defaults_are_those_of_the_model() -> None:
    endpoint = Endpoint("n", Protocol.IMAP, "h", 993, Encryption.TLS)
    assert (contradictions.DEFAULT_INTERVAL, contradictions.DEFAULT_TIMEOUT) == (endpoint.interval, endpoint.timeout)


@pytest.mark.parametrize(("source", "family"), [("192.0.2.1", IpFamily.IPV4), ("'2001:DB8::1'", IpFamily.IPV6)])
def test_a_source_address_decides_the_family(source: str, family: IpFamily) -> None:
    assert family is one(f"{URL}, source_address: {source}").ip_family


def test_a_proxy_of_the_defaults_can_be_taken_back() -> None:
    text = """\
defaults: {proxy: "socks5://Proxy.Example.com:1080"}
endpoints:
  - url: imaps://a.example.com
  - {url: "imaps://b.example.com", proxy: "http://192.0.2.7:3128"}
  - {url: "imaps://c.example.com", proxy: }
"""
    shown = [None if each.proxy is None else str(each.proxy) for each in parse(text, "f").endpoints]
    assert ["socks5://proxy.example.com:1080", "http://192.0.2.7:3128", None] == shown


def test_a_source_address_towards_a_proxy_says_nothing_of_the_server_s_family() -> None:
    proxied = one('url: "imaps://[2001:db8::1]", source_address: 192.0.2.1, proxy: "socks5://192.0.2.7:1080"')
    assert (IpFamily.ANY, IpFamily.ANY) == (proxied.ip_family, proxied.lookup_family)


def test_an_address_that_the_defaults_cannot_reach_is_a_problem_of_its_endpoint() -> None:
    text = """\
defaults: {source_address: 192.0.2.1}
endpoints:
  - url: imaps://mail.example.com
  - url: imaps://[2001:db8::1]
  - {host: "2001:db8::2", protocol: imap}
  - {url: "imaps://[2001:db8::3]", source_address: }
"""
    message = (
        "the defaults' source_address cannot be used to reach an ipv6 address; write source_address: and no value here"
    )
    assert [f"f:4: url: {message}", f"f:5: host: {message}"] == problems(text)


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


def test_a_bad_value_that_aliases_spread_is_one_problem() -> None:
    text = "endpoints:\n  - &a {url: imaps://a, interval: 5}\n  - {<<: *a, url: imaps://b}\n"
    assert ['f:2: interval: "5" is not a duration; write 5s'] == problems(text)


def test_a_bad_default_is_one_problem_however_many_endpoints_there_are() -> None:
    endpoints = "".join(f"  - url: imaps://mail{number}.example.com\n" for number in range(100))
    text = "defaults:\n  interval: 10s\n  timeout: 20s\n  credentials: x\n  tls: {ca_file: no.pem}\n"
    places = [problem.split(": ")[0:2] for problem in problems(f"{text}endpoints:\n{endpoints}")]
    assert [["f:3", "defaults.timeout"], ["f:4", "defaults.credentials"], ["f:5", "defaults.tls.ca_file"]] == places


def test_what_follows_from_a_problem_is_no_problem_of_its_own() -> None:
    text = """\
defaults: {interval: 5, timeout: 20s, credentials: broken}
credentials: {broken: {username: m}}
endpoints:
  - {url: imaps://a/b, mechanism: PLAIN}
  - {host: a b, protocol: imap, mechanism: plain}
  - {host: h, protocol: ipma, name: ""}
  - {url: smtp://h, rcpt_to: nobody, rcpt_expect: [550]}
"""
    places = [problem.split(": ")[0:2] for problem in problems(text)]
    assert [
        ["f:1", "defaults.interval"],
        ["f:2", "credentials.broken"],
        ["f:4", "url"],
        ["f:5", "host"],
        ["f:5", "mechanism"],
        ["f:6", "name"],
        ["f:6", "protocol"],
        ["f:7", "rcpt_to"],
    ] == places


def test_both_lines_of_a_name_that_is_used_twice_are_said() -> None:
    text = "endpoints:\n- url: imaps://a\n  name: x\n- url: imaps://b\n- url: imaps://c\n  name: x\n"
    message = 'name: "x" is the name of the endpoint at line 3 too; write a name for one of them'
    assert [f"f:6: {message}"] == problems(text)


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


def _warnings(configuration: Configuration) -> list[str]:
    return [str(warning).removeprefix(f"{configuration.files[0]}:") for warning in configuration.warnings]


def test_a_secret_that_is_no_file_is_not_told_to_change_its_mode(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o644)
    file = tmp_path / "config.yaml"
    file.write_text(
        """\
credentials:
  a: {username: m, password_file: pipe}
  b: {username: m, password_file: .}
endpoints:
  - {name: a, url: imaps://h, credentials: a}
  - {name: b, url: imaps://h, credentials: b}
"""
    )
    assert [
        f'2: credentials.a.password_file: "{tmp_path}/pipe" is not a regular file; logins fail until it is',
        f'3: credentials.b.password_file: "{tmp_path}" is not a regular file; logins fail until it is',
    ] == _warnings(load(file))


def test_what_works_but_deserves_a_look_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "private").touch(mode=0o600)
    (tmp_path / "public").touch()
    (tmp_path / "public").chmod(0o644)
    file = tmp_path / "config.yaml"
    file.write_text(
        """\
credentials:
  inline: {username: m, password: hunter2}
  private: {username: m, password_file: private}
  public: {username: m, password_file: public}
  missing: {username: m, password_file: missing}
endpoints:
  - {url: imaps://a, tls: {verify: false}}
  - {url: imap://b, encryption: none, credentials: private}
  - {url: imap://c, encryption: none, credentials: private, allow_insecure_auth: true}
  - {url: imap://d, encryption: none}
  - {name: used, url: imaps://e, credentials: inline}
  - {name: also, url: imaps://e, credentials: public}
  - {name: too, url: imaps://e, credentials: missing}
"""
    )
    see = f'"{tmp_path}/public"'
    assert [
        ("2: credentials.inline.password: a password in the configuration is in plain text; use password_file instead"),
        f"4: credentials.public.password_file: every user of this machine may read {see}; better chmod o-r",
        (
            f'5: credentials.missing.password_file: "{tmp_path}/missing" cannot be read at present '
            "(No such file or directory); logins fail until it can"
        ),
        "7: tls.verify: a bad certificate will not fail the probe; better trust its authority by ca_file",
        "8: encryption: a login is not sent without TLS; use encryption: starttls instead",
        "9: encryption: the password is sent in plain text; use encryption: starttls instead",
    ] == _warnings(load(file))


def test_a_scheme_that_does_not_fit_its_port_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        """\
endpoints:
  - url: imap://h:993
  - url: submissions://h:587
  - {name: fields, protocol: pop3, host: h, port: 995, encryption: starttls}
  - {name: plain, url: pop3://h:995, encryption: tls}
  - url: imap://h:1993
  - url: imaps://h
  - {name: opportunistic, url: smtp://h, encryption: opportunistic}
"""
    )
    assert [
        "2: url: port 993 usually wants imaps://",
        "3: url: port 587 usually wants submission://",
        "4: port: port 995 usually wants pop3s://",
    ] == _warnings(load(file))


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an authority, and a client's certificate and key in files of several kinds."""
    directory = tmp_path_factory.mktemp("pem")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    client, other = authority.issue_cert("client.example.com"), authority.issue_cert("other.example.com")
    client.cert_chain_pems[0].write_to_path(directory / "client.pem")
    client.private_key_pem.write_to_path(directory / "client.key")
    client.private_key_and_cert_chain_pem.write_to_path(directory / "both.pem")
    other.private_key_pem.write_to_path(directory / "other.key")
    (directory / "last.pem").write_bytes(client.cert_chain_pems[0].bytes() + client.private_key_pem.bytes())
    key = load_pem_private_key(client.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    (directory / "locked.key").write_bytes(locked)
    (directory / "broken.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (directory / "serial1.pem").write_bytes(_with_serial_1())
    (directory / "huge.pem").touch()
    os.truncate(directory / "huge.pem", 4 * 1024 * 1024 + 1)
    return directory


def _with_serial_1() -> bytes:
    """A certificate of an authority."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _with_tls(pem: Path, tls: str) -> Configuration:
    return parse(f"endpoints: [{{url: imaps://h, tls: {{{tls}}}}}]", str(pem / "config.yaml"))


@pytest.mark.parametrize(
    "files",
    [
        {"ca_file": "ca.pem"},
        {"client_cert_file": "client.pem", "client_key_file": "client.key"},
        {"client_cert_file": "both.pem"},
        {"client_cert_file": "last.pem"},
    ],
)
def test_certificate_files_are_found_beside_the_configuration(pem: Path, files: dict[str, str]) -> None:
    tls = _with_tls(pem, ", ".join(f"{key}: {name}" for key, name in files.items())).endpoints[0].tls
    assert {key: pem / name for key, name in files.items()} == {key: getattr(tls, key) for key in files}


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ("ca_file: client.key", 'ca_file: "{}/client.key" holds no certificate in PEM; name a file with one'),
        ("ca_file: huge.pem", 'ca_file: "{}/huge.pem" is larger than 4194304 bytes; name a PEM file'),
        (
            "client_cert_file: client.pem",
            'client_cert_file: "{}/client.pem" holds no private key in PEM; write its file as client_key_file',
        ),
        (
            "client_cert_file: client.pem, client_key_file: other.key",
            'client_cert_file: the private key in "{}/other.key" belongs to another certificate; name its own',
        ),
        (
            "client_cert_file: client.pem, client_key_file: locked.key",
            'client_cert_file: the private key in "{}/locked.key" is encrypted; write it without',
        ),
        (
            "client_cert_file: client.pem, client_key_file: broken.key",
            'client_cert_file: the private key in "{}/broken.key" cannot be read; write it in PEM',
        ),
    ],
)
def test_certificate_files_that_would_fail_every_probe_are_problems(pem: Path, tls: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _with_tls(pem, tls)
    assert [f"tls.{message.format(pem)}"] == [problem.message for problem in raised.value.problems]


def test_a_certificate_file_is_looked_into_once(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    original = Path.open

    def count(path: Path, *arguments: Any, **keywords: Any) -> Any:
        opened.append(path)
        return original(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "open", count)
    endpoints = "".join(f"  - url: imaps://mail{number}.example.com\n" for number in range(50))
    parse(f"defaults: {{tls: {{ca_file: ca.pem}}}}\nendpoints:\n{endpoints}", str(pem / "config.yaml"))
    assert [pem / "ca.pem"] == opened


def test_an_authority_whose_serial_number_is_negative_is_one_as_it_is_in_collections_of_systems(pem: Path) -> None:
    der = x509.load_pem_x509_certificate((pem / "serial1.pem").read_bytes()).public_bytes(Encoding.DER)
    version_and_serial = b"\xa0\x03\x02\x01\x02\x02\x01"
    assert 1 == der.count(version_and_serial + b"\x01")
    der = der.replace(version_and_serial + b"\x01", version_and_serial + b"\x80")
    (pem / "negative.pem").write_text(ssl.DER_cert_to_PEM_cert(der))
    assert pem / "negative.pem" == _with_tls(pem, "ca_file: negative.pem").endpoints[0].tls.ca_file
