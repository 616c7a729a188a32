"""The ledger on ClickHouse beyond its ports: days that are summed up, months that are forgotten, migrations."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from clickhouse_connect import get_client

from ledger.clickhouse.denials import ClickhouseDenials
from ledger.clickhouse.ledger import ClickhouseLedger
from ledger.clickhouse.migrate import MIGRATIONS, migrate
from ledger.clickhouse.requests import ClickhouseRequests
from ledger.clickhouse.retention import NotSummedUp, forget_usage_before
from ledger.clickhouse.roller import Roller
from ledger.clickhouse.rolls import SETTLING, days_between, hours_of
from ledger.clickhouse.sums import ClickhouseSums, slots_of
from ledger.clickhouse.sums_sql import MAX_RANGES, ranges, sums_of
from ledger.cost import COLUMNS, Cost, PricedRow, priced
from ledger.cover import DAY, HOUR, ROWS, Stretch, floor
from ledger.denials import Denial
from ledger.requests import Refusals
from ledger.row import UsageRow, UsageSource
from ledger.sums import DIMENSIONS, FIGURES, Selection
from store.clickhouse import Clickhouse
from store.migrate import NewerSchema
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog.entries import row
from tests.clickhouse.server import PATIENT, ClickhouseServer
from tests.ledger.oracle import MemoryLedger
from tests.ledger.rollups import EVERYTHING, NOW, PRICES, better, question, random_row
from tests.ledger.test_refusals import refused

AT_ONCE = timedelta()
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
GRANULE = 8192  # rows: what the server reads at least
MANY_ROWS = """
INSERT INTO usage (id, ts, tenant_id, admission, requests) SELECT generateUUIDv4(),
fromUnixTimestamp64Milli(toInt64(1767225600000 + number * 3600), 'UTC'), 'acme', 'fast', 1 FROM numbers(720000)
"""


class Subject:
    """The ledger in ClickHouse with its roller and sums, and the same in memory."""

    def __init__(self, client: Clickhouse) -> None:
        self.client, self.memory = client, MemoryLedger()
        self.ledger, self.requests = ClickhouseLedger(client, timeout=PATIENT), ClickhouseRequests(client)
        self.sums, self.roller = ClickhouseSums(client, PATIENT, AT_ONCE), Roller(client, settling=AT_ONCE)

    async def append(self, rows: Sequence[UsageRow]) -> None:
        await self.ledger.append(priced(rows, PRICES))
        await self.memory.append(priced(rows, PRICES))

    async def check(self, *arguments: Any, **more: Any) -> None:
        expected = await self.memory.sums(*arguments, **more)
        assert list(await self.sums.sums(*arguments, **more)) == expected

    async def unsummed(self, settling: timedelta = AT_ONCE) -> int:
        """Days that reports add up from rows."""
        return sum(not day.roll for day in await days_between(self.client, *EVERYTHING, PATIENT, settling))

    async def unsummed_hours(self) -> int:
        """Those that are known, of days that reports add up from rows."""
        days = await days_between(self.client, *EVERYTHING, PATIENT, AT_ONCE)
        return sum(not hour.roll for hour in await hours_of(self.client, days, PATIENT, AT_ONCE))


@pytest.fixture
async def client(clickhouse: ClickhouseServer) -> AsyncIterator[Clickhouse]:
    made = Clickhouse(await clickhouse.create_database(), PATIENT)
    yield made
    await made.aclose()


@pytest.fixture
async def subject(client: Clickhouse) -> Subject:
    await migrate(client)
    return Subject(client)


def at(time: datetime, **changes: Any) -> UsageRow:
    return row(lease_id=mint_lease_id(int(time.timestamp() * 1000)), **changes)


async def test_sums_are_those_of_the_rows_whatever_happens(subject: Subject) -> None:
    chance = random.Random(1)
    for _ in range(12):
        match chance.randrange(3):
            case 0:
                await subject.append([random_row(chance) for _ in range(chance.choice([1, 30]))])
            case 1 if subject.memory.rows:
                known = chance.sample([*subject.memory.rows.values()], min(5, len(subject.memory.rows)))
                await subject.append([better(each.usage, chance) for each in known])
            case _:
                await subject.roller.roll(NOW + chance.choice([-DAY, timedelta(), 3 * DAY]))
        await subject.check(*question(chance), limit=1000)
    await subject.roller.roll()
    assert await subject.unsummed() == 0
    await subject.check(Selection(), [EVERYTHING], DIMENSIONS, limit=1000)
    overlapping = [(NOW - n * DAY, NOW + HOUR) for n in range(4)]
    await subject.check(Selection(tenants=("t1", "t2")), overlapping, ("tenant_id",), limit=1000)


async def test_a_day_is_read_from_rows_until_they_have_settled(subject: Subject) -> None:
    await subject.append([at(NOW, input_tokens=5), at(NOW - DAY, input_tokens=7)])
    assert await Roller(subject.client).roll() == 0  # they have just come
    assert await subject.roller.roll() == 2
    assert await subject.unsummed() == 0
    assert await subject.unsummed(SETTLING) == 2  # the roll began too soon after they came
    await subject.append([at(NOW, input_tokens=1)])
    assert await subject.unsummed() == 1
    assert await subject.roller.roll() == 1
    await subject.check(Selection(), [EVERYTHING], ("key_id",), limit=10)


async def test_sums_that_another_roll_has_replaced_go_after_a_while(subject: Subject) -> None:
    for tokens in (5, 7):
        await subject.append([at(NOW, input_tokens=tokens)])
        await subject.roller.roll()
    counted = "SELECT (SELECT count() FROM usage_rolls), (SELECT uniq(roll) FROM usage_sums)"
    assert await subject.client.select(counted) == [[2, 2]]
    await Roller(subject.client, settling=AT_ONCE, kept=AT_ONCE).roll()
    assert await subject.client.select(counted) == [[1, 1]]
    assert await subject.unsummed() == 0
    await subject.check(Selection(), [EVERYTHING], (), limit=10)


async def test_sums_are_there_for_as_long_as_a_question_that_has_begun(subject: Subject) -> None:
    await subject.append([at(NOW, input_tokens=5)])
    await subject.roller.roll()
    rolls = await subject.client.select(
        "SELECT toString(day), toString(roll), rolled_at - INTERVAL 3 HOUR FROM usage_rolls"
    )
    await subject.client.execute("TRUNCATE TABLE usage_rolls")
    await subject.client.insert("usage_rolls", ("day", "roll", "rolled_at"), rolls)
    await subject.append([at(NOW, input_tokens=7)])
    await subject.roller.roll()  # a question may have read just before that the first one is good
    assert await subject.client.select("SELECT uniq(roll) FROM usage_sums") == [[2]]


async def test_hours_of_a_day_that_is_not_over_are_summed_up(subject: Subject) -> None:
    midnight = floor(NOW, DAY)
    await subject.append([at(midnight + n * HOUR, input_tokens=int(n)) for n in (1, 1.5, 2, 15.3)])
    assert await subject.unsummed_hours() == 3
    assert await Roller(subject.client).roll(NOW) == 0  # they have just come
    assert await subject.roller.roll(NOW) == 2
    assert await subject.unsummed_hours() == 1  # the one that is not over
    await subject.check(Selection(), [EVERYTHING], ("key_id",), limit=10)
    await subject.append([at(midnight + HOUR, input_tokens=9)])
    assert await subject.unsummed_hours() == 2
    await subject.check(Selection(), [EVERYTHING], ("key_id",), limit=10)
    assert await subject.roller.roll(NOW) == 1
    await subject.check(Selection(), [EVERYTHING], ("key_id",), limit=10)
    assert await subject.roller.roll() == 1  # the day
    await subject.append([at(midnight + 2 * HOUR, input_tokens=9)])
    assert (await subject.unsummed(), await subject.unsummed_hours()) == (1, 1)  # the others stay
    await subject.check(Selection(), [EVERYTHING], ("key_id",), limit=10)
    await subject.check(Selection(), [(midnight + n * HOUR, midnight + (n + 1) * HOUR) for n in range(24)], limit=99)
    assert await subject.roller.roll() == 1
    await Roller(subject.client, settling=AT_ONCE, kept=AT_ONCE).roll()
    counted = "SELECT (SELECT count() FROM usage_hour_rolls), (SELECT uniq(roll) FROM usage_sums)"
    assert await subject.client.select(counted) == [[0, 1]]
    await subject.check(Selection(), [EVERYTHING], ("key_id",), limit=10)


GRAINS = ((), ("model",), ("tenant_id",), ("tenant_id", "model"), ("tenant_id", "key_id"), ("user_id",))


@pytest.mark.parametrize("group_by", GRAINS)
async def test_a_report_of_few_things_reads_the_lines_of_a_coarser_grain(
    subject: Subject, group_by: tuple[str, ...]
) -> None:
    await subject.append([random_row(random.Random(n)) for n in range(20)])
    await subject.roller.roll()
    days = await days_between(subject.client, *EVERYTHING, PATIENT, AT_ONCE)
    slots = slots_of(days, [], [(NOW - 30 * DAY, NOW + DAY)], 0)
    statement, values = sums_of({DAY: slots[DAY]}, ([day.roll for day in days], []), Selection(), group_by, 100)
    expected = await subject.client.select(statement, values)
    assert expected
    forced = f"{statement} SETTINGS force_optimize_projection = 1"  # fails if it would read the lines themselves
    assert await subject.client.select(forced, values) == expected


async def test_what_is_between_two_parts_of_hours_is_not_read(subject: Subject) -> None:
    await subject.client.execute(MANY_ROWS)
    ends = [(n, Stretch(ROWS, JANUARY + day * DAY, JANUARY + day * DAY + HOUR)) for n, day in enumerate((0, 29))]
    statement, values = sums_of({ROWS: ends}, ([], []), Selection(), (), 10)
    estimate = f"SELECT sum(rows) FROM (EXPLAIN ESTIMATE {statement})"  # noqa: S608
    assert (await subject.client.select(estimate, values))[0][0] <= 4 * GRANULE
    assert [line[1] for line in await subject.client.select(statement, values)] == [1000, 1000]


def test_many_stretches_are_few_ranges_that_hold_them_all() -> None:
    stretches = [
        (n, Stretch(HOUR, JANUARY + n * n * HOUR, JANUARY + (n * n + 1) * HOUR)) for n in range(2 * MAX_RANGES)
    ]
    found = ranges(stretches)
    assert len(found) == MAX_RANGES
    assert all(any(start <= each.start and each.stop <= stop for start, stop in found) for _, each in stretches)
    assert found[-1] == (stretches[-1][1].start, stretches[-1][1].stop)  # gaps grow: the narrow ones are read
    assert ranges(stretches[:2]) == [(JANUARY, JANUARY + 2 * HOUR)]


async def test_months_are_forgotten_while_their_sums_stay(subject: Subject) -> None:
    january = datetime(2026, 1, 15, tzinfo=UTC)
    cutoff = datetime(2026, 3, 5, tzinfo=UTC)
    await subject.append([at(january + n * DAY) for n in range(3)] + [at(NOW)])
    with pytest.raises(NotSummedUp, match="not summed up yet: 2026-01-15, 2026-01-16"):
        await forget_usage_before(subject.client, cutoff, AT_ONCE)
    await subject.roller.roll()
    assert await forget_usage_before(subject.client, cutoff, AT_ONCE) == ["usage_2026_01"]
    assert await forget_usage_before(subject.client, cutoff, AT_ONCE) == []
    assert await subject.client.select("SELECT count() FROM usage") == [[1]]
    await subject.check(Selection(), [EVERYTHING], ("tenant_id",), limit=10)
    await subject.ledger.append(priced([at(january)], PRICES))  # kept, not summed
    assert await subject.roller.roll() == 0
    await subject.check(Selection(), [EVERYTHING], ("tenant_id",), limit=10)


async def test_single_requests(subject: Subject) -> None:
    reserved = at(NOW, usage_source=UsageSource.RESERVED, job="batch_1", request_id="label")
    done, open_ = better(reserved, random.Random(1)), at(NOW + HOUR, usage_source=UsageSource.RESERVED, job="batch_2")
    await subject.append([reserved, at(NOW - HOUR, request_id="label", tenant_id="other"), open_])
    assert [each.usage.tenant_id for each in await subject.requests.by_label("label", 9)] == ["acme", "other"]
    assert [each.usage.id for each in await subject.requests.by_label("label", 9, ["acme"])] == [reserved.id]
    jobs = (NOW - HOUR, NOW + 2 * HOUR)
    assert [each.job for each in await subject.requests.open_jobs(*jobs, "", 9)] == ["batch_1", "batch_2"]
    assert [each.job for each in await subject.requests.open_jobs(*jobs, reserved.id, 9)] == ["batch_2"]
    await subject.append([done])
    assert [each.job for each in await subject.requests.open_jobs(*jobs, "", 9)] == ["batch_2"]
    found = await subject.requests.by_id(done.id, done.ts)
    assert found is not None
    assert found == subject.memory.rows[done.id]
    assert await subject.requests.by_id(done.id, done.ts + HOUR) is None
    assert await subject.requests.by_label("'; DROP TABLE usage; --", 9) == []


async def test_the_most_frequent_refusals_since_a_time(subject: Subject) -> None:
    end = datetime(2026, 2, 1, tzinfo=UTC)
    rows = [refused(n, "acme", "tenant:tokens:60s") for n in (1, 2, 899.5, 900.5, 5000)]
    await subject.ledger.append([*rows, refused(3, "other", "unavailable", 503, requests=2)])
    found = await subject.requests.refusals(end - timedelta(minutes=15), 10)
    assert found == [Refusals("acme", "tenant:tokens:60s", 429, 3), Refusals("other", "unavailable", 503, 2)]
    assert await subject.requests.refusals(end - timedelta(minutes=15), 10, ["other"]) == found[1:]
    earlier = await subject.requests.refusals(end - timedelta(minutes=15), 10, until=end - timedelta(minutes=1))
    assert earlier == [Refusals("acme", "tenant:tokens:60s", 429, 1)]


async def test_the_last_denials_are_kept_and_no_text_stops_them(subject: Subject) -> None:
    kept = ClickhouseDenials(subject.client, timeout=PATIENT, most=10, trim_every=5)
    now = datetime.now(UTC).replace(microsecond=0)
    for number in range(6):
        when, tenant = now + timedelta(seconds=number), "mine" if number % 2 else ""
        await kept.append([Denial(when, f"{number}", "unknown", 401, tenant_id=tenant) for _ in range(5)])
    odd = Denial(now + HOUR, "odd", "\0" * 999, 401, path="\ud800", method="x" * 9999).cleaned()
    await kept.append([odd])
    assert await subject.client.select("SELECT count() <= 15 FROM denials") == [[1]]
    assert await kept.by_label("0", 20) == []
    assert len(await kept.by_label("5", 3)) == 3
    assert (len(await kept.by_label("4", 20, ["mine"])), len(await kept.by_label("5", 20, ["mine"]))) == (0, 5)
    assert await kept.by_label("odd", 1) == [odd]


async def test_migrations_run_once_and_may_run_again(client: Clickhouse) -> None:
    assert await migrate(client) == [*MIGRATIONS]
    assert await migrate(client) == []
    await client.execute("TRUNCATE TABLE schema_migrations")
    assert await migrate(client) == [*MIGRATIONS]  # as a migrator that died before it said so
    await client.insert("schema_migrations", ("name",), [("9999_later",)])
    with pytest.raises(NewerSchema, match="9999_later"):
        await migrate(client)


async def test_the_client_of_others_reads_what_was_written(subject: Subject, clickhouse: ClickhouseServer) -> None:
    """clickhouse-connect as people use it, in its own format, with the values that other stores would round."""
    usage = row(model="\u00e9\U0001f600", request_id="'; --\t", ttft_ms=None, input_tokens=2**62)
    await subject.ledger.append([PricedRow(usage, Cost(1, 10**12 - 1, 10**27), saved=3)])
    dsn = clickhouse.url(subject.client.database).removeprefix("clickhouse+")
    with get_client(dsn=dsn) as client:
        statement = f"SELECT {', '.join(COLUMNS)} FROM usage FINAL WHERE tenant_id = {{tenant:String}}"  # noqa: S608
        (found,) = client.query(statement, {"tenant": usage.tenant_id}, tz_mode="aware").result_rows
    units = (Decimal(unit).scaleb(-10) for unit in (1, 10**12 - 1, 10**27, 3))
    assert found == (UUID(usage.id), *usage[1:], None, *units)


async def test_the_columns_are_those_of_the_tables(subject: Subject) -> None:
    statement = "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String}"

    async def columns(table: str) -> set[str]:
        values = {"database": subject.client.database, "table": table}
        return {name for (name,) in await subject.client.select(statement, values)}

    assert {*COLUMNS} < await columns("usage")
    assert await columns("usage_sums") == {"roll", "width", "bucket", *DIMENSIONS, *FIGURES}
