from __future__ import annotations

import pytest

from exporter.config.endpoints_section import endpoint_from_url
from exporter.model import Phase
from exporter.visiting.encryption_hint import encryption_hint


@pytest.mark.parametrize(
    ("url", "phase", "hint"),
    [
        ("imap://mail.test:993", Phase.GREETING, "port 993 usually wants imaps://"),
        ("pop3://mail.test:995", Phase.GREETING, "port 995 usually wants pop3s://"),
        ("submission://mail.test:465", Phase.GREETING, "port 465 usually wants submissions://"),
        ("smtp://mail.test:465", Phase.GREETING, "port 465 usually wants submissions://"),
        ("imaps://mail.test:143", Phase.TLS, "port 143 usually wants imap://"),
        ("pop3s://mail.test:110", Phase.TLS, "port 110 usually wants pop3://"),
        ("submissions://mail.test:587", Phase.TLS, "port 587 usually wants submission://"),
        ("submissions://mail.test:25", Phase.TLS, "port 25 usually wants smtp://"),
        ("imap://mail.test:993", Phase.CONNECT, ""),
        ("imap://mail.test:993", Phase.DNS, ""),
        ("imaps://mail.test", Phase.TLS, ""),
        ("imap://mail.test", Phase.GREETING, ""),
        ("imap://mail.test:1143", Phase.GREETING, ""),
        ("imaps://mail.test:25", Phase.TLS, ""),
    ],
)
def test_the_usual_ports_tell_what_is_meant(url: str, phase: Phase, hint: str) -> None:
    assert hint == encryption_hint(endpoint_from_url(url), phase, "no reply within 5 s")


@pytest.mark.parametrize(
    ("url", "phase", "detail", "hint"),
    [
        (
            "imaps://mail.test:1993",
            Phase.TLS,
            'the server did not answer with TLS, but in plain: "* OK ready"',
            "did you mean imap://mail.test:1993?",
        ),
        (
            "submission://mail.test:2587",
            Phase.GREETING,
            'not a line of an SMTP reply: "\\x15\\x03\\x01"',
            "these octets are TLS; did you mean submissions://mail.test:2587?",
        ),
        ("submission://mail.test:2587", Phase.TLS, 'but in plain: "220"', ""),
    ],
)
def test_the_first_octets_tell_what_is_meant(url: str, phase: Phase, detail: str, hint: str) -> None:
    assert hint == encryption_hint(endpoint_from_url(url), phase, detail)
