"""`tollkeeper sidecar`: the processes of a sidecar, replaced when they end, with one metrics endpoint for all.

Owns processes only: which there are is plan.py's, who takes which place is group.py's, what they do is server.py's.
"""

import fcntl
import functools
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import IO, Any

import structlog
from prometheus_client import CollectorRegistry

from serving.addresses import prepare
from serving.metrics import Counter, Metrics
from tollkeeper.config import Settings, as_environment
from tollkeeper.forking import Forked, ForkServer
from tollkeeper.group import Group
from tollkeeper.metrics_http import MetricsServer, ProcessMetrics, get
from tollkeeper.plan import metrics_socket, plan
from tollkeeper.slices.table import socket_of
from tollkeeper.up.process import Process
from tollkeeper.worker import fork_from_here

log = structlog.get_logger(__name__)

# Polling in place of grpcio's event engine: 53 → 32 µs a call on grpcio 1.85.1.  grpc reads it when it is imported.
EXPERIMENTS = ("event_engine_client", "event_engine_listener", "event_engine_callback_cq")
GRPC_EXPERIMENTS = ",".join(f"-{name}" for name in (*EXPERIMENTS, "event_engine_for_all_other_endpoints"))
POLL_SECONDS = 0.1
LEAVE_SECONDS = 5.0  # for the rest of a process once it has drained


REPLACED_SECONDS = 5.0  # for the supervisor before to be gone, once it was killed
LEAVING_SECONDS = 2.0  # for one that was told to go a moment ago


class SidecarRuns(Exception):
    """Another sidecar has the same sockets."""


class End(IntEnum):
    """How a supervisor was told to end; what is more urgent is greater."""

    HAND_OVER = 1  # its processes serve until those of the next have their sockets, or for `handover_seconds`
    LEAVE = 2  # at once; its processes serve on without it, as if it had been killed
    STOP = 3  # its processes drain at once


SIGNALS = {signal.SIGTERM: End.HAND_OVER, signal.SIGUSR2: End.LEAVE, signal.SIGINT: End.STOP}


