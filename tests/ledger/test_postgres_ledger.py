"""What the ledger in Postgres does beside the rules of every ledger: partitions, and what is whose fault."""

import asyncio

import asyncpg
import pytest

from ledger.cost import COLUMNS, NO_COST, PricedRow
from ledger.ledger import LedgerUnavailable, RowRejected
from ledger.postgres.ledger import PostgresLedger
from store.postgres import open_postgres
from tenancy.values.lease_id import mint_lease_id
from tests.accesslog import entries
from tests.conftest import PATIENT

JANUARY_MS, FEBRUARY_MS = 1_767_225_600_000, 1_769_904_000_000  # the first instants of 2026-01 and 2026-02 UTC


def row(**changes: object) -> PricedRow:
    return PricedRow(entries.row(**changes), NO_COST)


async def test_partitions_are_made_for_the_months_of_the_rows(database_url: str) -> None:
    rows = [row(lease_id=mint_lease_id(ms)) for ms in (JANUARY_MS, FEBRUARY_MS - 1, FEBRUARY_MS)]
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        await PostgresLedger(pool).append(rows)
        found = await pool.fetch("SELECT id, tableoid::regclass::text AS partition FROM usage ORDER BY ts")
    assert [r["partition"] for r in found] == ["usage_2026_01", "usage_2026_01", "usage_2026_02"]


async def test_several_sidecars_may_make_the_same_partition_at_once(database_url: str) -> None:
    rows = [row(lease_id=mint_lease_id(JANUARY_MS + i)) for i in range(8)]
    async with open_postgres(database_url, size=8, timeout=10.0) as pool:
        await asyncio.gather(*(PostgresLedger(pool).append([each]) for each in rows))
        assert await pool.fetchval("SELECT count(*) FROM usage") == 8


async def test_a_partition_dropped_meanwhile_is_made_again(database_url: str) -> None:
    first, second = row(lease_id=mint_lease_id(JANUARY_MS)), row(lease_id=mint_lease_id(JANUARY_MS + 1))
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        ledger = PostgresLedger(pool)
        await ledger.append([first])
        await pool.execute("DROP TABLE usage_2026_01")
        await ledger.append([second])
        assert [str(r["id"]) for r in await pool.fetch("SELECT id FROM usage")] == [second.usage.id]


async def test_a_month_that_was_detached_is_closed(database_url: str) -> None:
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        ledger = PostgresLedger(pool)
        await ledger.append([row(lease_id=mint_lease_id(JANUARY_MS))])
        await pool.execute("ALTER TABLE usage DETACH PARTITION usage_2026_01")
        with pytest.raises(RowRejected):
            await ledger.append([row(lease_id=mint_lease_id(JANUARY_MS + 1))])


async def test_a_row_that_postgres_never_takes_is_rejected(database_url: str) -> None:
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        ledger = PostgresLedger(pool)
        for bad in (row(path="a\0b"), row(status=2**40), row(request_id="\ud800")):
            with pytest.raises(RowRejected):
                await ledger.append([row(), bad])
        assert await pool.fetchval("SELECT count(*) FROM usage") == 0


async def test_a_database_that_cannot_be_written_is_unavailable(database_url: str) -> None:
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        ledger = PostgresLedger(pool)
        await pool.execute("ALTER TABLE usage RENAME TO elsewhere")
        with pytest.raises(LedgerUnavailable):
            await ledger.append([row()])
        await pool.execute("ALTER TABLE elsewhere RENAME TO usage")
        database = database_url.rsplit("/", 1)[1]
        await pool.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        with pytest.raises(LedgerUnavailable):
            await PostgresLedger(pool).append([row()])


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with open_postgres("postgresql://nobody@127.0.0.1:1/none") as pool:
        with pytest.raises(LedgerUnavailable):
            await PostgresLedger(pool).append([row()])


async def test_the_columns_are_those_of_the_table(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    found = await connection.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'usage'")
    await connection.close()
    assert {r["column_name"] for r in found} == {*COLUMNS}
