"""Reads the key `tls` into a `TlsPolicy`, and checks the files that it names.

A missing file of authorities is a problem of the configuration. Otherwise each probe of the endpoint would fail with a
reason that blames the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from exporter.config.problems import Places, directory
from exporter.config.sections import Layers
from exporter.model import TlsPolicy

_FILES = ("ca_file", "client_cert_file", "client_key_file")

_WrongType: TypeAlias = tuple[str, str, Callable[[Layers, str, str], None]]
"""A key, the message about it, and the method that reports it as a problem or a warning."""


class TlsPolicies:
    """Makes policies. Equal ones are the same object, and their files are checked once."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._known: dict[TlsPolicy, tuple[TlsPolicy, tuple[_WrongType, ...]]] = {}

    def policy(self, tls: Layers) -> TlsPolicy:
        """The policy of one endpoint. Its problems are reported."""
        values = tls.values()
        values |= {key: directory(self._places, tls.place(key)) / values[key] for key in _FILES if key in values}
        made = TlsPolicy(**values)
        if made not in self._known:
            self._known[made] = made, tuple(_complaints(made))
        policy, complaints = self._known[made]
        for key, message, say in complaints:
            if tls.usable(*_FILES):
                say(tls, message, key)
        if not policy.verify:
            doubt = "a bad certificate will not fail the probe; better trust its authority by ca_file"
            tls.warning(doubt, "verify")
        return policy


def _complaints(policy: TlsPolicy) -> Iterator[_WrongType]:
    if policy.ca_file is policy.client_cert_file is policy.client_key_file is None:
        return
    from exporter.config.pem_files import check_authorities, check_client  # noqa: PLC0415 - it says why

    if policy.ca_file is not None:
        try:
            if doubt := check_authorities(policy.ca_file):
                yield "ca_file", doubt, Layers.warning
        except ValueError as error:
            yield "ca_file", str(error), Layers.problem
    if policy.client_cert_file is not None:
        try:
            check_client(policy.client_cert_file, policy.client_key_file or policy.client_cert_file)
        except ValueError as error:
            yield "client_cert_file", str(error), Layers.problem
    elif policy.client_key_file is not None:
        yield "client_key_file", "is of no use alone; write client_cert_file beside it", Layers.problem
