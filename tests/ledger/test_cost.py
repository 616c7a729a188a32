"""What a request costs, to the last decimal; with three prices, what the SQL of the versions before made of it."""

import random
from decimal import ROUND_HALF_UP, Decimal

import asyncpg
import pytest

from ledger.cost import COST_OF, NO_COST, PER_ONE, UNIT_DECIMALS, Cost, cost_of, priced, priced_row, quantities_of
from ledger.row import PARTS, UsageSource, dump_parts
from tenancy.values.prices import KINDS, PRICE_FIELDS, SCALE, Prices
from tests.accesslog.entries import row

MODEL = Prices.of(Decimal("2.50"), Decimal(10), Decimal("1.25"))


@pytest.mark.parametrize(
    ("tokens", "prices", "cost"),
    [
        ((0, 0, 0), MODEL, ("0", "0", "0")),
        ((1_000_000, 400_000, 100_000), MODEL, ("1.5", "0.5", "1")),
        ((12, 0, 30), MODEL, ("0.00003", "0", "0.0003")),
        ((12, 12, 0), MODEL, ("0", "0.000015", "0")),
        ((1, 0, 1), Prices.plain(49, 50), ("0", "0", "0")),  # 4.9 and 5.0 times 10^-13
        ((1, 0, 1), Prices.plain(4999, 5000), ("0", "0", "1E-10")),  # half of the last decimal is rounded up
        ((10**12, 0, 0), Prices.of(Decimal("999999999999.99999999"), None, None), ("999999999999999999.99", "0", "0")),
    ],
)
def test_tokens_cost(tokens: tuple[int, int, int], prices: Prices, cost: tuple[str, str, str]) -> None:
    input_tokens, cached_tokens, output_tokens = tokens
    used = row(input_tokens=input_tokens, cached_tokens=cached_tokens, output_tokens=output_tokens)
    assert [Decimal(units).scaleb(-UNIT_DECIMALS) for units in cost_of(used, prices)] == [Decimal(c) for c in cost]


def test_each_row_has_the_prices_of_its_model() -> None:
    rows = [row(model=model, input_tokens=2, output_tokens=1) for model in ("dear", "cheap", "unknown", "")]
    found = priced(rows, {"dear": Prices.plain(10**12, 10**13), "cheap": Prices.plain(10**8)})
    assert [each.usage for each in found] == rows
    assert {each.price_version for each in found} == {None}
    assert [each.cost for each in found] == [Cost(2 * 10**8, 0, 10**9), Cost(2 * 10**4), NO_COST, NO_COST]


EVERY_PRICE = {field: Decimal(2 * n + 3) / 7 for n, field in enumerate(PRICE_FIELDS)}
TIERS: list[dict[str, object]] = [
    {"service_tier": "batch", "input_price": "0.5", "output_price": "2", "request_price": "0"},
    {"above_input_tokens": 500, "input_price": "9.99999999", "cache_write_5m_price": "11"},
    {"service_tier": "priority", "above_input_tokens": 500, "cached_price": "3"},
]


@pytest.mark.parametrize(
    ("columns", "parts", "cost"),
    [
        # Of 100 read 30, written 20 and 10, sound 5, images 4: the other 31 are plain.
        (
            {"input_tokens": 100, "cached_tokens": 30},
            (20, 10, 5, 0, 4, 0, 0, 0),
            31 * 1 + 30 * 3 + 20 * 4 + 10 * 5 + 5 * 7 + 4 * 9,
        ),
        ({"output_tokens": 100, "reasoning_tokens": 40}, (0, 0, 0, 8, 0, 2, 0, 0), 50 * 2 + 40 * 6 + 8 * 8 + 2 * 10),
        # No token twice: what was read from a cache, and then what was written, is not sound too.
        ({"input_tokens": 10, "cached_tokens": 6}, (3, 0, 9, 0, 9, 0, 0, 0), 6 * 3 + 3 * 4 + 1 * 7),
        ({"output_tokens": 10, "reasoning_tokens": 8}, (0, 0, 0, 9, 0, 9, 0, 0), 9 * 8 + 1 * 10),
        ({"cached_tokens": 0}, (0, 0, 0, 0, 0, 0, 3, 0), 3 * 11 * 10**6),
        ({"cached_tokens": 0}, (0, 0, 0, 0, 0, 0, 0, 2), 2 * 13 * 10**6),
    ],
)
def test_each_kind_has_its_price(columns: dict[str, int], parts: tuple[int, ...], cost: int) -> None:
    """Prices are 1, 2, 3 … in the order of their fields; a request is free."""
    prices = Prices.of_set({field: n for n, field in enumerate(PRICE_FIELDS, 1) if field != "request_price"})
    used = row(**{"input_tokens": 0, "output_tokens": 0, **columns}, parts=dump_parts(*parts))
    assert sum(cost_of(used, prices)) == cost * 10**UNIT_DECIMALS // 10**6


