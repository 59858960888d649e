"""Checks the kinds of text that values can have. Each function returns the canonical form, or raises `ValueError`.

Every text is one printable line, and text that is sent to servers follows the grammar of its RFC. So no control
character, such as CR, LF or NUL, gets into a protocol. Durations, hosts and URLs have their own modules. The schema
says which kind of text each key has.
"""

from __future__ import annotations

import re
from base64 import b64decode
from urllib.parse import urlsplit

from exporter.config.problems import quoted
from exporter.config.values.hosts import is_ipv4, is_ipv6, is_loopback, parse_address, parse_host
from exporter.config.values.urls import MAX_PORT

MAX_TEXT = 1024
"""Characters. User names and mailboxes are far shorter, and servers accept IMAP commands with this many."""

MAX_NAME = 200
"""Characters. An endpoint's name is a label value of about 60 series, and a part of a URL."""

VARIABLE_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EXPANSION = re.compile(r"\$\{|(?<!\w)\$[A-Za-z_]|\$[A-Z_][A-Z0-9_]+(?![a-z])")
"""Variables that other programs expand. Real names such as `svc$` and `a$b@example.com` do not match."""

_WHOLE_VARIABLE = re.compile(r"\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*")
_URL_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@")

DNS_PORT = 53

SCOPE = r"^[!#-\[\]-~]+( [!#-\[\]-~]+)*$"
"""RFC 6749, 3.3."""

TENANT = "^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$"
"""A domain, or an id of hexadecimal digits and hyphens. It is a segment of a URL's path."""

_HEXADECIMAL = "[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31}"
_PIN = "sha256//?([A-Za-z0-9+/]{43}=)"

FINGERPRINT = f"^({_HEXADECIMAL}|{_PIN})$"

_LOCAL_PART = re.compile(r'[!-;=?-~]{1,64}|"[ !#-;=?-\[\]-~]{1,62}"')
"""RFC 5321, 4.5.3.1.1, and a generous reading of 4.1.2, because relay tests use unusual addresses. Angle brackets are
not allowed, because one would end the path."""

_UTF8_LOCAL_PART = re.compile(r"""[^\x00-\x20\x7f-\x9f\s"(),:;<>@\[\]\\]{1,64}""")
"""RFC 6531, 3.3: an atom may contain all of UTF-8 above ASCII."""


def plain(text: str) -> str:
    """Checks that text is one line, and has no variables to expand and no URL with a password.

    Raises:
        ValueError: The text is invalid. The message says why.
    """
    if not text:
        raise ValueError("is empty; write a value or leave the key out")
    if len(text) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} characters; write less")
    control = _CONTROL.search(text)
    if control:
        raise ValueError(f"contains the control character U+{ord(control[0]):04X}; write one line of printable text")
    if _URL_PASSWORD.search(text):
        raise ValueError(
            "contains a URL with a password; write the password as password_file in an entry of credentials"
        )
    if _EXPANSION.search(text):
        raise ValueError(
            f"{quoted(text)} would need $ to be expanded, but values are taken as they are written; "
            "write the value itself, and a password as password_env: NAME"
        )
    return text


def name(text: str) -> str:
    """Checks the name of an endpoint or an entry of credentials."""
    if len(plain(text)) > MAX_NAME:
        raise ValueError(f"{quoted(text)} is longer than {MAX_NAME} characters; write a shorter one")
    if text in {".", ".."}:
        raise ValueError(f"{quoted(text)} cannot stand in a URL; write another name")
    if text != text.strip():
        raise ValueError(f"{quoted(text)} begins or ends with a space; leave it out")
    return text


def path(text: str) -> str:
    if plain(text).startswith("~"):
        raise ValueError(f"{quoted(text)}: ~ is not expanded; write the whole path")
    return text


def variable_name(text: str) -> str:
    """Checks the name of an environment variable."""
    if text.startswith("$"):
        raise ValueError("write the bare name of the environment variable, without $ and braces")
    if not re.fullmatch(VARIABLE_NAME, text):
        # The message does not quote the text, because it may be the password itself.
        raise ValueError("is not a name of an environment variable; write letters, digits and underscores")
    return text


def secret(text: str, key: str) -> str:
    """Checks a secret in the configuration itself. A `$` is allowed, unless the whole text looks like a variable.

    Args:
        text: The secret.
        key: Its key. There are also keys with the suffixes `_file` and `_env`.
    """
    noun = key.replace("_", " ")
    if _WHOLE_VARIABLE.fullmatch(text):
        raise ValueError(
            f"looks like an environment variable, and is not expanded; write {key}_env with the bare name "
            f"(a {noun} that really looks like this goes into a {key}_file)"
        )
    text = text.removesuffix("\n")  # YAML's `|` adds it; the last newline of a secret file is ignored, too
    if not text:
        raise ValueError(f"is empty; write a {noun}, or better {key}_file")
    if re.search("[\x00\r\n]", text):
        raise ValueError("contains CR, LF or NUL, which no login can send; leave them out")
    return text


