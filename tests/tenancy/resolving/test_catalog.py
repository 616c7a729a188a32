"""The model catalog: what it says, and for how long it may."""

import json
from typing import TYPE_CHECKING

import pytest
from redis import asyncio as aio

from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.mcp_servers import NewServer
from tenancy.directory.tenants import NewTenant
from tenancy.postgres.catalog import PostgresModelSource
from tenancy.redis.catalog import RedisModelCache
from tenancy.resolving.catalog import KnownModels, ModelCache, ModelCatalog, ModelSource, ModelState
from tenancy.resolving.records import StoreUnavailable
from tenancy.values.mcp import Grant
from tenancy.values.upstream import Endpoint, Target, Upstream
from tests.tenancy.directories import open_directory
from tests.tenancy.memory.stores import MemoryModelCache, MemoryModelSource
from tests.tenancy.people import People
from tests.tenancy.resolving.chain import Clock

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]


@pytest.mark.parametrize(
    ("enabled", "state"),
    [
        ({}, ModelState.KNOWN),
        ({"m1": True}, ModelState.KNOWN),
        ({"m1": False}, ModelState.DISABLED),
        ({"m2": True}, ModelState.UNKNOWN),
        ({"M1": True, "m1 ": True}, ModelState.UNKNOWN),
    ],
)
def test_a_model_in_a_registry(enabled: dict[str, bool], state: ModelState) -> None:
    assert KnownModels(1, enabled).state("m1") is state


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest, redis: aio.Redis) -> ModelCache:
    return MemoryModelCache() if request.param == "memory" else RedisModelCache(redis)


async def test_the_shared_copy_keeps_the_highest_version(cache: ModelCache) -> None:
    assert await cache.get() is None
    for version, accepted in ((1_700_000_000_000_001, True), (1_700_000_000_000_000, False)):
        assert await cache.put(KnownModels(version, {"m": version % 2 == 0})) is accepted
    assert await cache.get() == KnownModels(1_700_000_000_000_001, {"m": False})


@pytest.mark.parametrize("text", [b"", b"[]", b'{"version":1}', b'{"version":1,"models":[1]}'])
async def test_an_unreadable_copy_is_none(redis: aio.Redis, text: bytes) -> None:
    await redis.set("tollkeeper:models", text)
    assert await RedisModelCache(redis).get() is None


async def test_postgres_gives_the_registry_with_a_growing_version(pool: "Pool", people: People) -> None:
    source = PostgresModelSource(pool)
    empty = await source.load()
    assert empty.enabled == {}
    await people.execute("INSERT INTO models (name, enabled) VALUES ('b', false), ('a/b:c', true)")
    filled = await source.load()
    assert filled.enabled == {"a/b:c": True, "b": False}
    assert filled.version > empty.version
    assert KnownModels.load(filled.dump()) == filled


async def test_a_registry_of_models_that_were_never_enabled_bars_those_and_no_others(
    pool: "Pool", people: People
) -> None:
    source = PostgresModelSource(pool)
    await people.execute("INSERT INTO models (name, enabled) VALUES ('barred', false)")
    models = await source.load()
    assert KnownModels.load(models.dump()) == models
    assert [models.state(name) for name in ("barred", "other")] == [ModelState.DISABLED, ModelState.KNOWN]
    await people.execute("INSERT INTO models (name) VALUES ('served')")
    assert (await source.load()).state("other") is ModelState.UNKNOWN
    await people.execute("UPDATE models SET enabled = false")  # which opens nothing
    assert (await source.load()).state("other") is ModelState.UNKNOWN


async def test_where_requests_go_and_what_aliases_stand_for(pool: "Pool", people: People) -> None:
    await people.execute(
        "INSERT INTO models (name, endpoint, upstream_name) VALUES ('one', 'http://a', 'x'), ('plain', NULL, NULL)"
    )
    await people.execute(
        """INSERT INTO models (name, endpoints, credential) VALUES (
        'more', '[{"url": "http://a", "weight": 2}, {"url": "http://b", "priority": 1, "later": true}]', 'env:A')"""
    )
    await people.execute("""INSERT INTO models (name, targets) VALUES ('fast', '[{"model": "one", "weight": 9}]')""")
    models = await PostgresModelSource(pool).load()
    assert models.upstreams == {
        "one": Upstream("x", (Endpoint("http://a"),)),
        "more": Upstream("", (Endpoint("http://a", 2), Endpoint("http://b", priority=1)), "env:A"),
    }
    assert models.targets == {"fast": (Target("one", 9),)}
    assert KnownModels.load(models.dump()) == models
    before = [model["enabled"] for model in json.loads(models.dump())["models"] if model["name"] == "fast"]
    assert before == [False]  # to a version that would take it for a model without prices
    assert models.state("fast") is ModelState.KNOWN
    await people.execute("UPDATE models SET enabled = false WHERE name = 'one'")
    assert (await PostgresModelSource(pool).load()).state("fast") is ModelState.DISABLED


