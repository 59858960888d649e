from __future__ import annotations

import pytest

from exporter.flows.messages.status_codes import reason


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
        ("450 later", None, "4.0.0"),
        (" 450 later", None, "4.0.0"),
        ("550 no", None, "5.0.0"),
        ("250 yes", None, "5.0.0"),
        ("later", 450, "4.0.0"),
        ("450 later", 550, "5.0.0"),
        ("x" * 60 + " 4.7.1", 450, "4.0.0"),
        ("554 5.7.30 REQUIRETLS needed", 554, "5.7.30"),
        ("4.7.0.1", 451, "4.0.0"),
        ("550 5.1.1.", 550, "5.1.1"),
        ("450 4.7.1. Greylisted", 450, "4.7.1"),
    ],
)
def test_the_code_is_one_of_the_registry_or_its_class(words: str, code: int | None, expected: str) -> None:
    assert expected == reason(words, code)


HIGHEST = {0: 0, 1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30}
"""IANA's registry of enhanced status codes, as of RFC 8616 and its successors: each subject and its highest detail."""


@pytest.mark.parametrize(("subject", "highest"), HIGHEST.items())
def test_the_highest_detail_of_a_subject_is_known_and_the_next_is_not(subject: int, highest: int) -> None:
    assert f"5.{subject}.{highest}" == reason(f"550 5.{subject}.{highest} no")
    assert "5.0.0" == reason(f"550 5.{subject}.{highest + 1} no")


def test_a_subject_that_is_not_registered_is_not_known() -> None:
    assert "4.0.0" == reason("450 4.8.0 later")
