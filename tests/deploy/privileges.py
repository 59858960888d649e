"""What the tests of this folder ask of the machine beyond programs: root, and the right to mount."""

from __future__ import annotations

import os
import subprocess

from tests.servers.programs import unavailable


def require_mounts() -> None:
    """Ends the test where nothing can be mounted, which containers and machines of their own begin with."""
    if os.geteuid() != 0:
        unavailable("only root can mount, as containers and machines need it")
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0:
        unavailable("nothing can be mounted here; where this is a container, it has to be a privileged one")
