"""The ledgers that are held to one behaviour.  A new one is one more entry in ADAPTERS."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from ledger.clickhouse.ledger import ClickhouseLedger
from ledger.clickhouse.migrate import migrate
from ledger.clickhouse.requests import read
from ledger.clickhouse.roller import Roller as ClickhouseRoller
from ledger.clickhouse.rows import ClickhouseRows
from ledger.clickhouse.sums import ClickhouseSums
from ledger.cost import COLUMNS, PricedRow, row_of
from ledger.ledger import Ledger
from ledger.postgres.ledger import PostgresLedger
from ledger.postgres.roller import Roller
from ledger.postgres.rows import PostgresRows
from ledger.postgres.sums import PostgresSums
from ledger.rows import Rows as Pages
from ledger.sums import Line, Sums
from store.clickhouse import Clickhouse
from store.postgres import open_postgres
from tests.conftest import PATIENT
from tests.ledger.oracle import MemoryLedger

BEGIN = datetime(2026, 3, 10, 15, tzinfo=UTC)
AT_ONCE = timedelta()
LATER = BEGIN + timedelta(days=2)
LATE_THAT_DAY = BEGIN + timedelta(hours=8)
Rows = Mapping[str, PricedRow]


@dataclass(frozen=True)
class Subject:
    """A ledger, its reports, its rows page by page, and a way to see what is in it."""

    ledger: Ledger
    sums: Sums
    pages: Pages
    rows: Callable[[], Awaitable[Rows]]


class Urls(NamedTuple):
    """An empty database in each store."""

    postgres: str
    clickhouse: str


def by_id(*rows: PricedRow) -> Rows:
    return {each.usage.id: each for each in rows}


@asynccontextmanager
async def oracle(_: Urls) -> AsyncIterator[Subject]:
    memory = MemoryLedger()

    async def rows() -> Rows:
        return memory.rows

    yield Subject(memory, memory, memory, rows)


@asynccontextmanager
async def postgres_unrolled(urls: Urls) -> AsyncIterator[Subject]:
    async with open_postgres(urls.postgres, timeout=20.0) as pool:
        await pool.execute("TRUNCATE usage, usage_rollups, usage_marks")

        async def rows() -> Rows:
            found = await pool.fetch(f"SELECT {', '.join(COLUMNS)} FROM usage")  # noqa: S608
            return by_id(*(row_of(each) for each in found))

        yield Subject(
            PostgresLedger(pool, timeout=20.0), PostgresSums(pool, PATIENT), PostgresRows(pool, PATIENT), rows
        )


@asynccontextmanager
async def postgres_rolled_up(urls: Urls) -> AsyncIterator[Subject]:
    """Reports of rollups only."""

    class Rolled(PostgresSums):
        async def sums(self, *arguments: Any, **more: Any) -> Sequence[Line]:
            await Roller(self._pool).roll(LATER)
            return await super().sums(*arguments, **more)

        async def largest(self, *arguments: Any) -> Sequence[Line]:
            await Roller(self._pool).roll(LATER)
            return await super().largest(*arguments)

    async with postgres_unrolled(urls) as subject, open_postgres(urls.postgres, timeout=20.0) as pool:
        yield Subject(subject.ledger, Rolled(pool), subject.pages, subject.rows)


@asynccontextmanager
async def clickhouse(urls: Urls) -> AsyncIterator[Subject]:
    client = Clickhouse(urls.clickhouse, PATIENT)
    await migrate(client)
    for table in ("usage", "usage_days", "usage_hours", "usage_rolls", "usage_hour_rolls", "usage_sums"):
        await client.execute(f"TRUNCATE TABLE {table}")

    async def rows() -> Rows:
        found = await client.select(f"SELECT {', '.join(COLUMNS)} FROM usage FINAL")  # noqa: S608
        return by_id(*map(read, found))

    pages = ClickhouseRows(client, PATIENT)
    yield Subject(ClickhouseLedger(client, timeout=PATIENT), ClickhouseSums(client, PATIENT), pages, rows)
    await client.aclose()


@asynccontextmanager
async def clickhouse_rolled_up(urls: Urls, until: datetime | None = None) -> AsyncIterator[Subject]:
    """Reports of sums of days, and of hours of days that are not over by `until`: summed up when rows have come."""
    came: list[PricedRow] = []

    class Noticed(ClickhouseLedger):
        async def append(self, rows: Sequence[PricedRow]) -> None:
            came.extend(rows)
            await super().append(rows)

    class Rolled(ClickhouseSums):
        async def _ask(self, *arguments: Any, **more: Any) -> Sequence[Line]:
            if came:
                await ClickhouseRoller(self._client, settling=AT_ONCE).roll(until)
                came.clear()
            return await super()._ask(*arguments, **more)

    async with clickhouse(urls) as subject:
        client = Clickhouse(urls.clickhouse, PATIENT)
        ledger, sums = Noticed(client, timeout=PATIENT), Rolled(client, PATIENT, AT_ONCE)
        yield Subject(ledger, sums, subject.pages, subject.rows)
        await client.aclose()


ADAPTERS: Mapping[str, Callable[[Urls], AbstractAsyncContextManager[Subject]]] = {
    "oracle": oracle,
    "postgres": postgres_unrolled,
    "postgres, rolled up": postgres_rolled_up,
    "clickhouse": clickhouse,
    "clickhouse, rolled up": clickhouse_rolled_up,
    "clickhouse, hours rolled up": partial(clickhouse_rolled_up, until=LATE_THAT_DAY),
}
