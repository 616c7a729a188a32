"""What a request costs is what the SQL of the versions before made of it, to the last decimal."""

import random
from decimal import Decimal

import asyncpg
import pytest

from ledger.cost import NO_COST, UNIT_DECIMALS, Cost, cost_of, priced
from tenancy.values.prices import Prices
from tests.accesslog.entries import row

MODEL = Prices.of(Decimal("2.50"), Decimal(10), Decimal("1.25"))


@pytest.mark.parametrize(
    ("tokens", "prices", "cost"),
    [
        ((0, 0, 0), MODEL, ("0", "0", "0")),
        ((1_000_000, 400_000, 100_000), MODEL, ("1.5", "0.5", "1")),
        ((12, 0, 30), MODEL, ("0.00003", "0", "0.0003")),
        ((12, 12, 0), MODEL, ("0", "0.000015", "0")),
        ((1, 0, 1), Prices(49, 50), ("0", "0", "0")),  # 4.9 and 5.0 times 10^-13
        ((1, 0, 1), Prices(4999, 5000), ("0", "0", "1E-10")),  # half of the last decimal is rounded up
        ((10**12, 0, 0), Prices.of(Decimal("999999999999.99999999"), None, None), ("999999999999999999.99", "0", "0")),
    ],
)
def test_tokens_cost(tokens: tuple[int, int, int], prices: Prices, cost: tuple[str, str, str]) -> None:
    input_tokens, cached_tokens, output_tokens = tokens
    used = row(input_tokens=input_tokens, cached_tokens=cached_tokens, output_tokens=output_tokens)
    assert [Decimal(units).scaleb(-UNIT_DECIMALS) for units in cost_of(used, prices)] == [Decimal(c) for c in cost]


def test_each_row_has_the_prices_of_its_model() -> None:
    rows = [row(model=model, input_tokens=2, output_tokens=1) for model in ("dear", "cheap", "unknown", "")]
    found = priced(rows, {"dear": Prices(10**12, 10**13), "cheap": Prices(10**8)})
    assert [each.usage for each in found] == rows
    assert [each.cost for each in found] == [Cost(2 * 10**8, 0, 10**9), Cost(2 * 10**4), NO_COST, NO_COST]


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
        cases.append((tokens, chance.randrange(tokens + 1), chance.randrange(5000), price(), price(), price()))
    connection = await asyncpg.connect(database_url)
    expected = await connection.fetch(IN_SQL, *(list(column) for column in zip(*cases, strict=True)))
    await connection.close()
    for (input_, cached, output, *prices), costs in zip(cases, expected, strict=True):
        of_input, of_cached, of_output = prices
        used = row(input_tokens=input_, cached_tokens=cached, output_tokens=output)
        found = cost_of(used, Prices.of(of_input, of_output, of_cached))
        assert [Decimal(units).scaleb(-UNIT_DECIMALS) for units in found] == list(costs)
