"""Prices keep every decimal of the registry, on every way to whoever counts with them."""

import json
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import asyncio as aio

from store.postgres import open_postgres
from tenancy.postgres.catalog import PostgresModelSource
from tenancy.redis.catalog import RedisModelCache
from tenancy.resolving.catalog import KnownModels, ModelCatalog
from tenancy.values.prices import MICRO, Prices
from tests.tenancy.people import People
from tests.tenancy.resolving.chain import Clock

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

HIGHEST = Decimal("999999999999.99999999")  # that the registry takes
INSERT = "INSERT INTO models (name, input_price, output_price, cached_price) VALUES ('m', $1, $2, $3)"
prices = st.none() | st.decimals(0, HIGHEST, places=8)


@given(prices, prices, prices)
def test_millionths_are_those_that_budgets_always_counted_in(
    input_: Decimal | None, output: Decimal | None, cached: Decimal | None
) -> None:
    expected = [0 if p is None else int((p * MICRO).to_integral_value(ROUND_HALF_UP)) for p in (input_, output, cached)]
    assert [*Prices.of(input_, output, cached).in_millionths()] == expected


@given(prices, prices, prices)
def test_a_copy_of_the_registry_keeps_every_decimal(
    input_: Decimal | None, output: Decimal | None, cached: Decimal | None
) -> None:
    models = KnownModels(1, {"m": True}, {"m": Prices.of(input_, output, cached)})
    assert KnownModels.load(models.dump()) == models


def test_a_copy_is_written_as_ever_unless_a_price_has_more_decimals() -> None:
    """Sidecars of the version before read `prices`, and nothing else."""

    def dumped(price: str) -> object:
        models = KnownModels(7, {"m": True, "free": False}, {"m": Prices.of(Decimal(price), None, Decimal("0.1"))})
        return json.loads(models.dump())

    others = {"name": "free", "enabled": False}
    plain = {"name": "m", "enabled": True, "prices": [2_500_001, 0, 100_000]}
    assert dumped("2.500001") == {"version": 7, "models": [plain, others]}
    exact = {"exact_prices": [250_000_051, 0, 10_000_000]}
    assert dumped("2.50000051") == {"version": 7, "models": [plain | exact, others]}


def test_a_copy_of_the_version_before_is_read() -> None:
    text = (
        '{"version":3,"models":[{"name":"m","enabled":true,"prices":[2500001,0,100000]},{"name":"n","enabled":true}]}'
    )
    assert KnownModels.load(text).prices == {"m": Prices.of(Decimal("2.500001"), None, Decimal("0.1"))}


@pytest.mark.parametrize("price", [HIGHEST, Decimal("0.00000001"), Decimal("0.15")])
async def test_the_catalog_lists_prices_exactly_whichever_store_answers(
    pool: "Pool", redis: aio.Redis, people: People, price: Decimal
) -> None:
    await people.execute(INSERT, price, None, price)
    expected = {"m": Prices.of(price, None, price)}
    async with open_postgres("postgresql://nobody@127.0.0.1:1/none") as away:
        for source in (PostgresModelSource(pool), PostgresModelSource(away)):
            catalog = ModelCatalog(source, RedisModelCache(redis))
            assert await catalog.refresh()
            assert catalog.price_list() == expected


async def test_the_list_of_prices_is_not_known_while_the_catalog_is_not(pool: "Pool", redis: aio.Redis) -> None:
    clock = Clock()
    catalog = ModelCatalog(PostgresModelSource(pool), RedisModelCache(redis), clock=clock)
    assert catalog.price_list() is None
    assert await catalog.refresh()
    clock.now += 59.9
    assert catalog.price_list() == {}  # nothing is registered: all is free
    clock.now += 0.1
    assert catalog.price_list() is None
