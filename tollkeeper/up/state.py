"""The data directory of `tollkeeper up`: who holds it, what is made once and kept there, where its sockets go."""

import fcntl
import hashlib
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tollkeeper.up.process import StartFailed, write_private

# A Unix socket's path holds 107 bytes; the longest name that goes below the directory is `ratelimit-16.metrics.sock`.
SOCKET_DIRECTORY_BYTES = 80


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the data directory for one stack at a time; StartFailed if another has it."""
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{directory} is in use by another `tollkeeper up`: stop that one, or choose another --data-dir"
            raise StartFailed(message) from None
        yield


def made_once(path: Path) -> str:
    """A secret in a file for its owner alone, the same each time."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text()


def socket_directory(data: Path) -> Path:
    """Where Unix sockets go: below `data`, unless its path is too long for a socket's name."""
    directory = data / "run"
    if len(str(directory).encode()) > SOCKET_DIRECTORY_BYTES:
        digest = hashlib.sha256(str(data).encode()).hexdigest()[:12]
        directory = Path(tempfile.gettempdir()) / f"tollkeeper-{digest}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory
