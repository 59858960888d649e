"""Parses the URLs of endpoints and proxies, and writes the shortest URL of an endpoint.

A URL names a server and nothing else. Users, passwords and paths are refused. Messages do not quote them, because they
may contain a password.
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
"""All schemes, in the order of preference if several match."""

_URL_PARTS = re.compile(r"([^:/?#@\[\]]*)://([^/?#]*)(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", re.DOTALL)
_LIKE_IPV6 = re.compile(r"\[?[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:")

_PROXY_EXAMPLE: Final = "socks5://proxy.example.com:1080"
_PROXY_SCHEMES: Final = " or ".join(f"{scheme}://" for scheme in ProxyScheme)


@dataclass(frozen=True, slots=True)
class MailUrl:
    """The parts of a URL.

    Attributes:
        host: The host, as `hosts.parse_target_host` returns it; empty only in the URL of a module.
        port: The port; `None` if the URL has none.
    """

    scheme: Scheme
    host: str
    port: int | None

    def __str__(self) -> str:
        """Writes the URL without a default port and without a final dot."""
        host = f"[{self.host}]" if is_ipv6(self.host) else self.host.removesuffix(".")
        return f"{self.scheme.name}://{host}" + ("" if self.port in (None, self.scheme.port) else f":{self.port}")


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """A target that somebody asks to be probed.

    Attributes:
        scheme: The scheme; `None` if the text is not a URL.
        host: The host, as `hosts.parse_target_host` returns it.
        port: The port; `None` if the text has none.
    """

    scheme: Scheme | None
    host: str
    port: int | None


def parse_asked(text: str) -> ProbeTarget:
    """Parses a URL, a host, or a host and port: `mail.example.com:993`, `[2001:db8::1]:993`, `2001:db8::1`.

    Raises:
        ValueError: The text is invalid. The message says what to write, and quotes no part that may be a password.
    """
    if "://" in text or "@" in text:
        url = parse_url(text)
        return ProbeTarget(url.scheme, url.host, url.port)
    parts = _AUTHORITY.fullmatch(text)
    host, port = (text, None) if parts is None else parts.groups()
    return ProbeTarget(None, parse_target_host(host), _port(port, "leave it out for the usual one"))


def parse_module_url(text: str) -> MailUrl:
    """As `parse_url`, but the host may be empty.

    Raises:
        ValueError: The text is invalid. The message says what to write, and quotes no part that may be a password.
    """
    return parse_url(text, host_may_lack=True)


def parse_url(text: str, *, host_may_lack: bool = False) -> MailUrl:
    """Parses the URL of an endpoint.

    Raises:
        ValueError: The text is invalid. The message says what to write, and quotes no part that may be a password.
    """
    if "@" in text:
        raise ValueError(
            "a URL cannot contain a user or password; write them as an entry of credentials (username, password_file) "
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
    """Splits the authority of a URL into host and port, as written. The host may be empty.

    Args:
        authority: The text between the slashes.
        bracketed: The example for a message about an IPv6 address without brackets.
        numbered: The message about a malformed port.
        outside: The advice in a message about a port that is out of range.
    """
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        if _LIKE_IPV6.match(authority) and not re.fullmatch(r"\[[^\[\]]*\]:.*", authority, re.DOTALL):
            raise ValueError(f"an IPv6 address needs brackets; write {bracketed}")
        raise ValueError(numbered)
    host, port = parts.groups()
    return host, _port(port, outside)


def _port(written: str | None, outside: str) -> int | None:
    if written is not None and not 1 <= int(written) <= MAX_PORT:
        raise ValueError(f"port {written} is outside 1 to {MAX_PORT}; {outside}")
    return None if written is None else int(written)


def shortest_url(protocol: Protocol, encryption: Encryption, host: str, port: int) -> str:
    """Writes the URL of an endpoint.

    It uses the protocol's scheme for that port, else the first scheme that uses TLS from the start, or not, as the
    endpoint does. URLs do not distinguish `starttls`, `opportunistic` and `none`.
    """
    at_once = encryption is Encryption.TLS
    candidates = [s for s in SCHEMES if s.protocol is protocol and (s.encryption is Encryption.TLS) == at_once]
    scheme = next((scheme for scheme in candidates if scheme.port == port), candidates[0])
    return str(MailUrl(scheme, host, port))


def usual_scheme(port: int) -> Scheme | None:
    """The scheme that usually has this port; `None` if there is none."""
    return next((scheme for scheme in SCHEMES if scheme.port == port), None)


def default_port(protocol: Protocol, encryption: Encryption) -> int:
    """The usual port for this protocol and encryption."""
    at_once = encryption is Encryption.TLS
    return next(s.port for s in SCHEMES if s.protocol is protocol and (s.encryption is Encryption.TLS) == at_once)


def default_encryption(protocol: Protocol, port: int | None) -> Encryption:
    """The usual encryption for this protocol and port; required STARTTLS if the port is not a usual one."""
    return next((s.encryption for s in SCHEMES if s.protocol is protocol and s.port == port), Encryption.STARTTLS)


def _scheme_names() -> str:
    return ", ".join(scheme.name for scheme in SCHEMES)


def parse_proxy(text: str) -> Proxy:
    """Parses the URL of a proxy.

    Raises:
        ValueError: The text is invalid. The message says what to write.
    """
    if "@" in text:
        raise ValueError(
            "a URL cannot contain a user or password, and mail-exporter does not log in at proxies; "
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
        raise ValueError("TLS to proxies is not supported; write http:// if the proxy also takes CONNECT without TLS")
    if name not in list(ProxyScheme):
        suggestion = nearest(name, tuple(ProxyScheme))
        mend = f'did you mean "{suggestion}"?' if suggestion else f"write {_PROXY_SCHEMES}"
        raise ValueError(f"{quoted(name)} is not a scheme of a proxy; {mend}")
    return ProxyScheme(name)
