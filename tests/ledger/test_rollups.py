"""What is summed is what the rows say: whatever is rolled up, comes late, comes twice, or is written meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from ledger.cost import priced
from ledger.ledger import LedgerUnavailable
from ledger.postgres.cover import DAY, HOUR, MINUTE, floor
from ledger.postgres.ledger import PostgresLedger
from ledger.postgres.roller import Roller
from ledger.postgres.rollup_sql import GRAINS_KEPT
from ledger.postgres.sums import PostgresSums
from ledger.row import PARTS, UsageRow, UsageSource, dump_parts
from ledger.sums import DIMENSIONS, Interval, NotSummedYet, Selection
from store.postgres import open_postgres
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


@pytest.fixture
async def subject(database_url: str) -> AsyncIterator[Subject]:
    async with open_postgres(database_url, size=12, timeout=20.0) as pool:
        await pool.execute("UPDATE usage_horizon SET minutes_from = '2026-03-09T05:00Z'")
        yield Subject(pool)


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


@pytest.mark.parametrize("seed", range(4))
async def test_sums_are_those_of_the_rows_whatever_happens(subject: Subject, seed: int) -> None:
    chance = random.Random(seed)
    now = NOW
    for _ in range(40):
        match chance.randrange(4):
            case 0:
                await subject.append([random_row(chance, now) for _ in range(chance.choice([1, 30]))])
            case 1 if subject.memory.rows:
                known = chance.sample([*subject.memory.rows.values()], min(5, len(subject.memory.rows)))
                await subject.append([better(each.usage, chance) for each in known])
            case 2:
                await subject.roller.roll(now)
            case _:
                now += timedelta(seconds=chance.choice([1, 30, 1800]))
        await subject.check(*question(chance), limit=1000)
    await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)


async def test_sums_in_rollups_are_those_of_the_rows_when_all_is_rolled(subject: Subject) -> None:
    chance = random.Random(1)
    for _ in range(3):
        await subject.append([random_row(chance) for _ in range(200)])
        await subject.append(
            [better(each.usage, chance) for each in chance.sample([*subject.memory.rows.values()], 50)]
        )
        await subject.roller.roll(NOW)
    await subject.pool.execute("UPDATE usage_horizon SET minutes_from = '2026-01-01Z'")
    await subject.pool.execute(
        "INSERT INTO usage_marks (width, bucket) SELECT 60, date_bin('1 min', ts, '1970-01-01Z') FROM usage"
    )
    await subject.roller.roll(NOW + 2 * DAY)
    assert await subject.pool.fetch("SELECT * FROM usage_marks") == []
    rows = tuple(await subject.pool.fetchrow(SUM_OF_ROWS) or ())
    sums = await subject.pool.fetch(SUMS_OF_EACH_WIDTH)
    assert [tuple(each) for each in sums] == [
        (width, grain, *rows) for width, grains in GRAINS_KEPT.items() for grain in grains
    ]
    await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)


async def test_what_a_roller_of_the_version_before_summed_up_is_summed_anew(subject: Subject) -> None:
    """It names no column that it does not know, so those are null in what it writes; what is older has none of them."""
    chance = random.Random(3)
    await subject.append([random_row(chance) for _ in range(200)])
    await subject.roller.roll(NOW + 2 * DAY)
    before = await subject.pool.fetch(SUMS_OF_PARTS_OF_EACH_WIDTH)
    assert before[0]["images"] > 0
    await subject.pool.execute(
        "UPDATE usage_rollups SET cache_write_tokens = NULL, images = NULL WHERE tenant_id = 't1'"
    )
    await subject.roller.roll(NOW + 2 * DAY)
    assert await subject.pool.fetch(SUMS_OF_PARTS_OF_EACH_WIDTH) == before
    assert await subject.pool.fetchval("SELECT count(*) FROM usage_rollups WHERE images IS NULL") == 0
    await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)


async def test_writers_rollers_and_readers_at_once_lose_nothing(subject: Subject) -> None:
    chance = random.Random(2)
    start = datetime.now(UTC).replace(microsecond=0)
    done = asyncio.Event()

    async def write() -> None:
        for _ in range(15):
            rows = [random_row(chance, start) for _ in range(40)]
            await subject.append(rows)
            await subject.append([better(each, chance) for each in rows[:10]])

    async def roll() -> None:
        roller = Roller(subject.pool)
        while not done.is_set():
            await roller.roll(start + DAY + HOUR)  # everything is over, so that everything is rolled at once

    async def read() -> None:
        seen = 0
        while not done.is_set():
            known = len(subject.memory.rows)  # appended to Postgres before
            try:
                lines = await subject.sums.sums(Selection(), [EVERYTHING])
            except (LedgerUnavailable, NotSummedYet):
                continue  # a busy machine: no answer in time, which is not a wrong one
            count = lines[0].figures.requests + lines[0].figures.refused if lines else 0
            assert count >= max(seen, known)
            seen = count

    others = [asyncio.create_task(work()) for work in (roll, roll, roll, read)]
    await asyncio.gather(*(write() for _ in range(4)))
    done.set()
    await asyncio.gather(*others)
    await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)
    await subject.roller.roll(start + 3 * DAY)
    assert await subject.pool.fetchval("SELECT count(*) FROM usage_marks") == 0
    rows = tuple(await subject.pool.fetchrow(SUM_OF_ROWS) or ())
    sums = [tuple(each) for each in await subject.pool.fetch(SUMS_OF_EACH_WIDTH)]
    assert sums[-8:] == [(width, grain, *rows) for width in (3600, 86400) for grain in range(4)]
    await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)


async def test_an_hour_that_is_summed_while_its_day_is_stays_stale_for_the_day(subject: Subject) -> None:
    """One roller has added up the hours of a day whose mark it took; before that is over, another sums an hour."""
    day = floor(NOW, DAY) - DAY
    early, late = (row(lease_id=mint_lease_id(int((day + at).timestamp() * 1000))) for at in (HOUR, 5 * HOUR))
    await subject.append([early])
    async with subject.roller._transaction() as connection:
        await subject.roller._roll_hour(connection, day + HOUR, NOW)
    await subject.append([late])
    async with subject.roller._transaction() as connection:
        assert await subject.roller._roll_day(connection, day)
        async with subject.roller._transaction() as other:
            assert await subject.roller._roll_hour(other, day + 5 * HOUR, NOW)
    await subject.check(Selection(), [EVERYTHING])
    await subject.roller.roll(NOW)
    assert await subject.pool.fetchval("SELECT count(*) FROM usage_marks") == 0
    await subject.check(Selection(), [EVERYTHING])


async def test_whoever_changes_rows_leaves_marks(subject: Subject) -> None:
    await subject.append([row(lease_id=mint_lease_id(int(NOW.timestamp() * 1000)), input_tokens=5)])
    await subject.roller.roll(NOW + 2 * DAY)
    await subject.pool.execute("UPDATE usage SET input_tokens = 7")
    (line,) = await subject.sums.sums(Selection(), [EVERYTHING])
    assert line.figures.input_tokens == 7
    await subject.pool.execute("UPDATE usage SET ts = ts - interval '2 hours'")
    await subject.roller.roll(NOW + 2 * DAY)
    (line,) = await subject.sums.sums(Selection(), [(NOW - 3 * HOUR, NOW - HOUR), (NOW - HOUR, NOW + HOUR)], (), 10)
    assert (line.slot, line.figures.input_tokens) == (0, 7)
    await subject.pool.execute("DELETE FROM usage")
    assert await subject.sums.sums(Selection(), [EVERYTHING]) == []
    await subject.roller.roll(NOW + 2 * DAY)
    assert await subject.sums.sums(Selection(), [EVERYTHING]) == []


async def test_a_new_price_is_for_new_rows_only(subject: Subject) -> None:
    when = {"lease_id": mint_lease_id(int(NOW.timestamp() * 1000)), "model": "big"}
    tokens = {"input_tokens": 1_000_000, "cached_tokens": 400_000, "output_tokens": 100_000}
    await subject.append([row(**when, **tokens)])
    thousand = Prices.of(Decimal(1000), Decimal(1000), Decimal(1000))
    await subject.ledger.append(priced([row(**when, **tokens)], {"big": thousand}))  # once more, by the other log
    (line,) = await subject.sums.sums(Selection(), [EVERYTHING])
    costs = (line.figures.input_cost, line.figures.cached_cost, line.figures.output_cost)
    assert costs == (Decimal("1.5"), Decimal("0.5"), Decimal(1))
    await subject.roller.roll(NOW + 2 * DAY)
    (line,) = await subject.sums.sums(Selection(), [EVERYTHING])
    assert line.figures.cost == Decimal(3)


async def test_lines_are_paged_by_slot_and_group(subject: Subject) -> None:
    chance = random.Random(3)
    await subject.append([random_row(chance) for _ in range(200)])
    await subject.roller.roll(NOW)
    hours = [(NOW - (n + 1) * HOUR, NOW - n * HOUR) for n in range(5, -1, -1)]
    whole = list(await subject.sums.sums(Selection(), hours, ("tenant_id", "key_id"), 1000))
    paged: list[Any] = []
    while page := await subject.sums.sums(
        Selection(), hours, ("tenant_id", "key_id"), 7, (paged[-1].slot, paged[-1].group) if paged else None
    ):
        paged += page
        await subject.check(
            Selection(), hours, ("tenant_id", "key_id"), limit=7, after=(paged[-1].slot, paged[-1].group)
        )
    assert len(whole) > 20
    assert paged == whole


async def test_partitions_are_there_ahead_and_can_be_dropped_while_their_sums_stay(subject: Subject) -> None:
    await subject.roller.roll(NOW)
    partitions = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage'::regclass ORDER BY 1"
    assert [name for (name,) in await subject.pool.fetch(partitions)] == ["usage_2026_03", "usage_2026_04"]
    january = datetime(2026, 1, 15, tzinfo=UTC)
    for day in range(3):
        await subject.append([row(lease_id=mint_lease_id(int((january + day * DAY).timestamp() * 1000)))])
    forget = "SELECT array_agg(name) FROM forget_usage_before('2026-03-01Z') AS name"
    with pytest.raises(asyncpg.RaiseError, match="not summed up yet"):
        await subject.pool.fetchval(forget)
    await subject.roller.roll(NOW)
    assert await subject.pool.fetchval(forget) == ["usage_2026_01"]
    await subject.check(Selection(), [EVERYTHING], ("tenant_id",), limit=10)
    late = row(lease_id=mint_lease_id(int(january.timestamp() * 1000)))
    await subject.ledger.append(priced([late], PRICES))  # kept, not summed
    await subject.roller.roll(NOW)
    await subject.check(Selection(), [EVERYTHING], ("tenant_id",), limit=10)


async def test_minutes_are_kept_for_a_while(subject: Subject) -> None:
    chance = random.Random(4)
    await subject.append([random_row(chance) for _ in range(100)])
    await subject.roller.roll(NOW)
    minutes = "SELECT count(*) FROM usage_rollups_minute"
    assert await subject.pool.fetchval(minutes) > 0
    await subject.roller.roll(NOW + 9 * DAY)
    assert await subject.pool.fetchval(minutes) == 0
    await subject.check(Selection(), [(NOW - HOUR, NOW - 30 * MINUTE)], ("model",), limit=10)
    await subject.append([random_row(chance) for _ in range(10)])
    await subject.roller.roll(NOW + 9 * DAY)
    assert await subject.pool.fetchval(minutes) == 0
    await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)
