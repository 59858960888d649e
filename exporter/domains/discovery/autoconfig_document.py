"""Autoconfig (draft-ietf-mailmaint-autoconfig): the URLs in their order, and the parser of the document. Pure.

The document is untrusted XML. The fetch limits its size, and defusedxml parses it, which rejects entities and DTDs.
Only servers that can be endpoints are read from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any
from urllib.parse import quote

from exporter.domains.discovery.offers import Offer, host_of, is_address, is_port
from exporter.model import Encryption, Protocol, Source

MAX_DOCUMENT = 64 * 1024
"""Octets. The longest document of Mozilla's database has 6 KiB."""

MAX_SERVERS = 32
MAX_DEPTH = 12
"""Levels of nested elements. The format needs four."""

ISPDB = "https://autoconfig.thunderbird.net/v1.1/"
"""Mozilla's database of providers. It is told the domain and nothing else."""

PATH = "/mail/config-v1.1.xml"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"

_PROTOCOLS: Mapping[str, Protocol] = {"imap": Protocol.IMAP, "pop3": Protocol.POP3, "smtp": Protocol.SMTP}
_ENCRYPTIONS: Mapping[str, Encryption] = {
    "ssl": Encryption.TLS,
    "tls": Encryption.TLS,
    "starttls": Encryption.STARTTLS,
    "plain": Encryption.NONE,
}


class DocumentError(ValueError):
    """The document cannot be used; the message says why."""


def own_urls(domain: str, address: str | None, *, scheme: str = "https") -> list[str]:
    """The URLs at the domain itself, in the draft's order.

    Args:
        domain: The domain of the mail addresses.
        address: A mail address that a person gave. It is sent along, and servers may answer for this user.
        scheme: `http` for the source that trusts the network.
    """
    base = f"{scheme}://autoconfig.{domain}{PATH}"
    urls = [f"{base}?emailaddress={quote(address, safe='@')}"] if address else []
    urls.append(base)
    if scheme == "https":
        urls.append(f"https://{domain}{WELL_KNOWN}")
    return urls


def mx_domains(mx: str, base: str | None) -> list[str]:
    """The full domain of an MX host, which is its name without the first label, and its registrable domain."""
    if host_of(mx) is None or is_address(mx):
        return []
    full = mx.partition(".")[2]
    if base is None or not full or not (full == base or full.endswith(f".{base}")):
        return [] if base is None else [base]
    return [full, base]


def ispdb_url(domain: str) -> str:
    """Mozilla's entry for a domain."""
    return f"{ISPDB}{quote(domain)}"


def parse_document(body: bytes, source: Source, domain: str, address: str | None) -> tuple[Offer, ...]:
    """The servers of a document, in its order.

    Args:
        body: The document as it was served.
        source: The source of the document.
        domain: Replaces its placeholder in hosts.
        address: Replaces its placeholders in hosts.

    Raises:
        DocumentError: This is not such a document, or it has no server that can be probed.
    """
    root = _root(body)
    if root.tag != "clientConfig":
        raise DocumentError(f"its root is {ascii(str(root.tag))[:60]} and not clientConfig")
    known = {"%EMAILDOMAIN%": domain}
    if address is not None:
        known |= {"%EMAILADDRESS%": address, "%EMAILLOCALPART%": address.rpartition("@")[0]}
    offers = tuple(_offers(root, source, known))
    if not offers:
        raise DocumentError("it names no server for IMAP, POP3 or SMTP")
    return offers


def _root(body: bytes) -> Any:
    if len(body) > MAX_DOCUMENT:
        raise DocumentError(f"it has more than {MAX_DOCUMENT} octets")
    try:
        # Imported only here, because it is part of the extra mail-exporter[domains].
        parser = import_module("defusedxml.ElementTree")
        forbidden: type[Exception] = import_module("defusedxml.common").DefusedXmlException
    except ModuleNotFoundError:
        raise DocumentError("reading it needs a library that is not installed; run pip install defusedxml") from None
    try:
        root = parser.fromstring(body, forbid_dtd=True)
    except (parser.ParseError, forbidden, ValueError, LookupError) as error:
        raise DocumentError(f"it is not well-formed XML without a DTD ({type(error).__name__})") from None
    if _is_deep(root):
        raise DocumentError(f"its elements lie in each other more than {MAX_DEPTH} deep")
    return root


def _is_deep(root: Any) -> bool:
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for element in level for child in element]
    return bool(level)


def _offers(root: Any, source: Source, known: Mapping[str, str]) -> Iterator[Offer]:
    servers = [
        server
        for provider in root.findall("emailProvider")
        for kind in ("incomingServer", "outgoingServer")
        for server in provider.findall(kind)
    ]
    for server in servers[:MAX_SERVERS]:
        protocol = _PROTOCOLS.get(str(server.get("type", "")).lower())
        encryption = _ENCRYPTIONS.get(_text(server, "socketType").lower())
        written, port = _text(server, "hostname"), _text(server, "port")
        for placeholder, value in known.items():
            written = written.replace(placeholder, value)
        host = host_of(written)
        if protocol is None or encryption is None or host is None:
            continue
        if not (port.isascii() and port.isdecimal() and len(port) <= 5 and is_port(int(port))):  # noqa: PLR2004 - digits
            continue
        yield Offer(source, protocol, host, int(port), encryption)


def _text(element: Any, tag: str) -> str:
    found = element.findtext(tag)
    return str(found).strip() if found else ""
