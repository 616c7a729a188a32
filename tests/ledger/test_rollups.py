"""What is summed is what the rows say: whatever is rolled up, comes late, comes twice, or is written meanwhile."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from ledger.cost import priced
from ledger.cover import DAY, HOUR, MINUTE
from ledger.postgres.roller import BACKLOG_HOURS
from ledger.postgres.rollup_sql import GRAINS_KEPT
from ledger.sums import DIMENSIONS, Selection
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.prices import Prices
from tests.accesslog.entries import row
from tests.ledger.rollups import (
    EVERYTHING,
    NOW,
    PRICES,
    SUM_OF_ROWS,
    SUMS_OF_EACH_WIDTH,
    SUMS_OF_PARTS_OF_EACH_WIDTH,
    Subject,
    better,
    question,
    random_row,
)

MARK_DAY = """
INSERT INTO usage_marks (width, bucket) SELECT 60, date_bin('1 min', ts, '1970-01-01Z') FROM usage
WHERE date_bin('1 day', ts, '1970-01-01Z') = $1
"""


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
    for (day,) in await subject.pool.fetch("SELECT DISTINCT date_bin('1 day', ts, '1970-01-01Z') FROM usage"):
        await subject.pool.execute(MARK_DAY, day)
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


async def test_a_backlog_is_summed_up_without_its_minutes(subject: Subject) -> None:
    chance = random.Random(5)
    await subject.pool.execute("UPDATE usage_horizon SET minutes_from = '2026-01-01Z'")
    for old, kept in ((BACKLOG_HOURS, True), (BACKLOG_HOURS + 1, False)):
        hours = [2, *range(26, 26 + old)]
        await subject.append(
            [random_row(chance, NOW - hour * HOUR)._replace(**at(NOW - hour * HOUR)) for hour in hours]
        )
        await subject.roller.roll(NOW)
        oldest = await subject.pool.fetchval("SELECT min(bucket) FROM usage_rollups_minute")
        assert (oldest < NOW - DAY) == kept
        assert oldest < NOW - 2 * HOUR
        await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)
        await subject.check(Selection(), [(NOW - 3 * DAY, NOW - 27 * HOUR)], ("model",), limit=10)
    late = [row(lease_id=at(NOW - 2 * DAY)["id"], output_tokens=7)]
    await subject.append(late)
    await subject.roller.roll(NOW)
    await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)


def at(time: datetime) -> dict[str, Any]:
    """The id and the time of a row."""
    return {"id": mint_lease_id(int(time.timestamp() * 1000)), "ts": time}
