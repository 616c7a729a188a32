"""Processes of ours that are forked from one which has loaded their modules: that costs each of them seconds of CPU.

Only where a test starts a whole stack, and does not say how the processes begin.  They run what the command line would
have run, with their own arguments, environment, log and session, and end with the test's process.
"""

import atexit
import ctypes
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from tollkeeper.supervisor import GRPC_EXPERIMENTS
from tollkeeper.up.process import PR_SET_PDEATHSIG, PRIVATE_UMASK, Process

MOST_BYTES = 1 << 20
STDIN, STDOUT, STDERR = 0, 1, 2
# What a fork must not have anew: the library of a stepped clock, which is loaded as a program begins.
NOT_FORKED = "LD_PRELOAD"


class Running:
    """As much of a Popen as Process uses.  `ended`: where its exit code will be."""

    def __init__(self, pid: int, ended: int) -> None:
        self.pid, self._ended = pid, ended
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(os.read(self._ended, 32) or -signal.SIGKILL)
            os.close(self._ended)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class WarmProcess(Process):
    """`tollkeeper` with `arguments`, forked."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        *,
        stop_signal: signal.Signals,
        environment: Mapping[str, str],
    ) -> None:
        self.name, self.log, self._stop_signal = name, log, stop_signal
        options: dict[str, Any] = {"stop_signal": stop_signal, "environment": environment}
        self.again = functools.partial(WarmProcess, name, arguments, log, **options)  # type: ignore[assignment]
        log.parent.mkdir(parents=True, exist_ok=True)
        asked = {"name": name, "arguments": [*arguments], "stop_signal": int(stop_signal)}
        read, write = os.pipe()
        with open(log, "ab", opener=functools.partial(os.open, mode=0o600)) as output:
            asked["environment"] = {**os.environ, **environment}
            server = warm_server()
            socket.send_fds(server, [json.dumps(asked).encode()], [output.fileno(), write])
        os.close(write)
        self._popen = Running(int(server.recv(32)), read)  # type: ignore[assignment] # what is used of it


@functools.cache
def warm_server() -> socket.socket:
    """Of this process, with which it ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**os.environ, "GRPC_EXPERIMENTS": GRPC_EXPERIMENTS}
    command = [sys.executable, "-m", "tests.warm"]
    process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment, start_new_session=True)
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)  # the other way round
    return ours


def serve() -> list[str]:
    """Forks what it is asked for until nobody is left to ask; in each fork it returns the arguments."""
    control = socket.socket(fileno=os.dup(STDIN))
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    told: dict[int, int] = {}
    while True:
        if woken in select.select([control.fileno(), woken], [], [])[0]:
            os.read(woken, 4096)
            reap(told)
            continue
        data, fds, _, _ = socket.recv_fds(control, MOST_BYTES, 2)
        if not data:
            os._exit(0)
        asked, (output, ended) = json.loads(data), fds
        parent = os.getpid()
        if not (pid := os.fork()):
            become(asked, output, parent)
            return list(asked["arguments"])
        told[pid] = ended
        os.close(output)
        control.send(str(pid).encode())


def reap(told: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended = told.pop(found[0])
            with suppress(BrokenPipeError):
                os.write(ended, str(os.waitstatus_to_exitcode(found[1])).encode())
            os.close(ended)


def become(asked: Mapping[str, Any], output: int, parent: int) -> None:
    """What the start of a program would have made anew."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, asked["stop_signal"])
    if os.getppid() != parent:
        os._exit(1)
    os.setsid()
    os.umask(PRIVATE_UMASK)
    os.dup2(os.open(os.devnull, os.O_RDONLY), STDIN)
    os.dup2(output, STDOUT)
    os.dup2(output, STDERR)
    os.closerange(STDERR + 1, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(asked["environment"])
    Path("/proc/self/comm").write_text(asked["name"])


def end_as_a_program(main: Callable[[], None]) -> NoReturn:
    """Runs it, and what is to run at the end, and leaves the memory to the kernel.  The interpreter would take apart
    what was loaded, object by object: a second of CPU, since each page of it is shared until then."""
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - the top of a program
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined] # threads that are no daemons, and executors
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    sys.argv = ["tollkeeper", "sidecar"]  # else what only people at a terminal need is loaded too
    import tollkeeper.__main__ as command
    from tollkeeper.slices.table import load_services

    for name in ("admin.server", "stub_model.server", "tollkeeper.server", "tollkeeper.supervisor"):
        importlib.import_module(name)
    load_services()
    gc.collect()
    gc.freeze()
    sys.argv = ["tollkeeper", *serve()]
    gc.unfreeze()
    end_as_a_program(command.main)
