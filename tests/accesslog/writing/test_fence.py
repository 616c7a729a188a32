"""A process that lost its place and keeps its rows is ended; one that may still have it is not.  Real processes."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from accesslog.writing.fence import Fence
from accesslog.writing.spool import Spool
from tests.accesslog.entries import row

SECONDS = 30.0
HOLDS = """
import sys, time
from pathlib import Path
from accesslog.writing.fence import Fence
from accesslog.writing.spool import Spool
from tests.accesslog.entries import row
spool = Spool(Path(sys.argv[1]), fence=Fence(Path(sys.argv[2]), 0.0))
assert spool.append([row(), row()])
print("held", flush=True)
time.sleep(600)
"""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def holder(directory: Path, place: Path) -> Iterator[subprocess.Popen[str]]:
    """Keeps two rows there, and is stopped."""
    command = [sys.executable, "-c", HOLDS, str(directory), str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


@pytest.fixture
def place(public_path: Path) -> Iterator[Path]:
    """At which we listen."""
    path = public_path / "place.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


def test_who_was_stopped_and_lost_its_place_is_killed_and_its_rows_are_ours(tmp_path: Path, place: Path) -> None:
    clock = Clock()
    with holder(tmp_path, place) as process:
        spool = Spool(tmp_path, fence=Fence(place, SECONDS, clock))
        clock.now += SECONDS - 0.1
        assert not spool.append([row()])
        assert process.poll() is None
        clock.now += 0.2
        spool.take()
        assert process.wait(30) == -signal.SIGKILL
        assert spool.append([row()])
        assert spool.rows == 3
        spool.close()


@pytest.mark.parametrize("other", ["place", "listener"])
def test_who_has_another_place_or_still_its_own_is_left_alone(tmp_path: Path, place: Path, other: str) -> None:
    """Another sidecar with the same data directory, or one whose successor is not there yet."""
    clock = Clock()
    with holder(tmp_path, place) as process:
        ours = place.with_name("other.sock") if other == "place" else place
        place.rename(ours) if other == "place" else place.unlink()
        spool = Spool(tmp_path, fence=Fence(ours, SECONDS, clock))
        clock.now += 2 * SECONDS
        assert not spool.take()
        assert process.poll() is None
