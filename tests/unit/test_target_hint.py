from __future__ import annotations

import pytest

from exporter.config.endpoints_section import endpoint_from_url
from exporter.model import FailureReason, Phase
from exporter.visiting.target_hint import target_hint


@pytest.mark.parametrize(
    ("url", "phase", "hint"),
    [
        ("imap://mail.test:993", Phase.GREETING, "port 993 usually wants imaps://"),
        ("pop3://mail.test:995", Phase.GREETING, "port 995 usually wants pop3s://"),
        ("submission://mail.test:465", Phase.GREETING, "port 465 usually wants submissions://"),
        ("smtp://mail.test:465", Phase.GREETING, "port 465 usually wants submissions://"),
        ("smtp://mail.test:993", Phase.GREETING, "port 993 usually wants imaps://"),
        ("imaps://mail.test:143", Phase.TLS, "port 143 usually wants imap://"),
        ("pop3s://mail.test:110", Phase.TLS, "port 110 usually wants pop3://"),
        ("submissions://mail.test:587", Phase.TLS, "port 587 usually wants submission://"),
        ("submissions://mail.test:25", Phase.TLS, "port 25 usually wants smtp://"),
        ("imaps://mail.test:25", Phase.TLS, "port 25 usually wants smtp://"),
        ("imap://mail.test:1143", Phase.GREETING, "if the port wants TLS from the start, write imaps://mail.test:1143"),
        ("smtp://[::1]:26", Phase.GREETING, "if the port wants TLS from the start, write submissions://[::1]:26"),
        ("imap://mail.test:993", Phase.CONNECT, ""),
        ("imap://mail.test:993", Phase.DNS, ""),
        ("imap://mail.test:993", Phase.TLS, ""),
        ("imaps://mail.test", Phase.TLS, ""),
        ("imaps://mail.test:1993", Phase.TLS, ""),
        ("imap://mail.test", Phase.GREETING, ""),
    ],
)
def test_where_nothing_is_said_the_usual_ports_tell_what_is_meant(url: str, phase: Phase, hint: str) -> None:
    said = "no reply within 5 s"

    assert hint == target_hint(endpoint_from_url(url), phase, FailureReason.TIMEOUT, said)


@pytest.mark.parametrize(
    ("url", "phase", "said", "hint"),
    [
        ("imaps://mail.test:143", Phase.TLS, "* OK ready", "did you mean imap://mail.test?"),
        ("imaps://mail.test:1993", Phase.TLS, "* OK ready", "did you mean imap://mail.test:1993?"),
        ("imaps://mail.test:25", Phase.TLS, "220 mx", "that is SMTP; did you mean smtp://mail.test?"),
        ("pop3s://mail.test:1", Phase.TLS, "* BYE", "that is IMAP; did you mean imap://mail.test:1?"),
        ("imap://mail.test", Phase.GREETING, "+OK POP", "that is POP3; did you mean pop3://mail.test:143?"),
        ("pop3s://mail.test:993", Phase.GREETING, "* OK", "that is IMAP; did you mean imaps://mail.test?"),
        ("imap://mail.test:21", Phase.GREETING, "220 (vsFTPd 3.0.3)", "that is FTP, not IMAP"),
        ("imaps://mail.test:8080", Phase.TLS, "HTTP/1.1 400 Bad Request", "that is HTTP, not IMAP"),
        ("smtp://mail.test:22", Phase.GREETING, "SSH-2.0-OpenSSH_9.2", "that is SSH, not SMTP"),
        (
            "submission://mail.test:2587",
            Phase.GREETING,
            "\\x15\\x03\\x01",
            "these octets are TLS; did you mean submissions://mail.test:2587?",
        ),
        # It is the right protocol in the right form, and turns us away.
        ("smtp://mail.test:465", Phase.GREETING, "554 no", ""),
        ("imap://mail.test:993", Phase.GREETING, "* BYE", ""),
        # After STARTTLS.
        ("submission://mail.test:2587", Phase.TLS, "220", ""),
    ],
)
def test_the_first_words_tell_what_is_meant(url: str, phase: Phase, said: str, hint: str) -> None:
    detail = f'that is not what was expected: "{said}"'

    assert hint == target_hint(endpoint_from_url(url), phase, FailureReason.PROTOCOL_ERROR, detail)


def test_a_port_that_fails_a_handshake_speaks_tls() -> None:
    endpoint = endpoint_from_url("imaps://mail.test:143")

    assert "" == target_hint(endpoint, Phase.TLS, FailureReason.TLS_HANDSHAKE_FAILED, "the server alerts: handshake")
