"""Whatever is in a configuration, reading it gives a configuration or problems, and nothing else."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from exporter.config.configuration import Configuration
from exporter.config.document import read_document
from exporter.config.load import parse
from exporter.config.problems import ConfigurationError, Problem, quoted
from exporter.config.schema import json_schema
from exporter.config.values import plain_text
from exporter.config.values.durations import format_duration, parse_duration
from exporter.config.values.hosts import parse_host
from exporter.config.values.urls import SCHEMES, parse_url
from exporter.config.yaml_output import render
from exporter.model import Mechanism

KEYS = sorted({key for section in json_schema()["$defs"].values() for key in section.get("properties", {})})
TOP = sorted(json_schema()["properties"])

# fmt: off - a word a line would fill the page
PLAUSIBLE = [
    "imaps://h",
    "smtp://h:25",
    "imap",
    "smtp",
    "pop3",
    "tls",
    "none",
    "30s",
    "60",
    "10ms",
    "24h",
    "INBOX",
    "a@b.example",
    "PLAIN",
    "USERPASS",
    "192.0.2.1",
    "2001:db8::1",
    "TLSv1.2",
    "any",
    "ipv6",
    "monitor",
    "gmail",
    "microsoft",
    "custom",
    "https://h/token",
    "XOAUTH2",
    "EXTERNAL",
    "${X}",
    "mail example",
]
# fmt: on

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=20),
    st.sampled_from(PLAUSIBLE),
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.sampled_from(KEYS), below, max_size=3)),
    max_leaves=6,
)
SECTION = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)
CLIENT = st.fixed_dictionaries(
    {"provider": st.sampled_from(["microsoft", "google", "custom", "x"])},
    optional={
        key: st.sampled_from(["https://h/token", "http://127.0.0.1:1/", "http://h/", "x", "x y", "/nowhere", None, ""])
        for key in json_schema()["$defs"]["OAuth2Section"]["properties"]
        if key != "provider"
    },
)
FILES = st.fixed_dictionaries(
    {"endpoints": st.one_of(VALUES, st.lists(SECTION, max_size=4))},
    optional={
        "defaults": st.one_of(VALUES, SECTION),
        "credentials": st.one_of(VALUES, st.dictionaries(st.text(max_size=5), st.one_of(VALUES, SECTION), max_size=2)),
        "dns": st.one_of(VALUES, SECTION),
        "limits": st.one_of(VALUES, SECTION),
        "login_backoff": st.one_of(VALUES, SECTION),
    },
)


def read(text: str) -> Configuration | tuple[Problem, ...]:
    """What `parse` makes of the text: a configuration, or problems that are fit to be printed."""
    try:
        return parse(text, "f")
    except ConfigurationError as error:
        problems = error.problems
    lines = text.count("\n") + 1 + sum(map(text.count, "\r\x85\u2028\u2029"))
    assert problems
    assert sorted(problems) == list(problems)
    for problem in problems:
        assert 1 <= problem.line <= lines
        assert problem.message
        assert problem.message.isprintable()
    return problems


T = TypeVar("T")


def value_or_refusal(parse: Callable[[str], T], text: str) -> T | None:
    """What the function makes of the text; `None` if it refuses it in words that are fit to be printed."""
    try:
        return parse(text)
    except ValueError as error:
        message = str(error)
    assert message.isprintable()
    return None


@given(FILES)
def test_whatever_has_the_keys_of_a_configuration_is_one_or_has_problems(document: Any) -> None:
    configuration = read(json.dumps(document))
    if isinstance(configuration, Configuration):
        assert configuration.endpoints
        for endpoint in configuration.endpoints:
            assert endpoint.timeout <= endpoint.interval


@given(st.sampled_from([None, "gmail", "office365", "kokuyou.ne.jp"]), st.sampled_from(list(Mechanism)), CLIENT)
def test_whatever_is_written_about_tokens_is_a_client_or_has_problems(
    preset: str | None, mechanism: Mechanism, client: Any
) -> None:
    target = {"url": "imaps://h"} if preset is None else {"provider": preset}
    document = {
        "credentials": {"c": {"username": "u", "oauth2": client}},
        "endpoints": [{**target, "credentials": "c", "mechanism": mechanism}],
    }
    configuration = read(json.dumps(document))
    if isinstance(configuration, Configuration):
        (credentials,) = configuration.credentials
        assert credentials.oauth2 is not None
        assert credentials.oauth2.token_url.startswith(("https://", "http://127.0.0.1:1/"))
        assert configuration.credentials == parse("".join(render(configuration)), "f").credentials


@given(st.text(max_size=40) | st.text("htps:/.[]@#%?:01a ", max_size=40).map("https://".__add__))
def test_whatever_a_token_url_is_it_is_safe_or_refused(text: str) -> None:
    url = value_or_refusal(plain_text.token_url, text)
    if url is not None:
        assert url.isascii()
        assert url.isprintable()
        assert urlsplit(url).hostname
        assert urlsplit(url).username is None


@given(st.text(max_size=40))
def test_whatever_a_scope_or_a_tenant_is_it_is_plain_or_refused(text: str) -> None:
    for parse_text in (plain_text.scope, plain_text.tenant):
        value = value_or_refusal(parse_text, text)
        assert value is None or (value.isascii() and value.isprintable() and "  " not in value)


FRAGMENTS = st.sampled_from(
    [f"{key}:" for key in KEYS + TOP]
    + list(" \n\t:-,[]{}&*!|>'\"%@`#?~<\\0a")
    + [
        "  ",
        "\n  ",
        "\n    - ",
        "---\n",
        "...",
        "<<: ",
        "*a",
        "&a ",
        "imaps://h",
        "30s",
        "\\x",
        "!!str ",
        "\u2028",
        "\x85",
        "\ufeff",
    ]
)


@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=40).map("".join)))
@example("a: &a [*a]")
@example("? *a\n: b")
@example("\r")
@example("a: |\n\tb")
def test_whatever_the_text_it_is_a_configuration_or_has_problems(text: str) -> None:
    read(text)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1),
        st.text(st.sampled_from(string.printable)),
    )
)
def test_text_is_read_as_it_was_written(document: dict[str, str]) -> None:
    printable = {key: value for key, value in document.items() if "\x0b" not in value and "\x0c" not in value}
    assert printable == read_document(json.dumps(printable, ensure_ascii=False), "f").root


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9](\.[a-z][a-z0-9]{0,8}){0,2}", fullmatch=True)
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="$"), min_size=1, max_size=20
)
ENDPOINTS = st.fixed_dictionaries(
    {
        "protocol": st.sampled_from(["smtp", "imap", "pop3"]),
        "host": NAMES,
        "name": TEXT.filter(lambda name: name not in (".", "..")),
    },
    optional={
        "port": st.integers(1, 65535),
        "encryption": st.sampled_from(["tls", "starttls", "opportunistic", "none"]),
        "interval": st.integers(1000, 86_400_000).map(lambda ms: format_duration(ms / 1000)),
        "labels": st.dictionaries(st.from_regex("x_[a-z]{1,5}", fullmatch=True), TEXT, max_size=3),
        "allow_insecure_auth": st.booleans(),
        "ip_family": st.sampled_from(["any", "ipv4", "ipv6"]),
        "tls": st.fixed_dictionaries({}, optional={"verify": st.booleans(), "server_name": NAMES}),
        "expect": st.fixed_dictionaries({}, optional={"capabilities": st.lists(NAMES, max_size=2)}),
    },
)


@given(st.lists(ENDPOINTS, min_size=1, max_size=4, unique_by=lambda endpoint: endpoint["name"]))
def test_what_is_shown_of_a_configuration_loads_again_and_means_the_same(endpoints: list[dict[str, Any]]) -> None:
    first = parse(json.dumps({"endpoints": endpoints}, ensure_ascii=False), "f")
    assert first.endpoints == parse("".join(render(first)), "f").endpoints


@given(st.integers(0, 10**12))
def test_a_duration_survives_being_written(milliseconds: int) -> None:
    assert milliseconds / 1000 == parse_duration(format_duration(milliseconds / 1000))


@given(st.one_of(st.text(), st.text("0123456789.smhdwy ")))
def test_text_is_a_duration_or_refused(text: str) -> None:
    seconds = value_or_refusal(parse_duration, text)
    assert seconds is None or seconds >= 0


@given(st.one_of(st.text(), st.text("abc.-_:[]%0xX1\u00fc\u3002\u200d\u0300")))
def test_a_host_is_canonical_or_refused(text: str) -> None:
    host = value_or_refusal(parse_host, text)
    if host is not None:
        assert host == parse_host(host)
        assert set(host) <= set(string.ascii_lowercase + string.digits + "-_.:")


SCHEME_NAMES = st.sampled_from([*(scheme.name for scheme in SCHEMES), "", "http"])
URLS = st.builds("{}{}{}".format, SCHEME_NAMES, st.sampled_from(["://", ":", "//"]), st.text())


@given(st.one_of(st.text(), URLS))
def test_a_url_is_shown_as_what_means_the_same_or_refused(text: str) -> None:
    url = value_or_refusal(parse_url, text)
    if url is not None:
        again = parse_url(str(url))
        assert (url.scheme, url.host, url.port or url.scheme.port) == (
            again.scheme,
            again.host,
            again.port or again.scheme.port,
        )


@given(st.text())
def test_a_quote_is_one_short_line(text: str) -> None:
    assert quoted(text).isprintable()
    assert len(quoted(text)) <= 602


@given(st.text("ab", min_size=1), st.text("ab12:", min_size=1))
def test_a_quote_holds_no_password_of_a_url(user: str, password: str) -> None:
    assert f":{password}@" not in quoted(f"imaps://{user}:{password}@host")
