from __future__ import annotations

import time

import pytest

from exporter.flows.messages.authentication import MAX_BEGIN, MAX_FIELDS, MAX_PARSED, authentication_results
from exporter.flows.messages.headers import read_headers
from exporter.model import AuthMethod, AuthResult

GMAIL = (
    b"Authentication-Results: mx.google.com;\r\n"
    b"       dkim=pass header.i=@example.com header.s=s1 header.b=abc;\r\n"
    b"       arc=pass (i=1 spf=pass spfdomain=example.com dkim=pass dkdomain=example.com);\r\n"
    b"       spf=softfail (google.com: domain of transitioning me@example.com) smtp.mailfrom=me@example.com;\r\n"
    b"       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=example.com\r\n"
)
PASSING = {
    AuthMethod.ARC: AuthResult.PASS,
    AuthMethod.DKIM: AuthResult.PASS,
    AuthMethod.DMARC: AuthResult.PASS,
    AuthMethod.SPF: AuthResult.SOFTFAIL,
}


def results(octets: bytes, pin: str | None = "mx.google.com") -> dict[AuthMethod, AuthResult]:
    return dict(authentication_results(read_headers(octets), pin))


def test_the_pinned_server_is_believed() -> None:
    assert PASSING == results(GMAIL)


def test_letter_case_of_the_pin_means_nothing() -> None:
    assert PASSING == results(GMAIL, "MX.Google.COM")


@pytest.mark.parametrize("pin", [None, "mx.google.co", "google.com", "mx.google.com.example"])
def test_without_the_right_pin_nobody_is_believed(pin: str | None) -> None:
    assert {} == results(GMAIL, pin)


def test_a_forged_field_by_another_server_does_not_count() -> None:
    forged = b"Authentication-Results: evil.example; spf=pass smtp.mailfrom=x\r\n"
    assert PASSING == results(forged + GMAIL)


def test_a_forged_field_below_the_servers_own_does_not_count() -> None:
    genuine = b"Authentication-Results: mx.google.com; dkim=fail header.d=example.com\r\n"
    assert AuthResult.FAIL == results(genuine + b"Received: x\r\n" + GMAIL)[AuthMethod.DKIM]


@pytest.mark.parametrize("top", [b"dkim=banana", b"dkim=banana; spf=pass", b"dkim=fail reason=" + b"x" * MAX_PARSED])
def test_a_field_of_the_server_that_cannot_be_read_hides_forged_ones_below(top: bytes) -> None:
    octets = b"Authentication-Results: mx.google.com; " + top + b"\r\n" + GMAIL
    assert AuthMethod.DKIM not in results(octets)


def test_several_fields_of_the_server_are_added_up() -> None:
    fields = b"Authentication-Results: a.test; spf=pass\r\nAuthentication-Results: a.test; dkim=none\r\n"
    assert {AuthMethod.DKIM: AuthResult.NONE, AuthMethod.SPF: AuthResult.PASS} == results(fields, "a.test")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("beside", ["", " smtp.helo=mail.example.com"])
def test_spf_of_the_helo_name_does_not_stand_for_the_sender(order: int, beside: str) -> None:
    parts = ["spf=fail smtp.mailfrom=me@example.com" + beside, "spf=pass smtp.helo=mail.example.com"][::order]
    field = f"Authentication-Results: a.test; {'; '.join(parts)}\r\n".encode()
    assert {AuthMethod.SPF: AuthResult.FAIL} == results(field, "a.test")


def test_of_several_signatures_one_that_is_good_is_enough() -> None:
    field = b"Authentication-Results: a.test; dkim=fail header.d=list.test; dkim=pass header.d=example.com\r\n"
    assert {AuthMethod.DKIM: AuthResult.PASS} == results(field, "a.test")


@pytest.mark.parametrize(
    ("written", "expected"),
    [("hardfail", AuthResult.FAIL), ("PASS", AuthResult.PASS), ("temperror", AuthResult.TEMPERROR)],
)
def test_results_are_of_a_closed_set(written: str, expected: AuthResult) -> None:
    field = f"Authentication-Results: a.test 1; spf={written} smtp.mailfrom=me@example.com\r\n".encode()
    assert {AuthMethod.SPF: expected} == results(field, "a.test")


@pytest.mark.parametrize(
    "rest",
    [
        b"; none",
        b"",
        b"; spf=banana",
        b"; sp",
        b"; spf=",
        b" 2; spf=pass",
        b";;;",
        b"; spf=pass (((((((",
        b'; spf=pass reason="',
        b"; \xff\x00=pass",
        b"; x-own=pass",
        b"; spf=pass" + b"(" * 2000,
    ],
)
def test_a_hostile_field_says_nothing(rest: bytes) -> None:
    found = results(b"Authentication-Results: a.test" + rest + b"\r\n", "a.test")
    assert {} == {method: result for method, result in found.items() if method is not AuthMethod.SPF}


