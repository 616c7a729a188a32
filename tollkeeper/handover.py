"""How a process of the sidecar gets its place: it prepares, says so, and waits to be told which worker it is to be.

The supervisor's end and the process's end of one Unix socket, which is the process's standard input.  The end of either
side is seen by the other at once.  A process whose supervisor has gone serves on until that of the next has its place.
"""

import json
import os
import signal
import socket
import threading
import time
from dataclasses import asdict
from enum import Enum
from pathlib import Path

import structlog

from tollkeeper.plan import Worker

log = structlog.get_logger(__name__)

STDIN = 0
ORPHAN_SECONDS = 30.0  # for another supervisor to come
LOOK_SECONDS = 0.1


class News(Enum):
    """What a process tells its supervisor: a line each."""

    READY = b"ready"  # it waits for a place
    SERVING = b"serving"  # it answers in the place that it was given


class Place:
    """The process's end."""

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=STDIN)
        self._lines = self._socket.makefile("rb")

    def tell(self, news: News) -> None:
        """Does nothing if the supervisor is gone."""
        try:
            self._socket.sendall(news.value + b"\n")
        except OSError:
            return

    def wait(self) -> Worker | None:
        """Blocks until there is one; None if the supervisor has gone."""
        line = self._heard()
        if not line:
            return None
        found = json.loads(line)
        return Worker(**{**found, "services": tuple(found["services"])})

    def leave_when_orphaned(self, path: Path, seconds: float) -> None:
        """Once the supervisor has gone, asks this process to stop (SIGTERM) as soon as another has taken over
        the socket at `path`, which is ours now, or none has come in `seconds`."""
        threading.Thread(target=self._watch, args=[path, file_of(path), seconds], name="orphan", daemon=True).start()

    def _heard(self) -> bytes:
        """The next line; empty once the supervisor has gone, also before it read what it was told, which is an error
        of the socket."""
        try:
            return self._lines.readline()
        except OSError:
            return b""

    def _watch(self, path: Path, ours: tuple[int, int] | None, seconds: float) -> None:
        while self._heard():
            continue
        log.warning("the supervisor has gone: serving until another takes over", seconds=seconds)
        until = time.monotonic() + seconds
        while file_of(path) == ours and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)


class Candidate:
    """The supervisor's end."""

    def __init__(self) -> None:
        self.socket, self.child = socket.socketpair()
        self.socket.setblocking(False)
        self.latest: News | None = None
        self.gone = False

    def give(self, worker: Worker) -> None:
        """It may be told before it is ready.  If it is gone, `gone` will say so."""
        try:
            self.socket.sendall(json.dumps(asdict(worker)).encode() + b"\n")
        except OSError:
            self.gone = True

    def read(self) -> None:
        """Takes what it has said: `latest`; `gone` once it has ended."""
        try:
            data = self.socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.gone = True
        for line in data.split():
            self.latest = News(line)

    def close(self) -> None:
        self.socket.close()


def file_of(path: Path) -> tuple[int, int] | None:
    """Which file it is, None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
