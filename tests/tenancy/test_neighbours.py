"""What cannot be read, in Redis or in Postgres, costs its own key and no other's."""

import json
from typing import TYPE_CHECKING

import pytest
from redis import asyncio as aio

from tenancy.outbox import apply_outbox
from tenancy.postgres.records import PostgresRecordSource, Unreadable
from tenancy.redis.names import CAPACITY_KEY, MODELS_KEY, redis_key_record
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.catalog import KnownModels, ModelState
from tests.tenancy.people import People

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

STRANGE_LIMIT = """
ALTER TABLE limits DROP CONSTRAINT limits_unit_check;
INSERT INTO limits (id, name, scope, tenant_id, unit, amount, window_seconds)
VALUES ('lim_0000000000000001', 'x', 'tenant', 'odd', 'of a later version', 1, 60)
"""


async def test_a_key_of_another_type_is_replaced_and_holds_up_no_change(
    pool: "Pool", redis: aio.Redis, people: People
) -> None:
    keys = [await people.issue() for _ in range(3)]
    for name in (redis_key_record(keys[1].hash), MODELS_KEY, CAPACITY_KEY):
        await redis.hset(name, "x", "y")
    assert await RedisRecordCache(redis).get(keys[1].hash) is None
    for key in keys:
        await people.disable(key)
    await people.execute("INSERT INTO redis_outbox (key_hash, version) VALUES ('*', 1), ('models', 1), ('capacity', 1)")
    assert await apply_outbox(pool, redis) == 6
    for key in keys:
        stored = await RedisRecordCache(redis).get(key.hash)
        assert stored is not None
    assert await redis.get(MODELS_KEY) is not None
    assert await redis.get(CAPACITY_KEY) is not None


async def test_a_tenant_whose_limits_cannot_be_read_holds_up_no_other(
    pool: "Pool", redis: aio.Redis, people: People
) -> None:
    odd, *others = [await people.issue(tenant) for tenant in ("odd", "a", "b")]
    cache = RedisRecordCache(redis)
    for key in (odd, *others):
        await people.disable(key)
    await apply_outbox(pool, redis)
    await people.execute(STRANGE_LIMIT)
    for key in (odd, *others):
        await people.disable(key)
    assert await apply_outbox(pool, redis) == 3
    assert await cache.get(odd.hash) is None  # a caller is told now that it could not be decided
    source = PostgresRecordSource(pool)
    with pytest.raises(Unreadable):
        await source.load(odd.hash)
    assert set(await source.load_many([odd.hash, *(key.hash for key in others)])) == {key.hash for key in others}
    assert {stored.version for key in others if (stored := await cache.get(key.hash))} == {3}


@pytest.mark.parametrize("prices", [["x", 1, 1], "free", [None]])
def test_a_model_whose_prices_cannot_be_read_is_not_served_and_the_others_are(prices: object) -> None:
    good = {"name": "good", "enabled": True, "prices": [1, 2, 3]}
    text = json.dumps({"version": 1, "models": [{"name": "bad", "enabled": True, "prices": prices}, good]})
    models = KnownModels.load(text)
    assert (models.state("bad"), models.state("good")) == (ModelState.DISABLED, ModelState.KNOWN)
    assert set(models.prices) == {"good"}
