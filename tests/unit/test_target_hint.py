from __future__ import annotations

import time
from dataclasses import replace

import pytest

from exporter.config.endpoints_section import endpoint_from_url
from exporter.config.values.urls import SCHEMES, shortest_url
from exporter.demo.scenes import SCENES
from exporter.demo.stage import demo_servers
from exporter.model import DnsSettings, Encryption, FailureReason, LoginBackoff, Phase
from exporter.net.dns.resolve import Resolver
from exporter.net.tls import TlsContexts
from exporter.visiting.connect import World
from exporter.visiting.logins import Logins
from exporter.visiting.target_hint import target_hint
from exporter.visiting.visit import Visitor


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


async def test_every_scheme_at_the_port_of_another_is_told_which_is_meant() -> None:
    visitor = Visitor(World(Resolver(DnsSettings()), TlsContexts()), Logins(time.monotonic, LoginBackoff()))
    asked = 0
    async with demo_servers([scene for scene in SCENES if scene.name.startswith("healthy-")]) as staged:
        for server in (one.endpoint for one in staged):
            meant = shortest_url(server.protocol, server.encryption, server.host, server.port)
            for scheme in SCHEMES:
                at_once = scheme.encryption is Encryption.TLS
                silent = server.encryption is Encryption.TLS and not at_once
                fits = scheme.protocol is server.protocol and at_once == (server.encryption is Encryption.TLS)
                if silent or fits:
                    continue
                endpoint = endpoint_from_url(f"{scheme.name}://{server.host}:{server.port}")
                result = await visitor.probe(replace(endpoint, timeout=60.0, tls=server.tls))
                assert result.failure is not None
                assert result.failure.detail.endswith(f"did you mean {meant}?")
                asked += 1
    assert 28 == asked
