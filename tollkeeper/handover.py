"""How a process of the sidecar gets its place: it prepares, says so, and waits to be told which worker it is to be.

The supervisor's end and the process's end of one Unix socket, which is the process's standard input.  The end of either
side is seen by the other at once.  A process whose supervisor has gone serves on until that of the next has its place.
Any line after the place asks whether all is well, which is answered once each part of the process has had its turn; the
two may be of versions of which only one knows that.
"""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from functools import partial
from pathlib import Path

import structlog

from tollkeeper.plan import Worker

log = structlog.get_logger(__name__)

STDIN = 0
LOADED = b"loaded"  # what the process that forks the others tells its supervisor
ORPHAN_SECONDS = 30.0  # for another supervisor to come
LOOK_SECONDS = 0.1


class News(Enum):
    """What a process tells its supervisor: a line each."""

    READY = b"ready"  # it waits for a place
    SERVING = b"serving"  # it answers in the place that it was given
    # Told to who asks alone: a supervisor of a version before does not know them.
    WELL = b"well"
    LEAVING = b"leaving"  # it drains, and answers no more


ASK = b"well?\n"


def call(tell: Callable[[], None]) -> None:
    """The check of a process without parts."""
    tell()


class Place:
    """The process's end of the socket."""

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=STDIN)
        self._lines = self._socket.makefile("rb")
        self._is_asked = False

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

    def leaves(self) -> None:
        """The process drains."""
        if self._is_asked:
            self.tell(News.LEAVING)

    def watch(self, path: Path, seconds: float, check: Callable[[Callable[[], None]], object] = call) -> None:
        """Once the supervisor has gone, asks this process to stop (SIGTERM) as soon as another has taken over
        the socket at `path`, which is ours now, or none has come in `seconds`.  As long as it is there,
        answers when it asks: `check` is to call what it is given once all is well, and does not wait."""
        threading.Thread(
            target=self._watch, args=[path, file_of(path), seconds, check], name="supervisor", daemon=True
        ).start()

    def _heard(self) -> bytes:
        """The next line; empty once the supervisor has gone, even if it had not read what it was told, which is an
        error of the socket."""
        try:
            return self._lines.readline()
        except OSError:
            return b""

    def _watch(
        self,
        path: Path,
        ours: tuple[int, int] | None,
        seconds: float,
        check: Callable[[Callable[[], None]], object],
    ) -> None:
        while self._heard():
            self._is_asked = True
            check(partial(self.tell, News.WELL))
        log.warning("the supervisor has gone: serving until another takes over", seconds=seconds)
        until = time.monotonic() + seconds
        while file_of(path) == ours and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)


class Candidate:
    """The supervisor's end of the socket."""

    def __init__(self) -> None:
        self.socket, self.child = socket.socketpair()
        self.socket.setblocking(False)
        self.latest: News | None = None
        self.gone = False
        self.owes = self.has_answered = False

    def give(self, worker: Worker) -> None:
        """It may be told before it is ready.  If it is gone, `gone` will say so."""
        self._send(json.dumps(asdict(worker)).encode() + b"\n")

    def ask(self) -> None:
        """Asks whether all is well: from now on the process `owes` an answer.  One that has never answered may not know
        the question."""
        self.owes = True
        self._send(ASK)

    def read(self) -> None:
        """Takes what it has said: `latest`, and its answers; `gone` once it has ended."""
        try:
            data = self.socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.gone = True
        for news in map(News, data.split()):
            if news is News.WELL:
                self.owes, self.has_answered = False, True
            else:
                self.latest = news

    def close(self) -> None:
        self.socket.close()

    def _send(self, line: bytes) -> None:
        try:
            self.socket.sendall(line)
        except OSError:
            self.gone = True


def file_of(path: Path) -> tuple[int, int] | None:
    """Which file it is, None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