class Supervisor:
    """Runs the processes of `services` until told to stop.  `replace`: in place of a supervisor that has the same
    sockets, whose processes then serve until ours do."""

    def __init__(self, settings: Settings, services: Sequence[str], *, replace: bool = False) -> None:
        self._replace = replace
        self._settings, self._plan = settings, plan(services, settings.workers, tcp=settings.grpc_listen is not None)
        self._sockets = {worker.name: metrics_socket(settings, worker) for worker in self._plan}
        self._restarts = Counter(
            "tollkeeper_worker_restarts", "Processes that ended unasked", "group", {each.group for each in self._plan}
        )
        self._end: End | None = None
        self._restart = False

    def run(self) -> None:
        """Until SIGTERM, SIGUSR2 or SIGINT (see End), of which SIGTERM twice is SIGINT.  SIGHUP restarts one process
        after another.  To be called from the main thread.  SidecarRuns, CannotListenError."""
        if self._settings.grpc_listen:
            prepare(self._settings.grpc_listen, takes_over=True)  # else a process says it, again and again
        forks = ForkServer(self._load, self._fork)
        for number in SIGNALS:
            signal.signal(number, self._told)
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "_restart", True))
        registry = CollectorRegistry()
        registry.register(ProcessMetrics(self._sockets))
        registry.register(own := Metrics())
        own.add(self._restarts)
        with ExitStack() as stops:
            stops.callback(forks.close)
            for group in {worker.group for worker in self._plan}:
                stops.enter_context(_held(socket_of(group, self._settings), self._replace))
            told = self.readiness, self.warnings, self.learned
            endpoint = MetricsServer(self._settings.metrics_listen, registry, *told)
            stops.callback(endpoint.close)
            groups = [self._group(name, forks) for name in dict.fromkeys(worker.group for worker in self._plan)]
            self._serve(groups, forks)
        # From here on another may have the sockets, and the address of the metrics.
        if self._end is not End.LEAVE:
            self._finish(groups)

    def _told(self, number: int, _frame: object) -> None:
        again = number == signal.SIGTERM and self._end is not None
        self._end = max(self._end or End.HAND_OVER, End.STOP if again else SIGNALS[signal.Signals(number)])

    def readiness(self) -> Mapping[str, bool]:
        """`process.part` → whether it is ready; a process that does not answer is one part that is not."""
        parts: dict[str, bool] = {}
        for name, path in self._sockets.items():
            answer = get(path, "/readyz")
            found = json.loads(answer[1])["parts"] if answer else {"answers": False}
            parts |= {f"{name}.{part}": ready for part, ready in found.items()}
        return parts

    def warnings(self) -> list[str]:
        """The warnings of all processes, each once."""
        answers = [get(path, "/readyz") for path in self._sockets.values()]
        return sorted({text for answer in answers if answer for text in json.loads(answer[1])["warnings"]})

    def learned(self) -> dict[str, list[dict[str, Any]]]:
        """What all processes have learned, each row with its process."""
        tables: dict[str, list[dict[str, Any]]] = {}
        for name, path in self._sockets.items():
            answer = get(path, "/learned")
            for table, rows in (json.loads(answer[1]) if answer else {}).items():
                tables.setdefault(table, []).extend({"process": name, **row} for row in rows)
        return tables

    def _serve(self, groups: Sequence[Group], forks: ForkServer) -> None:
        while self._end is None:
            if self._restart:
                self._restart = False
                forks.renew()
                for group in groups:
                    group.restart()
            for group in groups:
                group.step()
            readers = {member.candidate.socket: member.candidate.read for group in groups for member in group.members}
            if forks.socket is not None:
                readers[forks.socket] = forks.step
            for readable in select.select(list(readers), [], [], POLL_SECONDS)[0]:
                readers[readable]()
            forks.step()

    def _finish(self, groups: Sequence[Group]) -> None:
        """Returns once all processes have ended: by themselves as soon as others have their places, or drained."""
        until = time.monotonic() + self._settings.handover_seconds
        for group in groups:
            group.let_go()
        while self._end is End.HAND_OVER and time.monotonic() < until and any(group.runs for group in groups):
            time.sleep(POLL_SECONDS)
        for group in groups:
            group.ask_to_stop()  # all drain at the same time
        for group in groups:
            group.stop(self._settings.drain_seconds + LEAVE_SECONDS)

    def _group(self, name: str, forks: ForkServer) -> Group:
        settings = self._settings
        return Group(
            [worker for worker in self._plan if worker.group == name],
            functools.partial(forks.fork, name),
            keep_spare=settings.spares,
            drain=settings.drain_seconds + LEAVE_SECONDS,
            can_start=lambda: forks.ready,
            restarted=functools.partial(self._restarts.add, name),
        )

    def _fork(self, stdin: socket.socket) -> Forked:
        """What forks the processes, from what is loaded here; while there is one thread, and nothing is open."""
        return Forked(fork_from_here(stdin, self._environment()))

    def _load(self, stdin: socket.socket) -> Process:
        """The same, of the code that is installed now."""
        command = [sys.executable, "-P", "-m", "tollkeeper.worker"]  # -P: not what lies in the directory
        return Process("worker", command, environment=self._environment(), stdin=stdin, outlives=True)

    def _environment(self) -> dict[str, str]:
        """gRPC core would write a line for each client that cannot shake hands, and anybody could fill a log."""
        ours = {"GRPC_EXPERIMENTS": GRPC_EXPERIMENTS, "GRPC_VERBOSITY": os.environ.get("GRPC_VERBOSITY", "ERROR")}
        return as_environment(self._settings) | ours


@contextmanager
def _held(path: Path, replace: bool) -> Iterator[None]:
    """Keeps another sidecar from taking the socket over, as our own processes do from one another."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a+") as lock:
        if not _locks(lock, 0.0 if replace else LEAVING_SECONDS):
            if not replace or not _kill_holder(lock):
                raise SidecarRuns(f"another sidecar serves {path}")
            log.info("replaced the supervisor before", socket=str(path))
        try:
            os.ftruncate(lock.fileno(), 0)
            os.write(lock.fileno(), str(os.getpid()).encode())
        except OSError as error:
            log.warning("this supervisor is not written down, so none can replace it", reason=str(error))
        yield


def _locks(lock: IO[str], seconds: float) -> bool:
    """Whether the lock is ours within `seconds`."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True


def _kill_holder(lock: IO[str]) -> bool:
    """Whether the lock is ours then.  Its holder has no say in it: its processes serve on without it."""
    lock.seek(0)
    pid = lock.read()
    if pid and _has_open(int(pid), lock):
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(int(pid), signal.SIGKILL)
    return _locks(lock, REPLACED_SECONDS)


def _has_open(pid: int, file: IO[str]) -> bool:
    """False of a process that is not the one which wrote its id: the id was used again, or is another container's."""
    try:
        found = [os.stat(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(os.path.samestat(each, os.fstat(file.fileno())) for each in found)
