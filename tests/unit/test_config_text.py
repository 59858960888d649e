from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.config.values import plain_text
from exporter.config.values.label_names import RESERVED_LABELS, label_name, label_value
from exporter.metrics.rows.endpoint_metrics import ENDPOINT_METRICS, label_names


@pytest.mark.parametrize(
    "value",
    [
        "INBOX",
        "Archive/2026",
        "gr\u00fc\u00dfe",
        "svc$",
        "a$b@example.com",
        "CORP\\monitor",
        "100$",
        "$",
        "$1",
        "US$ 5",
        "x" * 1024,
    ],
)
def test_plain_text_is_kept_as_it_is(value: str) -> None:
    assert value == plain_text.plain(value)


@pytest.mark.parametrize("value", ["$USER", "${USER}", "a-${USER}", "/run/$NAME/x", "x$HOME", "$user", "${", "a $b"])
def test_text_that_waits_for_expansion_is_refused_with_the_right_way(value: str) -> None:
    with pytest.raises(ValueError, match="a password as password_env: NAME"):
        plain_text.plain(value)


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b", "\x1b[2J", "a\x7f", "a\x85b", "a\u2028b", "a\tb"])
def test_control_characters_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"contains the control character U\+"):
        plain_text.plain(value)


@pytest.mark.parametrize("value", ["hunter2", "pa$$word", "$ecret", "a${b}c", "$A b", " x ", "\u00fc\t", "'\"", "x\n"])
def test_a_password_may_hold_nearly_anything(value: str) -> None:
    assert value.removesuffix("\n") == plain_text.secret(value, "password")


@pytest.mark.parametrize("value", ["$PASSWORD", "${PASSWORD}", "${password}", "", "\n", "a\r\nb", "a\0b", "a\n\n"])
def test_a_password_that_cannot_be_meant_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ValueError, match="; ") as raised:
        plain_text.secret(value, "password")
    assert "PASSWORD" not in str(raised.value)


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "value",
    [
        EMPTY,
        EMPTY.upper(),
        ":".join(EMPTY[at : at + 2] for at in range(0, 64, 2)),
        "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ],
)
def test_a_fingerprint_has_one_form_however_it_is_written(value: str) -> None:
    assert EMPTY == plain_text.fingerprint(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        EMPTY[1:],
        EMPTY + "0",
        EMPTY + "\n",
        EMPTY[:-1] + "g",
        "E3B0:" + EMPTY[4:],
        f"SHA256:{EMPTY}",
        "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "sha1/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ],
)
def test_what_is_no_fingerprint_is_told_how_one_is_written(value: str) -> None:
    with pytest.raises(ValueError, match="is not a SHA-256; write 64 hexadecimal digits"):
        plain_text.fingerprint(value)


@pytest.mark.parametrize("value", ["$PASSWORD", "${PASSWORD}", "correct horse", "1st", "", "\u00c4"])
def test_the_name_of_a_variable_is_bare(value: str) -> None:
    with pytest.raises(ValueError, match=r"; write letters|write the bare name"):
        plain_text.variable_name(value)


@pytest.mark.parametrize("value", sorted(RESERVED_LABELS))
def test_labels_of_the_metrics_are_reserved(value: str) -> None:
    with pytest.raises(ValueError, match="is used by the metrics themselves"):
        label_name(value)


@pytest.mark.parametrize("value", ["", "1x", "a-b", "a b", "\u00e4", "__name__", "__x", "a:b", "a\n"])
def test_other_label_names_are_refused_too(value: str) -> None:
    with pytest.raises(ValueError, match="; "):
        label_name(value)


@pytest.mark.parametrize("value", ["team", "_x", "Team2", "endpoints"])
def test_label_names_are_kept(value: str) -> None:
    assert value == label_name(value)


def test_an_empty_label_value_is_allowed() -> None:
    assert "" == label_value("")


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        (plain_text.helo, "Probe.Example.com", "probe.example.com"),
        (plain_text.helo, "b\u00fccher.example", "xn--bcher-kva.example"),
        (plain_text.helo, "[192.0.2.1]", "[192.0.2.1]"),
        (plain_text.helo, "[IPv6:2001:DB8:0::1]", "[IPv6:2001:db8::1]"),
        (plain_text.mail_address, "monitor@Example.com", "monitor@example.com"),
        (plain_text.mail_address, "Postmaster", "Postmaster"),
        (plain_text.mail_address, '"odd local"@example.com', '"odd local"@example.com'),
        (plain_text.mail_address, "user%example.org@example.com", "user%example.org@example.com"),
        (plain_text.mail_address, "@relay.example,@b:user@example.com", "@relay.example,@b:user@example.com"),
        (plain_text.mail_address, "user@[192.0.2.1]", "user@[192.0.2.1]"),
        (plain_text.mail_address, "user@b\u00fccher.example", "user@xn--bcher-kva.example"),
        (plain_text.reverse_path, "", ""),
        (plain_text.reverse_path, "<>", ""),
        (plain_text.reverse_path, "monitor@example.com", "monitor@example.com"),
        (plain_text.plain, "Entw\u00fcrfe & mehr", "Entw\u00fcrfe & mehr"),
        (plain_text.capability, "AUTH=PLAIN", "AUTH=PLAIN"),
        (plain_text.capability, "AUTH PLAIN", "AUTH PLAIN"),
    ],
)
def test_what_servers_see_gets_its_canonical_form(read: Callable[[str], str], value: str, result: str) -> None:
    assert result == read(value)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (plain_text.helo, "192.0.2.1"),
        (plain_text.helo, "2001:db8::1"),
        (plain_text.helo, "[2001:db8::1]"),
        (plain_text.helo, "[IPv6:192.0.2.1]"),
        (plain_text.helo, "[mail.example.com]"),
        (plain_text.helo, "probe.example.com\r\nMAIL FROM:<>"),
        (plain_text.helo, "probe example"),
        (plain_text.helo, ""),
        (plain_text.mail_address, "monitor"),
        (plain_text.mail_address, "@example.com"),
        (plain_text.mail_address, "monitor@"),
        (plain_text.mail_address, "<monitor@example.com>"),
        (plain_text.mail_address, "a>b@example.com"),
        (plain_text.mail_address, "a b@example.com"),
        (plain_text.mail_address, 'a"@example.com>\r\nDATA'),
        (plain_text.mail_address, "gr\u00fc\u00dfe@example.com"),
        (plain_text.mail_address, "x" * 65 + "@example.com"),
        (plain_text.mail_address, "a@example.com\0"),
        (plain_text.mail_address, "a@192.0.2.1 b"),
        (plain_text.plain, "INBOX\r\nA2 DELETE INBOX"),
        (plain_text.capability, "IDLE\n"),
        (plain_text.capability, "IDLE  X"),
        (plain_text.capability, ""),
    ],
)
def test_what_servers_must_not_see_is_refused_on_one_line(read: Callable[[str], str], value: str) -> None:
    with pytest.raises(ValueError, match="; ") as raised:
        read(value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("value", "server"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_a_nameserver_is_an_address_and_perhaps_a_port(value: str, server: tuple[str, int]) -> None:
    assert server == plain_text.nameserver(value)


@pytest.mark.parametrize(
    "value",
    ["", "ns.example.com", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:65536", "[192.0.2.53", ":53", "[]:53", "1:2:3"],
)
def test_what_is_no_nameserver_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="; "):
        plain_text.nameserver(value)


def test_every_label_of_the_metrics_is_reserved() -> None:
    assert frozenset() == label_names(ENDPOINT_METRICS) - RESERVED_LABELS
