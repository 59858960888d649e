from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter.config.configuration import Configuration
from exporter.config.load import load, parse
from exporter.config.problems import ConfigurationError


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "f")
    return [str(problem) for problem in raised.value.problems]


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


def warnings(configuration: Configuration) -> list[str]:
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
    ] == warnings(load(file))


def test_what_works_but_deserves_a_look_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("hunter2")
    (tmp_path / "private").chmod(0o600)
    (tmp_path / "public").write_text("hunter2")
    (tmp_path / "public").chmod(0o644)
    (tmp_path / "empty").touch(mode=0o600)
    file = tmp_path / "config.yaml"
    file.write_text(
        """\
credentials:
  inline: {username: m, password: hunter2}
  private: {username: m, password_file: private}
  public: {username: m, password_file: public}
  missing: {username: m, password_file: missing}
  empty: {username: m, password_file: empty}
  unset: {username: m, password_env: MAIL_EXPORTER_TEST_UNSET}
  set: {username: m, password_env: PATH}
endpoints:
  - {url: imaps://a, tls: {verify: false}}
  - {url: imap://b, encryption: none, credentials: private}
  - {url: imap://c, encryption: none, credentials: private, allow_insecure_auth: true}
  - {url: imap://d, encryption: none}
  - {name: used, url: imaps://e, credentials: inline}
  - {name: also, url: imaps://e, credentials: public}
  - {name: too, url: imaps://e, credentials: missing}
  - {name: four, url: imaps://e, credentials: empty}
  - {name: five, url: imaps://e, credentials: unset}
  - {name: six, url: imaps://e, credentials: set}
"""
    )
    see = f'"{tmp_path}/public"'
    assert [
        ("2: credentials.inline.password: a password in the configuration is in plain text; use password_file instead"),
        f"4: credentials.public.password_file: every user of this machine can read {see}; use chmod o-r",
        (
            f'5: credentials.missing.password_file: "{tmp_path}/missing" cannot be read at present '
            "(No such file or directory); logins fail until it can"
        ),
        f'6: credentials.empty.password_file: "{tmp_path}/empty" is empty; logins fail until it is not',
        (
            "7: credentials.unset.password_env: the variable MAIL_EXPORTER_TEST_UNSET is not set here; "
            "logins fail if the daemon has none either"
        ),
        "10: tls.verify: a bad certificate will not fail the probe; better trust its authority by ca_file",
        "11: encryption: a login is not sent without TLS; use encryption: starttls instead",
        "12: encryption: the password is sent in plain text; use encryption: starttls instead",
    ] == warnings(load(file))


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
  - url: smtp://h:993
  - url: pop3s://h:465
  - url: imap://h:25
modules: {m: {url: "imap://:995", allowed_targets: [h]}}
"""
    )
    assert [
        "2: url: port 993 usually wants imaps://",
        "3: url: port 587 usually wants submission://",
        "4: port: port 995 usually wants pop3s://",
        "9: url: port 993 usually wants imaps://",
        "10: url: port 465 usually wants submissions://",
        "11: url: port 25 usually wants smtp://",
        "12: modules.m.url: port 995 usually wants pop3s://",
    ] == warnings(load(file))


def test_a_domain_whose_judgements_may_overlap_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "domains:\n"
        "  - {name: a.example, interval: 10s, timeout: 11s}\n"
        "  - {name: b.example, interval: 10s, timeout: 10s}\n"
        # Its timeout is longer as well, but nobody wrote it.
        "  - {name: c.example, interval: 10s}\n"
        "  - {name: d.example, timeout: 10m}\n"
    )

    told = "is longer than the interval of 10s, so that a slow judgement makes the next one be skipped"
    assert [f"2: timeout: {told}; write timeout: 10s or less"] == warnings(load(file))
