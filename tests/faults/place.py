"""The deployment of a fault campaign: a whole stack whose stores are reached through proxies, and can be killed."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clock import Clock
from tests.conftest import place_postgres, public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.outages.test_crash import server_of
from tests.otlp import collector
from tests.proxy import TcpProxy
from tollkeeper.config import Settings
from tollkeeper.plan import SERVICES, metrics_socket, plan
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.process import Process
from tollkeeper.up.valkey import Valkey

LEASE_SECONDS, IDLE_SECONDS = 20, 10
MONTH = {"scope": "tenant", "kind": "fixed_window", "calendar": "month"}
SLIDING = {"scope": "tenant", "kind": "sliding_window", "window_seconds": 86_400}
LIMITS = (
    {**MONTH, "unit": "tokens", "amount": 50_000_000},
    {**MONTH, "unit": "requests", "amount": 1_000_000},
    {
        "scope": "tenant",
        "unit": "output_tokens",
        "amount": 50_000_000,
        "kind": "sliding_window",
        "window_seconds": 86_400,
    },
)


@dataclass
class Sidecar:
    """One of the deployment's.  `line`: what Envoys ask it through, if over TCP.  `supervisor`: the latest.
    `begin_again`: kills it and starts another, while its processes go on."""

    name: str
    settings: Settings
    redis: TcpProxy
    postgres: TcpProxy
    line: TcpProxy | None
    supervisor: Callable[[], Process]
    begin_again: Callable[[], None]

    @property
    def worker_names(self) -> list[str]:
        return [worker.name for worker in plan(SERVICES, self.settings.workers)]

    def worker_pids(self, *names: str) -> list[int]:
        """Of these processes of the sidecar, or of all: those that run now.  Waits for none: one may be stopped, and
        who would wake it is who asks."""
        chosen = [each for each in plan(SERVICES, self.settings.workers) if not names or each.name in names]
        return [pid for each in chosen if (pid := server_of(metrics_socket(self.settings, each))) is not None]

    def signal(self, name: str, number: signal.Signals) -> list[int]:
        """To a process of the sidecar, if it runs now: its id."""
        pids = self.worker_pids(name)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids


class Place(Deployment):
    """Looks into the stores past the proxies."""

    def __init__(
        self, directory: Path, valkey: Valkey, clock: Clock, postgres: Postgres, processes: int, **more: Any
    ) -> None:
        """`clock` is that of `valkey`.  `more`: settings."""
        self.valkey, self.clock, self.postgres = valkey, clock, postgres
        redis_proxy, postgres_proxy = TcpProxy(valkey.port), TcpProxy(postgres.port)
        self.proxies = [redis_proxy, postgres_proxy]
        self.receivers = dict[str, TcpProxy]()  # by what they get
        self._admins = list[Process]()
        times = {"lease_seconds": LEASE_SECONDS, "idle_timeout_seconds": IDLE_SECONDS}
        super().__init__(
            directory,
            settings={"workers": processes, **times, **more},
            **self.reached_through(redis_proxy, postgres_proxy),
        )
        self.sidecars = [
            Sidecar(
                "sidecar",
                self.settings,
                redis_proxy,
                postgres_proxy,
                None,
                lambda: self.processes["sidecar"],
                self.restart_supervisor,
            )
        ]

    def reached_through(self, redis: TcpProxy, postgres: TcpProxy) -> dict[str, str]:
        url = self.postgres.url.replace(f":{self.postgres.port}/", f":{postgres.port}/")
        return {"redis_url": f"redis://127.0.0.1:{redis.port}/0", "database_url": url}

    @property
    def redis_url(self) -> str:
        return self.valkey.url

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def envoys(self) -> list[tuple[str, Process]]:
        """Those that requests go through: the address of each, and its process."""
        return [(self.envoy_address, self.processes["envoy"])]

    def limited_tenant(self) -> Credential:
        who = self.tenant(tokens_per_minute=50_000_000, max_in_flight=200)
        for limit in LIMITS:
            answer = self.admin.post("/limits", json={**limit, "tenant_id": who.tenant_id})
            assert answer.status_code == 201, answer.text
        return who

    def restart_supervisor(self) -> None:
        """Kills it and starts another; its processes go on meanwhile."""
        self.processes["sidecar"].kill()
        self.stack.begin_sidecar(self.settings)

    def restart_admin(self) -> None:
        """Kills it in the midst of what it does, and starts another."""
        self.processes["admin"].kill()
        self.processes["admin"] = self.processes["admin"].again()
        self._admins.append(self.processes["admin"])

    def restart_valkey(self) -> None:
        """Kills it and starts it on what it wrote."""
        port, directory = self.valkey.port, self.valkey.socket.parent
        self.valkey.process.kill()
        with self.clock.on():
            self.valkey = Valkey(directory, port)

    def serves(self, who: Credential) -> bool:
        return self.chat(who).status_code == 200

    def close(self) -> None:
        for admin in self._admins:
            admin.stop()
        super().close()
        for proxy in self.proxies:
            proxy.close()


@contextmanager
def open_place(processes: int, kind: type[Place] = Place) -> Iterator[Place]:
    with public_directory() as directory, ExitStack() as stops:
        clock, postgres = Clock(directory / "clock"), Postgres(place_postgres(directory / "postgres"))
        stops.callback(postgres.stop)
        with clock.on():
            valkey = Valkey(directory / "valkey")
        telemetry = TcpProxy(stops.enter_context(collector()).server_port)
        stops.callback(telemetry.close)
        more = {"otlp_endpoint": f"http://127.0.0.1:{telemetry.port}", "local_webhooks": True}
        place = kind(directory / "stack", valkey, clock, postgres, processes, **more)
        place.receivers["telemetry"] = telemetry
        stops.callback(lambda: place.valkey.stop())
        stops.callback(place.close)
        who = place.tenant()
        wait_for(lambda: True if place.serves(who) else None, "the stack", 60)
        yield place
