"""The same over TCP: two Envoys, each of which asks two sidecars, on one Redis and one Postgres.

Each sidecar has lines of its own to Envoys, Redis and Postgres, which can be cut, and reads the log file of one Envoy.
"""

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.clock import Clock
from tests.e2e.deployment import Credential
from tests.e2e.envoys import envoy_process
from tests.faults.place import Place, Sidecar
from tests.proxy import TcpProxy
from tests.warm import WarmProcess
from tests.web import WEB
from tollkeeper.config import Settings, as_environment
from tollkeeper.up.postgres import Postgres
from tollkeeper.up.process import Process, free_port
from tollkeeper.up.stack import answers
from tollkeeper.up.valkey import Valkey

SECRET = "s" * 32
ENVOYS = 2
BODY = {"model": "mock-model", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


class Fleet(Place):
    """The Envoy and the Unix sockets of the stack that it is made of are there, and nobody uses them."""

    def __init__(
        self, directory: Path, valkey: Valkey, clock: Clock, postgres: Postgres, processes: int, **more: Any
    ) -> None:
        over_tcp = {"grpc_secret": SECRET, "access_log_file": directory / "envoy-1/access.jsonl"}
        listen = f"127.0.0.1:{free_port()}"
        super().__init__(directory, valkey, clock, postgres, processes, grpc_listen=listen, **over_tcp, **more)
        self._stops = ExitStack()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.sidecars[0].name, self.sidecars[0].line = "sidecar 1", self._line(self.settings)
        self.sidecars.append(self._another("sidecar 2"))
        lines = tuple(f"127.0.0.1:{each.line.port}" for each in self.sidecars if each.line)
        asked: dict[str, Any] = {"authz": lines, "ratelimit": lines, "grpc_secret": SECRET}
        self._envoys = list[tuple[str, Process]]()
        for number in range(1, ENVOYS + 1):
            (own := self.directory / f"envoy-{number}").mkdir()
            found = self._stops.enter_context(envoy_process(self, own, self.stub_url, **asked))
            self._envoys.append((found[0].removeprefix("http://"), found[1]))

    @property
    def envoys(self) -> list[tuple[str, Process]]:
        return self._envoys

    def serves(self, who: Credential) -> bool:
        """Through each Envoy."""
        return all(self._status(address, who) == 200 for address, _ in self._envoys)

    def _status(self, address: str, who: Credential) -> int:
        try:
            url = f"http://{address}/v1/chat/completions"
            return WEB.post(url, json=BODY, headers=who.headers, timeout=30).status_code
        except httpx.TransportError:
            return 0

    def _line(self, settings: Settings) -> TcpProxy:
        line = TcpProxy(int(str(settings.grpc_listen).rpartition(":")[2]))
        self.proxies.append(line)
        return line

    def _another(self, name: str) -> Sidecar:
        redis, postgres = TcpProxy(self.valkey.port), TcpProxy(self.postgres.port)
        self.proxies += [redis, postgres]
        (own := self.directory / "second").mkdir()
        places = {
            "metrics_listen": f"127.0.0.1:{free_port()}",
            "grpc_listen": f"127.0.0.1:{free_port()}",
            "authz_socket": own / "a.sock",
            "ratelimit_socket": own / "r.sock",
            "data_dir": own / "data",
            "access_log_file": self.directory / "envoy-2/access.jsonl",
            "model_clusters": None,
            "envoy_admin": None,
        }
        settings = self.settings.model_copy(update={**places, **self.reached_through(redis, postgres)})
        running = list[Process]()

        def begin() -> None:
            for before in running:
                before.kill()
            environment, log = as_environment(settings), own / "sidecar.log"
            running.append(WarmProcess("sidecar", ["sidecar"], log, stop_signal=signal.SIGINT, environment=environment))
            self._stops.callback(running[-1].stop)

        begin()
        running[-1].wait_until(lambda: answers(f"http://{settings.metrics_listen}/readyz"))
        return Sidecar(name, settings, redis, postgres, self._line(settings), lambda: running[-1], begin)

    def close(self) -> None:
        self._stops.close()
        super().close()
