"""The URLs of endpoints and proxies: what the schemes mean, from a URL to its parts, and back to the shortest URL.

A URL names a server and nothing else. Whatever a URL could carry besides (users, passwords, paths) is refused in words
that do not repeat it, since it may be a password. Which other keys may stand beside a URL does not live here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exporter.config.problems import nearest, quoted
from exporter.config.values.hosts import is_ipv6, parse_host, parse_target_host
from exporter.model import Encryption, Protocol, Proxy, ProxyScheme
from exporter.protocol.protocols import PROTOCOLS, Scheme

MAX_PORT = 65535


SCHEMES = tuple(scheme for row in PROTOCOLS.values() for scheme in row.schemes)
"""In the order of preference where several fit."""

_URL_PARTS = re.compile(r"([^:/?#@\[\]]*)://([^/?#]*)(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", re.DOTALL)

_PROXY_EXAMPLE: Final = "socks5://proxy.example.com:1080"
_PROXY_SCHEMES: Final = " or ".join(f"{scheme}://" for scheme in ProxyScheme)


@dataclass(frozen=True, slots=True)
class MailUrl:
    """The parts of a URL.

    Attributes:
        host: As `hosts.parse_target_host` gives it; empty only in the URL of a module.
        port: `None` where the URL leaves it to the scheme.
    """

    scheme: Scheme
    host: str
    port: int | None

    def __str__(self) -> str:
        """Without what is default, and without a final dot."""
        host = f"[{self.host}]" if is_ipv6(self.host) else self.host.removesuffix(".")
        return f"{self.scheme.name}://{host}" + ("" if self.port in (None, self.scheme.port) else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks to be probed.

    Attributes:
        scheme: `None` where only a host is named.
        host: As `hosts.parse_target_host` gives it.
        port: `None` where none is named.
    """

    scheme: Scheme | None
    host: str
    port: int | None


def parse_asked(text: str) -> Asked:
    """Takes a URL apart, or a host, or a host and port: `mail.example.com:993`, `[2001:db8::1]:993`, `2001:db8::1`.

    Raises:
        ValueError: It is invalid; the message says what to write, and repeats no part that may be a password.
    """
    if "://" in text or "@" in text:
        url = parse_url(text)
        return Asked(url.scheme, url.host, url.port)
    parts = _AUTHORITY.fullmatch(text)
    host, port = (text, None) if parts is None else parts.groups()
    return Asked(None, parse_target_host(host), _port(port, "leave it out for the usual one"))


def parse_module_url(text: str) -> MailUrl:
    """As `parse_url`, where the host may be left out: it is empty then.

    Raises:
        ValueError: As there.
    """
    return parse_url(text, host_may_lack=True)


def parse_url(text: str, *, host_may_lack: bool = False) -> MailUrl:
    """Takes a URL apart.

    Raises:
        ValueError: It is invalid; the message says what to write, and repeats no part that may be a password.
    """
    if "@" in text:
        raise ValueError(
            "a URL holds no user or password; write them as an entry of credentials (username, password_file) "
            "and name it by the key credentials"
        )
    match = _URL_PARTS.fullmatch(text)
    if match is None:
        raise ValueError(
            f"is not a URL; write one like imaps://mail.example.com, with one of the schemes {_scheme_names()}"
        )
    name, authority, rest = match.groups()
    scheme = next((scheme for scheme in SCHEMES if scheme.name == name.lower()), None)
    if scheme is None:
        suggestion = nearest(name, tuple(scheme.name for scheme in SCHEMES))
        mend = f'did you mean "{suggestion}"?' if suggestion else f"write one of {_scheme_names()}"
        raise ValueError(f"{quoted(name)} is not a mail scheme; {mend}")
    if rest:
        raise ValueError("a URL ends with host and port; leave out the path, the ? or the # after them")
    host, port = _host_and_port(
        authority,
        bracketed=f"{scheme.name}://[2001:db8::1]",
        numbered=f"the port of a URL is a number; write it like {scheme.name}://mail.example.com:{scheme.port}",
        outside=f"leave it out for {scheme.port}",
    )
    if not host and not host_may_lack:
        raise ValueError(f"the URL has no host; write it like {scheme.name}://mail.example.com")
    return MailUrl(scheme, parse_target_host(host) if host else "", port)


