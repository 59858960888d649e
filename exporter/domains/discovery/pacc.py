"""PACC (draft-ietf-mailmaint-pacc-04): the document's URL, its parser, and its digest in DNS. Pure.

The draft is not finished, and this module implements only version 04. Names changed from 02 to 03: `smtp` became
`submit`. Hosts have no ports: the default port for TLS from the start is used.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from exporter.domains.discovery.autoconfig_document import DocumentError
from exporter.domains.discovery.offers import Offer, host_of
from exporter.domains.tags import parse_tags
from exporter.model import Encryption, Protocol, Source

MAX_DOCUMENT = 64 * 1024

VERSION = "UAAC1"
"""The version of the TXT records."""

_SERVERS: Mapping[str, tuple[Protocol, int]] = {
    "imap": (Protocol.IMAP, 993),
    "pop3": (Protocol.POP3, 995),
    "submit": (Protocol.SMTP, 465),
}
"""RFC 8314 section 3: TLS from the start."""


def pacc_url(domain: str) -> str:
    """The URL of the document."""
    return f"https://ua-auto-config.{domain}/.well-known/user-agent-configuration.json"


def digest_name(domain: str) -> str:
    """The name of the TXT records with its digests."""
    return f"_ua-auto-config.{domain}"


def digests(texts: Sequence[str]) -> list[bytes]:
    """The digests in the records. Their tags have no order."""
    found = []
    for text in texts:
        try:
            tags = parse_tags(text)
            if tags.get("v") == VERSION and tags.get("a", "").lower() == "sha256":
                found.append(b64decode(tags.get("d", ""), validate=True))
        except ValueError:  # no tags, not base64, or not ASCII
            continue
    return found


def digest_matches(body: bytes, texts: Sequence[str]) -> bool | None:
    """Whether one of the records has the document's digest; `None` if no record has a digest."""
    known = digests(texts)
    return hashlib.sha256(body).digest() in known if known else None


def parse_pacc(body: bytes) -> tuple[Offer, ...]:
    """The servers of a document.

    Raises:
        DocumentError: This is not such a document, or it has no server that can be probed.
    """
    if len(body) > MAX_DOCUMENT:
        raise DocumentError(f"it has more than {MAX_DOCUMENT} octets")
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise DocumentError("it is not JSON") from None
    protocols = document.get("protocols") if isinstance(document, dict) else None
    if not isinstance(protocols, dict):
        raise DocumentError("it has no object protocols")
    offers = []
    for key, (protocol, port) in _SERVERS.items():
        server = protocols.get(key)
        written = server.get("host") if isinstance(server, dict) else None
        host = host_of(written) if isinstance(written, str) else None
        if host is not None:
            offers.append(Offer(Source.PACC, protocol, host, port, Encryption.TLS, portless=True))
    if not offers:
        older = " (it has smtp, as version 02 of the draft did: 04 calls it submit)" if "smtp" in protocols else ""
        raise DocumentError(f"it names no host for imap, pop3 or submit{older}")
    return tuple(offers)