def helo(text: str) -> str:
    """RFC 5321, 4.1.1.1: a domain, or an address literal if the machine has no domain."""
    if not text.startswith("["):
        domain = parse_host(plain(text))
        if is_ipv4(domain) or is_ipv6(domain):
            literal = f"[{'IPv6:' if is_ipv6(domain) else ''}{domain}]"
            raise ValueError(f'an address needs brackets here; write "{literal}", with the quotes')
        return domain
    return _address_literal(text)


def mail_address(text: str) -> str:
    """Checks an address, which MAIL and RCPT have between angle brackets."""
    text = plain(text)
    if text.lower() == "postmaster":  # RFC 5321, 4.5.1: only this one needs no domain
        return text
    local, at, domain = text.rpartition("@")
    if not at or not domain or not _LOCAL_PART.fullmatch(local):
        raise ValueError(f"{quoted(text)} is not a mail address in ASCII; write one like monitor@example.com")
    return f"{local}@{_address_literal(domain) if domain.startswith('[') else parse_host(domain)}"


def flow_address(text: str) -> str:
    """Checks a sender or recipient of mail. The local part may have letters beyond ASCII (RFC 6531)."""
    local, _, domain = plain(text).rpartition("@")
    if domain and not local.isascii() and _UTF8_LOCAL_PART.fullmatch(local):
        return f"{local}@{parse_host(domain)}"
    if not domain or not local:
        raise ValueError(f"{quoted(text)} is not a mail address; write one like monitor@example.com")
    return mail_address(text)


def reverse_path(text: str) -> str:
    """RFC 5321, 4.5.5: a mail address, or the null path `<>`, which becomes empty."""
    return "" if text in ("", "<>") else mail_address(text)


def capability(text: str) -> str:
    """Checks a capability as a server announces it. Capabilities are compared without case."""
    if not re.fullmatch("[!-~]+( [!-~]+)*", plain(text)):
        raise ValueError(f"{quoted(text)} is not a capability; write it as the server announces it, such as IDLE")
    return text


def fingerprint(text: str) -> str:
    """A SHA-256 as openssl prints it, or as a pin of curl. Returns lower-case hexadecimal digits without colons."""
    pin = re.fullmatch(_PIN, text)
    if pin:
        return b64decode(pin[1]).hex()
    if not re.fullmatch(_HEXADECIMAL, text):
        raise ValueError(
            f"{quoted(text)} is not a SHA-256; write 64 hexadecimal digits, with or without colons, "
            "or sha256/ and base64"
        )
    return text.replace(":", "").lower()


def nameserver(text: str) -> tuple[str, int]:
    """The address and port of a DNS server.

    Raises:
        ValueError: The text is invalid. The message says why.
    """
    with_port = re.fullmatch(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([0-9]{1,5})", text)
    if with_port is None:
        return parse_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text), DNS_PORT
    bracketed, bare, port = with_port.groups()
    if not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"port {port} is outside 1 to {MAX_PORT}; leave it out for {DNS_PORT}")
    return parse_address(bracketed or bare or ""), int(port)


def token_url(text: str) -> str:
    """RFC 6749, 3.2: the URL of a token endpoint. It receives secrets, and needs TLS unless it is on this machine."""
    example = "write it like https://idp.example.com/oauth2/token"
    plain(text)
    try:
        parts = urlsplit(text)
        host, _ = parse_host(parts.hostname or ""), parts.port
    except ValueError:
        raise ValueError(f"{quoted(text)} is not a URL of a token endpoint; {example}") from None
    if parts.scheme not in ("https", "http") or not re.fullmatch("[!-~]+", text):
        raise ValueError(f"{quoted(text)} is not a URL of a token endpoint; {example}")
    if "@" in parts.netloc:
        raise ValueError("a URL cannot contain a user or password; write them as client_id and client_secret_file")
    if "#" in text:
        raise ValueError(f"{quoted(text)} contains a #, which a token endpoint does not use; leave it out")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http would send secrets in plain text; write https (http is for servers on this machine)")
    return text


def scope(text: str) -> str:
    """Checks the scope of a token."""
    if not re.fullmatch(SCOPE, plain(text)):
        raise ValueError(f"{quoted(text)} is not a scope; write words of ASCII with one space between them")
    return text


def tenant(text: str) -> str:
    """Checks the domain or id of a directory at Microsoft."""
    if not re.fullmatch(TENANT, plain(text)):
        raise ValueError(
            f"{quoted(text)} is not a tenant; write its domain, such as contoso.onmicrosoft.com, or its id"
        )
    return text


def _address_literal(text: str) -> str:
    """RFC 5321, 4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`."""
    match = re.fullmatch(r"\[(?:(IPv6:)?([0-9A-Fa-f:.]+))\]", text, re.IGNORECASE)
    if match:
        address = parse_address(match[2])
        if is_ipv6(address) == bool(match[1]):
            return f"[{'IPv6:' if match[1] else ''}{address}]"
    raise ValueError(f"{quoted(text)} is not an address literal; write it like [192.0.2.1] or [IPv6:2001:db8::1]")
