"""A module: an endpoint that lacks its host, for targets that somebody names. `modules` reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from exporter.config.allowed import AllowedTargets
from exporter.config.urls import Asked, parse_asked, shortest_url
from exporter.model import Encryption, Endpoint


@dataclass(frozen=True, slots=True)
class Module:
    """How to probe what somebody names.

    Attributes:
        template: An endpoint, but for its name; its host is empty unless there is one for requests that name none.
        allowed: `None` if every target is.
    """

    name: str
    template: Endpoint
    allowed: AllowedTargets | None

    def endpoint(self, target: str) -> Endpoint:
        """The endpoint that a target stands for, called by its shortest URL.

        Whether it is allowed is another matter.

        Args:
            target: A URL, a host, or a host and port; empty for the module's own.

        Raises:
            ValueError: It is none, or none that the module is for; the message says what to write.
        """
        template = self.template
        if not target and not template.host:
            raise ValueError("is missing; write target=mail.example.com")
        asked = parse_asked(target) if target else Asked(None, template.lookup_name, None)
        scheme = asked.scheme
        if scheme is not None and (scheme.protocol, _at_once(scheme.encryption)) != (
            template.protocol,
            _at_once(template.encryption),
        ):
            own = shortest_url(template.protocol, template.encryption, "", template.port)
            raise ValueError(
                f"{scheme.name}:// is not what the module {self.name} is for; write {own}, or only the host"
            )
        port = asked.port or (template.port if scheme is None else scheme.port)
        name = shortest_url(template.protocol, template.encryption, asked.host, port)
        host, absolute = asked.host.removesuffix("."), asked.host.endswith(".")
        return replace(template, name=name, host=host, port=port, absolute=absolute)


def _at_once(encryption: Encryption) -> bool:
    return encryption is Encryption.TLS
