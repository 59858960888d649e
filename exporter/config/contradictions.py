"""Finds contradictions between the keys of an endpoint, after applying defaults, and resolves keys with defaults.

Each check is a function in a table and has one message. A key that was already reported is not reported again. Single
values are checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exporter.config.endpoint_target import Target
from exporter.config.problems import quoted
from exporter.config.sections import Layers
from exporter.config.values.durations import format_duration
from exporter.config.values.hosts import is_ipv4, is_ipv6
from exporter.config.values.urls import usual_scheme
from exporter.model import Credentials, Encryption, IpFamily, Mechanism, Protocol, Proxy, SecretKind, TlsPolicy
from exporter.protocol.protocols import PROTOCOLS, with_key, with_mechanism

DEFAULT_INTERVAL = 60.0
"""Seconds."""

DEFAULT_TIMEOUT = 15.0
"""Seconds; or the interval, if that is shorter and no timeout is configured."""

_KEYS_OF_SOME = tuple(sorted(frozenset[str]().union(*(row.keys for row in PROTOCOLS.values()))))
"""Keys for some protocols only. Other endpoints ignore them in the defaults, and must not have them."""

_ALWAYS_ENCRYPTED = frozenset({Encryption.TLS, Encryption.STARTTLS})

_FAMILIES = ((IpFamily.IPV4, is_ipv4), (IpFamily.IPV6, is_ipv6))


def in_words(protocols: frozenset[Protocol]) -> str:
    """Protocols, for people."""
    return " and ".join(protocol for protocol in Protocol if protocol in protocols)


@dataclass(frozen=True, slots=True)
class Draft:
    """An endpoint whose target is known, while it is checked.

    Attributes:
        protocols: The protocols of all endpoints of its entry. A key has to apply to one of them.
        credentials: `None` if there is no login, or if its credentials have problems of their own.
    """

    keys: Layers
    target: Target
    protocols: frozenset[Protocol]
    credentials: Credentials | None
    policy: TlsPolicy

    @property
    def spoken(self) -> str:
        """The protocols, for people."""
        return in_words(self.protocols)

    def applies(self, key: str) -> bool:
        """Whether the key applies to the endpoint's protocol."""
        return self.target.protocol in with_key(key)

    @property
    def written_mechanism(self) -> Mechanism:
        """The mechanism of this endpoint or the defaults."""
        return self.keys.value("mechanism") or Mechanism.AUTO

    @property
    def mechanism(self) -> Mechanism:
        """The mechanism. One from the defaults, or for several endpoints, is ignored if it cannot be used."""
        return self.written_mechanism if self.has(self.written_mechanism) and self.suits else Mechanism.AUTO

    def has(self, mechanism: Mechanism) -> bool:
        """Whether the endpoint's protocol has the mechanism."""
        return self.target.protocol in with_mechanism(mechanism)

    @property
    def suits(self) -> bool:
        """Whether the mechanism fits the secret of the credentials."""
        if self.credentials is None:
            return True
        match self.written_mechanism.takes:
            case SecretKind.PASSWORD:
                return self.credentials.password is not None
            case SecretKind.TOKEN:
                return self.credentials.oauth2 is not None
            case SecretKind.CERTIFICATE:
                return self.policy.client_cert_file is not None
        return True

    @property
    def rcpt_expect(self) -> tuple[int, ...]:
        """Expected replies of the defaults hold where there is a recipient to ask about."""
        asked = self.applies("rcpt_to") and self.keys.value("rcpt_to") is not None
        return tuple(self.keys.value("rcpt_expect") or ()) if asked else ()

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Those of the defaults hold where there is a certificate to look at."""
        expected = self.keys.below("expect").value("fingerprints") or ()
        return tuple(dict.fromkeys(expected)) if self.target.encryption in _ALWAYS_ENCRYPTED else ()

    @property
    def ip_family(self) -> IpFamily:
        """A source address of one family reaches no address of the other, unless a proxy stands between them."""
        source = self.keys.value("source_address") if self.keys.value("proxy") is None else None
        wanted: IpFamily = self.keys.value("ip_family") or IpFamily.ANY
        return next((family for family, belongs in _FAMILIES if source is not None and belongs(source)), wanted)


def timing(keys: Layers) -> tuple[float, float]:
    """Interval and timeout, in seconds."""
    interval: float = keys.value("interval") or DEFAULT_INTERVAL
    return interval, keys.value("timeout") or min(DEFAULT_TIMEOUT, interval)


def check_timing(keys: Layers) -> None:
    """A timeout longer than the interval would let probes of one endpoint overlap."""
    interval, timeout = timing(keys)
    if timeout > interval and keys.usable("interval", "timeout"):
        key = "interval" if keys.own.has("interval") and not keys.own.has("timeout") else "timeout"
        longest = format_duration(interval)
        message = f"the timeout of {format_duration(timeout)} is longer than the interval of {longest}; "
        keys.problem(f"{message}write timeout: {longest} or less", key)


def _check_protocol(draft: Draft) -> None:
    for key in _KEYS_OF_SOME:
        if draft.keys.own.value(key) is not None and not (speakers := with_key(key)) & draft.protocols:
            draft.keys.problem(
                f"is for {in_words(speakers)}, and this endpoint speaks {draft.spoken}; leave it out", key
            )


def _check_recipient(draft: Draft) -> None:
    if draft.applies("rcpt_to") and draft.keys.value("rcpt_to") is None and draft.keys.usable("rcpt_to"):
        for key in ("mail_from", "rcpt_expect"):
            if draft.keys.own.value(key):
                draft.keys.problem("needs a recipient; write rcpt_to: postmaster@example.com beside it", key)


def _check_read_back(draft: Draft) -> None:
    if draft.keys.own.value("read_back") is None or not with_key("read_back") & draft.protocols:
        return
    if draft.keys.value("credentials") is None and draft.keys.usable("credentials"):
        draft.keys.problem("reading a mailbox needs a login; write credentials beside it", "read_back")
    elif Protocol.POP3 in draft.protocols or not draft.keys.usable("mailbox"):
        return
    elif draft.keys.value("mailbox") is None:
        draft.keys.problem("names no mailbox to read; write mailbox: INBOX beside it", "read_back")


def _check_login(draft: Draft) -> None:
    mechanism = draft.keys.own.value("mechanism")
    if mechanism is None:
        return
    speakers = with_mechanism(mechanism)
    if not speakers & draft.protocols:
        message = f"{mechanism} is for {in_words(speakers)}, and this endpoint speaks {draft.spoken}; write auto"
        draft.keys.problem(message, "mechanism")
    if draft.keys.value("credentials") is None and draft.keys.usable("credentials"):
        draft.keys.problem("a mechanism needs a login; write credentials beside it, or leave it out", "mechanism")


def _check_mailbox(draft: Draft) -> None:
    """A mailbox needs a login. Without this check, the probe would succeed without examining it."""
    keys = draft.keys
    unseen = keys.value("mailbox") is not None and keys.value("credentials") is None
    if not unseen or not draft.applies("mailbox") or not keys.usable("credentials", "mailbox"):
        return
    if keys.own.value("mailbox") is not None:
        draft.keys.problem("cannot be looked at without a login; write credentials beside it", "mailbox")
    else:
        doubt = "is looked at only by endpoints with credentials, and one has none; write credentials there"
        keys.warning(doubt, "mailbox")


def _check_secret(draft: Draft) -> None:
    """A mechanism has to fit the credentials. One from the defaults is ignored if it does not."""
    mechanism, credentials = draft.written_mechanism, draft.credentials
    passes = draft.keys.own.value("credentials") is not None and draft.keys.own.value("mechanism") is None
    if credentials is None or passes or draft.suits or not draft.has(mechanism):
        return
    if draft.keys.below("tls").usable("client_cert_file"):
        draft.keys.problem(f"{mechanism} {_misfit(mechanism, credentials)}", "mechanism")


def _misfit(mechanism: Mechanism, credentials: Credentials) -> str:
    name = quoted(credentials.name)
    match mechanism.takes:
        case SecretKind.TOKEN:
            return f"logs in by an access token, and the credentials {name} get none; write oauth2 there, or auto here"
        case SecretKind.CERTIFICATE:
            return "logs in by the client certificate of TLS; write tls: {client_cert_file: client.pem} beside it"
    if credentials.oauth2 is not None:
        return (
            f"logs in by a password, and the credentials {name} get access tokens; write XOAUTH2, OAUTHBEARER or auto"
        )
    return f"logs in by a password, and the credentials {name} have none; write EXTERNAL or auto"


def _check_preset(draft: Draft) -> None:
    """A provider that demands access tokens refuses all passwords."""
    preset, server = draft.target.preset, draft.target.server
    if preset is None or server is None or draft.credentials is None or draft.credentials.password is None:
        return
    if server.logins == {SecretKind.TOKEN}:
        doubt = f"{preset.title} takes access tokens and no passwords for {server.protocol}"
        draft.keys.warning(f"{doubt}; write oauth2 in those credentials", "credentials")


def _check_plain_login(draft: Draft) -> None:
    if draft.target.encryption is not Encryption.NONE or draft.keys.value("credentials") is None:
        return
    doubt = "the password is sent in plain text; use encryption: starttls instead"
    if not draft.keys.value("allow_insecure_auth"):
        doubt = "a login is not sent without TLS; use encryption: starttls instead"
    draft.keys.warning(doubt, "encryption")


def _check_port(draft: Draft) -> None:
    """Another protocol's port, or TLS where servers usually upgrade, or the other way round: both sides then wait."""
    target = draft.target
    usual = usual_scheme(target.port)
    at_once = target.encryption is Encryption.TLS
    if usual is None or (usual.protocol, usual.encryption is Encryption.TLS) == (target.protocol, at_once):
        return
    key = next((key for key in ("url", "port", "encryption") if draft.keys.own.has(key)), "url")
    draft.keys.warning(f"port {target.port} usually wants {usual.name}://", key)


