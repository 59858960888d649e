"""A message is somebody else's words: whatever they are, each reader gives a value or its reason, and is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.flows.messages import signature
from exporter.flows.messages.authentication import authentication_results
from exporter.flows.messages.bounces import read_bounce
from exporter.flows.messages.headers import decoded, read_headers
from exporter.flows.messages.hops import read_hops
from exporter.flows.messages.matching import matches
from exporter.flows.messages.message_judging import Copy, judge
from exporter.flows.messages.mime import UnreadableMessage, parts
from exporter.flows.messages.signature import MessageToken
from exporter.flows.messages.spam_scores import SCANNERS, spam_scores
from exporter.flows.messages.status_codes import reason
from exporter.model import Awaited, Secret
from tests.unit.flow_samples import FLOW, KEY, NOW, TEXT, arrived
from tests.unit.test_flow_authentication import GMAIL
from tests.unit.test_flow_bounces import notification

SYNTAX = [
    b";",
    b"=",
    b"(",
    b")",
    b'"',
    b"\\",
    b" ",
    b"\t",
    b"\r\n ",
    b"\r\n",
    b"\r\n\r\n",
    b"/",
    b"\0",
    b"\xff\xfe",
    b"?=",
]
MIME = [
    b"--A1/mail",
    b"--A1/mail--",
    b"Content-Type: ",
    b"multipart/mixed",
    b"boundary=b",
    b"message/rfc822",
    b"=?utf-8?B?",
]
FIELDS = [b"Received: ", b"Date: ", b"by x; Tue, 14 Nov 2023", b"X-Spam-Status: ", b"score=", b"9" * 30, TEXT.encode()]
RESULTS = [b"Authentication-Results: a.test", b"spf=pass", b"dkim=", b"a.test", b"reason=", b"smtp.mailfrom=x@y"]
REPORTS = [b"Status: 5.1.1", b"Action: failed"]
CRUMBS = st.sampled_from([*SYNTAX, *MIME, *FIELDS, *RESULTS, *REPORTS])
NOISE = st.lists(CRUMBS | st.binary(max_size=8), max_size=40).map(b"".join)


@st.composite
def spoilt(draw: st.DrawFn, good: bytes) -> bytes:
    """A good text with some pieces replaced by others."""
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(good)))
        good = good[:at] + draw(NOISE) + good[at + draw(st.integers(0, 60)) :]
    return good


MESSAGES = spoilt(arrived(GMAIL.rstrip())) | spoilt(notification()) | NOISE


@given(octets=MESSAGES)
def test_any_message_can_be_judged(octets: bytes) -> None:
    arrival, faults = judge(FLOW, TEXT, [Copy("INBOX", octets)], NOW, 5.0)
    assert all(fault.detail.isprintable() for fault in faults)
    assert arrival.slowest_hop is None or 0 <= arrival.slowest_hop <= 7.0
    assert set(arrival.spam_scores) <= set(SCANNERS)


@given(octets=MESSAGES)
def test_any_message_has_parts_or_a_reason(octets: bytes) -> None:
    try:
        found = parts(octets)
    except UnreadableMessage:
        return
    assert all(isinstance(part.content, bytes) for part in found)


@given(octets=MESSAGES)
def test_any_message_is_a_notification_of_ours_or_none(octets: bytes) -> None:
    bounce = read_bounce(octets, KEY)
    assert bounce is None or TEXT == signature.sign(bounce.token, KEY)


@given(octets=MESSAGES)
def test_any_message_matches_or_does_not(octets: bytes) -> None:
    headers = read_headers(octets)
    assert matches(headers, Awaited(1, "*", "*")) in (True, False)
    assert all(value.isprintable() for _, value in headers.fields)
    assert decoded(headers.first("subject") or "") is not None


@given(rest=NOISE)
def test_any_authentication_results_are_of_the_closed_set(rest: bytes) -> None:
    headers = read_headers(b"Authentication-Results: a.test" + rest.replace(b"\n", b"") + b"\r\n")
    for method, result in authentication_results(headers, "a.test").items():
        assert method.value
        assert result.value


@given(octets=NOISE)
def test_any_text_has_hops_scores_and_a_reason(octets: bytes) -> None:
    headers = read_headers(b"Received: " + octets + b"\r\nX-Spam-Status: " + octets + b"\r\n")
    assert len(read_hops(headers, NOW, 1.0)) >= 0
    assert all(abs(score) < 1e7 for score in spam_scores(headers).values())
    assert reason(octets.decode("latin-1"))[0] in "245"


@given(text=st.binary(max_size=300))
def test_no_text_is_signed_by_chance(text: bytes) -> None:
    assert signature.find(text, Secret(b"nobody has this key")) is None


@given(
    mark=st.binary(min_size=6, max_size=6),
    sequence=st.integers(0, 256**5 - 1),
    milliseconds=st.integers(0, 256**6 // 1000),
    key=st.binary(min_size=16, max_size=64),
)
def test_every_token_comes_back(mark: bytes, sequence: int, milliseconds: int, key: bytes) -> None:
    token = MessageToken(mark, sequence, milliseconds / 1000)
    assert token == signature.verify(signature.sign(token, Secret(key)), Secret(key))