def _host_and_port(authority: str, *, bracketed: str, numbered: str, outside: str) -> tuple[str, int | None]:
    """Both as written; the host may be empty.

    Args:
        authority: What stands between the slashes.
        bracketed: How to write a URL with an IPv6 address.
        numbered: What to say of a port that is none.
        outside: What to write instead of a port that is too large.
    """
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        if authority.count(":") > 1 and "[" not in authority:
            raise ValueError(f"an IPv6 address stands in brackets; write {bracketed}")
        raise ValueError(numbered)
    host, port = parts.groups()
    return host, _port(port, outside)


def _port(written: str | None, outside: str) -> int | None:
    if written is not None and not 1 <= int(written) <= MAX_PORT:
        raise ValueError(f"port {written} is outside 1 to {MAX_PORT}; {outside}")
    return None if written is None else int(written)


def shortest_url(protocol: Protocol, encryption: Encryption, host: str, port: int) -> str:
    """The URL of an endpoint that was written as fields.

    It takes the protocol's scheme for the port, else the one that begins encryption alike. `opportunistic`
    and `none` look like `starttls`: a URL cannot tell them apart.
    """
    at_once = encryption is Encryption.TLS
    candidates = [s for s in SCHEMES if s.protocol is protocol and (s.encryption is Encryption.TLS) == at_once]
    scheme = next((scheme for scheme in candidates if scheme.port == port), candidates[0])
    return str(MailUrl(scheme, host, port))


def usual_scheme(protocol: Protocol, port: int) -> Scheme | None:
    """The scheme of the servers that usually listen at a port; `None` if no kind of them does."""
    return next((scheme for scheme in SCHEMES if scheme.protocol is protocol and scheme.port == port), None)


def default_port(protocol: Protocol, encryption: Encryption) -> int:
    """Where servers of this kind listen."""
    at_once = encryption is Encryption.TLS
    return next(s.port for s in SCHEMES if s.protocol is protocol and (s.encryption is Encryption.TLS) == at_once)


def default_encryption(protocol: Protocol, port: int | None) -> Encryption:
    """What is usual on that port of the protocol; STARTTLS, and insisted on, where nothing is."""
    return next((s.encryption for s in SCHEMES if s.protocol is protocol and s.port == port), Encryption.STARTTLS)


def _scheme_names() -> str:
    return ", ".join(scheme.name for scheme in SCHEMES)


def parse_proxy(text: str) -> Proxy:
    """Takes the URL of a proxy apart.

    Raises:
        ValueError: It is invalid; the message says what to write.
    """
    if "@" in text:
        raise ValueError(
            "a URL holds no user or password, and mail-exporter does not log in at proxies; "
            "have the proxy admit this machine by its address, and write only scheme, host and port"
        )
    match = _URL_PARTS.fullmatch(text)
    if match is None:
        raise ValueError(f"is not a URL of a proxy; write one like {_PROXY_EXAMPLE}, with {_PROXY_SCHEMES}")
    name, authority, rest = match.groups()
    scheme = _proxy_scheme(name.lower())
    if rest:
        raise ValueError("the URL of a proxy ends with host and port; leave out the path, the ? or the # after them")
    host, port = _host_and_port(
        authority,
        bracketed=f"{scheme}://[2001:db8::1]:1080",
        numbered=f"the port of a proxy is a number; write it like {_PROXY_EXAMPLE}",
        outside="write the one that the proxy listens at",
    )
    if not host:
        raise ValueError(f"the URL has no host; write it like {_PROXY_EXAMPLE}")
    if port is None:
        raise ValueError(f"the URL has no port, and proxies have no usual one; write it like {_PROXY_EXAMPLE}")
    return Proxy(scheme, parse_host(host), port)


def _proxy_scheme(name: str) -> ProxyScheme:
    if name == "socks5h":
        raise ValueError(
            "socks5h would have the proxy look names up, and mail-exporter looks them up itself; write socks5://"
        )
    if name == "https":
        raise ValueError("proxies are not spoken to over TLS; write http:// if the proxy takes CONNECT without it")
    if name not in list(ProxyScheme):
        suggestion = nearest(name, tuple(ProxyScheme))
        mend = f'did you mean "{suggestion}"?' if suggestion else f"write {_PROXY_SCHEMES}"
        raise ValueError(f"{quoted(name)} is not a scheme of a proxy; {mend}")
    return ProxyScheme(name)
