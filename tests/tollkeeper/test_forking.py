"""Real processes: what loads and forks, and what is forked."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.serving.conftest import eventually
from tollkeeper.config import as_environment, read_settings
from tollkeeper.forking import PR_SET_CHILD_SUBREAPER, Forked, ForkServer
from tollkeeper.handover import LOADED, Candidate
from tollkeeper.up.process import Process

LOAD_SECONDS = 60.0  # on a busy machine
THREADS = """
import os
import tollkeeper.worker
import tollkeeper.server
from tollkeeper.slices.table import load_services
load_services()
print(*os.listdir("/proc/self/task"))
"""

FORKS = """
import socket, sys
from tollkeeper.worker import fork_from_here
stdin = socket.socket(fileno=int(sys.argv[1]))
fork_from_here(stdin, {})
stdin.close()
"""


class Forks:
    """`started`: the processes that load and fork, one after another."""

    def __init__(self, directory: Path, stops: ExitStack) -> None:
        self._directory, self._stops = directory, stops
        self.started: list[Process] = []
        self.server = ForkServer(self._start)

    def _start(self, stdin: socket.socket) -> Process:
        command, environment = (
            [sys.executable, "-m", "tollkeeper.worker"],
            as_environment(read_settings(data_dir=self._directory)),
        )
        log = self._directory / "log"
        self.started.append(Process("worker", command, log, environment=environment, stdin=stdin, outlives=True))
        return self.started[-1]

    def wait(self) -> None:
        eventually(self._ready, LOAD_SECONDS)

    def _ready(self) -> bool:
        self.server.step()
        return self.server.ready

    def fork(self, group: str) -> Forked:
        candidate = Candidate()
        self._stops.callback(candidate.close)
        self._stops.callback(candidate.child.close)
        return self.server.fork(group, candidate)


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    with ExitStack() as stops:
        found = Forks(tmp_path, stops)
        stops.callback(found.server.close)
        yield found
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def test_what_is_loaded_starts_no_thread() -> None:
    """A fork copies one: what the others hold would be held forever."""
    found = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True).stdout
    assert len(found.split()) == 1


def test_workers_are_children_of_the_supervisor(forks: Forks) -> None:
    forks.wait()
    first, second = (forks.fork(group) for group in ("authz", "ratelimit"))
    eventually(lambda: [name_of(each.pid) for each in (first, second)] == ["authz", "ratelimit"])
    assert parent_of(first.pid) == parent_of(second.pid) == os.getpid()
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: not first.running())
    assert first.exit_code == -signal.SIGKILL
    assert second.running()
    second.stop(0)
    assert not second.running()


def test_what_is_forked_from_here_ends_with_its_socket() -> None:
    """It keeps nothing of ours open, by which others would take us to be alive."""
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    with ours, theirs, open(read) as kept:
        command = [sys.executable, "-c", FORKS, str(theirs.fileno()), str(write)]
        supervisor = subprocess.Popen(command, pass_fds=[theirs.fileno(), write])
        theirs.close()
        os.close(write)
        assert ours.recv(64) == LOADED
        assert supervisor.wait(LOAD_SECONDS) == 0
        assert kept.read() == ""
        ours.shutdown(socket.SHUT_WR)
        assert ours.recv(64) == b""


def test_what_loads_is_replaced_when_it_ends(forks: Forks) -> None:
    forks.wait()
    forks.started[0].kill()
    assert not forks.fork("authz").running()
    assert not forks.server.ready
    forks.wait()
    found = forks.fork("authz")
    assert found.running()
    found.stop(0)


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