def _check_fingerprints(draft: Draft) -> None:
    expected = draft.keys.below("expect")
    if expected.own.value("fingerprints") and draft.target.encryption not in _ALWAYS_ENCRYPTED:
        message = f"with encryption {draft.target.encryption} there may be no certificate; write encryption: starttls"
        expected.problem(message, "fingerprints")


def _check_addresses(draft: Draft) -> None:
    source, wanted = draft.keys.value("source_address"), draft.keys.value("ip_family")
    proxy: Proxy | None = draft.keys.value("proxy")
    if proxy is not None:
        _check_way_to_proxy(draft, proxy, source)
        source = None
    for family, belongs in _FAMILIES:
        other = next(each for each in IpFamily if each not in (family, IpFamily.ANY))
        if source is not None and belongs(source) and wanted is other:
            draft.keys.problem(
                f"{source} is not an {other} address, which ip_family asks for; change one of them", "source_address"
            )
        if belongs(draft.target.host) and draft.ip_family is other:
            _report_unreachable(draft, "source_address" if source is not None else "ip_family", family)


def _check_way_to_proxy(draft: Draft, proxy: Proxy, source: str | None) -> None:
    """The source address is for the connection to the proxy."""
    for family, belongs in _FAMILIES:
        if source is not None and belongs(proxy.host) and not belongs(source):
            key = "proxy" if draft.keys.own.has("proxy") else "source_address"
            message = f"the {family} address {proxy.host} cannot be reached from {source}; change one of the two"
            draft.keys.problem(message, key)


def _report_unreachable(draft: Draft, key: str, family: IpFamily) -> None:
    """The defaults may be right for every other endpoint, so the place is where this one differs."""
    if draft.keys.own.has(key):
        draft.keys.problem(f"cannot be used to reach the {family} address {draft.target.host}; leave it out here", key)
    else:
        target = "url" if draft.keys.own.has("url") else "host"
        message = f"the defaults' {key} cannot be used to reach an {family} address; write {key}: and no value here"
        draft.keys.problem(message, target)


CHECKS: tuple[Callable[[Draft], None], ...] = (
    _check_protocol,
    _check_recipient,
    _check_read_back,
    _check_login,
    _check_mailbox,
    _check_secret,
    _check_preset,
    _check_plain_login,
    _check_port,
    _check_fingerprints,
    _check_addresses,
)
