"""Reads the sections about mail flow: finds each flow's endpoints, applies the defaults, and reports problems.

The role of an endpoint decides what it needs: a login to read a mailbox, SMTP to send. An unreadable key file or
password is not a problem of the configuration, because it only fails the flows that need it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from exporter.config.document import YamlMapping, YamlSequence
from exporter.config.endpoint_schema import DefaultsSection
from exporter.config.problems import Location, Places, Reading, SectionNotes, did_you_mean, directory, elsewhere, quoted
from exporter.config.schema import FlowKeySection, FlowSection, ReceiveSection
from exporter.config.secret_keys import Secrets
from exporter.config.sections import Layer, read_section
from exporter.config.values import plain_text
from exporter.config.values.durations import format_duration
from exporter.config.values.secret_sources import EnvSecret, InlineSecret
from exporter.model import (
    MIN_FLOW_KEY,
    Addresses,
    Awaited,
    Encryption,
    Endpoint,
    Expected,
    Flow,
    Flows,
    Protocol,
    Receiving,
    SecretSource,
    Sending,
    TlsPolicy,
)

DEFAULT_MAILBOXES: Final = ("INBOX", "\\Junk")
SPECIAL_USES: Final = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash")
"""RFC 6154 section 2 and RFC 8457 section 3."""

DEFAULT_GIVE_UP: Final = 3600.0
DEFAULT_INTERVAL: Final = 300.0

_AUTHSERV_ID: Final = re.compile(r"[^\s;()\"\\]{1,255}")
"""RFC 8601 2.2 also allows any text in quotes, but servers write host names."""

_READERS: Final = frozenset({Protocol.IMAP, Protocol.POP3})
_SENT: Final = ("within", "mailbox", "auth")
_AWAITED: Final = ("from", "subject", "every")


def read_flows(
    root: YamlMapping, endpoints: Sequence[Endpoint], defaults: Layer[DefaultsSection], places: Places
) -> Reading[Flows]:
    """Reads all flows. Flows with problems are left out.

    Args:
        root: The whole file.
        endpoints: The endpoints that flows may name.
        defaults: The defaults, some of which also apply to visits to MX hosts.
        places: The places of the file's values.
    """
    notes = SectionNotes()
    key = notes.take(_read_key(root, places))
    value = root.get("flows")
    if value is not None and not isinstance(value, YamlSequence):
        notes.problem(("flows",), "must be a list; write for example flows: [{name: ..., send: ..., receive: ...}]")
        return notes.reading(Flows((), key))
    reader = _FlowReader({endpoint.name: endpoint for endpoint in endpoints}, defaults, places)
    flows = [notes.take(reader.read(entry, index)) for index, entry in enumerate(value or ())]
    if key is None and reader.sends is not None and not any(each in root for each in FlowKeySection.model_fields):
        ways = "flow_key_file, flow_key_env or flow_key at the top of the file"
        notes.problem(reader.sends, f"sending needs a key that marks messages as ours; write {ways}")
    return notes.reading(Flows(tuple(flow for flow in flows if flow is not None), key))


def _read_key(root: YamlMapping, places: Places) -> Reading[SecretSource]:
    notes = SectionNotes()
    written = {key: root[key] for key in FlowKeySection.model_fields if key in root}
    own = read_section(FlowKeySection, written, (), notes)
    if own is None:
        return notes.reading(None)
    source = Secrets(own, directory(places, ("flow_key_file",))).source("flow_key")
    if isinstance(source, InlineSecret | EnvSecret):
        key = "flow_key" if isinstance(source, InlineSecret) else "flow_key_env"
        with suppress(OSError):
            length = len(source.read().reveal())
            if length < MIN_FLOW_KEY:
                own.problem(f"is {length} octets long; write at least {MIN_FLOW_KEY} that nobody can guess", key)
    return notes.reading(source)


_Keys: TypeAlias = Layer[Any]
"""A section of a flow, which may be absent."""


class _FlowReader:
    """Reads the flows of one configuration, one after the other.

    Attributes:
        sends: The place of the first flow that sends; `None` if none does.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], defaults: Layer[DefaultsSection], places: Places) -> None:
        self.sends: Location | None = None
        self._endpoints = endpoints
        self._defaults = defaults.section
        self._places = places
        self._names: dict[str, Location] = {}

    def read(self, value: object, index: int) -> Reading[Flow]:
        """Reads the flow at an index of the section."""
        at, notes = ("flows", index), SectionNotes()
        keys = read_section(FlowSection, value, at, notes)
        if keys is None:
            return notes.reading(None)
        name = self._name(keys)
        sends = keys.has("send") or not keys.missing("send")
        if sends and self.sends is None:
            self.sends = (*keys.at, "send")
        sending = self._sending(keys.below("send")) if keys.value("send") is not None else None
        receiving = self._receiving(keys)
        expect = keys.below("expect")
        give_up = keys.section.give_up or DEFAULT_GIVE_UP
        self._check_kind(expect, keys, sends=sends)
        if notes.problems or receiving is None or (sends and sending is None):
            return notes.reading(None)
        expected = self._expected(expect, receiving, give_up) if sends else Expected(mailbox=receiving.mailboxes[0])
        flow = Flow(
            name=name,
            receiving=receiving,
            sending=sending,
            expected=expected,
            awaited=None if sends else Awaited(expect.value("every"), expect.value("from"), expect.value("subject")),
            give_up=give_up,
            interval=keys.section.interval or DEFAULT_INTERVAL,
            labels=MappingProxyType({k: v for k, v in sorted((keys.section.labels or {}).items()) if v}),
        )
        return notes.value_or_problems(flow)

    def _name(self, keys: _Keys) -> str:
        name: str | None = keys.value("name")
        if name is None:
            if keys.missing("name"):
                keys.problem("has no name; write name: and one that says from where to where")
            return ""
        place = (*keys.at, "name")
        if name in self._names:
            other = elsewhere(self._places, self._names[name], seen_from=place)
            keys.notes.problem(place, f"{quoted(name)} is the name of the flow at {other} too; write another")
        self._names.setdefault(name, place)
        return name

    def _endpoint(self, keys: _Keys, key: str, *, protocols: frozenset[Protocol], login: str | None) -> Endpoint | None:
        """The endpoint that a key names; `None` if it does not fit its role. `login` says why it needs a login."""
        name = keys.value(key)
        if name is None:
            return None
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            names = tuple(each.name for each in self._endpoints.values() if each.protocol in protocols)
            mend = did_you_mean(name, names[:50]) if names else "write it below endpoints"
            keys.problem(f"there is no endpoint {quoted(name)}; {mend}", key)
            return None
        if endpoint.protocol not in protocols:
            wanted = " or ".join(each.value.upper() for each in sorted(protocols))
            keys.problem(f"{quoted(name)} speaks {endpoint.protocol.upper()}; name one for {wanted}", key)
            return None
        if login is not None and endpoint.credentials is None:
            keys.problem(f"{quoted(name)} has no credentials, and {login} needs a login; add them there", key)
            return None
        return replace(endpoint, addresses=Addresses.FIRST)

    def _sending(self, keys: _Keys) -> Sending | None:
        endpoint = self._endpoint(keys, "endpoint", protocols=frozenset({Protocol.SMTP}), login=None)
        mx, recipient = keys.value("mx"), keys.value("to")
        if keys.missing("endpoint") and keys.missing("mx"):
            keys.problem("has neither endpoint nor mx; write endpoint: with an SMTP endpoint's name")
        elif keys.has("endpoint") and mx is not None:
            keys.problem("endpoint is there too; write only one of the two", "mx")
        if keys.missing("to"):
            keys.problem("has no recipient; write to: and an address that receive reads")
        bounces = self._endpoint(keys, "bounces", protocols=_READERS, login="reading a mailbox")
        sender = self._sender(keys, endpoint)
        if mx is not None and endpoint is None:
            endpoint = self._exchanger(mx)
        if endpoint is None or recipient is None or sender is None:
            return None
        return Sending(sender, recipient, endpoint, mx, bounces)

    def _sender(self, keys: _Keys, endpoint: Endpoint | None) -> str | None:
        sender: str | None = keys.value("from")
        if sender is not None or not keys.missing("from"):
            return sender
        username = endpoint.credentials.username if endpoint is not None and endpoint.credentials is not None else ""
        try:
            return plain_text.flow_address(username)
        except ValueError:
            if keys.value("mx") is not None or endpoint is not None:
                why = f"{quoted(username)} is not a mail address" if username else "there is no login to take it from"
                keys.problem(f"has no sender, and {why}; write from: monitor@example.com")
            return None

    def _exchanger(self, domain: str) -> Endpoint:
        """The endpoint for visits to the MX hosts of a domain. Each host's name replaces the domain."""
        defaults = {
            key: value
            for key in ("timeout", "ip_family", "source_address", "proxy", "helo")
            if (value := getattr(self._defaults, key)) is not None
        }
        # RFC 7435: mail servers use encryption if it is offered, and accept any certificate.
        policy = TlsPolicy(verify=False)
        return Endpoint(f"mx {domain}", Protocol.SMTP, domain, 25, Encryption.OPPORTUNISTIC, tls=policy, **defaults)

    def _receiving(self, keys: _Keys) -> Receiving | None:
        section: ReceiveSection | None = keys.value("receive")
        if section is None:
            if keys.missing("receive"):
                keys.problem("has no mailbox to look in; write receive: {endpoint: ...}")
            return None
        below = keys.below("receive")
        endpoint = self._endpoint(below, "endpoint", protocols=_READERS, login="reading a mailbox")
        if below.missing("endpoint"):
            below.problem("has no endpoint; write endpoint: with an IMAP or POP3 endpoint's name")
        mailboxes = self._mailboxes(below, section.mailboxes)
        if section.authserv_id is not None and not _AUTHSERV_ID.fullmatch(section.authserv_id):
            below.problem(
                "is not a server name for Authentication-Results; write one like mx.google.com", "authserv_id"
            )
        if endpoint is None:
            return None
        if endpoint.protocol is Protocol.POP3:
            if mailboxes and mailboxes != ("INBOX",):
                below.problem("POP3 has no mailbox but INBOX; leave it out, or name an IMAP endpoint", "mailboxes")
            mailboxes = ("INBOX",)
        return Receiving(endpoint, mailboxes or DEFAULT_MAILBOXES, section.authserv_id)

    def _mailboxes(self, keys: _Keys, names: Sequence[str] | None) -> tuple[str, ...]:
        mailboxes = tuple(dict.fromkeys(map(_proper_name, names or ())))
        unknown = [name for name in mailboxes if name.startswith("\\") and name not in SPECIAL_USES]
        for name in unknown:
            uses = ", ".join(SPECIAL_USES)
            wish = f"write one of {uses}, or a name without the backslash"
            keys.problem(f"{quoted(name)} is not a special use; {wish}", "mailboxes")
        if names == []:
            keys.problem("is empty; write [INBOX], or leave it out", "mailboxes")
        return mailboxes

    def _check_kind(self, expect: _Keys, keys: _Keys, *, sends: bool) -> None:
        """Checks the keys of `expect`: sent messages and awaited messages have different ones."""
        for key in _AWAITED if sends else _SENT:
            if expect.has(key):
                why = "a message of our own is recognised by its signature" if sends else "nothing is sent"
                expect.problem(f"{why}; leave it out", key)
        if sends:
            return
        if keys.has("give_up"):
            keys.problem("nothing is sent; leave it out", "give_up")
        if expect.missing("every"):
            place = expect.at if expect.section is not None else keys.at
            wish = "expect: {every: 26h}, the greatest age of the newest message"
            keys.notes.problem(place, f"without send, a flow waits for messages of others; write {wish}")

    def _expected(self, keys: _Keys, receiving: Receiving, give_up: float) -> Expected:
        within: float | None = keys.value("within")
        if within is not None and within >= give_up:
            shown = format_duration(give_up)
            keys.problem(
                f"is not below give_up, which is {shown}; write a shorter time here or a longer there", "within"
            )
        mailbox = _proper_name(keys.value("mailbox") or receiving.mailboxes[0])
        if mailbox not in receiving.mailboxes:
            looked_in = ", ".join(map(quoted, receiving.mailboxes))
            keys.problem(
                f"{quoted(mailbox)} is not looked in, only {looked_in}; add it to receive.mailboxes", "mailbox"
            )
        auth = keys.value("auth") or {}
        if auth and receiving.authserv_id is None:
            keys.problem(
                "no Authentication-Results count; write receive.authserv_id, the server's own name in them", "auth"
            )
        return Expected(within, mailbox, MappingProxyType(dict(sorted(auth.items()))))


def _proper_name(mailbox: str) -> str:
    """Normalises the letter case of INBOX (RFC 9051 5.1) and special uses (RFC 6154 2), which is not significant."""
    known = ("INBOX", *SPECIAL_USES)
    return next((name for name in known if name.lower() == mailbox.lower()), mailbox)
