"""What the daemon is made of is listed, with licences that allow it, and the lists are current."""

from __future__ import annotations

import re

import pytest

from deploy.bill_of_materials import LOCK, PAGE, READ_BY_HAND, bill, licence, page, parts

ALLOWED = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}
"""Anybody may use and pass on what is under them, also with Apache-2.0; MPL asks for its own files only."""


def test_the_page_of_licences_is_current() -> None:
    assert page(parts()) == PAGE.read_text(), "run `make sbom`"


def test_every_library_is_under_a_licence_that_is_allowed() -> None:
    refused = {
        f"{part.name}: {part.licence}" for part in parts() if not set(re.split(r" AND | OR ", part.licence)) <= ALLOWED
    }

    assert set() == refused


def test_every_line_of_the_lock_is_in_the_bill_with_its_hashes() -> None:
    made = bill(parts())
    pinned = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", LOCK.read_text()))
    listed = {each["name"]: each for each in made["components"]}

    assert pinned == {name: each["version"] for name, each in listed.items()}
    hashes = {hashed["content"] for each in listed.values() for hashed in each["externalReferences"][0]["hashes"]}
    assert set(re.findall(r"sha256:(\w+)", LOCK.read_text())) == hashes


def test_every_dependency_in_the_bill_is_a_part_of_it() -> None:
    made = bill(parts())
    known = {made["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in made["components"])}
    reached = {needed for each in made["dependencies"] for needed in each["dependsOn"]}

    assert known == {each["ref"] for each in made["dependencies"]}
    assert reached == known - {made["metadata"]["component"]["bom-ref"]}


def test_a_library_that_does_not_say_its_licence_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(READ_BY_HAND, "jinja2")

    with pytest.raises(ValueError, match=r"^jinja2 says \['License :: OSI Approved :: BSD License'\] of its lic"):
        licence("jinja2")
