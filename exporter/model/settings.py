"""Settings for all probes of a process: name lookup and limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """How names are looked up.

    Attributes:
        nameservers: Address and port of each server to ask; empty for the system's.
        timeout: Seconds that one lookup may take, within the probe's own timeout.
        search: Domains to append to names without a dot; empty for none, `None` for the system's where `nameservers`
            is empty, and for none where it is not.
        trust_ad: Whether the nameservers are believed when they say that they validated an answer (the AD bit); those
            on loopback are anyway, and those of a resolv.conf with the option `trust-ad`.
    """

    nameservers: tuple[tuple[str, int], ...] = ()
    timeout: float = 5.0
    search: tuple[str, ...] | None = None
    trust_ad: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that protect this process and the probed servers.

    Attributes:
        concurrent_probes: How many probes may run at once.
        connections_per_host: How many of them may talk to the same configured host.
        on_demand_probes: How many probes that somebody asked for may run beside them.
    """

    concurrent_probes: int = 256
    connections_per_host: int = 4
    on_demand_probes: int = 16


@dataclass(frozen=True, slots=True)
class LoginBackoff:
    """How long a rejected login is paused, in seconds, so that a wrong password does not lock an account.

    Attributes:
        initial: After the first rejection; doubled by each further one.
        maximum: At most.
    """

    initial: float = 300.0
    maximum: float = 3600.0
