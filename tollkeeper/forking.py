"""The supervisor's side of worker.py: a process that has loaded everything, and forks the workers.

A worker is the supervisor's child, as if it had been started from here: a process between the two ends at once, and the
kernel gives what it leaves to the supervisor, which has asked for that.
"""

import ctypes
import os
import select
import signal
import socket
import time
from collections.abc import Callable

import structlog

from tollkeeper.handover import Candidate
from tollkeeper.up.process import Process

log = structlog.get_logger(__name__)

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
ANSWER_SECONDS = 5.0  # to fork takes some milliseconds
AGAIN_SECONDS = 1.0  # after one that ended by itself
LOOK_SECONDS = 0.02
MOST = 32  # bytes of an answer: that it is ready, or the id of what it forked
STOP_SECONDS = 1.0


class Forked:
    """A worker: a child that others started.  `pid` 0: it could not be forked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exit_code: int | None = None if pid else -signal.SIGKILL

    def running(self) -> bool:
        if self.exit_code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, signal.SIGKILL
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
        return self.exit_code is None

    def ask_to_stop(self) -> None:
        self._send(signal.SIGTERM)

    def stop(self, timeout: float) -> None:
        """Asks it to stop, then insists."""
        self.ask_to_stop()
        until = time.monotonic() + timeout
        while self.running() and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        self.kill()

    def kill(self) -> None:
        self._send(signal.SIGKILL)
        while self.running():
            time.sleep(LOOK_SECONDS)

    def _send(self, number: signal.Signals) -> None:
        if self.running():  # so its id is nobody else's
            os.kill(self.pid, number)


Start = Callable[[socket.socket], Process | Forked]


class ForkServer:
    """`first` makes its process, with a socket as standard input, and `start` each that follows it.  It can `fork` once
    it is `ready`.  Call `step` often, and at once when `socket` has something to read."""

    def __init__(self, start: Start, first: Start | None = None) -> None:
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "cannot become the parent of what is forked")
        self._start = start
        self._begin(first or start)

    def step(self) -> None:
        if self.socket is None:
            if time.monotonic() >= self._again_at:
                self._begin(self._start)
            return
        try:
            self.ready = bool(self.socket.recv(MOST))
        except BlockingIOError:
            return
        except OSError:
            self.ready = False
        if not self.ready:
            self._failed("the process that forks the others ended")

    def fork(self, group: str, candidate: Candidate) -> Forked:
        """Waits for it some milliseconds.  What could not be forked is a process that has ended."""
        if self.socket is not None:
            try:
                socket.send_fds(self.socket, [group.encode()], [candidate.child.fileno()])
                select.select([self.socket], [], [], ANSWER_SECONDS)
                return Forked(int(self.socket.recv(MOST)))
            except (OSError, ValueError) as error:
                self._failed("cannot fork a process", error=str(error))
        return Forked(0)

    def renew(self) -> None:
        """Another one, of the code that is installed now."""
        self.close()
        self._begin(self._start)

    def close(self) -> None:
        self.ready = False
        if self.socket is not None:
            self.socket.close()
            self._process.stop(STOP_SECONDS)

    def _begin(self, start: Start) -> None:
        self.socket: socket.socket | None
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        self._process, self.ready = start(theirs), False
        theirs.close()

    def _failed(self, message: str, **fields: str) -> None:
        self.close()
        log.error(message, exit=self._process.exit_code, **fields)
        self.socket, self._again_at = None, time.monotonic() + AGAIN_SECONDS
