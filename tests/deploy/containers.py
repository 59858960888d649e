"""Images and containers without a daemon: buildah and podman, with a storage of their own that is deleted afterwards.

Knows nothing of what is in an image. Root only: the tools could do without, but not on every kernel that tests meet.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.fetched import cache_directory
from tests.deploy.package_index import package_index
from tests.deploy.privileges import require_mounts
from tests.servers.programs import program, scratch_directory

BASE = "docker.io/library/python:3.13-slim"
BASE_SCRIPT = Path(__file__).with_name("base-image.sh")
BUILT_WITHIN = 300.0
"""Seconds. An image takes 15, its base 40 once; the rest is for a slow mirror."""

HARDENED = (
    "--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges",
)  # fmt: skip
"""As the manifests of this project have Kubernetes run it, without so much as a /tmp to write to."""

_PLAIN = (
    "--pull=never", "--cgroups=disabled", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
    "--no-healthcheck",
)  # fmt: skip
"""What has to do without control groups, without more limits than this process has, and without systemd's timers."""

_OWN_MOUNTS = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
"""crun refuses a machine that has both versions of control groups mounted, which these containers do without."""


@dataclass(frozen=True, slots=True)
class Container:
    """One that runs."""

    engine: Engine
    name: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as the container's user."""
        return self.engine.podman("exec", self.name, *command)

    def log(self) -> str:
        """What it wrote."""
        ended = self.engine.podman("logs", self.name)
        return ended.stdout + ended.stderr

    def stop(self) -> int:
        """Asks process 1 to end by SIGTERM, and returns its exit code; one that does not listen is killed: 137."""
        self.engine.check(self.engine.podman("stop", "--time=10", self.name))
        return int(self.engine.inspect(self.name)["State"]["ExitCode"])


@dataclass(frozen=True, slots=True)
class Engine:
    """The tools, and where they keep everything."""

    directory: Path

    def build(self, context: Path, tag: str, **arguments: str) -> None:
        """Builds a context's Dockerfile as it stands; packages come from where this machine gets them.

        Args:
            context: The directory.
            tag: What to call the image.
            arguments: Values for the Dockerfile's `ARG`s.
        """
        index = package_index()
        secret = self.directory / "pip.conf"
        secret.write_text(index.configuration)
        self.check(
            self._run(
                "buildah", "bud", "--format=docker", "--pull-never", f"--tag={tag}",
                f"--secret=id=pip.conf,src={secret}",
                *(f"--volume={path}:{path}:ro" for path in index.files),
                *(f"--build-arg={name}={value}" for name, value in arguments.items()),
                str(context),
            )
        )  # fmt: skip

    def inspect(self, name: str) -> dict[str, Any]:
        """What is known of an image or a container."""
        found: list[dict[str, Any]] = json.loads(self.check(self.podman("inspect", name)))
        return found[0]

    def podman(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs podman to its end."""
        own = [f"--tmpdir={self.directory}/state", "--events-backend=none"]
        return self._run("podman", "--cgroup-manager=cgroupfs", *own, *arguments)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # Mounts of the tools' own, so that none outlives them.
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", _OWN_MOUNTS, "_", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=BUILT_WITHIN,
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"),
                "BUILDAH_ISOLATION": "chroot",
            },
        )

    def once(self, image: str, *command: str, entrypoint: str | None = None, user: str | None = None) -> str:
        """Runs a hardened container to its end, and returns what it printed."""
        options = [f"--entrypoint={entrypoint}"] if entrypoint else []
        options += [f"--user={user}"] if user else []
        return self.check(self.podman("run", "--rm", "--network=none", *_PLAIN, *HARDENED, *options, image, *command))

    @contextmanager
    def running(
        self, image: str, *command: str, mounts: Mapping[Path, str], network: str = "none", hostname: str = "container"
    ) -> Iterator[Container]:
        """Runs a hardened container until the block ends.

        Args:
            image: Its tag.
            command: In place of the image's.
            mounts: What of this machine is seen where, and cannot be written to.
            network: `none`: a loopback of its own and nothing else; or `host`.
            hostname: What it is called.
        """
        volumes = [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
        options = ["--detach", f"--network={network}", f"--hostname={hostname}", *_PLAIN, *HARDENED, *volumes]
        name = self.check(self.podman("run", *options, image, *command)).strip()
        container = Container(self, name)
        try:
            yield container
        finally:
            self.check(self.podman("rm", "--force", "--time=0", name))

    def check(self, ended: subprocess.CompletedProcess[str]) -> str:
        """What a command printed.

        Raises:
            RuntimeError: It failed; with the end of what it said.
        """
        if ended.returncode != 0:
            words = " ".join(map(str, ended.args))
            raise RuntimeError(
                f"{words}\nended with {ended.returncode}:\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
            )
        return ended.stdout


@contextmanager
def engine() -> Iterator[Engine]:
    """Tools with a storage that holds the base the Dockerfile is built on, and nothing else."""
    for name, package in {"buildah": "buildah", "podman": "podman", "crun": "crun"}.items():
        program(name, package=package)
    require_mounts()
    # Large files are in the cache directory. If the tests run in a container, /tmp is on overlayfs, which does not
    # stack on itself: podman would copy an image for each container. The cache may be on another file system.
    with (
        scratch_directory() as directory,
        tempfile.TemporaryDirectory(dir=cache_directory(), prefix="storage-") as large,
    ):
        driver = "vfs" if _filesystem(Path(large)) == "overlayfs" else "overlay"
        (directory / "storage.conf").write_text(
            # podman takes a runroot of 50 characters and no more
            f'[storage]\ndriver = "{driver}"\nrunroot = "{directory}/run"\ngraphroot = "{large}"\n'
        )
        made = Engine(directory)
        _add_base(made)
        yield made


def _filesystem(directory: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(directory)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _add_base(engine: Engine) -> None:
    """Puts the stand-in for Docker's Python into the storage, under that one's name."""
    path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    changes = [f"--change=ENV PATH={path}", "--change=ENV LANG=C.UTF-8", '--change=CMD ["python3"]']
    engine.check(engine.podman("import", "--quiet", *changes, str(_base_archive()), BASE))


def _base_archive() -> Path:
    """Made once for each version of the script that makes it."""
    version = hashlib.sha256(BASE_SCRIPT.read_bytes()).hexdigest()[:12]
    archive = cache_directory() / f"python-3.13-slim-{version}.tar"
    if not archive.exists():
        program("debootstrap", package="debootstrap")
        made = subprocess.run([BASE_SCRIPT, archive], check=False, capture_output=True, text=True, timeout=BUILT_WITHIN)
        if made.returncode != 0:
            raise RuntimeError(f"{BASE_SCRIPT.name} ended with {made.returncode}:\n{made.stderr[-4000:]}")
    return archive
