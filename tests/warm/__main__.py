"""The process that forks: it loads our modules, and becomes what it is asked for.

It is asked by the test's process on its standard input, and by the programs of shells on a socket, whose number is its
argument.
"""

import ast
import atexit
import ctypes
import functools
import gc
import importlib
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

MOST_BYTES = 1 << 20
STDIN, STDOUT, STDERR = 0, 1, 2
MOST_STREAMS = 5
PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Of stacks, and what more the commands of people need.
PROCESSES = ("admin.server", "stub_model.server", "tollkeeper.server", "tollkeeper.supervisor")
COMMANDS = ("asyncpg", "httpx", "rich.console", "rich.table", "typer.rich_utils")


class Server:
    """Forks what it is asked for until nobody is left to ask."""

    def __init__(self, listener: int) -> None:
        self._control = socket.socket(fileno=os.dup(STDIN))
        self._listener = socket.socket(fileno=listener)
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake)
        self._ended: dict[int, int] = {}  # pid → where its exit code is awaited
        self._programs: dict[socket.socket, int] = {}  # → pid; 0: not yet

    def serve(self) -> list[str]:
        """In each fork it returns the arguments."""
        while True:
            asking = {each.fileno(): each for each in (self._control, *self._programs)}
            ready = select.select([self._woken, self._listener.fileno(), *asking], [], [])[0]
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            elif self._listener.fileno() in ready:
                load_commands()
                self._programs[self._listener.accept()[0]] = 0
            elif (arguments := self._answer(asking[ready[0]])) is not None:
                return arguments

    def _answer(self, asking: socket.socket) -> list[str] | None:
        """None here; in the fork its arguments."""
        data, streams, _, _ = socket.recv_fds(asking, MOST_BYTES, MOST_STREAMS)
        if data:
            asked, parent = ast.literal_eval(data.decode()), os.getpid()
            if not (pid := os.fork()):
                become(asked, streams, parent)
                return list(asked["arguments"])
            *streams, self._ended[pid] = streams
            for stream in streams:
                os.close(stream)
            if asking in self._programs:
                self._programs[asking] = pid
            asking.send(str(pid).encode())
        elif asking is self._control:
            os._exit(0)
        else:
            asking.close()
            if (pid := self._programs.pop(asking)) in self._ended:
                os.killpg(pid, signal.SIGKILL)  # as it is killed in whose place it runs
        return None

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                ended = self._ended.pop(found[0])
                with suppress(BrokenPipeError):
                    os.write(ended, str(os.waitstatus_to_exitcode(found[1])).encode())
                os.close(ended)


def become(asked: Mapping[str, Any], streams: Sequence[int], parent: int) -> None:
    """What the start of a program would have made anew."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, asked["stop_signal"])
    if os.getppid() != parent:
        os._exit(1)
    os.setsid()
    os.umask(asked["umask"])
    *streams, directory, _ = streams
    os.fchdir(directory)
    for ours, stream in zip((STDIN, STDOUT, STDERR), streams, strict=True):
        os.dup2(stream, ours)
    os.closerange(STDERR + 1, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    Path("/proc/self/comm").write_text(asked["name"])


@functools.cache
def load_commands() -> None:
    from tollkeeper.cli.lazy import load
    from tollkeeper.cli.table import COMMANDS as TABLE

    for entry in TABLE:
        load(entry)
    for name in COMMANDS:
        importlib.import_module(name)
    settle()


def settle() -> None:
    """What is loaded is shared, and no collection writes to it."""
    gc.collect()
    gc.freeze()


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
    _, number = sys.argv
    __package__ = None  # type: ignore[assignment] # as a program has it; else the usage of commands says something else
    sys.argv = ["tollkeeper", "sidecar"]  # else what only people at a terminal need is loaded too
    import tollkeeper.__main__ as command
    from tollkeeper.slices.table import load_services

    for name in PROCESSES:
        importlib.import_module(name)
    load_services()
    settle()
    sys.argv = ["tollkeeper", *Server(int(number)).serve()]
    gc.unfreeze()
    end_as_a_program(command.main)
