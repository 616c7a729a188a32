"""Rollers, writers and readers at once: nothing is lost, whatever comes between."""

import asyncio
import random
from datetime import UTC, datetime

from ledger.cover import DAY, HOUR, floor
from ledger.ledger import LedgerUnavailable
from ledger.postgres.roller import Roller
from ledger.sums import DIMENSIONS, NotSummedYet, Selection
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog.entries import row
from tests.ledger.rollups import EVERYTHING, NOW, SUM_OF_ROWS, SUMS_OF_EACH_WIDTH, Subject, better, random_row


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


async def test_every_change_of_rows_leaves_marks(subject: Subject) -> None:
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
