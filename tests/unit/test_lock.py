"""constraints.txt holds every dependency at one version with its hashes, and is what the tests run with.

requirements.txt is the part of it that the daemon runs with, requirements-build.txt what packs it. `make lock`
writes all three.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, frozenset[str]]:
    """The hashes of every line of a lock, by what it pins."""
    text = re.sub(r"(?m)^ *#.*\n", "", (ROOT / name).read_text()).replace("\\\n", "")
    found: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        pin, *hashes = re.split(r"\s+--hash=", line.strip())
        found[pin] = frozenset(hashes)
    return found


LOCK = locked("constraints.txt")
PINS = [Requirement(pin) for pin in LOCK]
HERE = {key: str(value) for key, value in default_environment().items()}
"""What markers see now."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
INSTALLED_GROUPS = ("dev", "build")
GROUPS = [name for name in PROJECT["dependency-groups"] if name != "fuzz"]
"""Those of constraints.txt. There are wheels of the fuzzer for few Pythons, so its lock stands alone."""


def declared(groups: Iterable[str]) -> list[Requirement]:
    """What pyproject.toml asks for itself."""
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    for group in groups:
        lines += PROJECT["dependency-groups"][group]
    return [Requirement(line) for line in lines]


def environment(python: str) -> dict[str, str]:
    """What markers see with another Python on this machine."""
    full = f"{python}.0"
    return HERE | {"python_version": python, "python_full_version": full, "implementation_version": full}


def applies(requirement: Requirement, where: Mapping[str, str], extras: Iterable[str] = ()) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**where, "extra": extra}) for extra in ("", *extras))


def pins(where: Mapping[str, str]) -> dict[NormalizedName, list[Version]]:
    found: dict[NormalizedName, list[Version]] = {}
    for pin in PINS:
        if applies(pin, where):
            (specifier,) = pin.specifier
            found.setdefault(canonicalize_name(pin.name), []).append(Version(specifier.version))
    return found


def closure(requirements: Iterable[Requirement], where: Mapping[str, str]) -> Iterator[Requirement]:
    """The requirements that apply, and those of everything that they lead to, as far as it is installed here."""
    waiting, seen = [one for one in requirements if applies(one, where)], set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        yield requirement
        try:
            own = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            continue
        waiting += [one for one in map(Requirement, own) if applies(one, where, requirement.extras)]


def test_every_line_pins_one_exact_version() -> None:
    for pin in PINS:
        assert re.fullmatch(r"==[0-9a-z.!+]+", str(pin.specifier)), str(pin)


def test_every_line_has_the_hashes_of_its_files() -> None:
    assert {pin for pin, hashes in LOCK.items() if not hashes} == set(), "run `make lock`"
    assert {
        each for hashes in LOCK.values() for each in hashes if not re.fullmatch(r"sha256:[0-9a-f]{64}", each)
    } == set()


PARTS = {
    "requirements.txt": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["domains"],
    ],
    "requirements-build.txt": PROJECT["dependency-groups"]["build"],
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_lock_is_the_same_releases_by_the_same_hashes(part: str) -> None:
    pinned = locked(part)
    needed = {canonicalize_name(one.name) for one in closure(map(Requirement, PARTS[part]), HERE)}

    assert pinned.items() <= LOCK.items(), "run `make lock`"
    assert needed == {canonicalize_name(pin.name) for pin in map(Requirement, pinned) if applies(pin, HERE)}


def test_the_fuzzer_is_pinned_by_its_hashes() -> None:
    pinned = locked("requirements-fuzz.txt")

    assert ["atheris"] == [Requirement(pin).name for pin in pinned]
    assert all(pinned.values())


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_pinned_once_within_the_declared_bounds(python: str) -> None:
    where = environment(python)
    pinned = pins(where)

    for requirement in closure(declared(GROUPS), where):
        versions = pinned.get(canonicalize_name(requirement.name), [])
        assert 1 == len(versions), f"{requirement.name} is pinned {len(versions)} times: run `make lock`"
        assert requirement.specifier.contains(versions[0], prereleases=True), (
            f"{requirement} is pinned to {versions[0]}: run `make lock`"
        )


@pytest.mark.parametrize(
    ("folder", "groups"),
    [
        ("exporter", ()),
        *((folder, ("dev",)) for folder in ("tests", "benchmarks", "dashboards", "deploy")),
    ],
)
def test_every_import_is_of_something_declared(folder: str, groups: tuple[str, ...]) -> None:
    allowed = {canonicalize_name(one.name) for one in declared(groups)}
    own = {*sys.stdlib_module_names, "exporter", "tests", "dashboards", "benchmarks", "deploy", "atheris"}
    homes = packages_distributions()
    undeclared = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in (ROOT / folder).rglob("*.py")
        if "node_modules" not in file.parts
        for name in imports(file)
        if name not in own and allowed.isdisjoint(map(canonicalize_name, homes.get(name, [])))
    }

    assert undeclared == set()


def imports(file: Path) -> set[str]:
    """The top-level modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_nothing_is_pinned_that_nothing_needs() -> None:
    needed = {canonicalize_name(one.name) for one in closure(declared(GROUPS), HERE)}

    assert not pins(HERE).keys() - needed, "run `make lock`"


def test_the_oldest_python_in_the_lock_is_the_oldest_that_is_promised() -> None:
    assert f">={PYTHONS[0]}" == PROJECT["project"]["requires-python"]


def test_the_environment_has_exactly_the_pinned_versions() -> None:
    pinned = pins(HERE)
    wrong = []
    for requirement in closure(declared(INSTALLED_GROUPS), HERE):
        (expected,) = pinned[canonicalize_name(requirement.name)]
        try:
            installed = distribution(requirement.name).version
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} {expected} is pinned and not installed")
        else:
            if Version(installed) != expected:
                wrong.append(f"{requirement.name} {expected} is pinned and {installed} is installed")

    assert not wrong, f"`make lint` brings .venv up to date: {wrong}"
