"""What strangers send to the interface: targets, logins and timeouts. Whatever it is, it is a value or a refusal."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import example, given
from hypothesis import strategies as st

from exporter.config.load import parse
from exporter.config.values.allowed import AllowedTargets, parse_allowed
from exporter.config.values.hosts import parse_host
from exporter.web.serving.security import _login

MODULE = parse("endpoints: [{url: imaps://h}]\nmodules: {m: {url: imaps://, allowed_targets: [h]}}\n", "f").modules["m"]

SYNTAX = ["imaps://", "smtp://", "://", "@", ":", "[", "]", "%", "#", "?", "/", "\\", ".", "*", "-", "\0", "\r\n", " "]
WORDS = ["127.0.0.1", "::ffff:", "0x7f", "2130706433", "993", "example.com", "\uff11", "\u3002", "xn--", "b\u00fccher"]
CRUMBS = st.sampled_from([*SYNTAX, *WORDS])
TARGETS = st.text(max_size=80) | st.lists(CRUMBS, max_size=8).map("".join)


@given(target=TARGETS)
@example(target="imaps://[::1]:0")
@example(target="[")
def test_a_target_is_an_endpoint_or_refused_in_a_printable_line(target: str) -> None:
    try:
        endpoint = MODULE.endpoint(target)
    except ValueError as refusal:
        said = str(refusal)
    else:
        # What is judged and looked up is in the one form that the rest of the program knows.
        assert endpoint.host == parse_host(endpoint.host)
        assert 1 <= endpoint.port <= 65535
        said = endpoint.name
    assert said.isprintable()
    assert len(said) < 1000


@given(target=TARGETS, entries=st.lists(st.sampled_from(["h", "*.example.com", "10.0.0.0/8", "::1"]), min_size=1))
def test_whatever_the_target_it_is_judged(target: str, entries: list[str]) -> None:
    allowed = AllowedTargets(tuple(parse_allowed(entry) for entry in entries))
    try:
        host = MODULE.endpoint(target).host
    except ValueError:
        return
    objection = allowed.objection(host)
    assert objection is None or objection.isprintable()


@given(name=st.text(max_size=20), password=st.binary(max_size=20))
def test_a_login_is_read_as_it_was_sent(name: str, password: bytes) -> None:
    try:
        octets = name.encode()
    except UnicodeEncodeError:
        return
    sent = b64encode(octets + b":" + password).decode()
    before, _, after = name.partition(":")
    expected = (before, (after.encode() + b":" if ":" in name else b"") + password)
    assert expected == _login(f"Basic {sent}")


@given(header=st.text(max_size=60) | st.text(alphabet="ABab01+/= ", max_size=30).map(lambda text: f"Basic {text}"))
def test_whatever_is_sent_as_a_login_is_one_or_none(header: str) -> None:
    login = _login(header)
    assert login is None or ":" not in login[0]
