"""Text that servers get to see, by the grammar of its RFC. Text in, its canonical form out, or `ValueError`.

Nothing that passes here can carry CR, LF, NUL or another control character to a wire. How a protocol quotes or encodes
it does not live here.
"""

from __future__ import annotations

import re
from base64 import b64decode
from urllib.parse import urlsplit

from exporter.config.hosts import is_ipv4, is_ipv6, is_loopback, parse_address, parse_host
from exporter.config.problems import quoted
from exporter.config.text import plain
from exporter.config.urls import MAX_PORT

DNS_PORT = 53

SCOPE = r"^[!#-\[\]-~]+( [!#-\[\]-~]+)*$"
"""RFC 6749, 3.3."""

TENANT = "^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$"
"""A domain, or an id in hexadecimal and hyphens: a segment of a URL's path."""

_HEXADECIMAL = "[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31}"
_PIN = "sha256//?([A-Za-z0-9+/]{43}=)"

FINGERPRINT = f"^({_HEXADECIMAL}|{_PIN})$"

_LOCAL_PART = re.compile(r'[!-;=?-~]{1,64}|"[ !#-;=?-\[\]-~]{1,62}"')
"""RFC 5321, 4.5.3.1.1 and a generous reading of 4.1.2, for relay tests are about odd ones. But no angle brackets: one
ends the path."""


_UTF8_LOCAL_PART = re.compile(r"""[^\x00-\x20\x7f-\x9f\s"(),:;<>@\[\]\\]{1,64}""")
"""RFC 6531, 3.3: an atom may hold all of UTF-8 above ASCII."""


def helo(text: str) -> str:
    """RFC 5321, 4.1.1.1: a domain, or an address literal where there is none."""
    if not text.startswith("["):
        domain = parse_host(plain(text))
        if is_ipv4(domain) or is_ipv6(domain):
            literal = f"[{'IPv6:' if is_ipv6(domain) else ''}{domain}]"
            raise ValueError(f'an address stands in brackets here; write "{literal}", with the quotes')
        return domain
    return _address_literal(text)


def mailbox(text: str) -> str:
    """The name of an IMAP mailbox."""
    return plain(text)


def mail_address(text: str) -> str:
    """An address as it stands between the angle brackets of MAIL and RCPT."""
    text = plain(text)
    if text.lower() == "postmaster":  # RFC 5321, 4.5.1: the one that needs no domain
        return text
    local, at, domain = text.rpartition("@")
    if not at or not domain or not _LOCAL_PART.fullmatch(local):
        raise ValueError(f"{quoted(text)} is not a mail address in ASCII; write one like monitor@example.com")
    return f"{local}@{_address_literal(domain) if domain.startswith('[') else parse_host(domain)}"


def flow_address(text: str) -> str:
    """An address that mail is sent to or from; its local part may hold any letters (RFC 6531)."""
    local, _, domain = plain(text).rpartition("@")
    if domain and not local.isascii() and _UTF8_LOCAL_PART.fullmatch(local):
        return f"{local}@{parse_host(domain)}"
    if not domain or not local:
        raise ValueError(f"{quoted(text)} is not a mail address; write one like monitor@example.com")
    return mail_address(text)


def reverse_path(text: str) -> str:
    """RFC 5321, 4.5.5: a mail address, or the null path `<>`, which is empty here."""
    return "" if text in ("", "<>") else mail_address(text)


def capability(text: str) -> str:
    """What a server announces: words that are compared without regard to case."""
    if not re.fullmatch("[!-~]+( [!-~]+)*", plain(text)):
        raise ValueError(f"{quoted(text)} is not a capability; write it as the server announces it, such as IDLE")
    return text


def fingerprint(text: str) -> str:
    """SHA-256 as openssl prints it, or as curl and browsers write pins; in lower-case hexadecimal without colons."""
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
    """Address and port of a DNS server.

    Raises:
        ValueError: It is not that.
    """
    with_port = re.fullmatch(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([0-9]{1,5})", text)
    if with_port is None:
        return parse_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text), DNS_PORT
    bracketed, bare, port = with_port.groups()
    if not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"port {port} is outside 1 to {MAX_PORT}; leave it out for {DNS_PORT}")
    return parse_address(bracketed or bare or ""), int(port)


def token_url(text: str) -> str:
    """RFC 6749, 3.2: where tokens are asked for. Without TLS only on this machine, since secrets go there."""
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
        raise ValueError("a URL holds no user or password; write them as client_id and client_secret_file")
    if "#" in text:
        raise ValueError(f"{quoted(text)} holds a #, which a token endpoint has no use for; leave it out")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http would send secrets in plain text; write https (http is for servers on this machine)")
    return text


def scope(text: str) -> str:
    """What a token is to be good for."""
    if not re.fullmatch(SCOPE, plain(text)):
        raise ValueError(f"{quoted(text)} is not a scope; write words of ASCII with one space between them")
    return text


def tenant(text: str) -> str:
    """The name of a directory at Microsoft."""
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