def test_a_field_made_to_be_expensive_is_cheap() -> None:
    comments = b"(" * 1000 + b"a" * 1000 + b")" * 1000
    spaces = b"; spf=pass" + b" " * 3000 + b"x=" + b" " * 500
    begun = time.perf_counter()
    for rest in (comments, spaces, b";" * 4000, b"; a=b" * 800, b"; spf=pass a.b=" + b'"\\' * 1500):
        results((b"Authentication-Results: a.test" + rest + b"\r\n") * 30, "a.test")
    assert time.perf_counter() - begun < 30  # it is seconds where it is not linear


@pytest.mark.parametrize("more", [0, 1])
def test_fields_that_are_too_long_together_say_nothing(more: int) -> None:
    def field(method: bytes, octets: int) -> bytes:
        begin = b"a.test; " + method + b"=pass reason="
        return b"Authentication-Results: " + begin + b"x" * (octets - len(begin)) + b"\r\n"

    half = MAX_PARSED // 2
    assert ([] if more else [AuthMethod.SPF]) == [*results(field(b"spf", MAX_PARSED + more), "a.test")]
    both = [AuthMethod.DKIM, AuthMethod.SPF]
    assert both[: 1 if more else 2] == [*results(field(b"dkim", half) + field(b"spf", half + more), "a.test")]


@pytest.mark.parametrize(
    "begin",
    [
        b"a.test",
        b'"a.test"',
        b"  A.Test  ",
        b"a.test 1",
        b"a.test (c; (d)) 1",
        b'(a "comment") a.test',
        b"\r\n (;)()a.test",
    ],
)
def test_the_server_may_write_its_name_in_many_ways(begin: bytes) -> None:
    assert {AuthMethod.SPF: AuthResult.PASS} == results(
        b"Authentication-Results: " + begin + b";spf=pass\r\n", "a.test"
    )


@pytest.mark.parametrize(
    "begin", [b"b.test (a.test)", b"a.test 2", b"a.test b.test", b'"a.test', b'"" (a.test)', b"i=1", b"(a.test"]
)
def test_another_server_is_not_this_one(begin: bytes) -> None:
    assert {} == results(b"Authentication-Results: " + begin + b"; spf=pass\r\n", "a.test")


def test_a_server_is_named_at_the_beginning() -> None:
    field = b"Authentication-Results: (" + b"x" * MAX_BEGIN + b") a.test; spf=pass\r\n"
    assert {} == results(field, "a.test")


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        # Yahoo ends with a semicolon, and leaves no space before a comment.
        (
            "dkim=pass header.i=@x.test;\r\n spf=pass smtp.mailfrom=x.test;\r\n dmarc=pass(p=REJECT) header.from=x;",
            "ppp",
        ),
        # Zoho's addresses, MDaemon's and Barracuda's properties without a type.
        (
            "dkim=pass  header.i=@x.test; spf=pass (a) smtp.mailfrom=x; dmarc=pass(p=none)  header.from=<me@x.test>",
            "ppp",
        ),
        ("spf=fail smtp.mailfrom=me@x; dkim=pass (good) header.b=a (b=a; 1:0:good); dmarc=fail policy=reject", "pff"),
        ("spf=pass (x) smtp.mailfrom=a@x; dkim=pass header.d=x; compauth=pass reason=100; dmarc=none", "ppn"),
        ('dkim=pass (2048-bit key; unprotected) header.d=x header.b="a/+;="; spf=pass; dmarc=pass', "ppp"),
        ('dkim/1=pass header.d=x; spf / 1 = pass smtp.mailfrom=\u00fc@x; dmarc=fail reason="a; dmarc=pass"', "ppf"),
        (
            "x-csa=none; dkim=pass; iprev=pass policy.iprev=192.0.2.1 (a); ; spf; =; spf=pass; dmarc=pass action=none",
            "ppp",
        ),
    ],
)
def test_every_server_has_its_own_way_to_write_results(rest: str, expected: str) -> None:
    word = {"p": AuthResult.PASS, "f": AuthResult.FAIL, "n": AuthResult.NONE}
    methods = (AuthMethod.DKIM, AuthMethod.SPF, AuthMethod.DMARC)
    found = results(f"Authentication-Results: mx.a.test; {rest}\r\n".encode(), "mx.a.test")
    assert {method: word[each] for method, each in zip(methods, expected, strict=True)} == found


def test_the_first_fields_count() -> None:
    others = b"Authentication-Results: b.test; spf=fail\r\n" * MAX_FIELDS
    assert {} == results(others + b"Authentication-Results: a.test; spf=pass\r\n", "a.test")
