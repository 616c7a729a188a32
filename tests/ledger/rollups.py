"""The ledger in Postgres with its roller and sums beside the same in memory, and random rows and questions for them."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from ledger.cost import priced
from ledger.cover import DAY, HOUR, MINUTE, floor
from ledger.postgres.ledger import PostgresLedger
from ledger.postgres.roller import Roller
from ledger.postgres.sums import PostgresSums
from ledger.row import PARTS, UsageRow, UsageSource, dump_parts
from ledger.sums import DIMENSIONS, Interval, Selection
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.prices import Prices
from tests.accesslog.entries import row
from tests.conftest import PATIENT
from tests.ledger.oracle import MemoryLedger

NOW = datetime(2026, 3, 10, 15, 30, 20, tzinfo=UTC)
PRICES = {
    "big": Prices.of(Decimal("2.50"), Decimal(10), Decimal("1.25")),
    "small": Prices.of(Decimal("0.15"), Decimal("0.6"), None),
}
MODELS = (*PRICES, "unpriced")
EVERYTHING: Interval = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
SUMS_OF_EACH_WIDTH = """
SELECT width, grain, sum(rows)::bigint, sum(input_tokens)::bigint, sum(input_cost + cached_cost + output_cost)
FROM usage_rollups GROUP BY width, grain ORDER BY width, grain
"""
SUMS_OF_PARTS_OF_EACH_WIDTH = """
SELECT width, grain, sum(cache_write_tokens) AS cache_write_tokens, sum(images) AS images
FROM usage_rollups GROUP BY width, grain ORDER BY width, grain
"""
SUM_OF_ROWS = "SELECT count(*), sum(input_tokens)::bigint, sum(input_cost + cached_cost + output_cost) FROM usage"


class Subject:
    """The ledger in Postgres with its roller and sums, and the same in memory."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool
        self.ledger, self.roller, self.sums = (
            PostgresLedger(pool, timeout=20),
            Roller(pool),
            PostgresSums(pool, PATIENT),
        )
        self.memory = MemoryLedger()

    async def append(self, rows: Sequence[UsageRow]) -> None:
        await self.ledger.append(priced(rows, PRICES))
        await self.memory.append(priced(rows, PRICES))

    async def check(self, *arguments: Any, **more: Any) -> None:
        expected = await self.memory.sums(*arguments, **more)
        assert list(await self.sums.sums(*arguments, **more)) == expected


def random_row(chance: random.Random, newest: datetime = NOW) -> UsageRow:
    """Most are of the last minutes, some come up to three days late."""
    age = chance.choice([chance.uniform(0, 200), chance.uniform(0, 7200), chance.uniform(0, 3 * 86400)])
    input_tokens, saved = chance.randrange(5000), chance.choice([0, 0, chance.randrange(900)])
    return row(
        lease_id=mint_lease_id(int((newest.timestamp() - age) * 1000)),
        tenant_id=f"t{chance.randrange(3)}",
        key_id=f"k{chance.randrange(4)}",
        user_id=chance.choice(["", "ann"]),
        model=chance.choice(MODELS),
        admission=chance.choice(["fast", "fast", "local", "refused", "cached"]),
        bytes_out=chance.randrange(5000),
        saved_input_tokens=saved,
        saved_output_tokens=saved // 3,
        input_tokens=input_tokens,
        cached_tokens=chance.choice([0, input_tokens // 2]),
        output_tokens=chance.randrange(3000),
        reasoning_tokens=chance.randrange(10),
        usage_source=chance.choice([UsageSource.REPORTED, UsageSource.RESERVED]),
        status=chance.choice([200, 200, 404, 503]),
        parts=chance.choice([None, dump_parts(*(chance.choice([0, chance.randrange(900)]) for _ in PARTS))]),
    )


def better(known: UsageRow, chance: random.Random) -> UsageRow:
    return row(
        lease_id=known.id,
        tenant_id=known.tenant_id,
        model=known.model,
        output_tokens=chance.randrange(3000),
        usage_source=UsageSource.REPORTED,
    )


def question(chance: random.Random) -> tuple[Selection, list[Interval], tuple[str, ...]]:
    selection = Selection(
        tenant_id=chance.choice([None, None, "t1", "nobody"]), model=chance.choice([None, None, "big"])
    )
    start = NOW - timedelta(seconds=chance.uniform(0, 4 * 86400))
    if chance.random() < 0.5:
        start = floor(start, chance.choice([DAY, HOUR, MINUTE]))
    width = timedelta(seconds=chance.choice([45, 60, 3600, 5400, 86400, 4 * 86400]))
    intervals = [(start + i * width, start + (i + 1) * width) for i in range(chance.choice([1, 5]))]
    return selection, intervals, tuple(chance.sample(DIMENSIONS, chance.randrange(3)))
