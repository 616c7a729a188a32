"""Prices keep every decimal of the registry, on every way to the parts that count with them."""

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
from tenancy.values.prices import MICRO, PRICE_FIELDS, SCALE, Prices
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
    named = (input_, output, input_ if cached is None else cached)
    expected = [0 if p is None else int((p * MICRO).to_integral_value(ROUND_HALF_UP)) for p in named]
    assert [*Prices.of(input_, output, cached).in_millionths()] == expected


@given(prices, prices, prices)
def test_a_copy_of_the_registry_keeps_every_decimal(
    input_: Decimal | None, output: Decimal | None, cached: Decimal | None
) -> None:
    models = KnownModels(1, {"m": True}, {"m": Prices.of(input_, output, cached)})
    assert KnownModels.load(models.dump()) == models


def test_a_copy_has_what_the_versions_before_read() -> None:
    """They know three prices, and of the copy `prices` and `exact_prices` alone."""

    def dumped(price: str) -> object:
        models = KnownModels(7, {"m": True, "free": False}, {"m": Prices.of(Decimal(price), None, Decimal("0.1"))})
        found = json.loads(models.dump())
        del found["models"][0]["price_set"]
        return found

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


def test_a_cached_price_that_the_version_before_did_not_know_is_that_of_the_input() -> None:
    """It wrote 0 for it."""
    for prices in ('"prices":[2000000,0,0]', '"prices":[2000000,0,0],"exact_prices":[200000000,0,0]'):
        text = f'{{"version":3,"models":[{{"name":"m","enabled":true,{prices}}}]}}'
        assert KnownModels.load(text).prices == {"m": Prices.of(Decimal(2), Decimal(0))}


prices_sets = st.fixed_dictionaries({}, optional=dict.fromkeys(PRICE_FIELDS, prices))
tiers = st.fixed_dictionaries(
    {"service_tier": st.sampled_from([None, "batch", "priority"])},
    optional={"above_input_tokens": st.integers(1, 10**6), **dict.fromkeys(PRICE_FIELDS, prices)},
)


@given(prices_sets, st.lists(tiers, max_size=4), st.integers(0, 2**62))
def test_a_copy_keeps_every_price_of_every_tier(
    named: dict[str, Decimal | None], price_tiers: list[dict[str, object]], version: int
) -> None:
    models = KnownModels(1, {"m": True}, {"m": Prices.of_set(named, price_tiers, version)})
    assert KnownModels.load(models.dump()) == models


BASE = {"input_price": Decimal(3), "output_price": Decimal(15)}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, {"cached": 3, "cache_write_5m": 3, "cache_write_1h": 3, "audio_input": 3, "image_input": 3}),
        ({}, {"reasoning": 15, "audio_output": 15, "image_output": 15, "image": 0, "request": 0}),
        ({"cached_price": Decimal(0)}, {"cached": 0, "input": 3}),
        ({"cache_write_5m_price": Decimal(4)}, {"cache_write_5m": 4, "cache_write_1h": 4}),
        ({"cache_write_1h_price": Decimal(6)}, {"cache_write_5m": 3, "cache_write_1h": 6}),
        ({"reasoning_price": Decimal(20)}, {"reasoning": 20, "output": 15, "audio_output": 15}),
    ],
)
def test_a_part_without_a_price_costs_what_the_whole_does(named: dict[str, Decimal], expected: dict[str, int]) -> None:
    rates = Prices.of_set({**BASE, **named}).standard
    assert {kind: getattr(rates, kind) for kind in expected} == {kind: each * SCALE for kind, each in expected.items()}


LONG = {"above_input_tokens": 200_000, "input_price": "6"}
BATCH = {"service_tier": "batch", "input_price": "1.5", "output_price": "7.5"}
LONG_BATCH = {"service_tier": "batch", "above_input_tokens": 200_000, "input_price": "2.5"}


