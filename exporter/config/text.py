"""The kinds of text that values can be: what each may hold. Text in, the same text out, or `ValueError`.

All of it is one printable line that means what it says. What has a grammar of its own (durations, hosts, URLs, what a
server is told) lives in files of its own; which key holds which kind is the schema's.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from exporter.config.problems import quoted
from exporter.model import Label

MAX_TEXT = 1024
"""User names and mailboxes are far shorter, and a command line of IMAP with one of these still fits servers' limits."""

MAX_NAME = 200
"""An endpoint's name is a label value on some 60 series and a part of a URL."""

LABEL_NAME = "^[a-zA-Z_][a-zA-Z0-9_]*$"
VARIABLE_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"

RESERVED_LABELS = frozenset({*Label, "domain", "code", "job", "instance", "quantile"})
"""The labels that metrics have of their own, those that a query joins by, and those that Prometheus sets itself."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EXPANSION = re.compile(r"\$\{|(?<!\w)\$[A-Za-z_]|\$[A-Z_][A-Z0-9_]+(?![a-z])")
"""What other programs expand. `svc$` and `a$b@example.com` are names that exist."""

_WHOLE_VARIABLE = re.compile(r"\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*")
_URL_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@")


def plain(text: str) -> str:
    """Text on one line that says what it means: nothing in it waits to be expanded, no password hides in a URL.

    Raises:
        ValueError: It is not that.
    """
    if not text:
        raise ValueError("is empty; write a value or leave the key out")
    if len(text) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} characters; write less")
    control = _CONTROL.search(text)
    if control:
        raise ValueError(f"holds the control character U+{ord(control[0]):04X}; write one line of printable text")
    if _URL_PASSWORD.search(text):
        raise ValueError("holds a URL with a password; write the password as password_file in an entry of credentials")
    if _EXPANSION.search(text):
        raise ValueError(
            f"{quoted(text)} would need $ to be expanded, but values are taken as they are written; "
            "write the value itself, and a password as password_env: NAME"
        )
    return text


def name(text: str) -> str:
    """The name of an endpoint or of credentials."""
    if len(plain(text)) > MAX_NAME:
        raise ValueError(f"{quoted(text)} is longer than {MAX_NAME} characters; write a shorter one")
    if text in {".", ".."}:
        raise ValueError(f"{quoted(text)} cannot stand in a URL; write another name")
    if text != text.strip():
        raise ValueError(f"{quoted(text)} begins or ends with a space; leave it out")
    return text


def path(text: str) -> str:
    """The path of a file."""
    if plain(text).startswith("~"):
        raise ValueError(f"{quoted(text)}: ~ is not expanded; write the whole path")
    return text


def variable_name(text: str) -> str:
    """The name of an environment variable."""
    if text.startswith("$"):
        raise ValueError("write the bare name of the environment variable, without $ and braces")
    if not re.fullmatch(VARIABLE_NAME, text):
        # Not repeated: someone may have written the password itself here.
        raise ValueError("is not a name of an environment variable; write letters, digits and underscores")
    return text


def secret(text: str, key: str) -> str:
    """A secret in the configuration itself. `$` is a character like others, unless it all looks like a variable.

    Args:
        text: What is written.
        key: Where; beside it there are others that end with `_file` and `_env`.
    """
    noun = key.replace("_", " ")
    if _WHOLE_VARIABLE.fullmatch(text):
        raise ValueError(
            f"looks like an environment variable, and is not expanded; write {key}_env with the bare name "
            f"(a {noun} that really reads so goes into a {key}_file)"
        )
    text = text.removesuffix("\n")  # as `|` leaves it; a file's last newline does not count either
    if not text:
        raise ValueError(f"is empty; write a {noun}, or better {key}_file")
    if re.search("[\x00\r\n]", text):
        raise ValueError("holds CR, LF or NUL, which no login can send; leave them out")
    return text


def label_name(text: str, reserved: Collection[str] = RESERVED_LABELS) -> str:
    """The name of a label that series may be given; `reserved` are those that they have of themselves."""
    if not re.fullmatch(LABEL_NAME, text):
        raise ValueError(f"{quoted(text)} is not a label name; write letters, digits and underscores, no digit first")
    if text.startswith("__"):
        raise ValueError(f"{quoted(text)}: labels that begin with __ are Prometheus' own; choose another name")
    if text in reserved:
        raise ValueError(f"the label {quoted(text)} is used by the metrics themselves; choose another name")
    return text


def label_value(text: str) -> str:
    """Its value. An empty one is as good as no label to Prometheus; it takes back a label of the defaults."""
    return text and plain(text)
