"""The project's address: `[project.urls]` in pyproject.toml has it, and every other file that names it follows.

`python -m deploy.address URL`, called by `make address`, changes it everywhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_ADDRESS: Final = re.compile(r"https://[\w.-]+(/[\w.-]+)+")


def project_url() -> str:
    """The address, without a slash at the end."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Homepage"])


def files_that_name(bare: str) -> list[Path]:
    """Files under version control that contain the address, which is given without its scheme."""
    command = ["git", "-C", str(ROOT), "grep", "-lIz", "--fixed-strings", bare]
    found = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - no shell
    return [ROOT / name for name in found.stdout.split("\0") if name]


def change(address: str) -> int:
    """Replace the address in every file; returns how many files changed.

    Raises:
        ValueError: It is not an https address with a path.
    """
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"{address!r} is not an address such as https://github.com/OWNER/mail-exporter")
    before, after = (url.removeprefix("https://") for url in (project_url(), address))
    files = files_that_name(before)
    for file in files:
        file.write_text(file.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    return len(files)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"changed {change(sys.argv[1].rstrip('/'))} files\n")
    except (IndexError, ValueError) as error:
        sys.exit(f"make address URL=https://github.com/OWNER/mail-exporter ({error})")
