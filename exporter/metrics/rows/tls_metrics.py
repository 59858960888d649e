"""The metrics of TLS, from the last handshake with an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exporter.metrics.endpoint_state import EndpointState
from exporter.metrics.label_text import foreign, label_pairs
from exporter.metrics.rows.metric import Metric, SampleReader, TextSamples, flag, several, timestamp
from exporter.model import CertificateProblem, TlsFacts


def of_tls(read: Callable[[TlsFacts], str | None]) -> SampleReader[EndpointState]:
    """One series for each endpoint whose last probe completed a handshake."""

    def write(metric: Metric[EndpointState], states: Sequence[EndpointState]) -> str:
        name = metric.name
        return "".join(
            [
                f"{name}{{{state.labels}}} {value}\n"
                for state in states
                if (record := state.latest) is not None
                and (tls := record.facts.tls) is not None
                and (value := read(tls)) is not None
            ]
        )

    return write


_ERROR_PAIRS = {problem: label_pairs([("error", problem.value)]) for problem in CertificateProblem}


def _problems(state: EndpointState) -> TextSamples:
    if state.latest is None or state.latest.facts.tls is None:
        return ()
    return [(_ERROR_PAIRS[problem], "1") for problem in dict.fromkeys(state.latest.facts.tls.problems)]


def _session(state: EndpointState) -> TextSamples:
    if state.latest is None or state.latest.facts.tls is None:
        return ()
    tls = state.latest.facts.tls
    group = foreign(tls.group or "")
    return [(f'version="{foreign(tls.version)}",cipher="{foreign(tls.cipher)}",group="{group}"', "1")]


def _leaf(state: EndpointState) -> TextSamples:
    if state.latest is None or state.latest.facts.tls is None or not state.latest.facts.tls.chain:
        return ()
    leaf = state.latest.facts.tls.chain[0]
    pairs = (
        f'subject="{foreign(leaf.subject)}",issuer="{foreign(leaf.issuer)}",serial="{foreign(leaf.serial)}",'
        f'fingerprint_sha256="{foreign(leaf.fingerprint_sha256)}",key="{foreign(leaf.key)}",'
        f'signature="{foreign(leaf.signature)}"'
    )
    return [(pairs, "1")]


TLS_METRICS: tuple[Metric[EndpointState], ...] = (
    Metric(
        "mail_tls_certificate_not_before_timestamp_seconds",
        "When the server's certificate becomes valid.",
        of_tls(lambda tls: timestamp(tls.chain[0].not_before) if tls.chain else None),
    ),
    Metric(
        "mail_tls_certificate_not_after_timestamp_seconds",
        "When the server's certificate expires; known also if verification failed.",
        of_tls(lambda tls: timestamp(tls.chain[0].not_after) if tls.chain else None),
    ),
    Metric(
        "mail_tls_chain_not_after_timestamp_seconds",
        "When the first of the certificates that the server presented expires.",
        of_tls(lambda tls: timestamp(tls.chain_not_after)),
    ),
    Metric(
        "mail_tls_verified_chain_not_after_timestamp_seconds",
        "When the first certificate on the path that was verified expires; absent where none was.",
        of_tls(lambda tls: timestamp(tls.verified_chain_not_after)),
    ),
    Metric(
        "mail_tls_verified",
        "Whether chain and name were verified, and the fingerprint if one is expected: 1 or 0.",
        of_tls(lambda tls: flag(tls.verified)),
    ),
    Metric(
        "mail_tls_verification_error_info",
        "A problem of the server's certificate, one series for each problem; the value is always 1.",
        several(_problems),
        ("error",),
    ),
    Metric(
        "mail_tls_info",
        "The TLS session; the value is always 1.",
        several(_session),
        ("version", "cipher", "group"),
    ),
    Metric(
        "mail_tls_certificate_info",
        "The server's certificate; the value is always 1.",
        several(_leaf),
        ("subject", "issuer", "serial", "fingerprint_sha256", "key", "signature"),
    ),
    Metric(
        "mail_tls_ocsp_stapled",
        "Whether the server sent an OCSP response with its certificate: 1 or 0.",
        of_tls(lambda tls: flag(tls.ocsp_stapled)),
    ),
    Metric(
        "mail_tls_ocsp_next_update_timestamp_seconds",
        "When the OCSP response that the server sent is due to be renewed, by the authority that signed it.",
        of_tls(lambda tls: None if tls.ocsp_next_update is None else timestamp(tls.ocsp_next_update)),
    ),
)
"""All metrics of TLS. `endpoint_metrics` lists them among the metrics of an endpoint."""
