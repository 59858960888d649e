"""TLS to a mail server: begin a handshake, and say afterwards what it showed.

Contexts are made in `contexts`, and the stream drives the handshake through `tls_records`, which lies beside it. What
the handshake shows is written down in `recording`, and judged in `exporter.certificates`. Nothing in this room knows
the stream or its errors, waits for a server, or decides whether a probe fails.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Final

from OpenSSL import SSL

from exporter.certificates import end_point, judge, server_name_indication
from exporter.model import TlsFacts
from exporter.net.tls.contexts import TlsContexts, TlsSetupError
from exporter.net.tls.recording import Recorder
from exporter.protocol.dialogue import ChannelBinding

__all__ = ["TlsContexts", "TlsSetupError", "begin", "channel_binding", "facts", "presented"]

EXPORTER_LABEL: Final = b"EXPORTER-Channel-Binding"
EXPORTER_LENGTH: Final = 32
"""Both from RFC 9266 section 2."""


def begin(context: SSL.Context, server_name: str) -> SSL.Connection:
    """A connection that is ready for `do_handshake`, and has no socket: see `TlsRecords`.

    Args:
        context: From `TlsContexts`.
        server_name: Sent in SNI if it is a DNS name.
    """
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    connection.set_app_data(Recorder(context.get_app_data()))
    indication = server_name_indication(server_name)
    if indication is not None:
        connection.set_tlsext_host_name(indication)
    connection.request_ocsp()
    return connection


def facts(connection: SSL.Connection, server_name: str, now: float) -> TlsFacts:
    """What the handshake showed, with the judgement of the certificate.

    Args:
        connection: From `begin`.
        server_name: The DNS name or IP address that the certificate has to be for.
        now: Unix time to judge it at.
    """
    recorder: Recorder = connection.get_app_data()
    chain = recorder.chain(connection)
    verdict = judge(chain, server_name, recorder.staple, now)
    return TlsFacts(
        # The same few words for every endpoint, kept once.
        version=sys.intern(connection.get_protocol_version_name()),
        cipher=sys.intern(connection.get_cipher_name() or ""),
        group=_group(connection),
        chain=chain.presented,
        problems=verdict.problems,
        detail=verdict.detail,
        ocsp_stapled=bool(recorder.staple),
        verified_chain=chain.path,
        ocsp_status=verdict.ocsp_status,
        ocsp_next_update=verdict.ocsp_next_update,
    )


def presented(connection: SSL.Connection) -> tuple[bytes, ...]:
    """The certificates that the server showed in a handshake that was completed, DER, its own first."""
    recorder: Recorder = connection.get_app_data()
    return recorder.presented(connection)


def unfinished_facts(connection: SSL.Connection, server_name: str, now: float) -> TlsFacts:
    """As `facts`, of a handshake that failed after the server had shown its certificate."""
    return replace(facts(connection, server_name, now), finished=False)


def _group(connection: SSL.Connection) -> str | None:
    try:
        group = connection.get_group_name()
    except NotImplementedError:  # OpenSSL tells since 3.2; a distribution's cryptography may be built with an older one
        return None
    return None if group is None else sys.intern(group)


def channel_binding(connection: SSL.Connection, kind: ChannelBinding) -> bytes | None:
    """What ties a login to this TLS session, for SCRAM's -PLUS mechanisms (RFC 5802 6).

    Returns:
        `None` if the type is not defined for this session. `tls-exporter` is not defined below TLS 1.3: OpenSSL does
        not tell whether the extended master secret is in use, which RFC 9266 4.2 demands. `tls-server-end-point` is
        not defined for certificates signed without a hash, such as by Ed25519 (RFC 5929 4.1).
    """
    if kind == "tls-exporter":
        if connection.get_protocol_version() < SSL.TLS1_3_VERSION:
            return None
        return connection.export_keying_material(EXPORTER_LABEL, EXPORTER_LENGTH, b"")
    return next((end_point(der) for der in presented(connection)[:1]), None)
