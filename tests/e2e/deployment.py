"""A whole running stack as a test sees it: requests in, every datastore open to look into."""

import asyncio
import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx
import redis

from tests.conftest import place_postgres
from tests.warm import NOT_FORKED, WarmProcess
from tests.web import NO_TLS
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.stack import DEV_ADMIN_TOKEN, Stack, UpOptions

T = TypeVar("T")
MODEL = "mock-model"
# Ten times the default: on a busy machine a Redis that is there may take longer than 50 ms, and a request is then 503.
BUSY_REDIS_MS = 500
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.25  # seconds between two looks at what is waited for


@dataclass(frozen=True, slots=True)
class Credential:
    tenant_id: str
    key_id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}


class WarmStack(Stack):
    """Its processes of ours are forked, which spares the most of their start."""

    def _ours(
        self, command: str, options: Sequence[str], environment: Mapping[str, str], stop_signal: signal.Signals
    ) -> Process:
        if NOT_FORKED in os.environ:
            return super()._ours(command, options, environment, stop_signal)
        log = self._log(command)
        return WarmProcess(command, [command, *options], log, stop_signal=stop_signal, environment=environment)


class Deployment:
    """One `tollkeeper up`, on free ports, with its state in `directory`."""

    KIND: type[Stack] = WarmStack

    def __init__(self, directory: Path, *, settings: Mapping[str, object] | None = None, **options: Any) -> None:
        self.directory = directory
        self.envoy_address, self.admin_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
        given = {
            "admin_listen": self.admin_address,
            "metrics_listen": f"127.0.0.1:{free_port()}",
            "admin_metrics_listen": f"127.0.0.1:{free_port()}",
            "redis_timeout_ms": BUSY_REDIS_MS,
            "spares": False,  # a process more of each kind, which most tests do not need
            **(settings or {}),
        }
        if "database_url" not in options:
            place_postgres(directory / "postgres")
        up = UpOptions(listen=self.envoy_address, data_dir=directory, **{"concurrency": 1, **options})
        self.stack = self.KIND(up, given, lambda _part: None)
        self.stack.start()
        self.settings = self.stack.settings
        self.envoy = httpx.Client(verify=NO_TLS, base_url=f"http://{self.envoy_address}", timeout=30)
        self.admin = httpx.Client(
            verify=NO_TLS,
            base_url=f"http://{self.admin_address}/api/v1",
            headers={"authorization": f"Bearer {DEV_ADMIN_TOKEN}"},
            timeout=30,
        )

    def close(self) -> None:
        self.envoy.close()
        self.admin.close()
        self.stack.stop()

    def sidecar(self, **changes: object) -> None:
        """Starts the sidecar again, if it runs with other settings than these."""
        if any(getattr(self.settings, name) != value for name, value in changes.items()):
            self.processes["sidecar"].stop()
            self.settings = self.settings.model_copy(update=changes)
            self.stack.sidecar(self.settings)

    def engine(self, name: str) -> None:
        """The gRPC engine of its processes."""
        self.sidecar(engine=name)

    @property
    def processes(self) -> dict[str, Process]:
        return self.stack.processes

    @property
    def stub_url(self) -> str:
        return self.stack.upstream

    def tenant(self, **fields: Any) -> Credential:
        """A new tenant with one key.  `key`: fields of the key."""
        key_fields = fields.pop("key", {})
        body = {"name": f"tenant-{time.monotonic_ns()}", "tokens_per_minute": 1_000_000, **fields}
        answer = self.admin.post("/tenants", json=body)
        assert answer.status_code == 201, answer.text
        tenant_id = answer.json()["id"]
        return self.key(tenant_id, **key_fields)

    def key(self, tenant_id: str, **fields: Any) -> Credential:
        answer = self.admin.post(f"/tenants/{tenant_id}/keys", json={"name": "test", **fields})
        assert answer.status_code == 201, answer.text
        return Credential(tenant_id, answer.json()["key"]["id"], answer.json()["secret"])

    def chat(
        self,
        who: Credential,
        headers: Mapping[str, str] | None = None,
        envoy: httpx.Client | None = None,
        **fields: Any,
    ) -> httpx.Response:
        """Through its own Envoy, unless another is given."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 32, **fields}
        by = envoy or self.envoy
        return by.post("/v1/chat/completions", json=body, headers={**who.headers, **(headers or {})})

    def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows of Postgres, past any proxy."""

        async def fetch() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.database_url)
            try:
                return [dict(row) for row in await connection.fetch(query, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def usage(self, who: Credential) -> list[dict[str, Any]]:
        """The tenant's ledger rows, oldest first."""
        return self.rows("SELECT * FROM usage WHERE tenant_id = $1 ORDER BY ts, id", who.tenant_id)

    def usage_when(self, who: Credential, count: int) -> list[dict[str, Any]]:
        """The same, once there are `count`."""
        return wait_for(lambda: rows if len(rows := self.usage(who)) >= count else None, f"{count} ledger rows")

    def redis(self) -> "redis.Redis":
        """A client past any proxy; answers are text."""
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    @property
    def database_url(self) -> str:
        return self.settings.database_url

    @property
    def redis_url(self) -> str:
        return self.settings.redis_url

    def metrics(self) -> str:
        """Of the sidecar."""
        with urllib.request.urlopen(f"http://{self.settings.metrics_listen}/metrics") as response:
            text: str = response.read().decode()
        return text

    def entries(self, log: str) -> float:
        """How many this log has brought: `file` or `stream`."""
        name = f'tollkeeper_accesslog_entries_total{{log="{log}"'
        return sum(float(line.split()[-1]) for line in self.metrics().splitlines() if line.startswith(name))

    def until_logged_once(self, who: Credential, envoy: httpx.Client | None = None) -> None:
        """Asks until requests through the Envoy are in its file alone."""
        before = self.entries("file")

        def told() -> bool | None:
            assert self.chat(who, max_tokens=1, envoy=envoy).status_code == 200
            return self.entries("file") > before or None

        wait_for(told, "a request that is in the file alone", 60)

    def admin_metrics(self, target: str = "metrics") -> str:
        with urllib.request.urlopen(f"http://{self.settings.admin_metrics_listen}/{target}") as response:
            text: str = response.read().decode()
        return text

    def seen_upstream(self) -> list[dict[str, Any]]:
        """The requests that reached the model server, oldest first."""
        with urllib.request.urlopen(f"{self.stub_url}/stub/requests") as response:
            found = json.load(response)
        return list(found["requests"] if isinstance(found, dict) else found)

    @property
    def envoy_host_port(self) -> tuple[str, int]:
        parts = urlsplit(f"http://{self.envoy_address}")
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port


def wait_for(probe: Callable[[], T | None], what: str, timeout: float = 20.0) -> T:
    """The first result of `probe` that is not None.  The longer it takes, the less often it is asked: that costs up to
    50 ms of CPU, in all processes of a stack."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < timeout:
        if (found := probe()) is not None:
            return found
        time.sleep(min(max(passed / 8, SHORTEST_PAUSE), LONGEST_PAUSE))
    raise AssertionError(f"not within {timeout:.0f} s: {what}")
