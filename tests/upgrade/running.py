"""Tollkeeper of any version in processes of its own, spoken to from outside only: HTTP, gRPC, its files."""

import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx

from accesslog.service import PATH as STREAM
from authz.service import CHECK
from ratelimit.service import PATH as RESERVE
from tests.accesslog.entries import message, proto
from tests.authz.conversation import Answer, check_request
from tests.ratelimit.rls import Told, ask
from tests.warm import WarmProcess
from tests.web import NO_TLS
from tollkeeper.up.process import Process, free_port

MODEL = "mock-model"
ADMIN_TOKEN = "dev-admin-token"


class Running:
    """One installation: a sidecar and a management API on the given stores, with its files in `directory`.

    `python`: of the environment in which that version is installed.
    """

    def __init__(self, directory: Path, database_url: str, redis_url: str, python: str | Path = sys.executable) -> None:
        self.directory, self._python = directory, python
        self.log_file = directory / "access.jsonl"
        self._admin_address, self._metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self._settings: dict[str, object] = {
            "database_url": database_url,
            "redis_url": redis_url,
            "data_dir": directory,
            "access_log_file": self.log_file,
            "authz_socket": directory / "authz.sock",
            "ratelimit_socket": directory / "ratelimit.sock",
            "metrics_listen": self._metrics,
            "admin_listen": self._admin_address,
            "admin_token": ADMIN_TOKEN,
            "redis_timeout_ms": 500,
            "spares": False,
            "drain_seconds": 1,
        }
        self._processes: list[Process] = []

    def migrate(self) -> None:
        assert self._start("migrate").wait(60) == 0

    def admin(self) -> httpx.Client:
        """Starts the management API."""
        process = self._start("admin")
        process.wait_until(lambda: _status(f"http://{self._admin_address}/api/v1/health") == 200)
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        return httpx.Client(verify=NO_TLS, base_url=f"http://{self._admin_address}/api/v1", headers=headers, timeout=30)

    def sidecar(self, **settings: object) -> Process:
        """Starts the sidecar, with what differs from the default settings."""
        process = self._start("sidecar", **settings)
        process.wait_until(lambda: _status(f"http://{self._metrics}/readyz") == 200)
        return process

    def check(self, secret: str) -> Answer:
        """What authz says of a key."""
        return Answer.read(self._call("authz", CHECK, check_request({"authorization": f"Bearer {secret}"})))

    def admit(self, secret: str, **entries: str) -> Told:
        """What ratelimit says of a request with the key."""
        policy = self.check(secret).metadata["policy"]
        return Told.read(
            self._call("ratelimit", RESERVE, ask(policy, **{"model": MODEL, "max_tokens": "100", **entries}))
        )

    def stream(self, *logged: dict[str, Any]) -> None:
        """Brings log entries as Envoy's stream would."""
        with grpc.insecure_channel(f"unix:{self.directory}/ratelimit.sock") as channel:
            channel.stream_unary(STREAM, None, None)(
                iter([message(*(proto(each, earlier=True) for each in logged))]), timeout=30
            )

    def close(self) -> None:
        for process in reversed(self._processes):
            process.stop()

    def _start(self, command: str, **settings: object) -> Process:
        environment = {
            f"TOLLKEEPER_{name}".upper(): str(value) for name, value in {**self._settings, **settings}.items()
        }
        log = self.directory / f"{command}.log"
        stop = signal.SIGINT  # no other sidecar comes after this one
        if self._python == sys.executable:
            process: Process = WarmProcess(command, [command], log, environment=environment, stop_signal=stop)
        else:
            started = [self._python, "-m", "tollkeeper", command]
            # In a directory without sources: they would be found before those of the environment.
            where = self.directory
            process = Process(command, started, log, environment=environment, directory=where, stop_signal=stop)
        self._processes.append(process)
        return process

    def _call(self, service: str, method: str, request: bytes) -> bytes:
        with grpc.insecure_channel(f"unix:{self.directory}/{service}.sock") as channel:
            answer: bytes = channel.unary_unary(method, None, None)(request, timeout=30)
            return answer


def wait_for(done: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
