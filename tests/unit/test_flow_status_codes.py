from __future__ import annotations

import pytest

from exporter.flows.status_codes import reason


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ("550 5.1.1 no such user", 550, "5.1.1"),
        ("5.7.1", None, "5.7.1"),
        ("4.2.2 (mailbox full)", None, "4.2.2"),
        ("550 5.7.139 Authentication unsuccessful", 550, "5.0.0"),
        ("554 5.8.1 unknown subject", 554, "5.0.0"),
        ("550 5.1.11 detail beyond the registry", 550, "5.0.0"),
        ("550 no code", 550, "5.0.0"),
        ("450 greylisted", 450, "4.0.0"),
        ("450 see 192.0.2.5 for why", 450, "4.0.0"),
        ("", None, "5.0.0"),
        ("554 5.7.30 REQUIRETLS needed", 554, "5.7.30"),
        ("4.7.0.1", 451, "4.0.0"),
    ],
)
def test_the_code_is_one_of_the_registry_or_its_class(words: str, code: int | None, expected: str) -> None:
    assert expected == reason(words, code)
