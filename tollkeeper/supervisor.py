"""`tollkeeper sidecar`: the processes of a sidecar, restarted when they end, with one metrics endpoint for all.

Owns processes only: which there are is plan.py's, what they do is server.py's.
"""

import functools
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry

from tollkeeper.config import Settings, as_environment
from tollkeeper.metrics_http import MetricsServer, ProcessMetrics, get
from tollkeeper.plan import Worker, plan
from tollkeeper.up.process import Process

log = structlog.get_logger(__name__)

# Polling in place of grpcio's event engine: 53 → 32 µs a call on grpcio 1.85.1.  grpc reads it when it is imported.
EXPERIMENTS = ("event_engine_client", "event_engine_listener", "event_engine_callback_cq")
GRPC_EXPERIMENTS = ",".join(f"-{name}" for name in (*EXPERIMENTS, "event_engine_for_all_other_endpoints"))
RESTART_SECONDS = (0.2, 1.0, 5.0)  # after the first, second and any further failure in a row
STEADY_SECONDS = 30.0  # a process that ran this long has recovered from earlier failures
POLL_SECONDS = 0.1


class Child:
    """One process of the sidecar: runs, or waits to be started again."""

    def __init__(self, name: str, start: Callable[[], Process]) -> None:
        self._name, self._start = name, start
        self._process = start()
        self._started_at = time.monotonic()
        self._failures = 0
        self._due_at: float | None = None

    def keep(self) -> None:
        """Notices that the process ended; starts it again once its pause is over."""
        now = time.monotonic()
        if self._due_at is not None and now >= self._due_at:
            self._process, self._started_at, self._due_at = self._start(), now, None
        elif self._due_at is None and not self._process.running():
            self._failures = 1 if now - self._started_at > STEADY_SECONDS else self._failures + 1
            self._due_at = now + RESTART_SECONDS[min(self._failures, len(RESTART_SECONDS)) - 1]
            log.error("process ended", name=self._name, exit=self._process.exit_code, failures=self._failures)

    def ask_to_stop(self) -> None:
        self._process.ask_to_stop()

    def stop(self, timeout: float) -> None:
        self._process.stop(timeout)


class Supervisor:
    """Runs the processes of `services` until told to stop."""

    def __init__(self, settings: Settings, services: Sequence[str]) -> None:
        self._settings, self._plan = settings, plan(services, settings.workers)
        runtime = settings.ratelimit_socket.parent
        self._sockets = {worker.name: runtime / f"{worker.name}.metrics.sock" for worker in self._plan}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until SIGTERM or SIGINT; then every process has drained.  To be called from the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        registry = CollectorRegistry()
        registry.register(ProcessMetrics(self._sockets))
        endpoint = MetricsServer(self._settings.metrics_listen, registry, self.readiness)
        children = [Child(worker.name, functools.partial(self._start, worker)) for worker in self._plan]
        while not self._stopping.wait(POLL_SECONDS):
            for child in children:
                child.keep()
        for child in children:
            child.ask_to_stop()  # all drain at the same time
        for child in children:
            child.stop(self._settings.drain_seconds + 5)
        endpoint.close()

    def readiness(self) -> Mapping[str, bool]:
        """`process.part` → whether it is ready; a process that does not answer is one part that is not."""
        parts: dict[str, bool] = {}
        for name, path in self._sockets.items():
            answer = get(path, "/readyz")
            found = json.loads(answer[1])["parts"] if answer else {"answers": False}
            parts |= {f"{name}.{part}": ready for part, ready in found.items()}
        return parts

    def _start(self, worker: Worker) -> Process:
        command = [sys.executable, "-m", "tollkeeper", "worker", worker.group, *worker.services]
        command += ["--number", str(worker.number), "--metrics-socket", str(self._sockets[worker.name])]
        if worker.tcp:
            command += ["--tcp"]
        environment = {**as_environment(self._settings), "GRPC_EXPERIMENTS": GRPC_EXPERIMENTS}
        return Process(worker.name, command, environment=environment)
