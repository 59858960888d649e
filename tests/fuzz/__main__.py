"""`make fuzz`: each target for some seconds, one after the other, from the corpus that is kept.

Exits with 1 if any broke a promise, took longer than 10 s for one input, or more than 2 GiB; the input is then in
`build/fuzz`. atheris instruments what is imported, so every target runs in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS, seeds

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "fuzz"
MAX_LENGTH = 4096
TIMEOUT = 10
MEMORY = 2048
"""MiB."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="all, if none is named")
    arguments = parser.parse_args()
    failed = [name for name in arguments.target or TARGETS if not fuzz(name, arguments.seconds)]
    for name in failed:
        sys.stdout.write(f"{name} failed: see {BUILD / name}\n")
    return 1 if failed else 0


def fuzz(name: str, seconds: int) -> bool:
    """Whether the target kept its promises."""
    found = BUILD / name
    found.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds().get(name, [])):
        (found / f"seed-{number}").write_bytes(seed)
    kept = HERE / "corpus" / name
    kept.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.one",
        name,
        str(found),
        str(kept),
        f"-max_total_time={seconds}",
        f"-max_len={MAX_LENGTH}",
        f"-timeout={TIMEOUT}",
        f"-rss_limit_mb={MEMORY}",
        f"-artifact_prefix={found}/failed-",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    (found / "log.txt").write_text(ended.stdout + ended.stderr)
    runs = next((line.split()[-1] for line in ended.stderr.splitlines() if "number_of_executed_units" in line), "?")
    sys.stdout.write(f"{name}: {runs} inputs, {'good' if ended.returncode == 0 else 'FAILED'}\n")
    sys.stdout.flush()
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
