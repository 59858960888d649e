"""Our evaluation of SPF against the test suite of RFC 7208 (openspf.org, release 2014.04, from pyspf 2.0.14)."""

from __future__ import annotations

import ipaddress
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.domains.posture.spf_evaluation import Ask, Judgement, Told, check_host
from exporter.domains.posture.spf_macros import SenderIdentity

SUITE = Path(__file__).parents[1] / "data/spf/rfc7208-tests.yml"


class Zones:
    """The records of one scenario, as the suite writes them."""

    def __init__(self, data: Mapping[str, Sequence[Any]]) -> None:
        self._data = {name.removesuffix(".").lower(): entries for name, entries in data.items()}

    def tell(self, ask: Ask, depth: int = 0) -> Told:
        name = ask.name.removesuffix(".").lower()
        if name not in self._data:
            return Told(failed=name.startswith("error."))
        values: list[str] = []
        timed_out = False
        own_texts = any(isinstance(entry, dict) and "TXT" in entry for entry in self._data[name])
        for entry in self._data[name]:
            if entry == "TIMEOUT":
                timed_out = True
                continue
            for rdtype, value in entry.items():
                if rdtype == "CNAME" and not depth:
                    values += self.tell(Ask(value, ask.rdtype), 1).values
                kind = "TXT" if rdtype == "SPF" and not own_texts else rdtype
                if kind != ask.rdtype or value == "NONE":
                    continue
                if value == "TIMEOUT":
                    return Told(failed=True)
                values.append(_text(kind, value))
        return Told(failed=True) if timed_out and not values else Told(tuple(values))


def _text(rdtype: str, value: Any) -> str:
    if rdtype == "MX":
        return str(value[1])
    if rdtype == "TXT":
        return "".join(value) if isinstance(value, list) else str(value)
    return str(value)


def cases() -> list[Any]:
    found = []
    with SUITE.open(encoding="utf-8") as file:
        for scenario in yaml.safe_load_all(file):
            zones = Zones(scenario.get("zonedata") or {})
            found += [
                pytest.param(zones, case, id=f"{scenario['description']}-{name}")
                for name, case in scenario["tests"].items()
            ]
    return found


CASES = cases()


def evaluate(zones: Zones, case: Mapping[str, Any]) -> Judgement:
    helo, sender = case["helo"], case["mailfrom"]
    domain = sender.rpartition("@")[2] or helo
    if "@" not in sender:
        sender = f"postmaster@{domain}" if not sender else f"postmaster@{sender}"
    elif sender.startswith("@"):
        sender = f"postmaster{sender}"
    run = check_host(SenderIdentity(ipaddress.ip_address(case["host"]), sender, helo), domain)
    return finished(run, zones)


def finished(run: Generator[Ask, Told, Judgement], zones: Zones) -> Judgement:
    told: Told | None = None
    while True:
        try:
            ask = next(run) if told is None else run.send(told)
        except StopIteration as end:
            judgement: Judgement = end.value
            return judgement
        told = zones.tell(ask)


def test_the_whole_suite_is_there() -> None:
    assert 203 == len(CASES)


@pytest.mark.parametrize(("zones", "case"), CASES)
def test_the_result_is_one_that_the_suite_allows(zones: Zones, case: Mapping[str, Any]) -> None:
    allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
    found = evaluate(zones, case)
    assert found.result in allowed, found
