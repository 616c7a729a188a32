"""The servers of a benchmark: Valkey and Postgres as `tollkeeper up` starts them, and the sidecar in its own processes,
with metrics on and logging at info."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import redis

from bench.cpu import family
from ratelimit.budgets.keys import epoch_keys
from store.migrate import migrate
from tollkeeper.config import Settings, as_environment, read_settings
from tollkeeper.metrics_http import get
from tollkeeper.plan import SERVICES, plan
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.valkey import Valkey

T = TypeVar("T")
# Redis timeout for benchmarks that reserve by the hundred thousand: a busy machine may hold Valkey up for 50 ms, the
# default, and that must not fail the run.
REDIS_TIMEOUT_MS = 500


class Stage:
    """A context manager: the servers run inside it.  `processes` maps names to pids, for CPU figures."""

    def __init__(self) -> None:
        self._stops = ExitStack()
        self.processes: dict[str, int] = {}

    def __enter__(self) -> "Stage":
        # Short and public: it holds sockets, and Postgres runs as nobody if we are root.
        self.directory = Path(tempfile.mkdtemp(prefix="tollkeeper-bench-"))
        self.directory.chmod(0o755)
        self._stops.callback(shutil.rmtree, self.directory, ignore_errors=True)
        with self._stops:  # closed if something does not start
            self._start()
            self._stops = self._stops.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stops.close()

    def _start(self) -> None:
        self.valkey = Valkey(self.directory / "valkey")
        self._stops.callback(self.valkey.stop)
        self.postgres = Postgres(self.directory / "postgres")
        self._stops.callback(self.postgres.stop)
        self.processes |= {"valkey": self.valkey.process.pid, "postgres": self.postgres.process.pid}
        asyncio.run(_migrate(self.postgres.url))
        self.redis = redis.Redis(unix_socket_path=str(self.valkey.socket))
        self._stops.callback(self.redis.close)

    def sidecar(self, **given: object) -> Settings:
        """Starts the sidecar.  `given`: settings that differ from the defaults."""
        # A process that waits is none to measure, and none comes after this sidecar.
        settings = self.settings(**{"spares": False, "handover_seconds": 0, **given})
        command = [sys.executable, "-m", "tollkeeper", "sidecar"]
        process = self.start("sidecar", command, as_environment(settings))
        for worker in plan(SERVICES, settings.workers):
            metrics = self.metrics_socket(worker.name)
            process.wait_until(lambda metrics=metrics: _is_ready(metrics))  # type: ignore[misc]
            self.processes[worker.name] = _child(process.pid, worker.group, self.processes.values())
        del self.processes["sidecar"]
        return settings

    def settings(self, **given: object) -> Settings:
        return read_settings(
            database_url=self.postgres.url,
            redis_url=f"unix://{self.valkey.socket}",
            authz_socket=self.directory / "authz.sock",
            ratelimit_socket=self.directory / "ratelimit.sock",
            data_dir=self.directory / "sidecar",
            metrics_listen=f"127.0.0.1:{free_port()}",
            **given,
        )

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Process:
        """Starts another process, stopped at the end.  Its CPU time is counted under `name`."""
        process = Process(name, command, self.directory / f"{name}.log", environment=environment)
        self._stops.callback(process.stop)
        self.processes[name] = process.pid
        return process

    def baseline(
        self,
        name: str,
        module: str,
        *arguments: str | Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Starts a server of bench/baselines, and waits until it is `ready`."""
        command = [sys.executable, "-m", f"bench.baselines.{module}", *map(str, arguments)]
        process = self.start(name, command, environment)
        process.wait_until(ready)
        return process

    def pin(self, *servers: str) -> None:
        """Pins `servers` to the first core; everything else, this process and so the load included, to the others.

        Call it when everything runs: only threads that are started later inherit their core.
        """
        cores = sorted(os.sched_getaffinity(0))
        self._stops.callback(os.sched_setaffinity, 0, cores)
        others = cores[1:] or cores
        for name, pid in self.processes.items():
            for process in family(pid):
                for thread in os.listdir(f"/proc/{process}/task"):
                    os.sched_setaffinity(int(thread), cores[:1] if name in servers else others)
        os.sched_setaffinity(0, others)

    def metrics_socket(self, process: str) -> Path:
        return self.directory / f"{process}.metrics.sock"

    def metrics(self, process: str) -> dict[str, float]:
        """The process's metrics now, `name{labels}` → value."""
        answer = get(self.metrics_socket(process), "/metrics")
        if answer is None:
            raise RuntimeError(f"{process} shows no metrics: {self.directory}")
        lines = [line for line in answer[1].decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def query(self, sql: str, *arguments: Any) -> Any:
        """One value from Postgres."""

        async def fetch() -> Any:
            connection = await asyncpg.connect(self.postgres.url)
            try:
                return await connection.fetchval(sql, *arguments)
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def empty_redis(self) -> None:
        """For a round from the start; not lost, so that nobody restores what the round before spent."""
        (epoch,) = epoch_keys(by_owner=False)
        since = self.redis.get(epoch)
        self.redis.flushall()
        if since is not None:
            self.redis.set(epoch, since)

    def leases(self) -> int:
        """How many are open, of all tenants."""
        return sum(self.redis.zcard(name) for name in self.redis.scan_iter("tollkeeper:leases:*"))

    def write(self, name: str, content: bytes | dict[str, Any]) -> Path:
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path


def _is_ready(metrics: Path) -> bool:
    """Until the budgets of a new store are declared whole, requests get the failure mode."""
    answer = get(metrics, "/readyz")
    return answer is not None and answer[0] == HTTPStatus.OK


def decisions(metrics: Mapping[str, float], service: str) -> dict[str, int]:
    """Outcome → count."""
    head = f'tollkeeper_{service}_decisions_total{{outcome="'
    return {name[len(head) : -2]: int(value) for name, value in metrics.items() if name.startswith(head)}


def gained(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """The growth of each counter that has grown."""
    return {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}


def wait_for(probe: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not probe():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:.0f} s: {what}")
        time.sleep(0.01)


def stop_on_signals(stop: Callable[[], object]) -> None:
    """Has SIGTERM and SIGINT call `stop`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


async def _migrate(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await migrate(connection)
    finally:
        await connection.close()


def _child(parent: int, group: str, known: Iterable[int]) -> int:
    """A child of `parent` that serves `group` and is not known yet."""
    for pid in map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()):
        names = [Path(f"/proc/{pid}/comm").read_text().strip(), *Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
        if pid not in known and group in names:  # in its arguments: of commits that did not fork it
            return pid
    raise LookupError(group)