def test_a_request_costs_if_it_ran() -> None:
    prices = Prices.of_set({"request_price": "0.01"})
    for parts in (None, dump_parts(0, 0, 0, 0, 0, 0, 1, 0)):
        for source, cost in ((UsageSource.REPORTED, 10**8), (UsageSource.RESERVED, 10**8), (UsageSource.NONE, 0)):
            assert cost_of(row(usage_source=source, parts=parts), prices) == Cost(0, 0, cost)


def test_quantities_add_up_and_their_prices_to_the_cost() -> None:
    """However a row is made, and by the short way for rows without parts too."""
    chance = random.Random(2)
    prices = Prices.of_set(EVERY_PRICE, TIERS)
    for _ in range(3000):
        input_tokens, output_tokens = chance.randrange(1000), chance.randrange(1000)
        parts = tuple(chance.choice([0, 0, chance.randrange(1000)]) for _ in PARTS)
        used = row(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=chance.randrange(input_tokens + 1),
            reasoning_tokens=chance.randrange(output_tokens + 1),
            parts=chance.choice([None, dump_parts(*parts)]),
            service_tier=chance.choice(["", "batch", "default", "priority"]),
            usage_source=chance.choice([UsageSource.REPORTED, UsageSource.NONE]),
        )
        found = quantities_of(used)
        assert min(found) >= 0
        of_input = found.input + found.cached + found.cache_write_5m + found.cache_write_1h
        assert of_input + found.audio_input + found.image_input == input_tokens
        assert found.output + found.reasoning + found.audio_output + found.image_output == output_tokens
        rates = prices.rates(used.service_tier, input_tokens)
        exact = {
            kind: Decimal(quantity * price) / SCALE / (1 if kind in PER_ONE else 10**6)
            for kind, quantity, price in zip(KINDS, found, rates, strict=True)
        }
        costs = [sum((exact[kind] for kind in kinds), Decimal()) for kinds in COST_OF]
        assert [Decimal(units).scaleb(-UNIT_DECIMALS) for units in cost_of(used, prices)] == [
            each.quantize(Decimal("1e-10"), ROUND_HALF_UP) for each in costs
        ]


# As the ledger had it when it joined the prices itself; the columns have ten decimals.
IN_SQL = """
SELECT coalesce((input - cached) * (input_price * 0.000001), 0)::numeric(30, 10),
       coalesce(cached * (cached_price * 0.000001), 0)::numeric(30, 10),
       coalesce(output * (output_price * 0.000001), 0)::numeric(30, 10)
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[],
            $4::numeric(20, 8)[], $5::numeric(20, 8)[], $6::numeric(20, 8)[]) WITH ORDINALITY
     AS asked (input, cached, output, input_price, cached_price, output_price, number)
ORDER BY number
"""


async def test_costs_are_those_of_the_sql_before(database_url: str) -> None:
    chance = random.Random(1)

    def price() -> Decimal | None:
        return chance.choice([None, Decimal(chance.randrange(10 ** chance.randrange(1, 21))).scaleb(-8)])

    cases = []
    for _ in range(2000):
        tokens = chance.randrange(10 ** chance.randrange(1, 13))
        of_input, of_output, of_cached = price(), price(), price()
        if of_cached is None:  # was free then, and is the input's now
            of_cached = of_input
        cases.append((tokens, chance.randrange(tokens + 1), chance.randrange(5000), of_input, of_cached, of_output))
    connection = await asyncpg.connect(database_url)
    expected = await connection.fetch(IN_SQL, *(list(column) for column in zip(*cases, strict=True)))
    await connection.close()
    for (input_, cached, output, *prices), costs in zip(cases, expected, strict=True):
        of_input, of_cached, of_output = prices
        used = row(input_tokens=input_, cached_tokens=cached, output_tokens=output)
        found = cost_of(used, Prices.of(of_input, of_output, of_cached))
        assert [Decimal(units).scaleb(-UNIT_DECIMALS) for units in found] == list(costs)


def test_what_a_kept_answer_saved_is_what_its_tokens_would_have_cost() -> None:
    prices = Prices.plain(3 * 10**8, 9 * 10**8)
    kept = row(input_tokens=0, output_tokens=0, saved_input_tokens=1000, saved_output_tokens=100, usage_source="none")
    half = kept._replace(input_tokens=500, saved_input_tokens=500, output_tokens=50, saved_output_tokens=50)
    made = sum(priced_row(row(input_tokens=1000, output_tokens=100), prices).cost)
    assert made > 0
    assert (sum(priced_row(kept, prices).cost), priced_row(kept, prices).saved) == (0, made)
    assert (sum(priced_row(half, prices).cost), priced_row(half, prices).saved) == (made // 2, made // 2)
    assert priced_row(row(input_tokens=1000, output_tokens=100), prices).saved == 0
