"""The figures of a probe under the names that blackbox_exporter gives them, for the dashboards and alerts made for it.

Pure, like its neighbours: results to samples. These stand in answers of `/probe` only, beside the same figures under
our names, and without labels, for the scrape's own say whose they are. What is not known is absent here too, where
blackbox_exporter writes 0 in some cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.metrics.rows.metric import Metric, Samples, alone, flag, labelled, seconds, timestamp
from exporter.model import Phase, ProbeResult


@dataclass(frozen=True, slots=True)
class Probed:
    """A requested probe.

    Attributes:
        results: One for each address that was probed; at least one.
    """

    results: tuple[ProbeResult, ...]

    @property
    def success(self) -> bool:
        return all(result.failure is None for result in self.results)

    @property
    def duration(self) -> float:
        """Seconds from the first to the last step of them all."""
        return max(result.ended_at for result in self.results) - min(result.started_at for result in self.results)


_VERSIONS: Mapping[str, str] = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1", "TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3"}
"""As OpenSSL and as blackbox_exporter spell them."""


def _lookup(probed: Probed) -> str | None:
    times = [result.phase_durations.get(Phase.DNS) for result in probed.results]
    return seconds(max(known)) if (known := [each for each in times if each is not None]) else None


def _ip_protocol(probed: Probed) -> str | None:
    address = next((result.facts.address for result in probed.results if result.facts.address is not None), None)
    return None if address is None else "6" if ":" in address else "4"


def _expiry(probed: Probed) -> str | None:
    ends = [result.facts.tls.chain_not_after for result in probed.results if result.facts.tls is not None]
    return timestamp(min((end for end in ends if end is not None), default=None))


def _versions(probed: Probed) -> Samples:
    seen = dict.fromkeys(result.facts.tls.version for result in probed.results if result.facts.tls is not None)
    return [((_VERSIONS.get(version, version),), "1") for version in seen]


BLACKBOX_METRICS: tuple[Metric[Probed], ...] = (
    Metric("probe_success", "Whether the probe succeeded: 1 or 0.", alone(lambda probed: flag(probed.success))),
    Metric("probe_duration_seconds", "How long the probe took.", alone(lambda probed: seconds(probed.duration))),
    Metric("probe_dns_lookup_time_seconds", "How long it took to look the name up.", alone(_lookup)),
    Metric("probe_ip_protocol", "The IP version that the probe used: 4 or 6.", alone(_ip_protocol)),
    Metric(
        "probe_ssl_earliest_cert_expiry",
        "When the first of the certificates that the server presented expires, as a Unix timestamp.",
        alone(_expiry),
    ),
    Metric(
        "probe_tls_version_info",
        "The version of TLS; the value is always 1.",
        labelled(_versions),
        ("version",),
    ),
)
