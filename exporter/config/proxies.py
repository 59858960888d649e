"""The URL of a proxy: scheme, host and port, all of which it names. What it could carry besides is refused.

Like the URLs of endpoints it holds no user and no password, and no message repeats a part that may be one.
"""

from __future__ import annotations

from typing import Final

from exporter.config.hosts import parse_host
from exporter.config.problems import nearest, quoted
from exporter.config.urls import AUTHORITY, MAX_PORT, URL_PARTS
from exporter.model import Proxy, ProxyScheme

_EXAMPLE: Final = "socks5://proxy.example.com:1080"
_SCHEMES: Final = " or ".join(f"{scheme}://" for scheme in ProxyScheme)


def parse_proxy(text: str) -> Proxy:
    """Takes the URL of a proxy apart.

    Raises:
        ValueError: It is none; the message says what to write.
    """
    if "@" in text:
        raise ValueError(
            "a URL holds no user or password, and mail-exporter does not log in at proxies; "
            "have the proxy admit this machine by its address, and write only scheme, host and port"
        )
    match = URL_PARTS.fullmatch(text)
    if match is None:
        raise ValueError(f"is not a URL of a proxy; write one like {_EXAMPLE}, with {_SCHEMES}")
    name, authority, rest = match.groups()
    scheme = _scheme(name.lower())
    if rest:
        raise ValueError("the URL of a proxy ends with host and port; leave out the path, the ? or the # after them")
    parts = AUTHORITY.fullmatch(authority)
    if parts is None:
        if authority.count(":") > 1 and "[" not in authority:
            raise ValueError(f"an IPv6 address stands in brackets; write {scheme}://[2001:db8::1]:1080")
        raise ValueError(f"the port of a proxy is a number; write it like {_EXAMPLE}")
    host, port = parts.groups()
    if not host:
        raise ValueError(f"the URL has no host; write it like {_EXAMPLE}")
    if port is None:
        raise ValueError(f"the URL has no port, and proxies have no usual one; write it like {_EXAMPLE}")
    if not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"port {port} is outside 1 to {MAX_PORT}; write the one that the proxy listens at")
    return Proxy(scheme, parse_host(host), int(port))


def _scheme(name: str) -> ProxyScheme:
    if name == "socks5h":
        raise ValueError(
            "socks5h would have the proxy look names up, and mail-exporter looks them up itself; write socks5://"
        )
    if name == "https":
        raise ValueError("proxies are not spoken to over TLS; write http:// if the proxy takes CONNECT without it")
    if name not in list(ProxyScheme):
        suggestion = nearest(name, tuple(ProxyScheme))
        mend = f'did you mean "{suggestion}"?' if suggestion else f"write {_SCHEMES}"
        raise ValueError(f"{quoted(name)} is not a scheme of a proxy; {mend}")
    return ProxyScheme(name)
