"""The built-in presets as a source. They are found by the domain, or by the names of its MX hosts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter.config.providers import Preset, find_preset
from exporter.domains.discovery.offers import Answered, Offer
from exporter.domains.registrable import registrable_domain
from exporter.model import Source


def preset_answer(domain: str, mx_hosts: Sequence[str]) -> Answered:
    """The servers of the domain's provider.

    Args:
        domain: The domain of the mail addresses.
        mx_hosts: Its MX hosts, the most preferred first.
    """
    for name in (domain, *_names(mx_hosts)):
        preset = _find(name)
        if preset is not None:
            offers = tuple(
                Offer(Source.PRESETS, server.protocol, server.host, server.port, server.encryption)
                for server in preset.servers
            )
            return Answered(Source.PRESETS, success=True, offers=offers)
    return Answered(Source.PRESETS, success=False, problem="no preset knows the domain, or its MX hosts")


def _find(name: str) -> Preset | None:
    """The preset for this mail domain. Presets are also named after providers, without a dot; those do not count."""
    try:
        return find_preset(name) if "." in name else None
    except ValueError:
        return None


def _names(mx_hosts: Sequence[str]) -> Iterator[str]:
    """Each host and the names above it, up to its registrable domain."""
    for host in mx_hosts:
        base = registrable_domain(host)
        name = host
        while base is not None and name:
            yield name
            if name == base:
                break
            name = name.partition(".")[2]
