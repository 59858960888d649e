"""Runs tests with one module changed: in a child of a process that has everything loaded but the package itself.

The source on disk stays as it is: an import hook hands the changed tree to the child.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import coverage
import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
PROFILE = {"HYPOTHESIS_PROFILE": "brief"}
"""The same few examples each time (tests/conftest.py): a change must not be noticed by luck."""

LEAST_SECONDS = 30.0
"""For the tests of one change, whatever they took without it: what makes them hang is noticed, too."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What the tests of a folder do without any change.

    Attributes:
        seconds: Of each test, by its id.
        tests: By file of the package and line, the ids of the tests that run it; under line 0 those that run any.
        modules: What was loaded beside the package and the tests.
    """

    seconds: Mapping[str, float]
    tests: Mapping[str, Mapping[int, Sequence[str]]]
    modules: Sequence[str]

    def noticing(self, module: Path, lines: frozenset[int]) -> list[str]:
        """The tests that may notice a change in these lines, the quickest first."""
        by_line = self.tests.get(str(module), {})
        found = {test for line in lines for test in by_line.get(line, ())}
        if "" in found:
            # The line runs when the module is loaded: any test may notice. Those that run more of the module go first.
            near = set(by_line[0])
            return sorted(self.seconds, key=lambda test: (test not in near, self.seconds[test]))
        return sorted(found, key=lambda test: self.seconds.get(test, 0.0))


def measured(files: Sequence[str], modules: Iterable[str], directory: Path) -> Reach:
    """Run the tests as they are.

    Args:
        files: Of the tests.
        modules: The files that will be changed.
        directory: For what is measured.

    Raises:
        RuntimeError: One fails.
    """
    result, said = directory / "reach.json", directory / "said.txt"
    ended = _in_child(lambda: _measure(files, modules, result), None, said)
    if ended != 0:
        raise RuntimeError(f"the tests fail without any change:\n{said.read_text()[-3000:]}")
    told = json.loads(result.read_text())
    tests = {file: {int(line): ids for line, ids in lines.items()} for file, lines in told["tests"].items()}
    reach = Reach(told["seconds"], tests, told["modules"])
    for name in reach.modules:
        with suppress(Exception):
            importlib.import_module(name)
    return reach


def notices(module: Path, tree: ast.Module, tests: Sequence[str], reach: Reach) -> bool:
    """Whether one of these tests fails with a module changed to this tree."""
    files = sorted({test.partition("::")[0] for test in tests})
    limit = LEAST_SECONDS + 10 * sum(reach.seconds.get(test, 0.0) for test in tests)
    return _in_child(lambda: _tried(module, tree, files, tests), limit) not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)


def _measure(files: Sequence[str], modules: Iterable[str], result: Path) -> int:
    counting = coverage.Coverage(data_file=None, source=[str(ROOT / "exporter")], config_file=False)
    diary = _Diary(counting)
    counting.start()
    for module in modules:
        # Else what is loaded only when it is needed seems to be the business of the first test that needs it.
        importlib.import_module(_dotted(ROOT / module))
    ended = pytest.main([*OPTIONS, *files], plugins=[diary])
    counting.stop()
    data = counting.get_data()
    tests: dict[str, dict[int, list[str]]] = {}
    for file in data.measured_files():
        by_line = dict(data.contexts_by_lineno(file))
        tests[file] = by_line | {0: sorted({test for ids in by_line.values() for test in ids})}
    ours = ("exporter", "tests", "conftest", "__main__")
    loaded = [name for name in sys.modules if name.partition(".")[0] not in ours and not name.startswith("test_")]
    result.write_text(json.dumps({"seconds": diary.seconds, "tests": tests, "modules": loaded}))
    return int(ended)


def _tried(module: Path, tree: ast.Module, files: Sequence[str], tests: Sequence[str]) -> int:
    sys.meta_path.insert(0, _Changed(_dotted(module), module, compile(tree, str(module), "exec", dont_inherit=True)))
    return int(pytest.main([*OPTIONS, *files], plugins=[_Only(tests)]))


def _dotted(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _in_child(work: Callable[[], int], limit: float | None, said: Path = Path(os.devnull)) -> int | None:
    """What the work returns, in a process of its own; `None` if it did not end in time or did not survive."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            silence = os.open(said, os.O_RDWR | os.O_CREAT)
            for descriptor in (0, 1, 2):
                os.dup2(silence, descriptor)
            os.setpgid(0, 0)
            os.chdir(ROOT)
            os.environ |= PROFILE
            code = work()
        finally:
            os._exit(code)
    until = None if limit is None else time.monotonic() + limit
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None
        if until is not None and time.monotonic() > until:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.01)


class _Changed(MetaPathFinder):
    """Finds one module, changed."""

    def __init__(self, name: str, file: Path, code: CodeType) -> None:
        self._name = name
        self._file = file
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != self._name:
            return None
        within = [str(self._file.parent)] if self._file.name == "__init__.py" else None
        loader = _Loader(fullname, str(self._file), self._code)
        return spec_from_file_location(fullname, self._file, loader=loader, submodule_search_locations=within)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return self._code


class _Diary:
    """Has coverage note which test runs, and how long it takes."""

    def __init__(self, counting: coverage.Coverage) -> None:
        self.seconds: dict[str, float] = {}
        self._counting = counting

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._counting.switch_context(item.nodeid)
        begun = time.perf_counter()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.perf_counter() - begun
            self._counting.switch_context("")


class _Only:
    """Leaves only these tests, in their order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._order = {test: number for number, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid]
        )
