"""`make mutate`: changes what judges, a bit at a time, and names the changes that no test notices.

A copy of the package and the tests lies in a directory of its own, so the checkout stays as it is. The sample is drawn
by a fixed seed: the same changes each time, until the source changes. Survivors are looked at one by one
(docs/reliability.md).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
TIMEOUT = 120
"""Seconds for the tests of one change: what makes them hang is noticed, too."""

JUDGES = {
    "certificates": (
        ["chain", "judging", "names", "staple", "strength", "trust", "verification", "pins", "effort"],
        ["tests/unit/test_certificates_*.py", "tests/property/test_certificates_properties.py"],
    ),
    "protocol": (
        ["login_refusals", "login_wording", "imap_refusal", "smtp", "pop3", "session", "errands/recipient"],
        ["tests/protocol"],
    ),
    "flows": (
        ["judging", "alterations", "authentication", "bounces", "status_codes", "spam_scores", "hops", "assignment"],
        ["tests/unit/test_flow_*.py", "tests/property/test_flow_properties.py"],
    ),
    "domains": (["posture"], ["tests/unit/test_domain*.py", "tests/unit/test_posture*.py"]),
}
"""Folders of the package: the modules that judge, and the tests that are to notice."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=200, help="so many changes, drawn from all")
    parser.add_argument("folder", nargs="*", help=f"of {', '.join(JUDGES)}; all, if none is named")
    arguments = parser.parse_args()
    every = [
        (folder, module, mutant)
        for folder in arguments.folder or JUDGES
        for name in JUDGES[folder][0]
        if (module := ROOT / "exporter" / folder / f"{name}.py").is_file()
        for mutant in mutants(module.read_text())
    ]
    drawn = random.Random(18).sample(every, min(arguments.sample, len(every)))  # noqa: S311 - the same sample each time
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        lair = copied(Path(directory))
        for folder, module, mutant in drawn:
            if not noticed(lair, folder, module.relative_to(ROOT), mutant):
                survivors += 1
                where = f"{module.relative_to(ROOT)}:{mutant.line}"
                sys.stdout.write(f"survived  {where}  {mutant.before}  ->  {mutant.after}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{len(drawn)} of {len(every)} changes tried, {len(drawn) - survivors} noticed, {survivors} not\n")
    return 0


def copied(directory: Path) -> Path:
    """What the tests need, to be changed at will."""
    for name in ("exporter", "tests", "docs"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "config.example.yaml"):
        shutil.copy(ROOT / name, directory)
    return directory


def noticed(lair: Path, folder: str, module: Path, mutant: Mutant) -> bool:
    """Whether a test fails with the change."""
    original = (lair / module).read_text()
    tests = [str(each.relative_to(lair)) for pattern in JUDGES[folder][1] for each in sorted(lair.glob(pattern))]
    (lair / module).write_text(mutant.source)
    try:
        ended = subprocess.run(
            [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
            cwd=lair,
            env={**os.environ, "PYTHONPATH": str(lair), "HYPOTHESIS_MAX_EXAMPLES": "20"},
            check=False,
            capture_output=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        (lair / module).write_text(original)
    return ended.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
