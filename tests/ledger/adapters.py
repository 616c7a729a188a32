"""The ledgers that are held to one behaviour.  A new one is one more entry in ADAPTERS."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.cost import UNIT_DECIMALS, Cost, PricedRow
from ledger.ledger import Ledger
from ledger.postgres.ledger import COLUMNS, PostgresLedger
from ledger.postgres.roller import Roller
from ledger.postgres.rows import PostgresRows
from ledger.postgres.sums import PostgresSums
from ledger.row import UsageRow
from ledger.rows import Rows as Pages
from ledger.sums import Line, Sums
from store.postgres import open_postgres
from tests.conftest import PATIENT
from tests.ledger.oracle import MemoryLedger

BEGIN = datetime(2026, 3, 10, 15, tzinfo=UTC)
LATER = BEGIN + timedelta(days=2)
Rows = Mapping[str, PricedRow]


@dataclass(frozen=True)
class Subject:
    """A ledger, its reports, its rows page by page, and a way to see what is in it."""

    ledger: Ledger
    sums: Sums
    pages: Pages
    rows: Callable[[], Awaitable[Rows]]


def by_id(*rows: PricedRow) -> Rows:
    return {each.usage.id: each for each in rows}


@asynccontextmanager
async def oracle(_: str) -> AsyncIterator[Subject]:
    memory = MemoryLedger()

    async def rows() -> Rows:
        return memory.rows

    yield Subject(memory, memory, memory, rows)


@asynccontextmanager
async def postgres_unrolled(url: str) -> AsyncIterator[Subject]:
    async with open_postgres(url, timeout=20.0) as pool:
        await pool.execute("TRUNCATE usage, usage_rollups, usage_marks")

        async def rows() -> Rows:
            found = await pool.fetch(f"SELECT {', '.join(COLUMNS)} FROM usage")  # noqa: S608
            return by_id(*(as_written(*each) for each in found))

        yield Subject(
            PostgresLedger(pool, timeout=20.0), PostgresSums(pool, PATIENT), PostgresRows(pool, PATIENT), rows
        )


def as_written(id_: object, *columns: Any) -> PricedRow:
    costs = len(Cost._fields) + 1
    *usage, version = columns[:-costs]
    *units, saved = (int(cost.scaleb(UNIT_DECIMALS)) for cost in columns[-costs:])
    return PricedRow(UsageRow(str(id_), *usage), Cost(*units), version, saved)


@asynccontextmanager
async def postgres_rolled_up(url: str) -> AsyncIterator[Subject]:
    """Reports of rollups only."""

    class Rolled(PostgresSums):
        async def sums(self, *arguments: Any, **more: Any) -> Sequence[Line]:
            await Roller(self._pool).roll(LATER)
            return await super().sums(*arguments, **more)

        async def largest(self, *arguments: Any) -> Sequence[Line]:
            await Roller(self._pool).roll(LATER)
            return await super().largest(*arguments)

    async with postgres_unrolled(url) as subject, open_postgres(url, timeout=20.0) as pool:
        yield Subject(subject.ledger, Rolled(pool), subject.pages, subject.rows)


ADAPTERS: Mapping[str, Callable[[str], AbstractAsyncContextManager[Subject]]] = {
    "oracle": oracle,
    "postgres": postgres_unrolled,
    "postgres, rolled up": postgres_rolled_up,
}
