"""Records, models, outbox and invalidations on a Redis Cluster of three nodes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis as sync
from redis import asyncio as aio

from store.redis import open_redis_async
from tenancy.metrics import TenancyMetrics
from tenancy.outbox import apply_outbox
from tenancy.redis.catalog import RedisModelCache
from tenancy.redis.invalidation import listen
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.catalog import KnownModels
from tenancy.resolving.records import Tombstone
from tests.tenancy.people import People, a_record
from tests.tenancy.waiting import until
from tollkeeper.up.process import free_port
from tollkeeper.up.valkey import Valkey

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

SLOTS = 16384


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Valkey]]:
    """Three masters that share the slots."""
    directory = tmp_path_factory.mktemp("cluster")
    options = ("--cluster-enabled", "yes", "--appendonly", "no", "--cluster-node-timeout", "2000")
    buses = [free_port() for _ in range(3)]  # by default a port + 10,000, which may be none
    nodes = [Valkey(directory / str(bus), None, *options, "--cluster-port", str(bus)) for bus in buses]
    try:
        _join(nodes, buses[0])
        yield nodes
    finally:
        for node in nodes:
            node.stop()


def _join(nodes: list[Valkey], first_bus: int) -> None:
    clients = [sync.Redis.from_url(node.url) for node in nodes]
    for n, client in enumerate(clients):
        first, end = n * SLOTS // len(nodes), (n + 1) * SLOTS // len(nodes)
        _cluster(client, "ADDSLOTSRANGE", first, end - 1)
        _cluster(client, "SET-CONFIG-EPOCH", n + 1)
        _cluster(client, "MEET", "127.0.0.1", nodes[0].port, first_bus)
    deadline = time.monotonic() + 20
    ready = {"cluster_state": "ok", "cluster_known_nodes": "3"}
    while not all(ready.items() <= _cluster(client, "INFO").items() for client in clients):
        assert time.monotonic() < deadline, "the cluster did not form"
        time.sleep(0.05)
    for client in clients:
        client.close()


def _cluster(client: sync.Redis, *arguments: str | int) -> Any:
    return client.execute_command(f"CLUSTER {arguments[0]}", *arguments[1:])  # type: ignore[no-untyped-call]


@pytest.fixture
async def cluster(nodes: list[Valkey]) -> AsyncIterator[aio.RedisCluster]:
    client = open_redis_async(nodes[0].url.replace("redis://", "redis+cluster://"), timeout=1.0)
    assert isinstance(client, aio.RedisCluster)
    yield client
    await client.aclose()


async def test_the_version_guard_holds_on_every_node(cluster: aio.RedisCluster) -> None:
    cache = RedisRecordCache(cluster)
    hashes = [f"{n:064x}" for n in range(30)]
    for key_hash in hashes:
        assert await cache.put(key_hash, Tombstone(2))
        assert not await cache.put(key_hash, a_record(version=1))
        assert await cache.get(key_hash) == Tombstone(2)
    nodes = {cluster.get_node_from_key(f"tollkeeper:key:{key_hash}") for key_hash in hashes}
    assert len(nodes) == 3


async def test_records_of_many_nodes_are_compared_at_once(cluster: aio.RedisCluster) -> None:
    cache = RedisRecordCache(cluster)
    hashes = [f"{n:064x}" for n in range(100, 130)]
    for key_hash in hashes[1:]:
        await cache.put(key_hash, a_record(version=3))
    assert await cache.unchanged(dict.fromkeys(hashes, 3)) == set(hashes[1:])


async def test_the_model_catalog_is_shared(cluster: aio.RedisCluster) -> None:
    assert await RedisModelCache(cluster).put(KnownModels(5, {"m1": True}))
    assert await RedisModelCache(cluster).get() == KnownModels(5, {"m1": True})


async def test_changes_reach_the_cluster_and_listeners_on_each_node(
    cluster: aio.RedisCluster, nodes: list[Valkey], pool: "Pool", people: People
) -> None:
    class Heard:
        def __init__(self) -> None:
            self.told: list[str] = []

        def subscribed(self) -> None:
            self.told.append("subscribed")

        def invalidate(self, message: str) -> None:
            self.told.append(message)

    everyone = [Heard() for _ in range(6)]
    url = nodes[1].url.replace("redis://", "redis+cluster://")
    tasks = [asyncio.create_task(listen(url, [heard], TenancyMetrics())) for heard in everyone]
    await until(lambda: all(heard.told == ["subscribed"] for heard in everyone))
    keys = [await people.issue() for _ in range(8)]
    for key in keys:
        await people.delete(key)
    assert await apply_outbox(pool, cluster) == 8
    cache = RedisRecordCache(cluster)
    assert [await cache.get(key.hash) for key in keys] == [Tombstone(n) for n in range(2, 10)]
    expected = {"subscribed", *(key.hash for key in keys)}
    await until(lambda: all(set(heard.told) == expected for heard in everyone))
    await people.execute("INSERT INTO redis_outbox (key_hash, version) VALUES ('*', 0)")
    await apply_outbox(pool, cluster)
    await until(lambda: all(heard.told[-1] == "*" for heard in everyone))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
