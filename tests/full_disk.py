"""A small disk of its own, that a test can fill up and make room on again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MEBIBYTES = 8
CHUNKS = (1 << 16, 1)  # bytes


class Disk:
    """`path` is where it is mounted."""

    def __init__(self, path: Path) -> None:
        self.path, self._filler = path, path / "filler"

    def fill(self) -> None:
        """Nothing can be written there any more."""
        with self._filler.open("ab", buffering=0) as file:
            for size in CHUNKS:
                with suppress(OSError):
                    while file.write(b"x" * size):
                        pass
        assert self.is_full

    def make_room(self) -> None:
        self._filler.unlink()

    @property
    def is_full(self) -> bool:
        return os.statvfs(self.path).f_bavail == 0


@contextmanager
def disk(path: Path) -> Iterator[Disk]:
    """Mounted at `path`, which everybody may use.  Skips the test where nothing may be mounted."""
    path.mkdir()
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m,mode=0777", "none", path]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")  # only root may; where CI runs, it does
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
