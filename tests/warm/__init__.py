"""Processes of ours that are forked from one which has loaded their modules: that costs each of them seconds of CPU.

Only where a test starts a whole stack, or a shell that calls `tollkeeper` often, and does not say how processes begin.
They run what the command line would have run, with their own arguments, environment, streams and session, and end with
the test's process.
"""

import atexit
import functools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tollkeeper.supervisor import GRPC_EXPERIMENTS
from tollkeeper.up.process import PRIVATE_UMASK, Process

# What a fork must not have anew: the library of a stepped clock, which is loaded as a program begins.
NOT_FORKED = "LD_PRELOAD"
# Of the server, in its directory.
SOCKET = "socket"
# A `tollkeeper` that costs 15 ms in place of half a second: `socket` and `json` would double that.
PROGRAM = """#!{python} -IS
import _socket, os, sys
os.umask(mask := os.umask(0))
told, ended = os.pipe()
asked = {{"name": "tollkeeper", "arguments": sys.argv[1:], "environment": dict(os.environ), "umask": mask}}
asked["stop_signal"] = 9
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
server.connect({socket!r})
streams = b"".join(each.to_bytes(4, sys.byteorder) for each in (0, 1, 2, os.open(".", os.O_RDONLY), ended))
server.sendmsg([repr(asked).encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.recv(32)
os.close(ended)
code = int(os.read(told, 32) or 1)
sys.exit(code if code >= 0 else 128 - code)
"""


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
        asked = {"name": name, "arguments": [*arguments], "stop_signal": int(stop_signal), "umask": PRIVATE_UMASK}
        asked["environment"] = {**os.environ, **environment}
        read, write = os.pipe()
        private = functools.partial(os.open, mode=0o600)
        with open(log, "ab", opener=private) as output, open(os.devnull) as nothing:
            here = os.open(".", os.O_RDONLY)
            streams = [nothing.fileno(), output.fileno(), output.fileno(), here, write]
            server = warm_server()[0]
            socket.send_fds(server, [repr(asked).encode()], streams)
        os.close(write)
        os.close(here)
        self._popen = Running(int(server.recv(32)), read)  # type: ignore[assignment] # what is used of it


@functools.cache
def warm_server() -> tuple[socket.socket, Path]:
    """Of this process, with which it ends; and its directory, for us alone."""
    directory = Path(tempfile.mkdtemp(prefix="tollkeeper-warm-"))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(directory / SOCKET))
    listener.listen()
    command = [sys.executable, "-m", "tests.warm", str(listener.fileno())]
    process = subprocess.Popen(
        command, stdin=theirs.fileno(), env={**os.environ, "GRPC_EXPERIMENTS": GRPC_EXPERIMENTS},
        pass_fds=[listener.fileno()], start_new_session=True,
    )  # fmt: skip
    theirs.close()
    listener.close()
    atexit.register(shutil.rmtree, directory)
    atexit.register(process.wait)
    atexit.register(ours.close)  # the other way round
    return ours, directory


@functools.cache
def program() -> str:
    """The path of a `tollkeeper` that is forked."""
    directory = warm_server()[1]
    (path := directory / "bin" / "tollkeeper").parent.mkdir()
    path.write_text(PROGRAM.format(python=sys.executable, socket=str(directory / SOCKET)))
    path.chmod(0o700)
    return str(path)


def path_of_programs() -> str:
    """Where a shell finds it, ahead of the other programs of our environment."""
    return f"{Path(program()).parent}{os.pathsep}{Path(sys.executable).parent}"