@pytest.mark.parametrize(
    ("service_tier", "input_tokens", "input_price", "output_price"),
    [
        ("", 200_000, "3", "15"),
        ("", 200_001, "6", "15"),
        ("default", 200_001, "6", "15"),
        ("batch", 200_000, "1.5", "7.5"),
        ("batch", 200_001, "2.5", "7.5"),
        ("batch", 10**9, "2.5", "7.5"),
        ("flex", 0, "3", "15"),
    ],
)
def test_the_tier_that_fits_a_request_has_its_prices(
    service_tier: str, input_tokens: int, input_price: str, output_price: str
) -> None:
    found = Prices.of_set(BASE, [LONG_BATCH, BATCH, LONG]).rates(service_tier, input_tokens)
    assert [found.input, found.output] == [Decimal(price) * SCALE for price in (input_price, output_price)]
    assert found.cached == found.input


def test_a_tier_leaves_the_price_of_a_part_that_the_model_itself_has() -> None:
    found = Prices.of_set({**BASE, "cached_price": "0.3"}, [BATCH]).rates("batch", 10)
    assert (found.input, found.cached) == (150_000_000, 30_000_000)


@pytest.mark.parametrize("price", [HIGHEST, Decimal("0.00000001"), Decimal("0.15")])
async def test_the_catalog_lists_prices_exactly_whichever_store_answers(
    pool: "Pool", redis: aio.Redis, people: People, price: Decimal
) -> None:
    await people.execute(INSERT, price, None, price)
    version = await pool.fetchval("SELECT max(version) FROM model_prices")
    expected = {"m": Prices.of_set({"input_price": price, "cached_price": price}, (), version)}
    async with open_postgres("postgresql://nobody@127.0.0.1:1/none") as away:
        for source in (PostgresModelSource(pool), PostgresModelSource(away)):
            catalog = ModelCatalog(source, RedisModelCache(redis))
            assert await catalog.refresh()
            assert catalog.price_list() == expected


async def test_each_price_set_stays_under_its_version(pool: "Pool", people: People) -> None:
    async def versions() -> list[tuple[int, Prices]]:
        found = await pool.fetch("SELECT version, prices::text FROM model_prices ORDER BY version")
        return [(version, Prices.read(text, version)) for version, text in found]

    await people.execute("INSERT INTO models (name) VALUES ('free')")
    assert await versions() == []
    await people.execute(INSERT, Decimal("2.5"), None, None)
    tiers = [{"service_tier": "batch", "input_price": "1.25000001"}]
    for statement in (
        "UPDATE models SET input_price = 2.50",  # the same price
        "UPDATE models SET enabled = false",
        "UPDATE models SET cached_price = 0 WHERE name = 'm'",
        f"UPDATE models SET price_tiers = '{json.dumps(tiers)}' WHERE name = 'm'",  # noqa: S608
        "DELETE FROM models",
    ):
        await people.execute(statement)
    first, free, *others = await versions()
    assert [first[1], *(each for _, each in others)] == [
        Prices.of_set({"input_price": "2.5"}, (), first[0]),
        Prices.of_set({"input_price": "2.5", "cached_price": 0}, (), others[0][0]),
        Prices.of_set({"input_price": "2.5", "cached_price": 0}, tiers, others[1][0]),
    ]
    assert free[1].standard.input == 250_000_000  # priced by the first UPDATE
    with pytest.raises(Exception, match="stay as they were"):
        await people.execute("DELETE FROM model_prices")


async def test_the_list_of_prices_is_not_known_while_the_catalog_is_not(pool: "Pool", redis: aio.Redis) -> None:
    clock = Clock()
    catalog = ModelCatalog(PostgresModelSource(pool), RedisModelCache(redis), clock=clock)
    assert catalog.price_list() is None
    assert await catalog.refresh()
    clock.now += 59.9
    assert catalog.price_list() == {}  # nothing is registered: all is free
    clock.now += 0.1
    assert catalog.price_list() is None
