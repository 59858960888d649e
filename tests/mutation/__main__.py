"""`make mutate`: changes what judges, a bit at a time, and names the changes that no test notices.

Exits with 1 if one is not noticed that `known.py` gives no reason for, or if a reason there has become void. The
sample is drawn by a fixed seed: the same changes each time, until the source changes.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.known import KNOWN
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.running import ROOT, measured, notices


@dataclass(frozen=True, slots=True)
class Judges:
    """What judges, and the tests that are to notice.

    Attributes:
        modules: Patterns below the package.
        tests: Patterns below the tests.
    """

    modules: Sequence[str]
    tests: Sequence[str]


FOLDERS = {
    "certificates": Judges(
        [f"certificates/{name}.py" for name in ("chain", "effort", "judging", "names", "pins", "staple")]
        + [f"certificates/{name}.py" for name in ("strength", "trust", "verification")],
        ["unit/test_certificates_*.py", "property/test_certificates_properties.py"],
    ),
    "protocol": Judges(
        [f"protocol/{name}.py" for name in ("imap_refusal", "pop3", "session", "smtp")]
        + ["protocol/refusals/*.py", "protocol/errands/recipient.py", "protocol/errands/hand_over.py"],
        ["protocol/test_*.py", "unit/test_starttls_situations.py"],
    ),
    "flows": Judges(
        [f"flows/messages/{name}.py" for name in ("alterations", "authentication", "bounces", "hops", "matching")]
        + [f"flows/messages/{name}.py" for name in ("message_judging", "spam_scores", "status_codes")]
        + ["flows/ledger.py", "flows/reading/assignment.py"],
        ["unit/test_flow_*.py", "property/test_flow_properties.py"],
    ),
    "domains": Judges(
        ["domains/posture/*.py", "domains/judge.py", "domains/tags.py"],
        ["unit/test_domains_*.py", "unit/test_spf_suite.py", "property/test_domains.py"],
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="so many changes of each folder, drawn from all; 0: all")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only the changes that an earlier run wrote to FILE")
    parser.add_argument("folder", nargs="*", choices=[*FOLDERS, []], help="all, if none is named")
    arguments = parser.parse_args()
    written = arguments.again.read_text().splitlines() if arguments.again else None
    unexplained = 0
    for folder in arguments.folder or FOLDERS:
        every = list(_changes(FOLDERS[folder]))
        if written is not None:
            chosen = [each for each in every if any(line.endswith(_told(*each)) for line in written)]
        else:
            count = min(arguments.sample or len(every), len(every))
            chosen = random.Random(18).sample(every, count)  # noqa: S311 - the same each time
        unexplained += _try(folder, chosen, len(every))
    return 1 if unexplained else 0


def _try(folder: str, chosen: Sequence[tuple[str, Mutant]], of: int) -> int:
    """Try these changes of a folder; how many were not noticed without a reason, or have a void one."""
    files = [file for pattern in FOLDERS[folder].tests for file in sorted((ROOT / "tests").glob(pattern))]
    survived = explained = void = 0
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        modules = {module for module, _ in chosen}
        reach = measured([str(file.relative_to(ROOT)) for file in files], modules, Path(directory))
        for module, mutant in chosen:
            source = (ROOT / module).read_text()
            noticing = reach.noticing(ROOT / module, mutant.lines)
            noticed = bool(noticing) and notices(ROOT / module, mutant.tree(source), noticing, reach)
            is_known = (module, mutant.scope, mutant.before, mutant.after) in KNOWN
            if noticed == is_known:
                word = "void reason" if noticed else "survived" if noticing else "unreached"
                void += noticed
                survived += not noticed
                _say(f"{word} at line {min(mutant.lines)}: {_told(module, mutant)}")
            explained += is_known and not noticed
    noticed_ = len(chosen) - survived - explained
    _say(
        f"{folder}: {len(chosen)} of {of} changes tried, {noticed_} noticed, {explained} unnoticed for a "
        f"reason, {survived} for none; {void} reasons void"
    )
    return survived + void


def _told(module: str, mutant: Mutant) -> str:
    return f"{module} {mutant.scope}  {mutant.before}  ->  {mutant.after}"


def _changes(judges: Judges) -> Iterator[tuple[str, Mutant]]:
    for pattern in judges.modules:
        files = sorted((ROOT / "exporter").glob(pattern))
        if not files:
            raise FileNotFoundError(f"nothing fits exporter/{pattern}")
        for file in files:
            for mutant in mutants(file.read_text()):
                yield str(file.relative_to(ROOT)), mutant


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
