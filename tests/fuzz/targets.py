"""What is fuzzed: for each parser a function of octets that returns, or raises if a promise is broken.

The promises are those of tests/property, and partly the same functions. Nothing here imports the fuzzer: `make test`
replays the corpus without it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from exporter.certificates import certificate, examine, judge, staple
from exporter.certificates.certificate import UnreadableError
from exporter.config.configuration import Configuration
from exporter.config.document import read_document
from exporter.config.load import parse
from exporter.config.problems import ConfigurationError
from exporter.flows.messages import signature
from exporter.flows.messages.authentication import authentication_results
from exporter.flows.messages.bounces import read_bounce
from exporter.flows.messages.headers import decoded, read_headers
from exporter.flows.messages.hops import read_hops
from exporter.flows.messages.matching import matches
from exporter.flows.messages.message_judging import Copy
from exporter.flows.messages.message_judging import judge as judge_message
from exporter.flows.messages.mime import UnreadableMessage, parts
from exporter.flows.messages.spam_scores import spam_scores
from exporter.metrics.history.history_format import DamagedHistoryError, read_history
from exporter.model import Awaited, Encryption, Mechanism, Protocol, Secret, StapleStatus
from exporter.net.dns.system_names import parse_hosts, parse_resolv_conf
from exporter.protocol import oauth2, sasl
from exporter.protocol.dialogue import ProtocolError, Send
from exporter.protocol.imap_response import parse_values
from exporter.protocol.smtp import read_reply
from tests.authority import NOW
from tests.certificates import NAME
from tests.fuzz.published import PUBLISHED, published_seeds
from tests.property.test_certificates_properties import LEAF, RESPONSE, ROOT
from tests.property.test_conversation import (
    assert_credentials_are_safe,
    assert_the_server_speaks_first,
    conversed,
)
from tests.property.test_resolve_messages import SAMPLE, check_answer
from tests.protocol.player import ScriptEndedError, play, whole
from tests.protocol.samples import EVERY, Agreeable, endpoint, holder, login
from tests.unit.flow_samples import FLOW, KEY, TEXT, arrived
from tests.unit.flow_samples import NOW as FLOW_NOW
from tests.unit.test_flow_bounces import notification

Target = Callable[[bytes], object]

BOUNDARY: Final = b"\x00TLS\x00"
"""Where an input for a dialogue is cut into what comes before and behind the handshake."""


def _dialogue(server: Agreeable) -> Target:
    def target(octets: bytes) -> None:
        """The first octet chooses the encryption and the mechanism."""
        choice = octets[0] if octets else 0
        encryption = list(Encryption)[choice % len(Encryption)]
        mechanism = list(Mechanism)[choice // len(Encryption) % len(Mechanism)]
        who = login() if mechanism.takes is None else login(mechanism)
        script = [*octets[1:].split(BOUNDARY, 1), b""]
        played = conversed(server, encryption, who, script, whole)
        assert_credentials_are_safe(played, encryption)
        assert_the_server_speaks_first(played)

    return target


def _reply(octets: bytes) -> None:
    try:
        played = play(read_reply(), octets, whole)
    except ScriptEndedError:
        return
    assert (played.error is None) is (played.value is not None)
    assert octets.endswith(played.unread)


def _imap_values(octets: bytes) -> None:
    """A literal stands between two boundaries."""
    try:
        parse_values(tuple(octets.split(BOUNDARY)))
    except ProtocolError as error:
        assert str(error).isprintable()


def _challenges(octets: bytes) -> None:
    """The first octet chooses the mechanism; challenges stand in lines, encoded as they are on the wire or not."""
    mechanisms = [each for each in sasl.MECHANISMS if each.takes is not None]
    mechanism = mechanisms[octets[0] % len(mechanisms)] if octets else mechanisms[0]
    assert mechanism.takes is not None
    run = sasl.exchange(mechanism, holder(mechanism.takes), endpoint(Protocol.IMAP, Encryption.TLS))
    challenges = octets[1:].split(b"\n")[:4]
    for dialogue in [run.begin("AUTH", 512), *(run.respond(b64encode(each)) for each in challenges)]:
        played = play(dialogue, b"")
        assert (played.error is None) is (1 == len([step for step in played.steps if isinstance(step, Send)]))
        assert played.error is None or played.error.detail.isprintable()


def _token_answer(octets: bytes) -> None:
    """The first octet is the status, the first line the header, the rest the body."""
    status = (octets[0] if octets else 0) + 200
    retry_after, _, body = octets[1:].partition(b"\n")
    hidden = (Secret(b"client-secret"),)
    try:
        answer = oauth2.token_answer(status, retry_after.decode("latin-1"), body, hidden, 0.0)
    except oauth2.TokenError as error:
        assert str(error).isprintable()
        assert "client-secret" not in str(error)
    else:
        assert answer.access_token.reveal()


def _certificate(octets: bytes) -> None:
    with suppress(UnreadableError):
        certificate.read(octets)
    verdict = judge(examine((octets, ROOT.der), (octets, ROOT.der), (), finished=True), NAME, b"", NOW.timestamp())
    assert bool(verdict.problems) == bool(verdict.detail)
    assert verdict.detail.isascii()
    assert verdict.detail.isprintable()


def _staple(octets: bytes) -> None:
    found = staple.read(octets, certificate.read(LEAF.der), certificate.read(ROOT.der))
    assert found.status in {StapleStatus.GOOD, StapleStatus.INVALID}


def _authentication_results(octets: bytes) -> None:
    headers = read_headers(b"Authentication-Results: a.test" + octets.replace(b"\n", b"") + b"\r\n")
    for method, result in authentication_results(headers, "a.test").items():
        assert method.value
        assert result.value


def _headers(octets: bytes) -> None:
    headers = read_headers(octets)
    assert all(value.isprintable() for _, value in headers.fields)
    assert decoded(headers.first("subject") or "") is not None
    assert all(abs(score) < 1e7 for score in spam_scores(headers).values())
    read_hops(headers, FLOW_NOW, 1.0)


def _awaited(octets: bytes) -> None:
    assert matches(read_headers(octets), Awaited(60, "*@a.test", "*report*")) in {True, False}


def _message(octets: bytes) -> None:
    try:
        parts(octets)
    except UnreadableMessage as error:
        assert str(error).isprintable()
    arrival, faults = judge_message(FLOW, TEXT, [Copy("INBOX", octets)], FLOW_NOW, 5.0)
    assert all(fault.detail.isprintable() for fault in faults)
    assert arrival.slowest_hop is None or arrival.slowest_hop >= 0


def _notification(octets: bytes) -> None:
    bounce = read_bounce(octets, KEY)
    assert bounce is None or TEXT == signature.sign(bounce.token, KEY)


def _history(octets: bytes) -> None:
    try:
        read_history(octets.decode("utf-8", "replace").splitlines())
    except DamagedHistoryError as error:
        assert str(error).isprintable()


def _configuration(octets: bytes) -> None:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return
    try:
        configuration = parse(text, "f")
    except ConfigurationError as error:
        assert error.problems
        assert all(problem.message.isprintable() for problem in error.problems)
    else:
        assert isinstance(configuration, Configuration)


def _yaml(octets: bytes) -> None:
    try:
        read_document(octets.decode("utf-8", "replace"), "f")
    except ConfigurationError as error:
        assert error.problems


def _system_names(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    parse_resolv_conf(text)
    parse_hosts(text)


TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        **{f"{server.protocol.value}-dialogue": _dialogue(server) for server in EVERY},
        "smtp-reply": _reply,
        "imap-values": _imap_values,
        "sasl-challenges": _challenges,
        "token-answer": _token_answer,
        "dns-answer": check_answer,
        "certificate": _certificate,
        "staple": _staple,
        "authentication-results": _authentication_results,
        "headers": _headers,
        "awaited": _awaited,
        "message": _message,
        "notification": _notification,
        "history": _history,
        "configuration": _configuration,
        "yaml": _yaml,
        "system-names": _system_names,
        **PUBLISHED,
    }
)


def seeds() -> Mapping[str, list[bytes]]:
    """Good inputs to begin with, where the corpus alone would have to find the form first."""
    found = published_seeds() | {
        "dns-answer": [SAMPLE],
        "certificate": [LEAF.der, ROOT.der],
        "staple": [RESPONSE],
        "message": [arrived()],
        "headers": [arrived()],
        "awaited": [
            b'From: A (a "b") <a@a.test>, =?utf-8?q?B?= <b@[192.0.2.1]>\r\nSubject: =?utf-8?B?cmVwb3J0?= 7\r\n\r\n'
        ],
        "notification": [notification()],
        "token-answer": [
            b'\0\n{"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r"}'
        ],
        "configuration": [
            b"credentials: {c: {username: u, password: p}}\nendpoints: [{url: imaps://h, credentials: c}]"
        ],
        "yaml": [b"a: &b [1, 'two', {c: 3}]\nd: *b\n"],
        "system-names": [b"nameserver 192.0.2.53\nsearch a.test b.test\noptions ndots:2 trust-ad\n192.0.2.1 mail"],
        "authentication-results": [b"; spf=pass smtp.mailfrom=a@b.test; dkim=fail (bad) header.d=b.test; dmarc=none"],
        "history": [b'{"format": "mail-exporter history 1"}\n{"endpoint": "a", "since": 0}\n{"lines": 2}\n'],
    }
    for server in EVERY:
        found[f"{server.protocol.value}-dialogue"] = [
            bytes([number]) + BOUNDARY.join(server.parts(encryption)) for number, encryption in enumerate(Encryption)
        ]
    return found
