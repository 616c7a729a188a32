"""The deployment of a fault campaign: a whole stack whose stores are reached through proxies, and can be killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.clock import Clock
from tests.conftest import place_postgres, public_directory
from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.outages.test_crash import server_of
from tests.proxy import TcpProxy
from tollkeeper.plan import SERVICES, metrics_socket, plan
from tollkeeper.up.postgres import Postgres
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


class Place(Deployment):
    """Looks into the stores past the proxies."""

    def __init__(self, directory: Path, valkey: Valkey, clock: Clock, postgres: Postgres, processes: int) -> None:
        """`clock` is that of `valkey`."""
        self.valkey, self.clock, self.postgres = valkey, clock, postgres
        self.redis_proxy, self.postgres_proxy = TcpProxy(valkey.port), TcpProxy(postgres.port)
        super().__init__(
            directory,
            settings={"workers": processes, "lease_seconds": LEASE_SECONDS, "idle_timeout_seconds": IDLE_SECONDS},
            redis_url=f"redis://127.0.0.1:{self.redis_proxy.port}/0",
            database_url=postgres.url.replace(f":{postgres.port}/", f":{self.postgres_proxy.port}/"),
        )

    @property
    def redis_url(self) -> str:
        return self.valkey.url

    @property
    def database_url(self) -> str:
        return self.postgres.url

    def limited_tenant(self) -> Credential:
        who = self.tenant(tokens_per_minute=50_000_000, max_in_flight=200)
        for limit in LIMITS:
            answer = self.admin.post("/limits", json={**limit, "tenant_id": who.tenant_id})
            assert answer.status_code == 201, answer.text
        return who

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

    def restart_supervisor(self) -> None:
        """Kills it and starts another; its processes go on meanwhile."""
        self.processes["sidecar"].kill()
        self.stack.begin_sidecar(self.settings)

    def restart_valkey(self) -> None:
        """Kills it and starts it on what it wrote."""
        port, directory = self.valkey.port, self.valkey.socket.parent
        self.valkey.process.kill()
        with self.clock.on():
            self.valkey = Valkey(directory, port)

    def serves(self, who: Credential) -> bool:
        return self.chat(who).status_code == 200

    def close(self) -> None:
        super().close()
        for proxy in (self.redis_proxy, self.postgres_proxy):
            proxy.close()


@contextmanager
def open_place(processes: int) -> Iterator[Place]:
    with public_directory() as directory, ExitStack() as stops:
        clock, postgres = Clock(directory / "clock"), Postgres(place_postgres(directory / "postgres"))
        stops.callback(postgres.stop)
        with clock.on():
            valkey = Valkey(directory / "valkey")
        place = Place(directory / "stack", valkey, clock, postgres, processes)
        stops.callback(lambda: place.valkey.stop())
        stops.callback(place.close)
        who = place.tenant()
        wait_for(lambda: True if place.serves(who) else None, "the stack", 60)
        yield place
