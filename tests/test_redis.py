"""What opening Redis promises of its clients."""

import asyncio

import pytest
from redis import asyncio as aio

from store.redis import open_redis_async
from tests.cluster import Cluster

# Turns of the loop.  A round trip takes about ten, so that a task is cancelled at every point of one, several times.
MAX_TURNS = 150


async def ask_for_ever(client: "aio.Redis | aio.RedisCluster") -> None:
    while True:
        await client.get("key")


async def check_cancelling_ends(client: "aio.Redis | aio.RedisCluster") -> None:
    """Whatever the task was doing when it was cancelled."""
    await client.get("key")
    for turns in range(MAX_TURNS):
        task = asyncio.create_task(ask_for_ever(client))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done, f"it went on after it was cancelled at turn {turns}"
        assert task.cancelled()


async def test_a_cancelled_task_ends(redis_url: str) -> None:
    client = open_redis_async(redis_url, timeout=1.0)
    await check_cancelling_ends(client)
    await client.aclose()


async def test_a_cancelled_task_ends_on_a_cluster(tmp_path_factory: pytest.TempPathFactory) -> None:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    client = open_redis_async(cluster.url, timeout=1.0)
    try:
        await check_cancelling_ends(client)
    finally:
        await client.aclose()
        cluster.stop()