async def test_a_grant_ends_with_its_tenant_also_if_another_gets_its_id(pool: "Pool", people: People) -> None:
    directory, by = open_directory("postgres", pool), ChangeRequest("admin")
    await directory.tenants.create(NewTenant("acme", id="acme"), by)
    grants = (Grant("acme"), Grant(tools=("add",)))
    made = await directory.servers.create(NewServer("tools", "https://tools.test", grants=grants), by)

    async def granted() -> tuple[Grant, ...]:
        return (await PostgresModelSource(pool).load()).servers["tools"].grants

    assert await granted() == grants
    await directory.tenants.delete("acme", by)
    assert await granted() == grants[1:]
    await directory.tenants.create(NewTenant("other", id="acme"), by)
    assert await granted() == grants[1:]
    await directory.servers.update(made.id, NewServer("tools", "https://tools.test", grants=grants), by)
    again = NewServer("tools", "https://tools.test", grants=grants, description="said again")
    await directory.servers.update(made.id, again, by)


async def test_the_catalog_cannot_decide_before_its_first_load() -> None:
    catalog = ModelCatalog(MemoryModelSource(), MemoryModelCache())
    assert catalog.check("m1") is ModelState.UNAVAILABLE
    assert await catalog.refresh()
    assert catalog.check("m1") is ModelState.KNOWN


async def test_models_that_are_not_registered_may_be_admitted() -> None:
    source = MemoryModelSource()
    source.models = KnownModels(1, {"one": True, "off": False})
    catalog = ModelCatalog(source, MemoryModelCache(), others=True)
    assert catalog.check("other") is ModelState.UNAVAILABLE
    assert await catalog.refresh()
    states = [catalog.check(name) for name in ("one", "off", "other", "")]
    assert states == [ModelState.KNOWN, ModelState.DISABLED, ModelState.OTHER, ModelState.UNKNOWN]


class Gone:
    """A store that cannot be asked."""

    async def load(self) -> KnownModels:
        raise StoreUnavailable("gone")

    async def get(self) -> KnownModels | None:
        raise StoreUnavailable("gone")

    async def put(self, models: KnownModels) -> bool:
        raise StoreUnavailable("gone")


@pytest.mark.parametrize(
    ("source", "shared", "state"),
    [
        (MemoryModelSource(), MemoryModelCache(), ModelState.KNOWN),
        (MemoryModelSource(), Gone(), ModelState.KNOWN),
        (Gone(), MemoryModelCache(), ModelState.UNAVAILABLE),
        (Gone(), Gone(), ModelState.UNAVAILABLE),
    ],
)
async def test_which_store_is_enough(source: ModelSource, shared: ModelCache, state: ModelState) -> None:
    catalog = ModelCatalog(source, shared)
    assert await catalog.refresh() is (state is ModelState.KNOWN)
    assert catalog.check("m1") is state


async def test_redis_answers_for_a_postgres_that_is_away(redis: aio.Redis, pool: "Pool", people: People) -> None:
    await people.execute("INSERT INTO models (name) VALUES ('m1')")
    assert await ModelCatalog(PostgresModelSource(pool), RedisModelCache(redis)).refresh()
    async with open_postgres("postgresql://nobody@127.0.0.1:1/none") as away:
        catalog = ModelCatalog(PostgresModelSource(away), RedisModelCache(redis))
        assert await catalog.refresh()
    assert catalog.check("m1") is ModelState.KNOWN
    assert catalog.check("m2") is ModelState.UNKNOWN


async def test_a_snapshot_outlives_both_stores_by_sixty_seconds() -> None:
    clock = Clock()
    unreachable = open_redis_async("redis://127.0.0.1:1/0", timeout=0.1)
    source = MemoryModelSource()
    catalog = ModelCatalog(source, RedisModelCache(unreachable), clock=clock)
    assert await catalog.refresh()
    clock.now += 59.9
    assert catalog.check("m1") is ModelState.KNOWN
    clock.now += 0.1
    assert catalog.check("m1") is ModelState.UNAVAILABLE
    await unreachable.aclose()
