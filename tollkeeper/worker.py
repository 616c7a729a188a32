"""`python -m tollkeeper.worker`: loads what the processes of a sidecar need, and forks them when the supervisor asks.

They share the pages of what is loaded, and start within milliseconds.  It opens nothing and has one thread, so nothing
is copied that two processes must not both have: stores are opened, and gRPC begins, in what was forked.  Each of those
is the supervisor's child (`forking.py`).  Ends with the supervisor.
"""

import gc
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import tollkeeper.lean  # noqa: F401 - ahead of all that imports structlog
from serving.addresses import CannotListenError
from tollkeeper.config import read_settings
from tollkeeper.handover import LOADED, STDIN, Place
from tollkeeper.logs import configure_logs
from tollkeeper.up.process import PRIVATE_UMASK

STDERR = 2
MOST_NAME = 64  # bytes of a group's name
OWN_NAME = Path("/proc/self/comm")  # what `ps` and `top` call it


def main() -> None:
    configure_logs(read_settings().log_level, "worker")
    from tollkeeper.server import run_worker  # noqa: F401 - after the logs: its modules make loggers
    from tollkeeper.slices.table import load_services

    load_services()
    gc.collect()
    gc.freeze()  # the collector of a process that is forked writes to no page of these
    with socket.socket(fileno=os.dup(STDIN)) as supervisor:
        with suppress(BrokenPipeError):  # it has gone meanwhile
            supervisor.sendall(LOADED)
        while (asked := socket.recv_fds(supervisor, MOST_NAME, 1))[0]:
            name, (place,) = asked[0].decode(), asked[1]
            supervisor.sendall(f"{fork_apart(name, place, supervisor)}\n".encode())
            os.close(place)


def fork_from_here(stdin: socket.socket, environment: Mapping[str, str]) -> int:
    """The pid of a process that does the same, with what this one has loaded already.  This one has one thread, and has
    opened nothing but `stdin` and its other end."""
    gc.collect()
    gc.freeze()
    if pid := os.fork():
        return pid
    os.dup2(stdin.fileno(), STDIN)
    os.closerange(STDERR + 1, os.sysconf("SC_OPEN_MAX"))
    os.setsid()
    os.umask(PRIVATE_UMASK)
    os.environ.update(environment)
    OWN_NAME.write_text("worker")
    main()
    os._exit(0)


def fork_apart(group: str, place: int, supervisor: socket.socket) -> int:
    """The pid of a worker that waits at `place`.  Its parent ends at once, which makes it the supervisor's child."""
    read, write = os.pipe()
    if not (between := os.fork()):
        if pid := os.fork():
            os.write(write, str(pid).encode())
            os._exit(0)
        supervisor.close()
        os.close(read)
        os.close(write)
        work(group, place)
    os.close(write)
    os.waitpid(between, 0)
    with open(read) as told:
        return int(told.read())


def work(group: str, place: int) -> NoReturn:
    settings = read_settings()  # secret files may be others by now
    os.setsid()
    os.dup2(place, STDIN)
    os.close(place)
    OWN_NAME.write_text(group)
    configure_logs(settings.log_level, f"{group}-spare")
    from tollkeeper.server import run_worker

    try:
        run_worker(settings, Place())
    except CannotListenError as error:  # somebody has taken the address since the supervisor looked
        import structlog

        structlog.get_logger(__name__).error(str(error))
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
