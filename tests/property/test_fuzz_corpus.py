"""What the fuzzer found worth keeping is replayed: no input leads to anything but a value or the promised error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, seeds

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
MAX_SIZE = 1 << 20
"""Octets of the whole corpus: it is in every clone."""


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_leads_to_a_value_or_the_promised_error(name: str) -> None:
    kept = [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]

    assert kept
    for octets in [*kept, *seeds().get(name, []), b""]:
        TARGETS[name](octets)


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = [file for file in CORPUS.rglob("*") if file.is_file()]

    assert set(TARGETS) == {file.parent.name for file in files}
    assert MAX_SIZE > sum(file.stat().st_size for file in files)
