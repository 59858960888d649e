"""Removes secrets from the results of a visit. All results pass through here.

A server may repeat a secret later, when the visit itself has none: in a probe whose login is paused, or at another
port. So the last secrets sent to a host or its neighbours are remembered as long as the process runs.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import cache
from operator import attrgetter
from typing import Any, Final

from cachetools import LRUCache

from exporter.model import Facts, Failure, ProbeResult, Secret, TlsFacts
from exporter.protocol.redaction import Redactor

REMEMBERED: Final = 8
"""Secrets of one neighbourhood: those of several users, and the tokens before the last."""

NEIGHBOURHOODS: Final = 16384
"""Neighbourhoods that are remembered."""

NOTHING: Final = Redactor()

_besides_chains: Final = attrgetter(
    *[field.name for field in fields(TlsFacts) if field.name not in {"chain", "verified_chain"}]
)


class KnownSecrets:
    """The secrets that were sent to servers."""

    def __init__(self) -> None:
        self._redactors: LRUCache[str, Redactor] = LRUCache(NEIGHBOURHOODS)

    def of(self, host: str) -> Redactor:
        """A redactor for the secrets that a host may know."""
        return self._redactors.get(_neighbourhood(host), NOTHING)

    def sent(self, host: str, secret: Secret) -> Redactor:
        """Remember a secret that will be sent to a host. Returns a redactor for it and earlier ones."""
        octets, known = secret.reveal(), self.of(host)
        if not octets or octets in known.secrets:
            return known
        redactor = Redactor((octets, *known.secrets[: REMEMBERED - 1]))
        self._redactors[_neighbourhood(host)] = redactor
        return redactor


def words_of(facts: Facts, failure: Failure | None, redactor: Redactor) -> bytes:
    """The texts of a result that come from the server, apart from the transcript.

    Certificates that the redactor knows to be clean are left out: the same objects, and not merely equal ones. So they
    were read before this visit, and nothing that was made for it is in them.
    """
    texts = ["" if failure is None else failure.detail]
    if facts.tls is not None:
        clean = redactor.is_clean(facts.tls.chain, facts.tls.verified_chain)
        texts += _texts(_besides_chains(facts.tls) if clean else facts.tls)
    return "\n".join(texts).encode("utf-8", "surrogatepass")


def cleared(result: ProbeResult, redactor: Redactor) -> ProbeResult:
    """The result without secrets in its facts and its failure. The transcript is not changed."""
    failure, capabilities = result.failure, result.facts.capabilities
    if capabilities:
        # Together: a secret may be split over two of them.
        capabilities = tuple(redactor.text("\n".join(capabilities)).split("\n"))
    if failure is not None:
        failure = replace(failure, detail=redactor.text(failure.detail))
    facts = replace(result.facts, capabilities=capabilities, tls=_cleared(result.facts.tls, redactor))
    return replace(result, facts=facts, failure=failure)


def _neighbourhood(host: str) -> str:
    """The last two labels of a name: their servers may have the same operator."""
    return host if ":" in host or host.rpartition(".")[2].isdecimal() else ".".join(host.split(".")[-2:])


def _texts(value: object) -> list[str]:
    """All text in facts, however deep, in its order."""
    texts, left = [], [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, tuple):
            left.extend(reversed(each))
        elif (names := _field_names(type(each))) is not None:  # type: ignore[arg-type] # mypy knows no hash of a type
            left.extend([getattr(each, name) for name in reversed(names)])
    return texts


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass; `None` for any other type."""
    return tuple([field.name for field in fields(kind)]) if is_dataclass(kind) else None


def _cleared(value: Any, redactor: Redactor) -> Any:
    """Facts of the same kind with all text cleared; members of enums are ours and stay."""
    if type(value) is str:
        return redactor.text(value)
    if isinstance(value, tuple):
        return tuple([_cleared(each, redactor) for each in value])
    if is_dataclass(value) and not isinstance(value, type):
        texts = {each.name: _cleared(getattr(value, each.name), redactor) for each in fields(value) if each.init}
        return replace(value, **texts)
    return value
