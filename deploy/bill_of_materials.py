"""What the daemon is made of: docs/licences.md for people, a CycloneDX bill of materials for scanners.

Both are made of requirements.txt and of what the installed packages say of themselves. An image is built from the same
file, so the bill is true of it, too. It has no date and no serial number: the same lock gives the same bill.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import exporter

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.txt"
PAGE = ROOT / "docs" / "licences.md"

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "PSFL": "PSF-2.0",
}
"""What packages say that do not say it in SPDX's words."""

READ_BY_HAND = {"jinja2": "BSD-3-Clause"}
"""From the licence file, where the metadata says only "BSD"."""

HEADING = """# Licences

mail-exporter is under Apache-2.0. These libraries run with it, each at the version of `requirements.txt`. `make sbom`
writes this page again, and a bill of materials as CycloneDX JSON (`dist/mail-exporter.cdx.json`); a release carries it.

| library | version | licence |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One library.

    Attributes:
        licence: An SPDX expression.
        hashes: SHA-256 of every file that the lock allows, in hexadecimal.
        needs: The names of other parts that it imports.
    """

    name: str
    version: str
    licence: str
    hashes: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def url(self) -> str:
        """The package URL, which scanners look vulnerabilities up by."""
        return f"pkg:pypi/{self.name}@{self.version}"


def parts() -> list[Part]:
    """Every library of the lock, by name.

    Raises:
        ValueError: A package does not say its licence in words that are known here.
        importlib.metadata.PackageNotFoundError: One is not installed.
    """
    pinned = dict(_pinned())
    return [
        Part(name, version, licence(name), hashes, tuple(sorted(set(_needs(name)) & pinned.keys())))
        for name, (version, hashes) in sorted(pinned.items())
    ]


def _pinned() -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    text = re.sub(r"(?m)^ *#.*\n", "", LOCK.read_text()).replace("\\\n", "")
    for line in text.splitlines():
        pin, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        requirement = Requirement(pin)
        (exact,) = requirement.specifier
        yield canonicalize_name(requirement.name), (exact.version, tuple(hashes))


def _needs(name: str) -> Iterator[str]:
    for requirement in map(Requirement, distribution(name).requires or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def licence(name: str) -> str:
    """The SPDX expression of an installed package.

    Raises:
        ValueError: It says nothing that is known here.
    """
    if name in READ_BY_HAND:
        return READ_BY_HAND[name]
    metadata = distribution(name).metadata
    for expression in metadata.get_all("License-Expression", []):
        return str(expression)
    said = [str(each) for field in ("License", "Classifier") for each in metadata.get_all(field, [])]
    for each in said:
        if each in SPDX or re.fullmatch(r"MIT|Apache-2\.0|BSD-[23]-Clause|MPL-2\.0|PSF-2\.0|ISC", each):
            return SPDX.get(each, each)
    about = [each for each in said if each in metadata.get_all("License", []) or each.startswith("License ::")]
    raise ValueError(f"{name} says {about} of its licence; add it to {__name__}")


def page(listed: list[Part]) -> str:
    """docs/licences.md."""
    return HEADING + "".join(f"| {part.name} | {part.version} | {part.licence} |\n" for part in listed)


def bill(listed: list[Part]) -> dict[str, Any]:
    """CycloneDX 1.6, as the object that its JSON stands for."""
    own = f"pkg:pypi/mail-exporter@{exporter.__version__}"
    direct = {canonicalize_name(Requirement(line).name) for line in _declared()}
    urls = {part.name: part.url for part in listed}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "mail-exporter",
                "version": exporter.__version__,
                "licenses": [{"expression": "Apache-2.0"}],
                "purl": own,
            }
        },
        "components": [_component(part) for part in listed],
        "dependencies": [
            {"ref": own, "dependsOn": sorted(urls[name] for name in direct)},
            *({"ref": part.url, "dependsOn": [urls[name] for name in part.needs]} for part in listed),
        ],
    }


def _declared() -> Iterator[str]:
    for line in distribution("mail-exporter").requires or []:
        marker = Requirement(line).marker
        # The image has what this extra asks for.
        if marker is None or marker.evaluate({"extra": "domains"}):
            yield line


def _component(part: Part) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": part.url,
        "name": part.name,
        "version": part.version,
        "licenses": [{"expression": part.licence}],
        "purl": part.url,
        # Of every file that the lock allows: which one it is goes by platform.
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{part.name}/{part.version}/",
                "hashes": [{"alg": "SHA-256", "content": each} for each in part.hashes],
            }
        ],
    }


def main() -> None:
    """Writes both."""
    parser = argparse.ArgumentParser(prog="python -m deploy.bill_of_materials", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "mail-exporter.cdx.json")
    output: Path = parser.parse_args().output
    listed = parts()
    PAGE.write_text(page(listed))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(bill(listed), indent=2) + "\n")


if __name__ == "__main__":
    main()
