from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it brings no types
import pytest
import yaml

from exporter.config.load import parse
from exporter.config.problems import ConfigurationError
from exporter.config.schema import json_schema
from exporter.config.values.durations import parse_duration
from exporter.model import (
    DnsSettings,
    Encryption,
    Endpoint,
    IpFamily,
    Limits,
    LoginBackoff,
    Mechanism,
    OAuth2Provider,
    Protocol,
    TlsPolicy,
)
from exporter.protocol.protocols import with_key

ROOT = Path(__file__).parents[2]
SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def keys(schema: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key of the file with what the schema says about it, by its path; names that users choose are left out."""
    if "$ref" in schema:
        yield from keys(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], *path)
    for option in schema.get("anyOf", []):
        yield from keys(option, *path)
    for below in ("items", "additionalProperties"):
        if isinstance(schema.get(below), dict):
            yield from keys(schema[below], *path)
    for name, value in schema.get("properties", {}).items():
        yield (*path, name), value
        yield from keys(value, *path, name)


KEYS = dict(keys(SCHEMA))


def test_the_schema_is_valid_itself() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_every_key_says_what_it_means_and_shows_an_example() -> None:
    assert [] == [
        ".".join(key) for key, said in KEYS.items() if not said["description"].endswith(".") or not said["examples"]
    ]


def test_every_key_refuses_what_it_does_not_know() -> None:
    sections = [section for section in [SCHEMA, *SCHEMA["$defs"].values()] if "properties" in section]
    assert {False} == {section["additionalProperties"] for section in sections}


@pytest.mark.parametrize("kind", [Protocol, Encryption, Mechanism, IpFamily, OAuth2Provider])
def test_closed_sets_are_listed(kind: Any) -> None:
    assert [member.value for member in kind] == SCHEMA["$defs"][kind.__name__]["enum"]


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("endpoints", Endpoint),
        ("defaults", Endpoint),
        ("dns", DnsSettings),
        ("limits", Limits),
        ("login_backoff", LoginBackoff),
        ("tls", TlsPolicy),
    ],
)
def test_the_defaults_that_the_schema_tells_are_the_program_s(section: str, model: type) -> None:
    path = ("endpoints", "tls") if section == "tls" else (section,)
    defaults = {field.name: field.default for field in fields(model)}
    told = {key[-1]: value["default"] for key, value in KEYS.items() if key[:-1] == path and key[-1] in defaults}
    assert told
    for key, written in told.items():
        if written in (None, [], {}) or key in ("name", "host", "port", "protocol", "encryption"):
            continue
        value = parse_duration(written) if key in ("interval", "timeout", "initial") else written
        assert (key, defaults[key]) == (key, value)


def test_every_example_is_good_to_the_schema() -> None:
    for key, value in KEYS.items():
        for example in value["examples"]:
            part = jsonschema.Draft202012Validator({**value, "$defs": SCHEMA["$defs"]})
            assert (key, []) == (key, list(part.iter_errors(example)))


MINIMAL = {"endpoints": [{"url": "imaps://mail.example.com"}]}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"endpoints": [{}]},
        {"endpoints": [{"url": "imaps://h", "host": "h"}]},
        {"endpoints": [{"url": "https://h"}]},
        {"endpoints": [{"url": "imaps://u:p@h"}]},
        {"endpoints": [{"url": "imaps://h/"}]},
        {"endpoints": [{"host": "a b", "protocol": "imap"}]},
        {"endpoints": [{"host": "h", "protocol": "imap", "port": 0}]},
        {"endpoints": [{"url": "imaps://h", "interval": 60}]},
        {"endpoints": [{"url": "imaps://h", "interval": "60"}]},
        {"endpoints": [{"url": "imaps://h", "tls": {"verfy": False}}]},
        {"endpoints": [{"url": "imaps://h", "labels": {"a-b": "c"}}]},
        {"endpoints": [{"url": "imaps://h", "labels": {"job": "c"}}]},
        {"endpoints": [{"url": "imaps://h", "labels": {"team": ["c"]}}]},
        {"endpoints": [{"url": "imaps://h", "encryption": "startls"}]},
        {"endpoints": [{"url": "smtp://h", "rcpt_to": "a@b", "rcpt_expect": [100]}]},
        {**MINIMAL, "defaults": {"url": "imaps://h"}},
        {**MINIMAL, "credentials": {"m": {"password_env": "M"}}},
        {**MINIMAL, "credentials": {"m": {"username": "m", "password_env": "M", "password": "x"}}},
        {**MINIMAL, "credentials": {"m": {"username": "m", "oauth2": {}}}},
        {**MINIMAL, "credentials": {"m": {"username": "m", "oauth2": {"provider": "apple"}}}},
        {**MINIMAL, "credentials": {"m": {"username": "m", "oauth2": {"provider": "custom", "token_url": "ftp://h"}}}},
        {**MINIMAL, "login_backoff": {"initial": "5"}},
        {"endpoints": [{"provider": "gmail", "url": "imaps://h"}]},
        {"endpoints": [{"provider": "gmail", "protocols": ["nntp"]}]},
        {**MINIMAL, "limits": {"concurrent_probes": 0}},
        {**MINIMAL, "global": {}},
    ],
)
def test_an_editor_sees_what_loading_would_refuse(document: Any) -> None:
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(ConfigurationError):
        parse(yaml.safe_dump(document), "f")
    assert VALIDATOR.is_valid(MINIMAL)


@pytest.mark.parametrize("file", ["config.example.yaml", "docs/configuration.md"])
def test_every_key_is_explained(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    marks = {key: rf"`{key[-1]}`" if file.endswith(".md") else rf"\b{key[-1]}: ?" for key in KEYS}
    assert [] == [".".join(key) for key, mark in marks.items() if not re.search(mark, text)]


def test_the_example_is_good_to_the_schema_and_to_the_program() -> None:
    text = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    assert [] == list(VALIDATOR.iter_errors(yaml.safe_load(text)))
    configuration = parse(text, "config.example.yaml")
    targets = {(e.host, e.port, e.encryption.value) for e in configuration.endpoints}
    assert {
        ("smtp.office365.com", 587, "starttls"),
        ("outlook.office365.com", 993, "tls"),
        ("outlook.office365.com", 995, "tls"),
    } <= targets


def test_the_reference_tells_the_defaults() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    for key, value in KEYS.items():
        default = value.get("default")
        if default in (None, "", [], {}) or key[0] == "endpoints":
            continue
        written = json.dumps(default) if isinstance(default, bool | int) else default
        assert re.search(rf"^\| `{key[-1]}` \|.*\| `{re.escape(written)}` \|", text, re.MULTILINE), key


def test_the_blocks_of_the_reference_load() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        needed = "" if "endpoints:" in block else "endpoints: [{url: imaps://h}]\n"
        assert parse(block + needed, "configuration.md").endpoints


BESIDE: dict[str, dict[str, Any]] = {
    "source_address": {"ip_family": "ipv4"},
    "mail_from": {"rcpt_to": "postmaster@example.com"},
    "rcpt_expect": {"rcpt_to": "postmaster@example.com"},
}
"""What some keys need beside them."""
ELSEWHERE = {"protocol", "tls"}
"""Keys of other tests: a URL says the protocol, and what is below `tls` reads files."""
OF_ENDPOINTS = sorted(
    {key[1] for key in KEYS if key[0] == "defaults" and len(key) == 2}
    & {field.name for field in fields(Endpoint)} - ELSEWHERE
)


@pytest.mark.parametrize("key", OF_ENDPOINTS)
def test_every_key_of_an_endpoint_reaches_it(key: str) -> None:
    entry = {"url": f"{max(with_key(key))}://mail.example.com:4711", "credentials": "monitor"} | BESIDE.get(key, {})
    login = {"monitor": {"username": "monitor", "password_env": "MONITOR"}}

    def read(written: dict[str, Any]) -> object:
        text = yaml.safe_dump({"credentials": login, "endpoints": [written]})
        return getattr(parse(text, "f").endpoints[0], key)

    example = KEYS["defaults", key]["examples"][0]
    without = {name: value for name, value in entry.items() if name != key}
    assert read(without) != read(entry | {key: example})
