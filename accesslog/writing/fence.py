"""Kills a process that has lost its place and does not end.  One that was stopped or hangs, and whose supervisor is
gone, would otherwise keep its rows for as long as it lives.

Killing it is the fence: it can no longer write once another process writes there.  What it had in memory comes back
from the file log.
"""

import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

PEER = struct.Struct("3i")  # ucred: process, user, group


class Fence:
    """`place`: the Unix socket at which the process that has the place listens.  `seconds`: in which
    a process that lost it ends by itself.  It blocks, for a moment; for one thread.  `clock` in seconds."""

    def __init__(self, place: Path, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._seconds, self._clock = place, seconds, clock
        self._since: float | None = None  # when it was seen first that the place is ours and its files are not

    def hold(self, lock: int) -> None:
        """Writes into a file that we have locked (by its descriptor) who holds it, and for which place."""
        with suppress(OSError):  # a full disk: then nobody is killed on our account
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()} {self._place}".encode(), 0)

    def end(self, lock: Path) -> None:
        """Kills the process that has the file locked, if it had this place, which is now ours, and has not ended in
        time."""
        try:
            holder, _, place = lock.read_text().partition(" ")
        except (OSError, UnicodeDecodeError):
            return
        if not holder.isdecimal() or place != str(self._place) or _listener(self._place) != os.getpid():
            self._since = None
            return
        if self._since is None:
            self._since = self._clock()
        if self._clock() - self._since >= self._seconds:
            _kill(int(holder), lock)


def _listener(place: Path) -> int | None:
    """The process that listens at the place."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(os.fspath(place)) != 0:
            return None
        pid, *_ = PEER.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        return int(pid)


def _kill(pid: int, lock: Path) -> None:
    """Does nothing if the id is now another process's, or another container's."""
    with suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            ours = os.stat(lock)
            open_by_it = [os.stat(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.exists()]
            if any(os.path.samestat(each, ours) for each in open_by_it):
                log.error("a process that lost its place and does not end is killed", pid=pid)
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
