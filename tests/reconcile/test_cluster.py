"""On a cluster every node has epochs of its own, so that one that was emptied is noticed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratelimit.budgets.restoring_redis import RedisRestoring, Spent
from store.durability import Durability, durability_of
from store.redis import open_redis_async
from tests.cluster import NODES, Cluster
from tests.ratelimit.stores import account, tokens

NOW_MS = 1_795_230_000_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(Path(tmp_path_factory.mktemp("cluster")))
    yield running
    running.stop()


async def test_each_emptied_node_is_noticed_and_budgets_are_raised_on_all(cluster: Cluster) -> None:
    client = open_redis_async(cluster.url, timeout=5.0)
    restoring = RedisRestoring(client)
    rules = [account(tokens(1000), tenant_id=f"tenant-{n}").rule_set.rules[0] for n in range(24)]
    spent = [Spent(rule, 100 + n) for n, rule in enumerate(rules)]
    try:
        assert not restoring.spans_owners
        assert await durability_of(client) == Durability(False, True)
        for node in range(NODES):
            assert await restoring.whole_since() is None
            assert await restoring.take_turn("me")
            assert not await restoring.take_turn("another")
            await restoring.raise_to(spent, NOW_MS)
            assert await restoring.declare_whole("me", NOW_MS)
            await restoring.leave_turn("me")
            assert await restoring.whole_since() == NOW_MS
            counted = [found.spent for found in await restoring.look(spent, NOW_MS)]
            assert all(0 <= 100 + n - found < 10 for n, found in enumerate(counted))  # less what refilled since
            with cluster.client(node) as emptied:
                emptied.flushall()
        assert await restoring.now_ms() > 0
    finally:
        await client.aclose()
