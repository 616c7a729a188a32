"""One child process that does not outlive us, unless it is meant to: the kernel signals it when this process dies, even
by kill -9.

Must be started from the main thread: the death signal follows the thread that forked, not the process.
"""

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

PRIVATE_UMASK = 0o077  # what it writes (logs, the spool, sockets) is for its user alone
LOG_BYTES = 16 * 1024 * 1024
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
# How we ask what we have started: a proxy that the environment names does not know this machine's addresses.
DIRECT = build_opener(ProxyHandler({}))
EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")  # of connections that this machine opens
FIRST_PORT, MOST_TRIES = 20_000, 20
RANDOM = random.SystemRandom()  # two processes that began alike draw other ports
NOBODY = 65534  # the unprivileged user of every Linux system; needs no entry in /etc/passwd


class StartFailed(Exception):
    """A server did not come up; the message says which, why, and what to do."""


class Process:
    """A running child with its output in a log file; with no log, its output is ours.  `outlives`: if this process
    dies, it sees to its own end."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path | None = None,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        user: int | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stdin: socket.socket | None = None,
        outlives: bool = False,
    ) -> None:
        self.name, self.log, self._stop_signal = name, log, stop_signal
        self.again = partial(
            Process, name, command, log, stop_signal=stop_signal, user=user, environment=environment,
            directory=directory, stdin=stdin, outlives=outlives,
        )  # fmt: skip
        parent = os.getpid()
        with contextlib.ExitStack() as opened:
            mask = opened.enter_context(_undisturbed())
            output = None
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = opened.enter_context(open(log, "ab", opener=_private))
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL if stdin is None else stdin.fileno(),
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                user=user,
                group=user,
                extra_groups=[] if user is not None else None,
                cwd=directory,
                env=None if environment is None else {**os.environ, **environment},
                umask=PRIVATE_UMASK,
                start_new_session=True,  # Ctrl-C reaches only us: we stop the children in order
                preexec_fn=lambda: _begin(mask, None if outlives else parent, stop_signal),
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def running(self) -> bool:
        return self._popen.poll() is None

    def wait_until(self, ready: Callable[[], bool], timeout: float = 30.0) -> None:
        """Returns once `ready()`; StartFailed with the log's last lines if the process ends or `timeout` s pass."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running():
                raise StartFailed(f"{self.name} ended at once (exit {self._popen.returncode}): {self.last_lines()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} is not ready after {timeout:.0f} s: {self.last_lines()}")
            time.sleep(0.02)

    def last_lines(self, count: int = 3) -> str:
        """The end of its log, for an error message, and where the rest is."""
        if self.log is None:
            return "its output is above"
        lines = self.log.read_text(errors="replace").strip().splitlines()[-count:]
        return f"{' | '.join(lines)} (log: {self.log})"

    def trim_log(self, most: int = LOG_BYTES) -> None:
        """Moves the end of a log that has grown beyond `most` bytes to a file beside it, in place of what is there, and
        empties it.  In place, since the process goes on writing: what it writes meanwhile may be lost."""
        if self.log is None or self.log.stat().st_size <= most:
            return
        with open(self.log, "r+b") as log:
            log.seek(-most, os.SEEK_END)
            write_private(self.log.with_name(f"{self.log.name}.1"), log.read(most).decode(errors="replace"))
            log.truncate(0)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    def wait(self, timeout: float) -> int:
        """Its exit code; StartFailed if it still runs after `timeout` s."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise StartFailed(f"{self.name} did not end within {timeout:.0f} s: {self.last_lines()}") from None

    def ask_to_stop(self) -> None:
        if self.running():
            self._popen.send_signal(self._stop_signal)

    def stop(self, timeout: float = 15.0) -> None:
        """Asks it to stop, then insists."""
        self.ask_to_stop()
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kills it, as a crash would."""
        self._popen.kill()
        self._popen.wait()

    def pause(self) -> None:
        """Freezes it: connections stay open and nothing answers."""
        self._popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._popen.send_signal(signal.SIGCONT)


def write_private(path: Path, text: str) -> None:
    """A file that its owner alone can read, from the first moment on."""
    with open(path, "w", opener=_private) as file:
        file.write(text)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago, and if possible one that no outgoing connection takes."""
    apart = _ports_apart()
    for port in (*RANDOM.sample(apart, min(len(apart), MOST_TRIES)), 0):  # 0: the kernel's choice
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            return found
    raise OSError("127.0.0.1 has no free port")


def _ports_apart() -> range:
    """Ports below those of outgoing connections; empty where the system does not say which these are."""
    try:
        return range(FIRST_PORT, int(EPHEMERAL_PORTS.read_text().split()[0]))
    except OSError:
        return range(0)


def unprivileged_user() -> int | None:
    """The user for a server that refuses to run as root: nobody if we are root, else None (ourselves)."""
    return NOBODY if os.geteuid() == 0 else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextlib.contextmanager
def _undisturbed() -> Iterator[set[signal.Signals]]:
    """No stop signal until the end; gives those that were blocked before.  A child that is forked still has our
    handlers, and gets what the terminal sends to our group, until it has left that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield before  # type: ignore[misc] # none of them is a bare number
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(mask: set[signal.Signals], parent: int | None, with_signal: signal.Signals) -> None:
    """In the child, once it has a session of its own: forgets what was sent to ours."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if parent is not None:
        _die_with(parent, with_signal)


def _die_with(parent: int, with_signal: signal.Signals) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(with_signal))
    if os.getppid() != parent:  # it died between fork and prctl
        os._exit(1)
